// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/binary"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// pool is how many distinct pieces of evidence a benchmark goes through. A
// verifier's memory holds fewer, so that no quote's own signature is ever met
// again while it is remembered, and what the quotes share always is.
const (
	pool   = 4096
	memory = 1024
)

// state is what a verifier knows before it meets a quote, and how many P-256
// verifications are left to do for it.
type state struct {
	name          string
	verifications int
	verify        func(b *testing.B, i int)
}

// states returns the four states of knowledge. Cold is judged on real
// evidence; the others on simulated evidence, of which there can be enough.
func states(b *testing.B) []state {
	b.Helper()
	sgx, tdx := coldSample(b, "sgx"), coldSample(b, "tdx")
	items, err := simtee.Endorsements(midsummer)
	if err != nil {
		b.Fatal(err)
	}
	known, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		b.Fatal(err)
	}
	policy := attesteer.Policy{Roots: []rats.TrustRoot{simtee.Root()}}
	warm := func(name string, verifications int, quotes func(i uint32) []byte) state {
		v := attesteer.NewVerifier(memory)
		var made [][]byte
		return state{name, verifications, func(b *testing.B, i int) {
			for len(made) < pool {
				made = append(made, quotes(uint32(len(made))))
			}
			if _, err := v.Verify(attesteer.Evidence{Raw: made[i%pool]}, known, policy, midsummer); err != nil {
				b.Fatal(err)
			}
		}}
	}
	platform, err := simtee.NewPlatform(1, rats.UpToDate)
	if err != nil {
		b.Fatal(err)
	}
	on := func(p *simtee.Platform, key, nonce uint32) []byte {
		e := simtee.Enclave{AttestationKey: key}
		binary.BigEndian.PutUint32(e.ReportData[:], nonce)
		raw, err := p.Quote(e)
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	return []state{
		{"cold SGX", 9, sgx}, {"cold TDX", 9, tdx},
		warm("endorsements known", 4, func(i uint32) []byte {
			p, err := simtee.NewPlatform(2+i, rats.UpToDate)
			if err != nil {
				b.Fatal(err)
			}
			return on(p, 0, 0)
		}),
		warm("platform known", 2, func(i uint32) []byte { return on(platform, 1+i, 0) }),
		warm("QE report known", 1, func(i uint32) []byte { return on(platform, 0, i) }),
	}
}

// coldSample verifies one real quote from the bytes of quote and endorsements,
// nothing remembered.
func coldSample(b *testing.B, tee string) func(*testing.B, int) {
	b.Helper()
	name := map[string]string{"sgx": "sgx_v3_00606A000000_plat_dbg_a136fb9c.bin", "tdx": "td10_v4_B0C06F000000_plat_prod_f1c85033.bin"}[tee]
	raw, items, at := benchSample(b, filepath.Join("quotes", tee, name))
	policy := attesteer.Policy{AllowDebug: true, AcceptTCB: rats.TCBStatuses()}
	return func(b *testing.B, _ int) {
		en, err := attesteer.ParseEndorsements(items...)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, en, policy, at); err != nil {
			b.Fatal(err)
		}
	}
}

// benchSample returns a real quote with just the endorsements that it needs,
// each under one certificate, and a time at which they hold.
func benchSample(b *testing.B, quote string) (raw []byte, items []rats.Endorsement, at time.Time) {
	b.Helper()
	raw, all := read(b, vectors(b), quote), everything(b)
	policy := attesteer.Policy{AllowDebug: true, AcceptTCB: rats.TCBStatuses()}
	at = midsummer
	r, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, all, policy, at)
	if err != nil {
		b.Fatal(err)
	}
	used := map[string]bool{}
	for _, e := range r.Endorsements {
		used[e.SHA256.String()] = true
	}
	for _, e := range all.Items() {
		info, err := attesteer.CheckEndorsement(e, nil)
		if name := digest(e.Body); used[name] && err == nil && !at.After(info.ValidUntil) {
			used[name] = false
			items = append(items, e)
		}
	}
	return raw, items, at
}

// BenchmarkVerify measures one core in each state of knowledge.
func BenchmarkVerify(b *testing.B) {
	for _, s := range states(b) {
		b.Run(s.name, func(b *testing.B) {
			s.verify(b, 0)
			b.ReportAllocs()
			for i := 1; b.Loop(); i++ {
				s.verify(b, i)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verifications/s")
		})
	}
}

// turn is how many verifications are made in one turn of two that are compared.
const turn = 64

// BenchmarkVerifyAgainstRaw says which part of its time a verification spends
// on the P-256 verifications that it cannot do without. Both take short turns,
// so that a busy machine slows both.
func BenchmarkVerifyAgainstRaw(b *testing.B) {
	key, digest, sig := looseSignature(b)
	for _, s := range states(b) {
		b.Run(s.name, func(b *testing.B) {
			s.verify(b, 0)
			var ours, raw time.Duration
			turns := 0
			for ; b.Loop(); turns++ {
				start := time.Now()
				for i := range turn {
					s.verify(b, turns*turn+i+1)
				}
				middle := time.Now()
				for range turn * s.verifications {
					if !ecdsa.VerifyASN1(key, digest, sig) {
						b.Fatal("the signature does not verify")
					}
				}
				ours, raw = ours+middle.Sub(start), raw+time.Since(middle)
			}
			b.ReportMetric(100*float64(raw)/float64(ours), "%-of-raw")
			b.ReportMetric(float64(ours.Nanoseconds())/float64(turns*turn), "ns/verification")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkVerifyAll measures the batch call on all cores against as many raw
// verifications on all cores.
func BenchmarkVerifyAll(b *testing.B) {
	platform, err := simtee.NewPlatform(1, rats.UpToDate)
	if err != nil {
		b.Fatal(err)
	}
	items, err := simtee.Endorsements(midsummer)
	if err != nil {
		b.Fatal(err)
	}
	known, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		b.Fatal(err)
	}
	var batch []attesteer.Evidence
	for i := range uint32(pool) {
		e := simtee.Enclave{}
		binary.BigEndian.PutUint32(e.ReportData[:], i)
		raw, err := platform.Quote(e)
		if err != nil {
			b.Fatal(err)
		}
		batch = append(batch, attesteer.Evidence{Raw: raw})
	}
	policy := attesteer.Policy{Roots: []rats.TrustRoot{simtee.Root()}}
	v := attesteer.NewVerifier(memory)
	for b.Loop() {
		for _, o := range v.VerifyAll(batch, known, policy, midsummer) {
			if o.Err != nil {
				b.Fatal(o.Err)
			}
		}
	}
	b.ReportMetric(float64(b.N*pool)/b.Elapsed().Seconds(), "verifications/s")
	b.ReportMetric(float64(runtime.GOMAXPROCS(0)), "cores")
}

// BenchmarkRaw is a P-256 verification alone, on one core and on all.
func BenchmarkRaw(b *testing.B) {
	key, digest, sig := looseSignature(b)
	b.Run("one core", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !ecdsa.VerifyASN1(key, digest, sig) {
				b.Fatal("the signature does not verify")
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verifications/s")
	})
	b.Run("all cores", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if !ecdsa.VerifyASN1(key, digest, sig) {
					b.Error("the signature does not verify")
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verifications/s")
	})
}

// looseSignature returns one true signature.
func looseSignature(b *testing.B) (key *ecdsa.PublicKey, digest, sig []byte) {
	b.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest = make([]byte, 32)
	if sig, err = ecdsa.SignASN1(rand.Reader, private, digest); err != nil {
		b.Fatal(err)
	}
	return &private.PublicKey, digest, sig
}
