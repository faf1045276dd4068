// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// parcel is what is imported, in whatever form it came.
type parcel struct {
	artefacts []parcelArtefact
	platforms []parcelPlatform
	// chains are those of the PCK CAs, in PEM.
	chains map[string][]byte
	source string
}

// parcelArtefact is a statement in the forms in which it may have been signed,
// the likeliest first.
type parcelArtefact struct {
	key   store.Key
	forms [][]byte
	chain []byte
}

// parcelPlatform is a platform with its certificates.
type parcelPlatform struct {
	store.Platform
	entries []PCKEntry
	raws    []store.RawTCB
}

// importing is one import under way.
type importing struct {
	*Service
	parcel *parcel
	known  lists
	batch  store.Batch
	report ImportReport
}

// put verifies a parcel and keeps what verifies, in one transaction. Chains that
// end in different roots are a parcel of two makers, of which nothing is taken.
// What is refused is in the report, and makes the error a Refusal with status
// 460.
func (s *Service) put(ctx context.Context, p *parcel) (ImportReport, error) {
	if err := p.oneRoot(); err != nil {
		return ImportReport{}, &Refusal{Status: StatusIntegrity, Err: rats.AsError(err)}
	}
	in := &importing{Service: s, parcel: p, known: lists{pck: make(map[string]*x509.RevocationList)}}
	if err := in.all(ctx); err != nil {
		return in.report, err
	}
	if err := s.store.Write(ctx, in.batch); err != nil {
		return ImportReport{}, storeFault(err)
	}
	for _, refused := range in.report.Refused {
		s.log.WarnContext(ctx, "import refused", slog.String("item", refused.Name),
			slog.String("source", p.source), slog.String("error", refused.Err.Error()))
	}
	return in.report, in.report.refusal()
}

// refusal returns the Refusal for what an import had that is not taken, or nil.
func (r *ImportReport) refusal() error {
	if len(r.Refused) == 0 {
		return nil
	}
	first := r.Refused[0]
	return &Refusal{Status: StatusIntegrity, Err: &rats.Error{
		Kind:   rats.KindOf(first.Err),
		Detail: fmt.Sprintf("%d of the import refused, the first: %s: %s", len(r.Refused), first.Name, detail(first.Err)),
		Err:    first.Err,
	}}
}

// oneRoot checks that all chains which come with their root end in one: the
// same name and key, whichever of the root's certificates it is.
func (p *parcel) oneRoot() error {
	chains := make([][]byte, 0, len(p.artefacts)+len(p.chains))
	for _, a := range p.artefacts {
		chains = append(chains, a.chain)
	}
	for _, ca := range []string{store.ProcessorCA, store.PlatformCA} {
		chains = append(chains, p.chains[ca])
	}
	var root *x509.Certificate
	for _, chain := range chains {
		if len(chain) == 0 {
			continue
		}
		certs, err := splitChain(chain)
		if err != nil {
			continue // the item that it comes with is refused for it
		}
		last, err := x509.ParseCertificate(certs[len(certs)-1])
		if err != nil || !bytes.Equal(last.RawSubject, last.RawIssuer) {
			continue
		}
		if root == nil {
			root = last
		}
		if !bytes.Equal(root.RawSubject, last.RawSubject) || !bytes.Equal(root.RawSubjectPublicKeyInfo, last.RawSubjectPublicKeyInfo) {
			return rats.Errorf(rats.UntrustedRoot, "the import has chains of different roots, %q and %q",
				root.Subject.CommonName, last.Subject.CommonName)
		}
	}
	return nil
}

// all verifies each part: the lists first, by which the others are judged.
func (in *importing) all(ctx context.Context) error {
	rank := map[store.Kind]int{store.RootCRL: -2, store.PCKCRL: -1}
	slices.SortStableFunc(in.parcel.artefacts, func(a, b parcelArtefact) int {
		return cmp.Compare(rank[a.key.Kind], rank[b.key.Kind])
	})
	if err := in.keptLists(ctx); err != nil {
		return err
	}
	for i := range in.parcel.artefacts {
		if err := in.artefact(ctx, &in.parcel.artefacts[i]); err != nil {
			return err
		}
	}
	for i := range in.parcel.platforms {
		if err := in.platform(ctx, &in.parcel.platforms[i]); err != nil {
			return err
		}
	}
	return nil
}

// keptLists begins with the lists that are there.
func (in *importing) keptLists(ctx context.Context) error {
	for _, k := range []store.Key{
		{Kind: store.RootCRL, Version: 4},
		{Kind: store.PCKCRL, Scope: store.ProcessorCA, Version: 4},
		{Kind: store.PCKCRL, Scope: store.PlatformCA, Version: 4},
	} {
		a, err := in.kept(ctx, k)
		if err != nil {
			return err
		}
		if a == nil {
			continue
		}
		list, err := parseList(a.Body)
		if err != nil {
			return storeFault(err)
		}
		in.judgeBy(k.Kind, list)
	}
	return nil
}

// judgeBy has what follows held against a list.
func (in *importing) judgeBy(kind store.Kind, list *x509.RevocationList) {
	if kind == store.RootCRL {
		in.known.root = list
	} else {
		in.known.pck[string(list.RawIssuer)] = list
	}
}

// artefact verifies one statement. The error is the store's.
func (in *importing) artefact(ctx context.Context, p *parcelArtefact) error {
	k, err := normalKey(p.key)
	if err != nil {
		in.refuse(p.key.String(), refusalOf(err).Err)
		return nil
	}
	before, err := in.kept(ctx, k)
	if err != nil {
		return err
	}
	if k.Kind == store.CRL && len(p.chain) == 0 {
		p.chain = in.chainOfList(ctx, p.forms[0])
	}
	chain := p.chain
	if len(chain) > 0 {
		certs, err := splitChain(chain)
		if err != nil {
			in.refuse(k.String(), err)
			return nil
		}
		chain = joinChain(certs)
	}
	var a *store.Artefact
	for _, form := range p.forms {
		one, wrong := in.check(k, &Answer{Body: form, Chain: chain, Source: in.parcel.source}, in.known)
		if wrong == nil {
			a, err = one, nil
			break
		}
		if err == nil {
			err = wrong // the likeliest form's
		}
	}
	switch {
	case err != nil:
		in.refuse(k.String(), err)
	case before != nil && a.Issued.Before(before.Issued):
		in.report.Older = append(in.report.Older, k.String())
	default:
		in.keep(a)
	}
	return nil
}

// keep takes a verified artefact.
func (in *importing) keep(a *store.Artefact) {
	name := a.Key.String()
	in.batch.Artefacts = append(in.batch.Artefacts, *a)
	in.report.Taken = append(in.report.Taken, name)
	if in.Stale(a) {
		in.report.Stale = append(in.report.Stale, name)
	}
	if a.Kind == store.RootCRL || a.Kind == store.PCKCRL {
		if list, err := parseList(a.Body); err == nil { // it was verified
			in.judgeBy(a.Kind, list)
		}
	}
}

func (in *importing) refuse(name string, err error) {
	in.report.Refused = append(in.report.Refused, RefusedItem{Name: name, Err: rats.AsError(err)})
}

// platform verifies the certificates of one platform, all or none of which are
// taken. The error is the store's.
func (in *importing) platform(ctx context.Context, p *parcelPlatform) error {
	name := "PCK certificates of platform " + legible(p.QEID)
	set, chain, err := in.certificates(p)
	if err != nil {
		in.refuse(name, err)
		return nil
	}
	known, err := in.store.PCKCerts(ctx, p.PlatformID)
	if err != nil {
		return storeFault(err)
	}
	if err := samePlatform(set, known); err != nil {
		if r := refusalIn(err); r != nil {
			return r
		}
		in.refuse(name, err)
		return nil
	}
	raws, err := in.reselect(ctx, p.PlatformID, set, p.raws, in.batch.Artefacts...)
	if err != nil {
		in.refuse(name, refusalOf(err).Err)
		return nil
	}
	p.FMSPC, p.CA, p.Seen = set.fmspc, set.ca, in.now().UTC()
	in.batch.Platforms = append(in.batch.Platforms, p.Platform)
	in.batch.ReplacePCK = append(in.batch.ReplacePCK, p.PlatformID)
	in.batch.PCKCerts = append(in.batch.PCKCerts, set.certs...)
	in.batch.RawTCBs = append(in.batch.RawTCBs, raws...)
	if in.batch.Chains == nil {
		in.batch.Chains = make(map[string][]byte)
	}
	in.batch.Chains[set.ca] = chain
	in.report.Taken = append(in.report.Taken, name)
	return nil
}

// certificates verifies the certificates of a platform by the chain of the CA
// that issued them.
func (in *importing) certificates(p *parcelPlatform) (set *pckSet, chain []byte, err error) {
	if err := checkPlatform(p.PlatformID, p.EncryptedPPID); err != nil {
		return nil, nil, refusalOf(err).Err
	}
	err = error(rats.Errorf(rats.UntrustedRoot, "the import has no chain of the CA that issued them"))
	for _, ca := range []string{store.ProcessorCA, store.PlatformCA} {
		if len(in.parcel.chains[ca]) == 0 {
			continue
		}
		certs, wrong := splitChain(in.parcel.chains[ca])
		if wrong != nil {
			return nil, nil, wrong
		}
		chain = joinChain(certs)
		issuers, wrong := in.openChain(chain)
		if wrong != nil {
			return nil, nil, wrong
		}
		if len(issuers) != 1 || !issuedBy(p.entries, issuers[0]) {
			continue
		}
		set = &pckSet{ca: caName(issuers[0])}
		err = in.checkEntries(set, p.PlatformID, p.entries, issuers, in.known)
		if err == nil && len(set.parsed) == 0 {
			err = rats.Errorf(rats.NotFound, "there is none for any TCB")
		}
		return set, chain, err
	}
	return nil, nil, err
}
