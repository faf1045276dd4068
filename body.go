// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// body is evidence without its envelopes: a quote, or whatever else a vendor
// signs that speaks for an enclave by itself.
type body interface {
	format() rats.Format
	// describe fills a result with what the evidence says of itself: TEE,
	// fingerprint, report data, build mode, measurement, subject, replay key.
	describe(r *Result)
	// inspect fills an inspection with what a result has no room for.
	inspect(in *Inspection)
	// appraise judges the evidence and fills the result with what it established.
	appraise(r *Result, v *Verifier, en *Endorsements, p Policy) verdict
	// needs names the endorsements that appraise looks for, given certificates of
	// platforms, and platform the platform where the evidence only names it.
	needs(v *Verifier, certificates *Endorsements) ([]Need, error)
	platform() (name dcap.PlatformName, named bool, err error)
}

// verdict is what judging a body came to, as far as policy is held against it.
type verdict struct {
	// err is the first check that failed, nil if none did. It names the check.
	err *rats.Error
	// tcb is nil while undecided.
	tcb *dcap.TCB
	// extension is what the vendor certifies of the platform, nil until the
	// chain is verified and where it certifies nothing, and issuer who does.
	extension *dcap.PCKExtension
	issuer    string
	// own is how many of the result's checks, from the first on, are of the
	// evidence itself: those of the envelopes come after them.
	own int
}

// quoteBody is a quote of Intel's.
type quoteBody struct {
	*quote.Quote
}

func (b quoteBody) format() rats.Format { return b.Format() }

func (b quoteBody) describe(r *Result) {
	q := b.Quote
	r.TEE, r.Fingerprint, r.ReportData, r.BuildMode = q.TEE, fingerprint(q), q.ReportData(), buildMode(q)
	r.Measurement, r.Subject, r.ReplayKey = measure(q), q.ReportData(), dcap.ReplayKey(q)
}

func (b quoteBody) inspect(in *Inspection) {
	in.Version = b.Header.Version
	in.CertificationDataType, in.TrailingBytes = b.CertificationData.Type, len(b.Trailing)
	// A chain that does not parse says nothing; verifying says why.
	if need, err := dcap.Needs(b.Quote); err == nil {
		in.FMSPC, in.PCEID = need.FMSPC[:], need.PCEID[:]
	}
}

func (b quoteBody) platform() (dcap.PlatformName, bool, error) { return dcap.NameOf(b.Quote) }

func (b quoteBody) needs(v *Verifier, certificates *Endorsements) ([]Need, error) {
	need, err := v.facts.Needs(b.Quote, certificates.set().Statements()...)
	if err != nil {
		return nil, err
	}
	return []Need{need}, nil
}

func (b quoteBody) appraise(r *Result, v *Verifier, en *Endorsements, p Policy) verdict {
	a := dcap.Appraise(b.Quote, en.set(), dcap.Options{
		Roots: p.Roots, EvaluationNumber: p.EvaluationNumber, Facts: v.facts,
	}, r.VerifiedAt)
	r.Endorsements, r.Checks, r.Platform = make([]UsedEndorsement, len(a.Used)), a.Checks, a.PCKSerial
	used(r.Endorsements, a)
	if a.Root != "" {
		root := a.Root
		r.TrustRoot, r.PCK = &root, pckOf(a)
	}
	if a.Inputs != nil {
		r.Inputs = &Inputs{DCAP: a.Inputs, BuildMode: r.BuildMode}
	}
	r.Forecast = a.Forecast
	if !a.ValidUntil.IsZero() {
		r.ValidFrom, r.ValidUntil = window(a.ValidFrom, a.ValidUntil)
	}
	if a.TCB != nil {
		r.TCB = tcbOf(a)
	}
	return verdict{err: a.Err, tcb: a.TCB, extension: a.Extension, issuer: a.Issuer, own: dcap.OwnChecks}
}

func window(from, until time.Time) (*time.Time, *time.Time) { return &from, &until }
