// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"slices"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Verifier verifies with a memory of signatures seen before. The memory changes
// speed and nothing else. It is safe for concurrent use; the zero Verifier has
// no memory.
type Verifier struct {
	facts *dcap.Facts
}

// NewVerifier returns a verifier that remembers about capacity signatures.
func NewVerifier(capacity int) *Verifier { return &Verifier{facts: dcap.NewFacts(capacity)} }

// Verify appraises evidence by endorsements under a policy, as of a time. It is
// a pure function: it reads no clock, fetches nothing and writes to none of its
// arguments.
//
// err is nil exactly when the policy is satisfied. When the evidence parses, a
// rejection comes with a full Result beside the error, a *[rats.Error] whose
// kind is that of the first check that failed.
func Verify(ev Evidence, en *Endorsements, p Policy, at time.Time) (*Result, error) {
	return new(Verifier).Verify(ev, en, p, at)
}

// Verify is the function of the same name with this verifier's memory.
func (v *Verifier) Verify(ev Evidence, en *Endorsements, p Policy, at time.Time) (*Result, error) {
	in, err := ev.parse()
	if err != nil {
		return nil, err
	}
	r := &Result{Schema: ResultSchema, Format: in.format(), Envelope: in.formats(), VerifiedAt: at.UTC(), CustomClaims: []CustomClaim{}}
	in.body.describe(r)
	judged := in.body.appraise(r, v, en, p)
	rejection := judged.bound(r, in)
	decided := rejection
	for _, c := range p.judge(r, judged) {
		r.Checks = append(r.Checks, c.Check)
		if c.err != nil && rejection == nil {
			rejection = c.err.In(c.Name, c.Spec)
		}
	}
	if r.RuntimeData != nil {
		r.RuntimeKey = readRuntimeKey(*r.RuntimeData)
	}
	r.Tier = tier(judged.tcb, r.BuildMode, decided)
	if rejection != nil {
		r.Kind = rejection.Kind
		return r, rejection
	}
	r.Accepted = true
	return r, nil
}

// bound puts the checks of the envelopes after those of the evidence itself, and
// returns the first of all that failed. What the envelopes carry counts if they
// all hold.
func (j verdict) bound(r *Result, in *parsed) *rats.Error {
	var failure *rats.Error
	var checks []rats.Check
	for _, c := range in.bind() {
		checks = append(checks, c.Check)
		if c.err != nil && failure == nil {
			failure = c.err.In(c.Name, c.Spec)
		}
	}
	if failure == nil {
		in.contents(r)
	}
	first := j.err
	earlier := func(c rats.Check) bool { return first != nil && c.Name == first.Check }
	if failure != nil && !slices.ContainsFunc(r.Checks[:j.own], earlier) {
		first = failure
	}
	if len(checks) > 0 {
		r.Checks = append(append(r.Checks[:j.own:j.own], checks...), r.Checks[j.own:]...)
	}
	return first
}

// used names the endorsements that an appraisal rests on.
func used(out []UsedEndorsement, a *dcap.Appraisal) {
	digests := make([][32]byte, len(a.Used))
	for i, s := range a.Used {
		digests[i] = s.Digest()
		out[i] = UsedEndorsement{
			Kind: s.Key().Kind, SHA256: digests[i][:], Issued: s.Issued(), NextUpdate: s.NextUpdate(), Key: s.Key(),
		}
	}
}

func pckOf(a *dcap.Appraisal) *PCK {
	ext := a.Extension
	p := &PCK{
		Issuer: a.Issuer, FMSPC: ext.FMSPC[:], PCEID: ext.PCEID[:], PCESVN: ext.PCESVN,
		Components: ext.Components[:], SGXType: ext.SGXType,
	}
	if f := ext.Platform; f != nil {
		p.DynamicPlatform, p.CachedKeys, p.SMTEnabled = &f.DynamicPlatform, &f.CachedKeys, &f.SMTEnabled
	}
	return p
}

func tcbOf(a *dcap.Appraisal) *TCB {
	t := &TCB{
		Status: a.TCB.Status, PlatformStatus: a.TCB.Platform, QEStatus: a.TCB.QE,
		EvaluationDataNumber: a.TCB.EvaluationDataNumber,
		Advisories:           append([]string{}, a.TCB.Advisories...),
	}
	if a.Extension != nil {
		t.FMSPC = slices.Clone(a.Extension.FMSPC[:])
	}
	if a.TCB.Module != "" {
		status, id := a.TCB.Module, a.TCB.ModuleID
		t.ModuleStatus, t.ModuleID = &status, &id
	}
	for _, d := range []struct {
		from time.Time
		to   **time.Time
	}{{a.TCB.Date, &t.Date}, {a.TCB.EarliestDate, &t.EarliestDate}, {a.TCB.BehindSince, &t.BehindSince}} {
		if !d.from.IsZero() {
			date := d.from
			*d.to = &date
		}
	}
	return t
}

// tier says how the facts stand: undecided is none, not genuine is
// contraindicated, and the rest follows status and build mode.
func tier(t *dcap.TCB, mode rats.BuildMode, failure *rats.Error) rats.Tier {
	switch {
	case failure == nil && t != nil:
		return rats.TierOf(t.Status, mode)
	case failure != nil && failure.Kind.ExitCode() == rats.BadSignature.ExitCode():
		return rats.Contraindicated
	default:
		return rats.TierNone
	}
}
