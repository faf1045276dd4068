// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
	"github.com/google/go-tdx-guest/verify"
)

// The quotes that are measured: real ones, on which all verifiers agree, with
// real endorsements.
const (
	measuredTDX = "td10_v4_B0C06F000000_plat_prod_08458c5d.bin"
	measuredSGX = "sgx_v3_00606A000000_plat_prod_268c0681.bin"
)

// BenchmarkP256 is what everything else is held against: the signature checks
// alone, of which a verification from raw bytes needs nine.
func BenchmarkP256(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("any"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	measure(b, "raw", func(b testing.TB) {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			b.Fatal("it does not verify")
		}
	})
}

// BenchmarkTDX measures all verifiers on one TDX quote of version 4.
func BenchmarkTDX(b *testing.B) {
	cases := realCases(b)
	s := accepted(b, cases, measuredTDX)
	benchmarkOurs(b, s)
	known := warmers(b, cases, s)
	for _, state := range []string{endorsementsKnown, chainKnown, qeReportKnown} {
		benchmarkKnown(b, state, s, known[state])
	}
	full, err := tdxGuestOptions(s)
	if err != nil {
		b.Fatal(err)
	}
	measure(b, "go-tdx-guest/full", func(b testing.TB) {
		options := *full
		if err := verify.RawTdxQuote(s.quote, &options); err != nil {
			b.Fatal(err)
		}
	})
	measure(b, "go-tdx-guest/no-collateral", func(b testing.TB) {
		options := verify.Options{Now: full.Now, TrustedRoots: full.TrustedRoots}
		if err := verify.RawTdxQuote(s.quote, &options); err != nil {
			b.Fatal(err)
		}
	})
	benchmarkOasis(b, s)
}

// BenchmarkSGX measures ours and oasis-core on one SGX quote of version 3.
func BenchmarkSGX(b *testing.B) {
	cases := realCases(b)
	s := accepted(b, cases, measuredSGX)
	benchmarkOurs(b, s)
	benchmarkKnown(b, endorsementsKnown, s, warmers(b, cases, s)[endorsementsKnown])
	benchmarkOasis(b, s)
}

// BenchmarkStream measures ours on quotes of which no two are the same, all
// from one platform and one attestation key, as a service meets them: one
// signature check is left. They are simulated, since nobody publishes as many.
func BenchmarkStream(b *testing.B) {
	platform, err := simtee.NewPlatform(1, rats.UpToDate)
	if err != nil {
		b.Fatal(err)
	}
	const different, capacity = 2000, 1000 // so that none is still remembered when its turn comes again
	quotes := make([][]byte, different)
	for i := range quotes {
		e := simtee.Enclave{}
		binary.LittleEndian.PutUint32(e.ReportData[:], uint32(i))
		if quotes[i], err = platform.Quote(e); err != nil {
			b.Fatal(err)
		}
	}
	at := time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	items, err := simtee.Endorsements(at)
	if err != nil {
		b.Fatal(err)
	}
	endorsements := parsed(b, items)
	policy := attesteer.Policy{Roots: []rats.TrustRoot{simtee.Root()}}
	v := attesteer.NewVerifier(capacity)
	var next atomic.Uint64
	measure(b, "ours", func(b testing.TB) {
		raw := quotes[next.Add(1)%different]
		if _, err := v.Verify(attesteer.Evidence{Raw: raw}, endorsements, policy, at); err != nil {
			b.Fatal(err)
		}
	})
}

// measure runs f on one core and on all, and reports how often a second.
func measure(b *testing.B, name string, f func(testing.TB)) {
	b.Helper()
	b.Run(name+"/one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f(b)
		}
		perSecond(b)
	})
	b.Run(name+"/all", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				f(b)
			}
		})
		perSecond(b)
	})
}

func perSecond(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verifications/s")
}

func parsed(b testing.TB, items []rats.Endorsement) *attesteer.Endorsements {
	b.Helper()
	endorsements, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		b.Fatal(err)
	}
	return endorsements
}

// accepting is the policy under which the measured quotes are accepted.
func accepting() attesteer.Policy {
	return attesteer.Policy{AcceptTCB: []rats.TCBStatus{rats.SWHardeningNeeded}}
}

// benchmarkOurs measures a verification of everything, with the endorsements
// read from bytes each time (cold) and read before (parsed).
func benchmarkOurs(b *testing.B, s *sample) {
	b.Helper()
	items := s.endorsements()
	before := parsed(b, items)
	run := func(b testing.TB, endorsements *attesteer.Endorsements) {
		if _, err := attesteer.Verify(attesteer.Evidence{Raw: s.quote}, endorsements, accepting(), s.at); err != nil {
			b.Fatal(err)
		}
	}
	measure(b, "ours/cold", func(b testing.TB) { run(b, parsed(b, items)) })
	measure(b, "ours/parsed", func(b testing.TB) { run(b, before) })
}

// benchmarkOasis measures oasis-core from raw bytes; it has no other way.
func benchmarkOasis(b *testing.B, s *sample) {
	b.Helper()
	measure(b, "oasis-core/full", func(b testing.TB) {
		if err := oasisVerify(s); err != nil {
			b.Fatal(err)
		}
	})
}

// The states of a verifier's memory.
const (
	endorsementsKnown = "endorsements-known" // four signature checks are left
	chainKnown        = "chain-known"        // two
	qeReportKnown     = "qe-report-known"    // one
)

// benchmarkKnown measures, on one core, a verifier that has seen one other
// quote before. Each verification has such a verifier of its own, made while
// the clock stands.
func benchmarkKnown(b *testing.B, state string, s *sample, seen []byte) {
	b.Helper()
	if seen == nil {
		b.Fatalf("no quote that leaves a verifier with %s", state)
	}
	b.Run("ours/"+state+"/one", func(b *testing.B) {
		endorsements := parsed(b, s.endorsements())
		fresh := make([]*attesteer.Verifier, 64)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%len(fresh) == 0 {
				b.StopTimer()
				for j := range fresh {
					fresh[j] = attesteer.NewVerifier(256)
					// Of what this says, only what is remembered counts.
					_, _ = fresh[j].Verify(attesteer.Evidence{Raw: seen}, endorsements, accepting(), s.at)
				}
				b.StartTimer()
			}
			v := fresh[i%len(fresh)]
			if _, err := v.Verify(attesteer.Evidence{Raw: s.quote}, endorsements, accepting(), s.at); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b)
	})
}

// accepted returns the first row with a quote that all who read it accept.
func accepted(b testing.TB, cases []realCase, name string) *sample {
	b.Helper()
	o := ourselves{verifier: new(attesteer.Verifier)}
	for i := range cases {
		s := &cases[i].sample
		if !strings.HasSuffix(s.name, name) || !o.judge(s, accepting()).accepted || !(oasis{}).judge(s).accepted {
			continue
		}
		if s.quote[0] == 3 || (tdxGuest{}).judge(s).accepted {
			return s
		}
	}
	b.Fatalf("no row in which all accept %s", name)
	return nil
}

// warmers returns, for each state, another real quote that leaves a verifier in
// it: of another platform under the same endorsements, of the same platform
// with another QE report, of the same platform and QE report.
func warmers(b testing.TB, cases []realCase, s *sample) map[string][]byte {
	b.Helper()
	out := map[string][]byte{}
	model := platformModel(b, s.quote)
	for i := range cases {
		other := cases[i].quote
		if platformModel(b, other) != model || bytes.Equal(other, s.quote) {
			continue
		}
		state := endorsementsKnown
		if string(pckLeaf(b, other)) == string(pckLeaf(b, s.quote)) {
			state = chainKnown
			if string(qeReport(other)) == string(qeReport(s.quote)) {
				state = qeReportKnown
			}
		}
		if out[state] == nil {
			out[state] = other
		}
	}
	return out
}

// qeReport returns attestation key, QE report and its signature.
func qeReport(q []byte) []byte {
	parts := spans(q)
	return q[parts[2].from:parts[4].to]
}

// pckLeaf returns the first certificate of a quote.
func pckLeaf(b testing.TB, q []byte) []byte {
	b.Helper()
	return ders(b, q[bytes.Index(q, []byte("-----BEGIN")):])[0]
}

// platformModel says which endorsements a quote is judged by: TEE and FMSPC.
func platformModel(b testing.TB, q []byte) string {
	b.Helper()
	needs, err := attesteer.Needs(attesteer.Evidence{Raw: q})
	if err != nil {
		b.Fatal(err)
	}
	return fmt.Sprint(needs)
}
