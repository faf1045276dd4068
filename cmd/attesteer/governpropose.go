// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func (a *app) ledgerProposeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "propose", Short: "Propose a change of the ledger, as a validator",
		Long: `propose asks the validators for one change: of their own set, of the ledger's
parameters, of its policy, or of the version of its state machine. The proposal is
signed with the validator's governance key and counts as its vote; the others vote
with "attesteer ledger vote". It passes with more than two thirds of the power of
all validators, and every step is in the ledger's history.`,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.proposeValidatorCommand(), a.proposeParametersCommand(), a.proposePolicyCommand(), a.proposeVersionCommand())
	return cmd
}

// proposing is what every proposal has.
type proposing struct {
	speaker
	closes    time.Duration
	notBefore string
	reason    string
}

func (f *proposing) register(a *app, fl *pflag.FlagSet, waits bool) {
	f.speaker.register(a, fl)
	fl.DurationVar(&f.closes, "closes", votingTime, "how long the proposal is open, at most 30 days")
	fl.StringVar(&f.reason, "reason", "", "what to say of it, at most 256 characters")
	if waits {
		fl.StringVar(&f.notBefore, "not-before", "", "ledger time before which the change does not take effect, RFC 3339")
	}
}

// propose submits what change makes of the present.
func (f *proposing) propose(ctx context.Context, a *app, change func(*client.Governance, *record.Proposal) error) error {
	p := record.Proposal{Reason: f.reason}
	if f.notBefore != "" {
		at, err := time.Parse(time.RFC3339, f.notBefore)
		if err != nil {
			return usagef("--not-before: %q is not RFC 3339", f.notBefore)
		}
		p.NotBefore = record.MillisOf(at)
	}
	if f.closes <= 0 {
		return usagef("--closes is a time, such as 168h")
	}
	out, err := f.say(ctx, a, func(g *client.Governance, now record.Millis) (record.Motion, error) {
		p.Closes = now + record.Millis(f.closes.Milliseconds())
		return record.Motion{Proposal: &p}, change(g, &p)
	})
	if err != nil {
		return err
	}
	return a.sayMotioned(ctx, f.node, out)
}

type validatorChange struct {
	remove, power, governance []string
	leap                      bool
}

func (a *app) proposeValidatorCommand() *cobra.Command {
	var f proposing
	var v validatorChange
	cmd := &cobra.Command{
		Use: "validator [LINE ...]", Short: "Propose to add, change or remove validators",
		Long: `validator proposes a change of the set of validators. A LINE is what "attesteer
ledger init --keys" or "attesteer ledger join" printed for a node, and adds it, or
changes the one that has its key. Start the node first: a validator that does not
run is power that the others lack.

A change that moves more than a third of the present power is refused unless
--leap says that it is meant: with a third at most, the chain goes on though
nobody of the new ones runs.`,
		Example: `  attesteer ledger propose validator LINE --home net/node1
  attesteer ledger propose validator --remove KEY --reason "its operator left"
  attesteer ledger propose validator --power KEY=5
  attesteer ledger propose validator --governance-key KEY=NEWKEY`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.propose(cmd.Context(), a, func(g *client.Governance, p *record.Proposal) (err error) {
				p.Leap = v.leap
				p.Validators, err = v.of(args, g.Validators)
				return err
			})
		},
	}
	fl := cmd.Flags()
	f.register(a, fl, true)
	fl.StringSliceVar(&v.remove, "remove", nil, "key of a validator that goes (repeatable)")
	fl.StringSliceVar(&v.power, "power", nil, "KEY=POWER of a validator that stays (repeatable)")
	fl.StringSliceVar(&v.governance, "governance-key", nil, "KEY=NEWKEY, another governance key of a validator (repeatable)")
	fl.BoolVar(&v.leap, "leap", false, "more than a third of the present power may move at once")
	return cmd
}

// of returns the validators that change, each as it is to be.
func (v validatorChange) of(lines []string, set []record.Validator) ([]record.Validator, error) {
	var out []record.Validator
	for _, line := range lines {
		m, err := ledger.ParseMember(line)
		if err != nil {
			return nil, err
		}
		out = append(out, record.Validator{Key: m.PublicKey, Governance: m.Governance, Power: m.Power})
	}
	change := func(flag, text string, with func(*record.Validator, string) error) error {
		name, value, _ := strings.Cut(text, "=")
		var key record.PublicKey
		if err := key.UnmarshalText([]byte(name)); err != nil {
			return usagef("--%s: %w", flag, err)
		}
		same := func(v record.Validator) bool { return v.Key == key }
		at := slices.IndexFunc(out, same)
		if at < 0 {
			known := slices.IndexFunc(set, same)
			if known < 0 {
				return usagef("--%s: there is no validator %s", flag, key)
			}
			at, out = len(out), append(out, set[known])
		}
		if err := with(&out[at], value); err != nil {
			return usagef("--%s: %w", flag, err)
		}
		return nil
	}
	for _, part := range []struct {
		flag   string
		values []string
		with   func(*record.Validator, string) error
	}{
		{"remove", v.remove, func(v *record.Validator, _ string) error { v.Power = 0; return nil }},
		{"power", v.power, func(v *record.Validator, value string) (err error) {
			v.Power, err = strconv.ParseInt(value, 10, 64)
			return err
		}},
		{"governance-key", v.governance, func(v *record.Validator, value string) error {
			return v.Governance.UnmarshalText([]byte(value))
		}},
	} {
		for _, text := range part.values {
			if err := change(part.flag, text, part.with); err != nil {
				return nil, err
			}
		}
	}
	if len(out) == 0 {
		return nil, usagef("say what changes: a LINE, --remove, --power or --governance-key")
	}
	record.SortValidators(out)
	return out, nil
}

func (a *app) proposeParametersCommand() *cobra.Command {
	var f proposing
	var set []string
	cmd := &cobra.Command{
		Use: "parameters", Short: "Propose other limits, durations and quotas",
		Long: `parameters proposes the present parameters with some set anew: "attesteer ledger
proposals" shows them all. Durations are in milliseconds, or as in 48h.`,
		Example: `  attesteer ledger propose parameters --set max_listings=32
  attesteer ledger propose parameters --set default_duration_ms=72h --set unknown_quota=500 --not-before 2027-01-01T00:00:00Z`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.propose(cmd.Context(), a, func(g *client.Governance, p *record.Proposal) (err error) {
				if p.Parameters, err = setParameters(g.Parameters, set); err != nil {
					return err
				}
				p.Replaces, err = record.DigestOf(g.Parameters)
				return err
			})
		},
	}
	f.register(a, cmd.Flags(), true)
	cmd.Flags().StringSliceVar(&set, "set", nil, "NAME=VALUE of a parameter (repeatable)")
	return cmd
}

// setParameters returns parameters with some set anew, by their names in JSON.
func setParameters(p record.Parameters, set []string) (*record.Parameters, error) {
	if len(set) == 0 {
		return nil, usagef("--set NAME=VALUE is missing")
	}
	members, _, err := membersOfJSON(p)
	if err != nil {
		return nil, err
	}
	for _, text := range set {
		name, value, _ := strings.Cut(text, "=")
		if _, ok := members[name]; !ok {
			return nil, usagef("--set: there is no parameter %q", name)
		}
		if d, err := time.ParseDuration(value); err == nil && strings.HasSuffix(name, "_ms") && value != "0" {
			value = strconv.FormatInt(d.Milliseconds(), 10)
		}
		members[name] = json.RawMessage(value)
	}
	b, err := json.Marshal(members)
	if err != nil {
		return nil, usagef("--set: a value is no number")
	}
	var out record.Parameters
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, usagef("--set: %w", err)
	}
	return &out, nil
}

type policyChange struct {
	allowDebug                   bool
	admit, dismiss               []string
	manufacturers, withoutMakers []string
}

func (a *app) proposePolicyCommand() *cobra.Command {
	var f proposing
	var c policyChange
	cmd := &cobra.Command{
		Use: "policy", Short: "Propose other admitted registrars, manufacturers, or debug enclaves",
		Long: `policy proposes the present policy with some changes: which registrars are
admitted, which manufacturers' roots count beside the vendors', and whether debug
enclaves are recorded, which no main network does.`,
		Example: `  attesteer ledger propose policy --admit KEY
  attesteer ledger propose policy --dismiss KEY --reason "its operator is gone"
  attesteer ledger propose policy --manufacturer acme=acme-root.pem
  attesteer ledger propose policy --allow-debug=false`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			changes := func(flag string) bool { return cmd.Flags().Changed(flag) }
			if !slices.ContainsFunc([]string{"admit", "dismiss", "manufacturer", "without", "allow-debug"}, changes) {
				return usagef("say what changes: --admit, --dismiss, --manufacturer, --without or --allow-debug")
			}
			return f.propose(cmd.Context(), a, func(g *client.Governance, p *record.Proposal) (err error) {
				if p.Replaces, err = record.DigestOf(g.Policy); err != nil {
					return err
				}
				p.Policy = &g.Policy
				if cmd.Flags().Changed("allow-debug") {
					p.Policy.AllowDebug = c.allowDebug
				}
				return c.apply(a, p.Policy)
			})
		},
	}
	fl := cmd.Flags()
	f.register(a, fl, true)
	fl.BoolVar(&c.allowDebug, "allow-debug", false, "evidence of debug builds is recorded, as such")
	fl.StringSliceVar(&c.admit, "admit", nil, "public key in hex of a registrar to admit (repeatable)")
	fl.StringSliceVar(&c.dismiss, "dismiss", nil, "public key in hex of a registrar that is admitted no more (repeatable)")
	fl.StringSliceVar(&c.manufacturers, "manufacturer", nil, "NAME=FILE of a manufacturer and its root certificate in PEM (repeatable)")
	fl.StringSliceVar(&c.withoutMakers, "without", nil, "name of a manufacturer whose root counts no more (repeatable)")
	return cmd
}

// apply makes the changes to a policy.
func (c policyChange) apply(a *app, p *record.NetworkPolicy) error {
	p.Registrars = append(p.Registrars, c.admit...)
	for _, key := range c.dismiss {
		at := slices.Index(p.Registrars, key)
		if at < 0 {
			return usagef("--dismiss: %q is not admitted", key)
		}
		p.Registrars = slices.Delete(p.Registrars, at, at+1)
	}
	for _, text := range c.manufacturers {
		name, file, _ := strings.Cut(text, "=")
		b, err := a.readInput(file)
		if err != nil {
			return err
		}
		block, _ := pem.Decode(b)
		if block == nil {
			return rats.Errorf(rats.Malformed, "%s: no PEM", file)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return rats.Errorf(rats.Malformed, "%s: %w", file, err)
		}
		p.Manufacturers = append(p.Manufacturers, rats.TrustRoot{Name: name, Subject: cert.RawSubject, PublicKey: cert.RawSubjectPublicKeyInfo})
	}
	for _, name := range c.withoutMakers {
		at := slices.IndexFunc(p.Manufacturers, func(r rats.TrustRoot) bool { return r.Name == name })
		if at < 0 {
			return usagef("--without: there is no manufacturer %q", name)
		}
		p.Manufacturers = slices.Delete(p.Manufacturers, at, at+1)
	}
	return nil
}

func (a *app) proposeVersionCommand() *cobra.Command {
	var f proposing
	var height uint64
	var callOff bool
	cmd := &cobra.Command{
		Use: "version [NUMBER]", Short: "Propose when a version of the state machine begins",
		Long: `version proposes the block from which on the state machine is another version.
Programs that do not know it stop before that block, say so, and change nothing;
install one that does and start it on the same home. With --call-off it proposes
that the planned version does not begin.`,
		Example: `  attesteer ledger propose version 6 --height 250000
  attesteer ledger propose version --call-off`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if callOff != (len(args) == 0) || callOff != (height == 0) {
				return usagef("either NUMBER and --height, or --call-off")
			}
			n := record.Activation{Height: height}
			if !callOff {
				var err error
				if n.Version, err = strconv.ParseUint(args[0], 10, 64); err != nil {
					return usagef("%q is no number of a version", args[0])
				}
			}
			return f.propose(cmd.Context(), a, func(g *client.Governance, p *record.Proposal) error {
				if callOff {
					n.Version = g.StateVersion
				}
				p.Activation = &n
				return nil
			})
		},
	}
	f.register(a, cmd.Flags(), false)
	cmd.Flags().Uint64Var(&height, "height", 0, "first block of the version")
	cmd.Flags().BoolVar(&callOff, "call-off", false, "the planned version is not to begin")
	return cmd
}
