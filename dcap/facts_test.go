// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// TestFactsChangeNothingButSpeed: memories of every size give the answers of
// none, in every order of asking, also when asked by many at once.
func TestFactsChangeNothingButSpeed(t *testing.T) {
	l := newLab(t)
	all := l.endorsements()
	good := l.evidence()
	// The same key, the same r, another message: what a careless memory confuses.
	forged := l.evidence(func(q *quote.Quote) { q.SGX = &quote.SGXReport{MREnclave: [32]byte{2}} })
	forgedQE := l.evidence(func(q *quote.Quote) { q.QEReportSignature[63] ^= 1 })
	cases := []struct {
		q    *quote.Quote
		s    *dcap.Set
		want rats.Kind
	}{
		{good, set(t, all...), rats.None},
		{forged, set(t, all...), rats.BadSignature},
		{forgedQE, set(t, all...), rats.BadSignature},
		{good, set(t, all[1:]...), rats.EndorsementUnavailable},
		{good, set(t, append(all[1:], l.crl(&l.ca, nil, 3), l.sign(rats.TCBInfo, tcbInfo(), &l.ca))...), rats.UntrustedRoot},
	}
	ask := func(facts *dcap.Facts) error {
		for i, c := range cases {
			a := dcap.Appraise(c.q, c.s, dcap.Options{Roots: l.trust(), Facts: facts}, noon)
			if c.want == rats.None && a.Err != nil || c.want != rats.None && (a.Err == nil || a.Err.Kind != c.want) {
				return fmt.Errorf("case %d: %v, want %q", i, a.Err, c.want)
			}
		}
		return nil
	}
	for _, facts := range []*dcap.Facts{nil, dcap.NewFacts(0), dcap.NewFacts(-1), dcap.NewFacts(3), dcap.NewFacts(1000)} {
		var wg sync.WaitGroup
		errs := make(chan error, 20)
		for range 10 {
			wg.Go(func() {
				errs <- ask(facts)
				errs <- ask(facts)
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
	}
}
