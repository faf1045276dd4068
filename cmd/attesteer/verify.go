// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

func (a *app) inspectCommand() *cobra.Command {
	var as, runtimeData string
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Decode evidence and show what it claims, without verifying anything",
		Long: `inspect shows what evidence says of itself, whatever envelope it came in. With
--as quote-json it writes SGX evidence as the JSON that QuoteGeneration programs
write, which verify and submit take as they take the evidence.`,
		Example: `  attesteer inspect quote.bin
  attesteer inspect - --json < quote.hex
  attesteer inspect report.bin --as quote-json --runtime-data key.pem > enclave.info.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := oneFromInput(args[0], runtimeData); err != nil {
				return err
			}
			ev, err := a.readEvidence(args[0])
			if err != nil {
				return err
			}
			if as != "" || runtimeData != "" {
				return a.convert(ev, as, runtimeData)
			}
			in, err := attesteer.Inspect(ev)
			if err != nil {
				return err
			}
			if a.asJSON {
				return a.printJSON(in)
			}
			return a.printInspection(in)
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "write the evidence in another form: quote-json")
	cmd.Flags().StringVar(&runtimeData, "runtime-data", "", "file whose SHA-256 is the report data, to write along as what the enclave holds")
	return cmd
}

// convert writes evidence in another form.
func (a *app) convert(ev attesteer.Evidence, as, runtimeData string) error {
	if rats.Format(as) != rats.QuoteJSON {
		return usagef("--as %q: evidence is written as quote-json alone", as)
	}
	var held []byte
	if runtimeData != "" {
		var err error
		if held, err = a.readInput(runtimeData); err != nil {
			return err
		}
	}
	out, err := attesteer.QuoteJSON(ev, held)
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(out)
	return err
}

type verifyFlags struct {
	at               string
	endorsements     []string
	allowDebug       bool
	acceptTCB        []string
	evaluationNumber string
	runtimeData      string
	policy           string
	trustSimulated   bool
	service          serviceFlags
}

func (a *app) verifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify evidence from the vendor's root down",
		Long: `verify judges evidence at a time, with the endorsements that it is given and no
others: without --endorsements the answer is undecided (exit code 12). Sources may
be folders and services, which are asked in their order for what the evidence
needs and those before them do not have; of several copies the freshest that
holds counts. No network is used unless a source is a service: intel, azure,
azure-vm, alibaba:REGION, the URL of a PCS or PCCS, ledger:URL of a node, or a
qcnl.conf of Intel's client. docs/sources.md says more. Without further flags only
an up-to-date production enclave is accepted. --policy reads what is demanded from JSON, as docs/policy.md describes
it; other flags add to it, or stand in place of what it says.

Exit codes: 0 accepted, 10 not genuine, 11 genuine but not accepted, 12
undecided, 13 unsupported, 14 malformed.`,
		Example: `  attesteer verify quote.bin --endorsements ./collateral
  attesteer verify quote.bin --endorsements https://localhost:8081/sgx/certification/v4/
  attesteer verify quote.bin --endorsements azure --endorsements intel
  attesteer verify quote.bin --endorsements /etc/sgx_default_qcnl.conf
  attesteer verify quote.bin --endorsements ./collateral --at 2025-06-20T10:55:00Z --accept-tcb OutOfDate --allow-debug
  attesteer verify quote.bin --endorsements ./collateral --policy policy.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.verify(cmd, args[0], f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.policy, "policy", "", "file with a policy in JSON, or - for standard input")
	fl.StringVar(&f.at, "at", "", "judge at this time, RFC 3339 (default: now)")
	fl.StringSliceVar(&f.endorsements, "endorsements", nil, "folder of endorsements, recognised by content, or who is asked for them: "+askedUsage+" (repeatable)")
	fl.BoolVar(&f.allowDebug, "allow-debug", false, "accept debug enclaves, whose memory their host can read")
	fl.StringSliceVar(&f.acceptTCB, "accept-tcb", nil, "TCB statuses to accept beside UpToDate, such as OutOfDate,SWHardeningNeeded")
	fl.StringVar(&f.evaluationNumber, "evaluation-number", "", "N, standard, early or highest: which of several fitting endorsements to use")
	fl.StringVar(&f.runtimeData, "runtime-data", "", "file whose SHA-256 must be the report data")
	fl.BoolVar(&f.trustSimulated, "trust-simulated", false, "also trust the root of simulated enclaves, whose key everyone knows")
	f.service.register(fl)
	return cmd
}

func (a *app) verify(cmd *cobra.Command, file string, f verifyFlags) error {
	policy, err := a.policy(cmd, file, f)
	if err != nil {
		return err
	}
	at := time.Now()
	if f.at != "" {
		if at, err = parseTime("--at", f.at); err != nil {
			return err
		}
	}
	ev, err := a.readEvidence(file)
	if err != nil {
		return err
	}
	endorsements, err := a.openSources(cmd.Context(), ev, f, policy, at)
	if err != nil {
		return err
	}
	result, err := attesteer.Verify(ev, endorsements, policy, at)
	if result != nil {
		if perr := a.printResult(result); perr != nil {
			return perr
		}
	}
	if err != nil && len(f.endorsements) == 0 && rats.KindOf(err) == rats.EndorsementUnavailable {
		return hinted{err, "name a folder of endorsements, or who is asked for them, such as intel, with --endorsements"}
	}
	return err
}

// policy returns what the file of --policy demands, with the other flags on top.
func (a *app) policy(cmd *cobra.Command, evidence string, f verifyFlags) (attesteer.Policy, error) {
	if err := oneFromInput(evidence, f.policy, f.runtimeData); err != nil {
		return attesteer.Policy{}, err
	}
	p, err := a.readPolicy(f.policy)
	if err != nil {
		return p, err
	}
	if cmd.Flags().Changed("allow-debug") {
		p.AllowDebug = f.allowDebug
	}
	statuses, err := parseStatuses("--accept-tcb", f.acceptTCB)
	if err != nil {
		return p, err
	}
	p.AcceptTCB = append(p.AcceptTCB, statuses...)
	if f.evaluationNumber != "" {
		if p.EvaluationNumber, err = parseEvaluationNumber(f.evaluationNumber); err != nil {
			return p, err
		}
	}
	if f.runtimeData != "" {
		if p.RuntimeData, err = a.readInput(f.runtimeData); err != nil {
			return p, err
		}
	}
	switch {
	case p.Roots == nil:
		p.Roots = trustedRoots(f.trustSimulated)
	case f.trustSimulated && !slices.ContainsFunc(p.Roots, isSimulated):
		p.Roots = append(p.Roots, simtee.Root())
	}
	return p, nil
}

// oneFromInput refuses to read standard input twice.
func oneFromInput(files ...string) error {
	n := 0
	for _, name := range files {
		if name == "-" {
			n++
		}
	}
	if n > 1 {
		return usagef("standard input can be only one of the evidence, --policy and --runtime-data")
	}
	return nil
}

// isSimulated reports whether a policy already names the simulated root, which
// may stand in a list of roots once.
func isSimulated(r rats.TrustRoot) bool {
	s := simtee.Root()
	return bytes.Equal(r.Subject, s.Subject) && bytes.Equal(r.PublicKey, s.PublicKey)
}

// readPolicy reads the file of --policy; without one, the policy is the
// strictest. Roots of its own are said aloud, since all else rests on them.
func (a *app) readPolicy(name string) (attesteer.Policy, error) {
	if name == "" {
		return attesteer.Policy{}, nil
	}
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		return attesteer.Policy{}, usagef("--policy %s: a folder, not a file", name)
	}
	b, err := a.readInput(name)
	if err != nil {
		return attesteer.Policy{}, err
	}
	p, err := attesteer.ParsePolicy(b)
	if err != nil {
		detail := strings.TrimPrefix(rats.AsError(err).Detail, "policy: ")
		return p, hinted{usagef("--policy %s: %s", name, detail), "docs/policy.md describes the members of a policy"}
	}
	if p.Roots != nil {
		names := make([]string, len(p.Roots))
		for i, r := range p.Roots {
			names[i] = strconv.Quote(r.Name)
		}
		a.sayf("warning: the policy puts roots of its own in place of the vendors': %s", cmp.Or(strings.Join(names, ", "), "none"))
	}
	return p, nil
}

func parseEvaluationNumber(value string) (dcap.EvaluationNumber, error) {
	switch value {
	case "", "standard", "early", "highest":
	default:
		if _, err := strconv.ParseUint(value, 10, 32); err != nil {
			return "", usagef("--evaluation-number: %q is neither a number nor standard, early or highest", value)
		}
	}
	return dcap.EvaluationNumber(value), nil
}

func parseStatuses(flag string, names []string) ([]rats.TCBStatus, error) {
	var out []rats.TCBStatus
	for _, name := range names {
		s := rats.TCBStatus(strings.TrimSpace(name))
		if !s.Valid() {
			return nil, hinted{usagef("%s: %q is not a TCB status", flag, name), "the statuses are " + statusList()}
		}
		out = append(out, s)
	}
	return out, nil
}

func statusList() string {
	var names []string
	for _, s := range rats.TCBStatuses() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func parseTime(flag, value string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return time.Time{}, hinted{usagef("%s: %q is not a time", flag, value), "write it as 2025-06-20T10:55:00Z"}
	}
	return t.UTC(), nil
}
