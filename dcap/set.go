// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"github.com/attesteer/attesteer/rats"
)

// EvaluationNumber decides which TCB evaluation is used where a [Set] holds
// several: empty for the highest that TCB info and identity share; a decimal
// number for exactly that one; "highest" for the highest of each; "standard"
// and "early" as Intel calls them, which a set of statements does not know and
// which therefore act as the highest shared one.
type EvaluationNumber string

// Set is an immutable collection of statements to choose from, safe for
// concurrent use. A nil *Set is empty.
type Set struct {
	tcb        map[[6]byte][]*Statement
	identities []*Statement
	rootCRLs   []*Statement
	pckCRLs    map[string][]*Statement
	all        []*Statement
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
		case st.key.Kind == rats.RootCACRL:
			s.rootCRLs = append(s.rootCRLs, st)
		default:
			s.pckCRLs[st.key.Scope] = append(s.pckCRLs[st.key.Scope], st)
		}
	}
	return s
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

// pair chooses TCB info and identity by evaluation number. note says what the
// caller should know of the choice.
func pair(number EvaluationNumber, infos, identities []*Statement) (info, identity *Statement, note string) {
	of := func(list []*Statement, n uint32) *Statement {
		for _, s := range list {
			if s.key.EvaluationDataNumber == n {
				return s
			}
		}
		return nil
	}
	highest := func(list []*Statement) (best *Statement) {
		for _, s := range list {
			if best == nil || s.key.EvaluationDataNumber > best.key.EvaluationDataNumber {
				best = s
			}
		}
		return best
	}
	switch number {
	case "highest":
		return highest(infos), highest(identities), ""
	case "", "standard", "early":
	default:
		n, err := strconv.ParseUint(string(number), 10, 32)
		if err != nil {
			return nil, nil, ""
		}
		return of(infos, uint32(n)), of(identities, uint32(n)), ""
	}
	if number != "" {
		note = "no source says which number is " + string(number) + ": the highest shared one is used; "
	}
	var shared *Statement
	for _, s := range infos {
		if of(identities, s.key.EvaluationDataNumber) != nil &&
			(shared == nil || s.key.EvaluationDataNumber > shared.key.EvaluationDataNumber) {
			shared = s
		}
	}
	if shared != nil {
		n := shared.key.EvaluationDataNumber
		return shared, of(identities, n), note + "evaluation number " + strconv.FormatUint(uint64(n), 10)
	}
	if len(infos) == 0 || len(identities) == 0 {
		return highest(infos), highest(identities), note
	}
	return highest(infos), highest(identities), note + "TCB info and identity share no evaluation number: the highest of each"
}

// Need is what an appraisal of one quote looks for.
type Need struct {
	TEE   rats.TEE
	FMSPC [6]byte
	PCEID [2]byte
	// CA names the PCK CA whose revocation list is needed: SHA-256 of its
	// SubjectPublicKeyInfo in lower-case hex.
	CA string
}
