// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// EvaluationNumber decides which TCB evaluation is used where a [Set] holds
// several: empty for the standard one where the source said which that is, else
// the highest that TCB info and identity share; a decimal number for exactly
// that one; "highest" for the highest of each; "early" for the highest shared,
// as Intel serves the newest evaluation to who asks early; "standard" for the
// one that the source calls so, and the highest shared where none does.
type EvaluationNumber string

// Set is an immutable collection of statements to choose from, safe for
// concurrent use. A nil *Set is empty.
type Set struct {
	tcb        map[[6]byte][]*Statement
	identities []*Statement
	rootCRLs   []*Statement
	pckCRLs    map[string][]*Statement
	// pckCertificates are for quotes that name their platform without
	// certifying it; authorities are the PCK CAs that any statement came with.
	pckCertificates []*Statement
	authorities     []*x509.Certificate
	all             []*Statement
	// standard is the evaluation number that a source calls standard, by TEE.
	standard map[rats.TEE]uint32
	// numbers are lists of evaluation numbers; binding is how long after a
	// recovery they bind, nil where the caller does not go by that.
	numbers []*Statement
	binding *time.Duration
}

// NewSet returns a set of the given statements. The order does not matter: in
// each group they stand by preference.
func NewSet(statements ...*Statement) *Set {
	s := &Set{tcb: map[[6]byte][]*Statement{}, pckCRLs: map[string][]*Statement{}, all: slices.Clone(statements)}
	slices.SortStableFunc(s.all, preference)
	for _, st := range s.all {
		switch {
		case st.tcbInfo != nil:
			s.tcb[st.tcbInfo.FMSPC] = append(s.tcb[st.tcbInfo.FMSPC], st)
		case st.identity != nil:
			s.identities = append(s.identities, st)
		case st.numbers != nil:
			s.numbers = append(s.numbers, st)
		case st.pck != nil:
			s.pckCertificates = append(s.pckCertificates, st)
			s.knowAuthority(st.issuer)
		case st.key.Kind == rats.RootCACRL:
			s.rootCRLs = append(s.rootCRLs, st)
		default:
			s.pckCRLs[st.key.Scope] = append(s.pckCRLs[st.key.Scope], st)
			s.knowAuthority(st.issuer)
		}
	}
	return s
}

func (s *Set) knowAuthority(ca *x509.Certificate) {
	for _, known := range s.authorities {
		if bytes.Equal(known.Raw, ca.Raw) {
			return
		}
	}
	s.authorities = append(s.authorities, ca)
}

// WithStandard returns the set with the evaluation number that its source
// serves as the standard one for a TEE. A list of numbers does not say it; an
// answer to a request for the standard update does.
func (s *Set) WithStandard(tee rats.TEE, number uint32) *Set {
	out := *NewSet()
	if s != nil {
		out = *s
	}
	out.standard = maps.Clone(out.standard)
	if out.standard == nil {
		out.standard = map[rats.TEE]uint32{}
	}
	out.standard[tee] = number
	return &out
}

// Statements returns what the set holds.
func (s *Set) Statements() []*Statement {
	if s == nil {
		return nil
	}
	return slices.Clone(s.all)
}

// preference orders statements that fit equally, best first: later issue date,
// higher version, lowest digest; for one body that several certificates vouch
// for, the certificate that begins and then ends later, and at last its bytes.
func preference(a, b *Statement) int {
	c := cmp.Or(
		b.issued.Compare(a.issued),
		cmp.Compare(b.key.Version, a.key.Version),
		bytes.Compare(a.digest[:], b.digest[:]),
	)
	if c != 0 || a.issuer == nil || b.issuer == nil {
		return c
	}
	return cmp.Or(
		b.issuer.NotBefore.Compare(a.issuer.NotBefore),
		b.issuer.NotAfter.Compare(a.issuer.NotAfter),
		bytes.Compare(a.issuer.Raw, b.issuer.Raw),
	)
}

// numbered returns the first statement with an evaluation number, or nil.
func numbered(list []*Statement, n uint32) *Statement {
	for _, s := range list {
		if s.key.EvaluationDataNumber == n {
			return s
		}
	}
	return nil
}

// highest returns the first of the statements with the highest number, or nil.
func highest(list []*Statement) (best *Statement) {
	for _, s := range list {
		if best == nil || s.key.EvaluationDataNumber > best.key.EvaluationDataNumber {
			best = s
		}
	}
	return best
}

// pair chooses TCB info and identity by evaluation number; standard is the one
// that the source calls so, or zero. note says what the caller should know of
// the choice.
func pair(number EvaluationNumber, standard uint32, infos, identities []*Statement) (info, identity *Statement, note string) {
	switch number {
	case "highest":
		return highest(infos), highest(identities), ""
	case "", "standard":
		info, identity = numbered(infos, standard), numbered(identities, standard)
		if standard != 0 && (number != "" || info != nil && identity != nil) {
			return info, identity, "evaluation number " + numberText(standard) + ", the standard one"
		}
		if number != "" {
			note = "no source says which number is standard: the highest shared one is used; "
		}
	case "early":
	default:
		n, err := strconv.ParseUint(string(number), 10, 32)
		if err != nil {
			return nil, nil, ""
		}
		return numbered(infos, uint32(n)), numbered(identities, uint32(n)), ""
	}
	var shared *Statement
	for _, s := range infos {
		if (shared == nil || s.key.EvaluationDataNumber > shared.key.EvaluationDataNumber) &&
			numbered(identities, s.key.EvaluationDataNumber) != nil {
			shared = s
		}
	}
	if shared != nil {
		n := shared.key.EvaluationDataNumber
		return shared, numbered(identities, n), note + "evaluation number " + numberText(n)
	}
	if len(infos) == 0 || len(identities) == 0 {
		return highest(infos), highest(identities), note
	}
	return highest(infos), highest(identities), note + "TCB info and identity share no evaluation number: the highest of each"
}

func numberText(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// Need is what an appraisal of one quote looks for.
type Need struct {
	TEE   rats.TEE
	FMSPC [6]byte
	PCEID [2]byte
	// CA names the PCK CA whose revocation list is needed: SHA-256 of its
	// SubjectPublicKeyInfo in lower-case hex. It is empty where the quote comes
	// without the CA's certificate.
	CA string
}
