// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"slices"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
)

// Endorsements is an immutable collection of vendors' statements, parsed once
// and safe for concurrent use. A nil *Endorsements holds none.
type Endorsements struct {
	items []rats.Endorsement
	dcap  *dcap.Set
}

// ParseEndorsements reads endorsements strictly. It checks no signatures:
// [Verify] does, when it uses one. The first that does not parse is an error;
// a caller with a mixed bag sifts it with [CheckEndorsement] first.
func ParseEndorsements(items ...rats.Endorsement) (*Endorsements, error) {
	out := &Endorsements{items: make([]rats.Endorsement, 0, len(items))}
	statements := make([]*dcap.Statement, 0, len(items))
	var parser dcap.Parser
	for _, e := range items {
		s, err := parser.Parse(e)
		if err != nil {
			return nil, err
		}
		statements = append(statements, s)
		// The statement's own copy: the caller may go on writing to e.
		out.items = append(out.items, s.Endorsement())
	}
	out.dcap = dcap.NewSet(statements...)
	return out, nil
}

// JoinEndorsements returns one collection of what the parts hold, without
// parsing any of it again. Which number is standard is for the caller to say of
// the whole.
func JoinEndorsements(parts ...*Endorsements) *Endorsements {
	out := &Endorsements{}
	var statements []*dcap.Statement
	for _, part := range parts {
		if part != nil {
			out.items = append(out.items, part.items...)
			statements = append(statements, part.dcap.Statements()...)
		}
	}
	out.dcap = dcap.NewSet(statements...)
	return out
}

// WithStandard returns the collection with the evaluation number that its source
// serves as the standard one for a TEE: what a vendor's service answers when it
// is asked for the standard update. [Policy.EvaluationNumber] says when it counts.
func (en *Endorsements) WithStandard(tee rats.TEE, number uint32) *Endorsements {
	out := &Endorsements{}
	if en != nil {
		out.items = en.items
	}
	out.dcap = en.set().WithStandard(tee, number)
	return out
}

// WithBinding returns the collection with the rule by which a ledger chooses
// among TCB evaluations where no policy names one: number N binds once delay has
// passed since the TCB recovery that led to it, by the newest list of numbers in
// the collection, unlisted ones at once; the highest binding number that TCB
// info and identity share is used, and while none binds the lowest shared.
func (en *Endorsements) WithBinding(delay time.Duration) *Endorsements {
	out := &Endorsements{}
	if en != nil {
		out.items = en.items
	}
	out.dcap = en.set().WithBinding(delay)
	return out
}

// Binding returns when the evaluation numbers bind that the lists in the
// collection name, by that rule.
func (en *Endorsements) Binding(delay time.Duration) []time.Time {
	var out []time.Time
	for _, s := range en.set().Statements() {
		if list := s.NumberList(); list != nil {
			out = append(out, list.Binds(delay)...)
		}
	}
	return out
}

// SaysTheSame reports whether each statement of the collection says the same as
// the one in its place in another, but for dates.
func (en *Endorsements) SaysTheSame(other *Endorsements) bool {
	return slices.EqualFunc(en.set().Statements(), other.set().Statements(), (*dcap.Statement).SaysTheSame)
}

// Items returns what was parsed, in its order. Bodies and certificates are the
// collection's own: read them only.
func (en *Endorsements) Items() []rats.Endorsement {
	if en == nil {
		return nil
	}
	return append([]rats.Endorsement{}, en.items...)
}

func (en *Endorsements) set() *dcap.Set {
	if en == nil {
		return nil
	}
	return en.dcap
}

// EndorsementInfo is what a checked endorsement is and when it holds.
type EndorsementInfo struct {
	// Key is its place among endorsements that say the same kind of thing.
	Key rats.EndorsementKey
	// SHA256 of the body.
	SHA256 [32]byte
	// Issued and NextUpdate are the vendor's dates of the statement.
	Issued, NextUpdate time.Time
	// ValidFrom and ValidUntil take the issuing certificate's window in.
	ValidFrom, ValidUntil time.Time
}

// CheckEndorsement checks that a root vouches for an endorsement: its form,
// certificates and signatures, without regard to dates. nil roots stand for
// [Roots].
func CheckEndorsement(e rats.Endorsement, roots []rats.TrustRoot) (*EndorsementInfo, error) {
	return new(Verifier).CheckEndorsement(e, roots)
}

// CheckEndorsement is the function of the same name with this verifier's memory.
func (v *Verifier) CheckEndorsement(e rats.Endorsement, roots []rats.TrustRoot) (*EndorsementInfo, error) {
	s, err := dcap.Parse(e)
	if err != nil {
		return nil, err
	}
	if err := s.Verify(roots, v.facts); err != nil {
		return nil, err
	}
	info := &EndorsementInfo{Key: s.Key(), SHA256: s.Digest(), Issued: s.Issued(), NextUpdate: s.NextUpdate()}
	info.ValidFrom, info.ValidUntil = s.Window()
	return info, nil
}

// Need names what an appraisal of one piece of evidence looks for.
type Need = dcap.Need

// Needs returns what endorsements an appraisal of ev looks for. Evidence that
// names its platform instead of carrying its PCK certificate needs that first, as
// [NamedPlatform] names it: given among certificates, it says the rest, and
// without it the error is EndorsementUnavailable.
func Needs(ev Evidence, certificates ...rats.Endorsement) ([]Need, error) {
	return new(Verifier).Needs(ev, certificates...)
}

// Needs is the function of the same name with this verifier's memory.
func (v *Verifier) Needs(ev Evidence, certificates ...rats.Endorsement) ([]Need, error) {
	p, err := ev.parse()
	if err != nil {
		return nil, err
	}
	en, err := ParseEndorsements(certificates...)
	if err != nil {
		return nil, err
	}
	return p.body.needs(v, en)
}

// NamedPlatform returns how ev names its platform where it does not carry the
// PCK certificate (certification data of types 1 to 3), for sources that have
// such certificates. named is false for all other evidence.
func NamedPlatform(ev Evidence) (name dcap.PlatformName, named bool, err error) {
	p, err := ev.parse()
	if err != nil {
		return name, false, err
	}
	return p.body.platform()
}

// Roots returns the vendors' pinned roots: Intel's of SGX and TDX, and Intel's
// of the keys that signed IAS reports. Neither vouches for what the other signs.
func Roots() []rats.TrustRoot { return []rats.TrustRoot{dcap.Intel(), epid.Intel()} }
