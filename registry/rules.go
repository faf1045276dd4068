// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"encoding/hex"
	"slices"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// begun returns what validators decide on as it is at the beginning.
func (g Genesis) begun() *record.Governance {
	set := append([]record.Validator{}, g.Validators...)
	record.SortValidators(set)
	return &record.Governance{
		Parameters: g.Parameters, Policy: record.NetworkPolicy{AllowDebug: g.Network != Main, Registrars: slices.Clip(g.Registrars)},
		Validators: set, Version: g.Version, Open: []uint64{}, Decided: []uint64{},
	}
}

// allows checks that a network of this kind may have a policy.
func (g Genesis) allows(p *record.NetworkPolicy) error {
	if p.AllowDebug && g.Network == Main {
		return rats.Errorf(rats.PolicyRejected, "a main network records no debug builds")
	}
	roots := g.roots(p)
	for i, m := range p.Manufacturers {
		if m.Name == "" || m.Name == rats.SimulatedRoot || len(m.Name) > 32 {
			return rats.Errorf(rats.Malformed, "manufacturer %d: its name is empty, too long, or one that means another root", i+1)
		}
		for _, c := range m.Name {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return rats.Errorf(rats.Malformed, "manufacturer %d: its name is not of a-z, 0-9 and -", i+1)
			}
		}
		if slices.ContainsFunc(roots, func(r rats.TrustRoot) bool {
			return r.Name == m.Name && !bytes.Equal(r.Subject, m.Subject) || bytes.Equal(r.PublicKey, m.PublicKey) && r.Name != m.Name
		}) {
			return rats.Errorf(rats.Malformed, "manufacturer %q: its name or its key is another root's too", m.Name)
		}
	}
	return attesteer.Policy{Roots: roots}.Validate()
}

// roots returns the roots that count on this network under a policy.
func (g Genesis) roots(p *record.NetworkPolicy) []rats.TrustRoot {
	roots := attesteer.Roots()
	if g.SimulatedRoot != nil {
		roots = append(roots, *g.SimulatedRoot)
	}
	return append(roots, p.Manufacturers...)
}

// roots returns the roots that count now.
func (st *state) roots() []rats.TrustRoot { return st.genesis.roots(&st.gov.Policy) }

// admits reports whether a registrar is admitted now.
func (st *state) admits(r record.Registrar) bool {
	return slices.Contains(st.gov.Policy.Registrars, hex.EncodeToString(r[:]))
}

// policy is the network's profile. The network decides little: every decided
// status but Revoked and NotSupported is recorded with its tier, and how good
// is good enough is each reader's policy.
func (st *state) policy(runtimeData []byte) attesteer.Policy {
	return attesteer.Policy{
		AllowDebug: st.gov.Policy.AllowDebug,
		AcceptTCB: []rats.TCBStatus{
			rats.SWHardeningNeeded, rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded,
			rats.OutOfDate, rats.OutOfDateConfigurationNeeded,
			rats.TDRelaunchAdvised, rats.TDRelaunchAdvisedConfigurationNeeded,
		},
		Roots: st.roots(), RuntimeData: runtimeData, MaxReportAge: st.reportAge(),
	}
}

// Governance returns what validators decide on, as it holds now.
func (r *Registry) Governance() record.Governance {
	if g := r.committed().gov; g != nil {
		return *g
	}
	return record.Governance{}
}

// Roots returns the roots that count on this ledger now.
func (r *Registry) Roots() []rats.TrustRoot {
	st := r.committed()
	if st.gov == nil {
		return attesteer.Roots()
	}
	return st.roots()
}

// Proposals returns what validators decide on and the proposals that the state
// holds, by their numbers: all that are open or wait for their time, and the last
// decided ones.
func (r *Registry) Proposals() (record.Governance, []record.ProposalEntry, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.state.gov == nil {
		return record.Governance{}, nil, nil
	}
	g := *r.state.gov
	numbers := slices.Concat(g.Open, g.Decided)
	slices.Sort(numbers)
	out := make([]record.ProposalEntry, 0, len(numbers))
	for _, n := range numbers {
		var e record.ProposalEntry
		ok, err := r.base().read(record.ProposalKey(n), &e)
		if err != nil {
			return g, nil, err
		}
		if !ok {
			return g, nil, rats.Errorf(rats.Internal, "state: no proposal %d", n)
		}
		out = append(out, e)
	}
	return g, out, nil
}
