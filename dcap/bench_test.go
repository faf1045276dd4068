// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
)

// BenchmarkAppraise measures one core: cold (everything from bytes, every
// signature checked), warm (endorsements known, the platform new: 4
// verifications), chain (the platform known: 2), hot (all known but the quote's
// own signature: 1) and known (none). What a memory would not hold is made up
// by as many verifications of a signature beside.
func BenchmarkAppraise(b *testing.B) {
	l := newLab(b)
	items := l.endorsements()
	raw := l.evidence().Marshal()
	parse := func(b *testing.B) *quote.Quote {
		q, err := quote.Parse(raw)
		if err != nil {
			b.Fatal(err)
		}
		return q
	}
	roots := l.trust()
	appraise := func(b *testing.B, s *dcap.Set, facts *dcap.Facts) {
		a := dcap.Appraise(parse(b), s, dcap.Options{Roots: roots, Facts: facts}, noon)
		if a.Err != nil {
			b.Fatal(a.Err)
		}
	}
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			appraise(b, set(b, items...), nil)
		}
	})
	known := set(b, items...)
	for _, bb := range []struct {
		name string
		// fresh makes signatures that no memory holds, as many as it says.
		fresh int
	}{{"warm", 4}, {"chain", 2}, {"hot", 1}, {"known", 0}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			facts := dcap.NewFacts(100)
			key, digest, sig := l.loose()
			for b.Loop() {
				appraise(b, known, facts)
				for range bb.fresh {
					if !ecdsa.VerifyASN1(key, digest, sig) {
						b.Fatal("the signature does not verify")
					}
				}
			}
		})
	}
}

// loose returns one true signature.
func (l *lab) loose() (key *ecdsa.PublicKey, digest, sig []byte) {
	l.t.Helper()
	digest = make([]byte, 32)
	sig, err := ecdsa.SignASN1(rand.Reader, l.attestation, digest)
	if err != nil {
		l.t.Fatal(err)
	}
	return &l.attestation.PublicKey, digest, sig
}
