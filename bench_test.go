// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"testing"

	"github.com/attesteer/attesteer"
)

// BenchmarkVerify measures a real quote on one core: cold (endorsements from
// bytes, no memory), parsed (endorsements parsed, no memory) and known (all
// remembered, so that what is left is everything but signatures).
func BenchmarkVerify(b *testing.B) {
	raw, all := seed(b, "quote.bin"), everything(b)
	r, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, all, lenient(), midsummer)
	if err != nil {
		b.Fatal(err)
	}
	used := map[string]bool{}
	for _, e := range r.Endorsements {
		used[e.SHA256.String()] = true
	}
	var needed = all.Items()[:0:0]
	for _, e := range all.Items() {
		info, err := attesteer.CheckEndorsement(e, nil)
		if name := digest(e.Body); used[name] && err == nil && !midsummer.After(info.ValidUntil) {
			used[name] = false // one certificate for each body
			needed = append(needed, e)
		}
	}
	parse := func(b *testing.B) *attesteer.Endorsements {
		en, err := attesteer.ParseEndorsements(needed...)
		if err != nil {
			b.Fatal(err)
		}
		return en
	}
	run := func(b *testing.B, v *attesteer.Verifier, en *attesteer.Endorsements) {
		if _, err := v.Verify(attesteer.Evidence{Raw: raw}, en, lenient(), midsummer); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			run(b, new(attesteer.Verifier), parse(b))
		}
	})
	b.Run("parsed", func(b *testing.B) {
		en := parse(b)
		b.ReportAllocs()
		for b.Loop() {
			run(b, new(attesteer.Verifier), en)
		}
	})
	b.Run("known", func(b *testing.B) {
		en, v := parse(b), attesteer.NewVerifier(1000)
		b.ReportAllocs()
		for b.Loop() {
			run(b, v, en)
		}
	})
}
