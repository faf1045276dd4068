// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// The bits of FuzzVerify's choice.
const (
	chooseSample  = 0x00ff // which sample's endorsements, policy and time
	chooseItem    = 0x0700 // which of its endorsements, from 1 on, is the fuzzed one
	chooseBeside  = 0x0800 // the fuzzed one stands beside the genuine one
	chooseKnowing = 0x1000 // a verifier with a memory of all samples
	chooseLate    = 0x2000 // ten years after
	chooseStrict  = 0x4000 // the strictest policy under the same roots
)

// world is what FuzzVerify compares with: samples, and what their vendors and
// platforms signed.
type world struct {
	samples []sample
	// parts are the samples' endorsements, parsed one by one.
	parts    [][]*attesteer.Endorsements
	verifier *attesteer.Verifier
	// quotes are all signed parts of the samples' quotes, certificates those of
	// their chains, statements those of their endorsements.
	quotes       map[[32]byte]bool
	certificates map[[32]byte]bool
	statements   [][]byte
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{verifier: attesteer.NewVerifier(1 << 14), quotes: map[[32]byte]bool{}, certificates: map[[32]byte]bool{}}
	samples := simulatedSamples(t)
	real := realSamples(t)
	for i := 0; i < len(real) && len(samples) < 32; i += 3 {
		if real[i].items != nil {
			samples = append(samples, real[i])
		}
	}
	w.know(t, seed(t, "quote.bin"))
	for _, s := range samples {
		w.know(t, s.raw)
		var parts []*attesteer.Endorsements
		for _, e := range s.items {
			one, err := attesteer.ParseEndorsements(e)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			parts = append(parts, one)
			w.statements = append(w.statements, signedPart(t, e))
		}
		w.samples, w.parts = append(w.samples, s), append(w.parts, parts)
		if _, err := w.verifier.Verify(attesteer.Evidence{Raw: s.raw}, s.endorsements(t), s.policy, s.at); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	return w
}

// know takes the signed parts of a quote for genuine.
func (w *world) know(t testing.TB, raw []byte) {
	t.Helper()
	q := parsed(t, raw)
	w.quotes[signedOf(q)] = true
	for _, der := range derOf(q.CertificationData.Data) {
		w.certificates[tbsOf(t, der)] = true
	}
}

// signedOf names everything in a quote that is signed, or bound by what is.
func signedOf(q *quote.Quote) [32]byte {
	b := append(bytes.Clone(q.Signed), q.AttestationKey[:]...)
	return sha256.Sum256(append(append(b, q.QEReportRaw...), q.QEAuthData...))
}

func tbsOf(t testing.TB, der []byte) [32]byte {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(c.RawTBSCertificate)
}

// signedPart returns what the signature of an endorsement covers.
func signedPart(t testing.TB, e rats.Endorsement) []byte {
	t.Helper()
	switch e.Kind {
	case rats.RootCACRL, rats.PCKCRL:
		list, err := x509.ParseRevocationList(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		return list.RawTBSRevocationList
	case rats.PCKCertificate:
		c, err := x509.ParseCertificate(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		return c.RawTBSCertificate
	}
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(e.Body, &outer); err != nil {
		t.Fatal(err)
	}
	delete(outer, "signature")
	for _, inner := range outer {
		return inner
	}
	t.Fatalf("%s without what is signed", e.Kind)
	return nil
}

// FuzzVerify: evidence and an endorsement that takes the place of a genuine one,
// or stands beside it. The answer keeps its promises, and nothing is accepted
// unless each signed part of it is one of the samples', to the bit.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	for i, s := range w.samples {
		f.Add(s.raw, []byte(nil), uint16(i))
		f.Add(s.raw, []byte(nil), uint16(i|chooseKnowing))
		f.Add(s.raw, []byte(nil), uint16(i|chooseLate|chooseStrict))
		for j, e := range s.items[:min(len(s.items), 7)] {
			f.Add(s.raw, e.Body, uint16(i|(j+1)<<8))
			f.Add(s.raw, e.Body, uint16(i|(j+1)<<8|chooseBeside|chooseKnowing))
		}
	}
	f.Add(seed(f, "quote.bin"), []byte("{}"), uint16(0x100))
	f.Add(seed(f, "oe_report.bin"), []byte(nil), uint16(0))
	f.Fuzz(func(t *testing.T, raw, body []byte, choice uint16) {
		unchanged(t, raw, func() { unchanged(t, body, func() { bounded(t, func() { w.judge(t, raw, body, choice) }) }) })
	})
}

// judge verifies one choice and holds the answer against what was signed.
func (w *world) judge(t *testing.T, raw, body []byte, choice uint16) {
	t.Helper()
	i := int(choice&chooseSample) % len(w.samples)
	s, parts := w.samples[i], append([]*attesteer.Endorsements{}, w.parts[i]...)
	if n := int(choice & chooseItem >> 8); n > 0 && n <= len(parts) {
		fuzzed, err := attesteer.ParseEndorsements(rats.Endorsement{Kind: s.items[n-1].Kind, Body: body, Issuers: s.items[n-1].Issuers})
		if code := rats.KindOf(err).ExitCode(); code != 0 && code != 10 && code != 13 && code != 14 {
			t.Errorf("parsing: %v", err)
		}
		switch {
		case choice&chooseBeside == 0:
			parts[n-1] = fuzzed // nil if it is none: then it is missing
		case err == nil:
			parts = append(parts, fuzzed)
		}
	}
	v, p, at := new(attesteer.Verifier), s.policy, s.at
	if choice&chooseKnowing != 0 {
		v = w.verifier
	}
	if choice&chooseLate != 0 {
		at = at.AddDate(10, 0, 0)
	}
	if choice&chooseStrict != 0 {
		p = attesteer.Policy{Roots: s.policy.Roots}
	}
	r, err := v.Verify(attesteer.Evidence{Raw: raw}, attesteer.JoinEndorsements(parts...), p, at)
	checkAnswer(t, r, err)
	switch code := rats.KindOf(err).ExitCode(); code {
	case 10, 13, 14:
	case 0, 11:
		// Genuine, whether the policy likes it or not.
		w.mustHaveSigned(t, raw, body, r)
	case 12:
		if r == nil || r.TCB != nil || r.Accepted {
			t.Errorf("undecided, and decided: %+v", r)
		}
	default:
		t.Errorf("%v", err)
	}
	if choice&chooseLate != 0 && err == nil {
		t.Error("accepted ten years after")
	}
}

// mustHaveSigned checks that each signed part of what was found genuine is one
// of the samples'.
func (w *world) mustHaveSigned(t *testing.T, raw, body []byte, r *attesteer.Result) {
	t.Helper()
	if openenclave.IsReport(raw) {
		raw = raw[16:]
	}
	q := parsed(t, raw)
	if !w.quotes[signedOf(q)] {
		t.Error("a quote that nobody signed is genuine")
	}
	for _, der := range derOf(q.CertificationData.Data) {
		if !w.certificates[tbsOf(t, der)] {
			t.Error("a certificate that nobody signed vouches for a platform")
		}
	}
	for _, e := range r.Endorsements {
		if e.SHA256.String() == digest(body) && !w.vendorSigned(body) {
			t.Errorf("judged by %s that nobody signed", e.Kind)
		}
	}
}

func (w *world) vendorSigned(body []byte) bool {
	for _, statement := range w.statements {
		if bytes.Contains(body, statement) {
			return true
		}
	}
	return false
}
