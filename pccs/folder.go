// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"strconv"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// FolderOptions say as what endorsements that come without a service's word on
// them are kept.
type FolderOptions struct {
	// Update is under which name TCB info and identities are kept: standard,
	// early, or empty. Empty keeps each under its evaluation number, and as the
	// standard one those of Number.
	Update string
	// Number is the evaluation that is the standard one; zero stands for the
	// highest that TCB info and identities of a TEE share, as for every source
	// that does not say which it is, and for the highest of an FMSPC or enclave
	// that has none of that number.
	Number uint32
	// Roots are certificates of roots in DER, to complete chains; nil stands for
	// Intel's.
	Roots [][]byte
}

// FromEndorsements returns endorsements as a store keeps them: of each the one
// that was issued last. Nothing is verified: see [Service.PutBatch]. What has no
// place in a store is refused, PCK certificates among it, which do not say of
// which QE id their platform is.
func FromEndorsements(items []rats.Endorsement, opt FolderOptions) (store.Batch, []RefusedItem) {
	if opt.Roots == nil {
		opt.Roots = [][]byte{IntelRootCertificate()}
	}
	in := foldering{opt: opt, newest: make(map[store.Key]*dcap.Statement)}
	var statements []*dcap.Statement
	for _, e := range items {
		s, err := dcap.Parse(e)
		if err != nil {
			in.refuse(string(e.Kind), err)
			continue
		}
		statements = append(statements, s)
	}
	standard := standardNumbers(statements)
	for _, s := range statements {
		in.place(s, standard[subjectOf(s)])
	}
	var batch store.Batch
	for _, k := range in.order {
		e := in.newest[k].Endorsement()
		chain, err := ServedChain(e.Issuers, opt.Roots...)
		if err != nil {
			in.refuse(k.String(), err)
			continue
		}
		batch.Artefacts = append(batch.Artefacts, store.Artefact{Key: k, Body: e.Body, Chain: chain})
	}
	return batch, in.refused
}

// foldering finds the places of statements.
type foldering struct {
	opt     FolderOptions
	newest  map[store.Key]*dcap.Statement
	order   []store.Key
	refused []RefusedItem
}

func (in *foldering) refuse(name string, err error) {
	in.refused = append(in.refused, RefusedItem{Name: name, Err: rats.AsError(err)})
}

// place notes a statement under its key, unless a later one is there.
func (in *foldering) place(s *dcap.Statement, standard uint32) {
	k, ok := placeOf(s)
	if !ok {
		if s.Key().Kind != rats.PCKCertificate {
			in.refuse(string(s.Key().Kind), rats.Errorf(rats.Unsupported, "it has no place in a cache"))
			return
		}
		in.refuse("PCK certificate", rats.Errorf(rats.Unsupported, "it does not say of which QE id its platform is: a file of collateral does"))
		return
	}
	if evaluated(k.Kind) {
		n := s.Key().EvaluationDataNumber
		if in.opt.Number != 0 {
			standard = in.opt.Number
		}
		switch {
		case in.opt.Update != "":
			k.Update = in.opt.Update
		case n == standard:
			k.Update = store.Standard
		default:
			k.Update = strconv.FormatUint(uint64(n), 10)
		}
	}
	before, ok := in.newest[k]
	if !ok {
		in.order = append(in.order, k)
	}
	if !ok || supersedes(s, before) {
		in.newest[k] = s
	}
}

// supersedes reports whether a statement counts and not another under the same
// key: it was issued later, or it is the same with a certificate of its signer that
// holds longer. Intel gave the key that signs TCB info a new certificate in 2025,
// and what it signed then verifies by the one that had ended too.
func supersedes(s, before *dcap.Statement) bool {
	if !s.Issued().Equal(before.Issued()) {
		return s.Issued().After(before.Issued())
	}
	_, until := s.Window()
	_, other := before.Window()
	return until.After(other)
}

// placeOf returns the key of a statement but for its update.
func placeOf(s *dcap.Statement) (store.Key, bool) {
	is := s.Key()
	k := store.Key{TEE: is.TEE, Version: 4}
	switch is.Kind {
	case rats.TCBInfo:
		k.Kind, k.Scope, k.Version = store.TCBInfo, is.Scope, int(is.Version)+1
	case rats.QEIdentity:
		k.Kind = store.QEIdentity
		if is.Scope == "QVE" {
			k.Kind = store.QVEIdentity
		}
	case rats.EvaluationNumbers:
		k.Kind = store.EvaluationNumbers
	case rats.RootCACRL:
		k.Kind = store.RootCRL
	case rats.PCKCRL:
		k.Kind, k.Scope = store.PCKCRL, caName(s.Endorsement().Issuers[0])
	default:
		return k, false
	}
	return k, true
}

// evaluatedSubject is what has one statement for each TCB evaluation: the TCB
// info of an FMSPC for a TEE, in one form, or an enclave's identity.
type evaluatedSubject struct {
	kind    rats.EndorsementKind
	tee     rats.TEE
	scope   string
	version uint32
}

func subjectOf(s *dcap.Statement) evaluatedSubject {
	k := s.Key()
	return evaluatedSubject{k.Kind, k.TEE, k.Scope, k.Version}
}

// standardNumbers returns for each subject the evaluation that is taken for the
// standard one: the highest number that TCB info and identities of its TEE
// share, and where it has none of that number its own highest.
func standardNumbers(all []*dcap.Statement) map[evaluatedSubject]uint32 {
	type evaluation struct {
		kind   rats.EndorsementKind
		tee    rats.TEE
		number uint32
	}
	has := make(map[evaluation]bool)
	own := make(map[evaluatedSubject]map[uint32]bool)
	for _, s := range all {
		k := s.Key()
		if k.Kind != rats.TCBInfo && k.Kind != rats.QEIdentity {
			continue
		}
		of := subjectOf(s)
		if own[of] == nil {
			own[of] = make(map[uint32]bool)
		}
		own[of][k.EvaluationDataNumber] = true
		if k.Scope != "QVE" {
			has[evaluation{k.Kind, k.TEE, k.EvaluationDataNumber}] = true
		}
	}
	shared := make(map[rats.TEE]uint32)
	for e := range has {
		if e.kind == rats.TCBInfo && has[evaluation{rats.QEIdentity, e.tee, e.number}] {
			shared[e.tee] = max(shared[e.tee], e.number)
		}
	}
	out := make(map[evaluatedSubject]uint32)
	for of, numbers := range own {
		if n := shared[of.tee]; numbers[n] {
			out[of] = n
			continue
		}
		for n := range numbers {
			out[of] = max(out[of], n)
		}
	}
	return out
}

// ToEndorsements returns artefacts as folders of endorsements hold them, by the
// update under which they are kept; what has none, such as revocation lists, is
// under the empty name. Those kinds that nobody signs are left out.
func ToEndorsements(all []store.Artefact) map[string][]rats.Endorsement {
	out := make(map[string][]rats.Endorsement)
	for i := range all {
		a := &all[i]
		if !onLedgers(a.Kind) {
			continue
		}
		if e, ok := endorsementOf(endorsementKind(a.Key, nil), a.Body, a.Chain); ok {
			out[a.Update] = append(out[a.Update], e)
		}
	}
	return out
}
