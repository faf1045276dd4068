// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Bounds of what one input may take: allocations, and the time after which it
// counts as hanging the process.
const (
	memoryBound = 64 << 20
	patience    = 30 * time.Second
)

// bounded runs f within the bounds.
func bounded(t *testing.T, f func()) {
	t.Helper()
	hung := time.AfterFunc(patience, func() { panic("one input takes longer than " + patience.String()) })
	defer hung.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	if n := sample[0].Value.Uint64() - before; n > memoryBound {
		t.Errorf("%d bytes allocated for one input", n)
	}
}

// unchanged runs f and makes sure that it does not write to b.
func unchanged(t *testing.T, b []byte, f func()) {
	t.Helper()
	before := bytes.Clone(b)
	f()
	if !bytes.Equal(b, before) {
		t.Error("the input was written to")
	}
}

// addEvidence adds evidence of every kind and some that is cut short.
func addEvidence(f *testing.F) {
	f.Helper()
	for _, s := range append(simulatedSamples(f), realSamples(f)...) {
		f.Add(s.raw)
	}
	for _, file := range []string{"quote.bin", "oe_report.bin"} {
		f.Add(seed(f, file))
		f.Add(seed(f, file)[:1500])
	}
	for _, p := range simtee.Profiles() {
		der := attested(f, simtee.AttestedTLS{Profile: p}).raw
		f.Add(der)
		f.Add(inPEM(der))
	}
	f.Add([]byte(hex.EncodeToString(seed(f, "oe_report.bin"))))
	f.Add(seed(f, "quote_generation.json"))
	buffer := serialised(f, twoClaims()...)
	claims := claiming(f, buffer)
	f.Add(wrapped("SGX_ECDSA", claims.raw, buffer))
	f.Add(append(bytes.Clone(claims.raw), buffer...))
	f.Add(wrapped("LEGACY_REPORT_REMOTE", seed(f, "oe_report.bin")))
	f.Add([]byte("0x03000200"))
	f.Add([]byte(nil))
}

// FuzzInspect: recognising, inspecting and asking what evidence needs agree with
// each other and with verifying, whatever comes in, as bytes or as text.
func FuzzInspect(f *testing.F) {
	addEvidence(f)
	f.Fuzz(func(t *testing.T, given []byte) {
		raw := given
		if text, err := attesteer.Decode(given); err == nil {
			raw = text
		}
		unchanged(t, given, func() { bounded(t, func() { inspect(t, raw) }) })
	})
}

func inspect(t *testing.T, raw []byte) {
	t.Helper()
	format, recogniseErr := attesteer.Recognise(raw)
	in, err := attesteer.Inspect(attesteer.Evidence{Raw: raw})
	needs, needErr := attesteer.Needs(attesteer.Evidence{Raw: raw})
	r, verifyErr := attesteer.Verify(attesteer.Evidence{Raw: raw}, nil, lenient(), midsummer)
	checkAnswer(t, r, verifyErr)
	if verifyErr == nil {
		t.Fatal("accepted without endorsements")
	}
	if code := rats.KindOf(verifyErr).ExitCode(); code != 10 && code != 12 && code != 13 && code != 14 {
		t.Errorf("verifying: %v", verifyErr)
	}
	if err != nil {
		if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported || in != nil || needErr == nil || r != nil {
			t.Errorf("inspecting: %v, needs: %v, verifying: %v", err, needErr, verifyErr)
		}
		return
	}
	if recogniseErr != nil || in.Format != format || r == nil || r.Format != format || in.TEE != r.TEE {
		t.Errorf("recognised as %q, %v, inspected as %q, verifying: %v", format, recogniseErr, in.Format, verifyErr)
	}
	if text, err := attesteer.QuoteJSON(attesteer.Evidence{Raw: raw}, nil); err == nil {
		if again, err := attesteer.Inspect(attesteer.Evidence{Raw: text}); err != nil || again.Format != rats.QuoteJSON || !bytes.Equal(again.Fingerprint, in.Fingerprint) {
			t.Errorf("written as JSON: %v", err)
		}
	}
	if in.Verified || len(in.ReportData) != 64 || !bytes.Equal(in.Fingerprint, r.Fingerprint) {
		t.Errorf("%+v", in)
	}
	if needErr == nil && (len(needs) != 1 || !bytes.Equal(needs[0].FMSPC[:], in.FMSPC)) {
		t.Errorf("needs %+v, inspected as of FMSPC %s", needs, in.FMSPC)
	}
}
