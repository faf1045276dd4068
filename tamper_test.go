// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// TestNoBitOfTheEvidenceIsIgnored flips each bit of a real quote in turn, with
// all endorsements at hand: header, report, lengths, signatures, keys, the
// quoting enclave's report and the certificates. The answer is that it is
// forged, unsupported or malformed, never "undecided" or "not good enough", and
// never yes.
func TestNoBitOfTheEvidenceIsIgnored(t *testing.T) {
	raw, en := seed(t, "quote.bin"), everything(t)
	v := attesteer.NewVerifier(1 << 16)
	accepted := 0
	for n := range len(raw) * 8 {
		changed := bytes.Clone(raw)
		changed[n/8] ^= 1 << (n % 8)
		r, err := v.Verify(attesteer.Evidence{Raw: changed}, en, lenient(), midsummer)
		switch code := rats.KindOf(err).ExitCode(); code {
		case 10, 13, 14:
			checkAnswer(t, r, err)
		case 0:
			if accepted++; !sameText(raw, changed) {
				t.Errorf("bit %d of byte %d (%q) is ignored", n%8, n/8, raw[n/8])
			}
		default:
			t.Errorf("bit %d of byte %d (%q): %v, exit code %d", n%8, n/8, raw[n/8], err, code)
		}
	}
	// The NUL that ends the certificates may as well be a space, and nothing else.
	if accepted > 1 {
		t.Errorf("%d changes are accepted", accepted)
	}
}

// sameText reports whether two inputs differ in white space and NULs alone.
func sameText(a, b []byte) bool {
	strip := func(b []byte) string {
		return strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "", "\x00", "").Replace(string(b))
	}
	return strip(a) == strip(b)
}

// TestNoBitOfAnEnvelopedQuoteIsIgnored: nor of the envelope.
func TestNoBitOfAnEnvelopeIsIgnored(t *testing.T) {
	raw, en := seed(t, "oe_report.bin"), everything(t)
	v := attesteer.NewVerifier(1 << 12)
	for n := range 16 * 8 {
		changed := bytes.Clone(raw)
		changed[n/8] ^= 1 << (n % 8)
		_, err := v.Verify(attesteer.Evidence{Raw: changed}, en, lenient(), midsummer)
		if code := rats.KindOf(err).ExitCode(); code != 13 && code != 14 {
			t.Errorf("bit %d of byte %d: %v", n%8, n/8, err)
		}
	}
}

// TestWhatIsCutShortIsMalformed at every length, whatever the envelope.
func TestWhatIsCutShortIsMalformed(t *testing.T) {
	for _, file := range []string{"quote.bin", "oe_report.bin"} {
		raw := seed(t, file)
		for n := range raw {
			if _, err := attesteer.Verify(attesteer.Evidence{Raw: raw[:n]}, nil, lenient(), midsummer); rats.KindOf(err) != rats.Malformed {
				t.Fatalf("%s, %d bytes: %v", file, n, err)
			}
		}
	}
}

// TestCertificatesOfOnePlatformDoNotSpeakForAnother: the parts of two genuine
// quotes do not make a third.
func TestCertificatesOfOnePlatformDoNotSpeakForAnother(t *testing.T) {
	dir := vectors(t)
	files := glob(t, dir, "quotes", "sgx", "sgx_v3_00606A000000_*.bin")
	ours := seed(t, "quote.bin")
	const signed, qeReport = 432, 436 + 128
	mixed := 0
	for _, file := range files {
		other := read(t, file)
		if bytes.Equal(other[:signed], ours[:signed]) || bytes.Equal(other[qeReport:qeReport+448], ours[qeReport:qeReport+448]) {
			continue
		}
		mixed++
		body := append(bytes.Clone(other[:signed]), ours[signed:]...)
		if _, err := verify(t, body, everything(t), lenient(), midsummer); rats.KindOf(err) != rats.BadSignature {
			t.Errorf("another's report: %v", err)
		}
		qe := bytes.Clone(ours)
		copy(qe[qeReport:], other[qeReport:qeReport+448])
		if _, err := verify(t, qe, everything(t), lenient(), midsummer); rats.KindOf(err) != rats.BindingMismatch {
			t.Errorf("another's quoting enclave: %v", err)
		}
	}
	if mixed < 3 {
		t.Errorf("only %d quotes were mixed", mixed)
	}
}
