// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/agent"
	"github.com/attesteer/attesteer/simtee"
)

// agentFlags are those of "agent run".
type agentFlags struct {
	// enclave is the one that the flags describe, and what the files of others
	// leave out.
	enclave  enclaveFlags
	enclaves []string
	settings string

	nodes        []string
	endorsements []string
	service      serviceFlags
	simulated    bool
	once         bool
	logs         logFlags
	monitor      monitorFlags
}

func (a *app) agentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "agent", Short: "Keep enclaves attested",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.agentRun())
	return cmd
}

func (a *app) agentRun() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Attest enclaves again and again, so that their records hold",
		Long: `run keeps enclaves attested, until it is told to stop or --keep-for is over. Each
time it takes a recent block as a challenge, has the TEE make evidence bound to it,
gets the endorsements that the evidence needs from --endorsements, appraises the
evidence, publishes the endorsements and submits the evidence. What a node would
refuse is said and not sent.

An enclave is attested again after --every, or --margin before its record ends,
whichever is sooner; at once when the record becomes undecided, expired or revoked;
after a failure at growing intervals. Before the endorsements end that the verdict
rests on, newer ones are published. All this goes by ledger time.

A record that the enclave's key withdrew, or the listing that your token's registrar
took back, is left so unless --revive says otherwise.

Flags describe one enclave. For several, each --enclave names a file of settings,
NAME=VALUE a line, with those of one enclave; what it leaves out is as the flags
say. --json prints an object a line for each attestation. The token is taken from
ATTESTEER_TOKEN, or from the file that ATTESTEER_TOKEN_FILE names. docs/agent.md
says more.

Exit codes: 0 it was told to stop, or --keep-for is over; else that of why no
enclave is kept any more, such as 11 for a record that was withdrawn. With --once
as submit.`,
		Example: `  attesteer agent run --tee sim-sgx --key enclave.pem --url https://my.enclave.example
  attesteer agent run --tee gramine --key enclave.pem --valid-for 48h --every 6h --endorsements intel --node https://attesteer.example
  attesteer agent run --config /etc/attesteer/agent.env --enclave /etc/attesteer/db.env --enclave /etc/attesteer/web.env --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runAgent(cmd, f) },
	}
	f.register(cmd)
	return cmd
}

func (f *agentFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	f.enclave.register(fl)
	fl.StringSliceVar(&f.enclaves, "enclave", nil, "file of settings of one enclave (repeatable)")
	fl.StringSliceVar(&f.nodes, "node", []string{defaultNode}, "address of a node's API (repeatable: the next where those before do not answer)")
	annotate(fl.Lookup("node"), tokenAnnotation, "sent")
	trustFlags(fl)
	fl.StringSliceVar(&f.endorsements, "endorsements", nil, "folder of endorsements, or who is asked for them: "+askedUsage+" (repeatable; default: what the nodes have)")
	f.service.register(fl)
	fl.BoolVar(&f.simulated, "trust-simulated", false, "take the word of the simulated root for --tee command, where the network is dev; for sim-sgx, sim-tdx and sim-epid it is taken anyway")
	fl.BoolVar(&f.once, "once", false, "attest once and end")
	f.logs.register(cmd)
	fl.StringVar(&f.monitor.listen, "metrics-listen", "", "address for Prometheus, such as 127.0.0.1:2113 (default: none)")
	fl.BoolVar(&f.monitor.profiles, "metrics-profiles", false, "also serve Go's profiles there, under /debug/pprof/")
	fl.StringVar(&f.settings, configFlag, "", "file of settings, NAME=VALUE a line, that count less than flags and variables")
}

// check refuses what cannot be meant of what all enclaves share.
func (f *agentFlags) check() error {
	errs := []error{f.logs.check(), f.monitor.check()}
	if len(f.nodes) == 0 {
		errs = append(errs, usagef("--node names nobody"))
	}
	for _, node := range f.nodes {
		u, err := url.Parse(node)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, usagef("--node: %q is no address of a node, such as https://node.example:2000", withoutUser(node)))
		}
	}
	if f.once && f.monitor.listen != "" {
		errs = append(errs, usagef("--metrics-listen is for an agent that goes on, and --once for one that does not"))
	}
	return errors.Join(errs...)
}

// keepers returns a keeper for each enclave. All that is wrong with any is said.
func (a *app) keepers(described []enclaveFlags, parts agentParts) ([]*agent.Keeper, error) {
	var errs []error
	var out []*agent.Keeper
	for i := range described {
		d := &described[i]
		k, err := a.keeper(d, parts)
		if err != nil {
			errs = append(errs, d.fault(err))
			continue
		}
		out = append(out, k)
	}
	return out, errors.Join(errs...)
}

// keeper returns the keeper of one enclave.
func (a *app) keeper(d *enclaveFlags, parts agentParts) (*agent.Keeper, error) {
	enclave, err := a.enclaveOf(d)
	if err != nil {
		return nil, err
	}
	cfg := parts.config
	cfg.Enclave = *enclave
	if parts.simulated || isSimulatedTEE(d.tee) {
		root := simtee.Root()
		cfg.Simulated = &root
	}
	k, err := agent.New(cfg)
	if err != nil {
		return nil, usageError{err}
	}
	return k, nil
}
