// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"slices"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// TestWhatIsNeededIsTheSameWhetherAChainIsRememberedOrNot turns every eighth bit
// of chains that were verified before.
func TestWhatIsNeededIsTheSameWhetherAChainIsRememberedOrNot(t *testing.T) {
	l, stranger := newLab(t), newLab(t)
	facts := dcap.NewFacts(1000)
	for _, q := range []*quote.Quote{l.evidence(), stranger.evidence()} {
		dcap.Appraise(q, set(t, l.endorsements()...), dcap.Options{Roots: l.trust(), Facts: facts}, noon)
	}
	same := func(q *quote.Quote) {
		t.Helper()
		got, err := facts.Needs(q)
		want, wantErr := dcap.Needs(q)
		if got != want || rats.KindOf(err) != rats.KindOf(wantErr) {
			t.Fatalf("%+v, %v; want %+v, %v", got, err, want, wantErr)
		}
	}
	same(stranger.evidence())
	q := l.evidence()
	same(q)
	whole := q.CertificationData.Data
	for i := range whole {
		q.CertificationData.Data = slices.Clone(whole)
		q.CertificationData.Data[i] ^= 1 << (i % 8)
		same(q)
	}
	q.CertificationData.Data = whole
	for _, kind := range []uint16{quote.CertPCKLeaf, quote.CertPPID, quote.CertPlatformManifest} {
		q.CertificationData.Type = kind
		same(q)
	}
}

func BenchmarkNeeds(b *testing.B) {
	l := newLab(b)
	facts := dcap.NewFacts(1000)
	q := l.evidence()
	if a := dcap.Appraise(q, set(b, l.endorsements()...), dcap.Options{Roots: l.trust(), Facts: facts}, noon); a.Err != nil {
		b.Fatal(a.Err)
	}
	for name, f := range map[string]*dcap.Facts{"chain=read": nil, "chain=remembered": facts} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Needs(q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
