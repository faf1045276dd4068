// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// everyNth is the distance between the bits that are flipped where not all are.
const everyNth = 97

// TestNoBitOfTheEvidenceIsIgnored flips each bit of one quote of each version
// and layout in turn, with all endorsements at hand: header, report, lengths,
// signatures, keys, the quoting enclave's report and the certificates. The
// answer is that it is forged, unsupported or malformed, never "undecided" or
// "not good enough", and never yes.
func TestNoBitOfTheEvidenceIsIgnored(t *testing.T) {
	for _, s := range exhaustive(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.flip(t, 1, len(s.raw))
		})
	}
	// How the certificates are read does not depend on the layout before them.
	simulated := simulatedSamples(t)
	for _, name := range []string{"version 5, SGX", "version 5, TDX 1.0", "version 5, TDX 1.5 extended"} {
		s := named(t, simulated, "simulated "+name)
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.flip(t, 1, len(s.raw)-len(parsed(t, s.raw).CertificationData.Data))
		})
	}
}

// exhaustive returns the samples of which every bit is flipped: real ones where
// there are any.
func exhaustive(t *testing.T) []sample {
	t.Helper()
	simulated, all := simulatedSamples(t), realSamples(t)
	out := []sample{named(t, simulated, "simulated version 4, SGX")}
	if all == nil {
		for _, name := range []string{"version 3, SGX", "version 4, TDX 1.0", "version 5, TDX 1.5"} {
			out = append(out, named(t, simulated, "simulated "+name))
		}
		return out
	}
	return append(out,
		sample{"seed of version 3", seed(t, "quote.bin"), everything(t).Items(), lenient(), midsummer},
		named(t, all, "quotes/tdx/td10_v4_90C06F000000_plat_prod_cbdb5b2f.bin"),
		named(t, all, "quotes/tdx/td15_v5_90C06F000000_plat_prod_cf77a6e9.bin"))
}

// TestFlippedBitsOfOtherSamplesAreFound, every 97th of them.
func TestFlippedBitsOfOtherSamplesAreFound(t *testing.T) {
	all := append(simulatedSamples(t), realSamples(t)...)
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.flip(t, everyNth, len(s.raw))
		})
	}
}

// flip flips every nth bit of the sample's first bytes, one at a time.
func (s sample) flip(t *testing.T, nth, until int) {
	t.Helper()
	en, v := s.endorsements(t), attesteer.NewVerifier(1<<16)
	judge := func(raw []byte, thorough bool) int {
		r, err := v.Verify(attesteer.Evidence{Raw: raw}, en, s.policy, s.at)
		if thorough {
			checkAnswer(t, r, err)
		}
		if (err == nil) != (r != nil && r.Accepted) {
			t.Errorf("accepted, or not: %v", err)
		}
		return rats.KindOf(err).ExitCode()
	}
	untouched := judge(s.raw, true)
	if s.items != nil && untouched != 0 {
		t.Fatalf("the sample itself has exit code %d", untouched)
	}
	raw, parts := bytes.Clone(s.raw), s.parts(t)
	spaces := 0
	for n := 0; n < until*8; n += nth {
		at := n / 8
		raw[at] ^= 1 << (n % 8)
		switch code := judge(raw, n%(16*nth) == 0); {
		case code == 10 || code == 13 || code == 14:
		case code == untouched && (parts.tail.holds(at) || parts.cipher.holds(at)):
		case code == untouched && parts.text.holds(at) && sameText(raw, s.raw):
			spaces++
		case code == 12 && (parts.name.holds(at) || untouched == 12 && parts.report.holds(at)):
		case code == 12 && parts.lone && parts.text.holds(at) && renamesIssuer(t, s.raw, raw):
		default:
			t.Errorf("bit %d of byte %d (%q): exit code %d", n%8, at, s.raw[at], code)
		}
		raw[at] = s.raw[at]
	}
	// The NUL that ends the certificates may as well be a space, and nothing else.
	if spaces > 1 {
		t.Errorf("%d changes make no difference", spaces)
	}
}

// span is a range of bytes.
type span struct{ from, until int }

func (s span) holds(at int) bool { return at >= s.from && at < s.until }

// parts are the bytes of evidence about which a flipped bit can say something
// else than that it is forged.
type parts struct {
	// tail is what follows the quote.
	tail span
	// text are certificates in PEM.
	text span
	// cipher is a PPID that only the vendor can read.
	cipher span
	// lone says that they are the PCK certificate alone.
	lone bool
	// name is where evidence without certificates names its platform, for
	// endorsements to tell more of it: of a name that is nobody's nothing is known.
	name span
	// report is the quoting enclave's with its signature: nobody knows whether it
	// is genuine where the platform's certificate is missing.
	report span
}

func (s sample) parts(t *testing.T) parts {
	t.Helper()
	q := parsed(t, s.raw)
	end := len(s.raw) - len(q.Trailing)
	data := span{end - len(q.CertificationData.Data), end}
	p := parts{tail: span{end, len(s.raw)}}
	p.report.until = data.from - 6 - len(q.QEAuthData) - 2
	p.report.from = p.report.until - 384 - 64
	switch q.CertificationData.Type {
	case quote.CertPCKChain:
		p.text = data
	case quote.CertPCKLeaf:
		p.text, p.lone = data, true
	case quote.CertPPIDRSA2048, quote.CertPPIDRSA3072:
		p.cipher, p.name = span{data.from, data.until - 20}, span{data.until - 20, data.until}
	default:
		p.name = data
	}
	return p
}

// renamesIssuer reports whether the PCK certificate that came alone names
// another issuer than before: one of whom nothing is known.
func renamesIssuer(t *testing.T, before, after []byte) bool {
	t.Helper()
	var names [2][]byte
	for i, raw := range [][]byte{before, after} {
		certs := derOf(parsed(t, raw).CertificationData.Data)
		if len(certs) != 1 {
			return false
		}
		c, err := x509.ParseCertificate(certs[0])
		if err != nil {
			return false
		}
		names[i] = c.RawIssuer
	}
	return !bytes.Equal(names[0], names[1])
}

// parsed reads the quote of evidence that comes without an envelope.
func parsed(t testing.TB, raw []byte) *quote.Quote {
	t.Helper()
	q, err := quote.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return q
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

// TestWhatIsCutShortIsMalformed at every length, whatever the version and the
// envelope, and whatever endorsements are at hand.
func TestWhatIsCutShortIsMalformed(t *testing.T) {
	samples := []sample{
		{name: "an enveloped quote", raw: seed(t, "oe_report.bin"), policy: lenient(), at: midsummer},
		{name: "a real quote", raw: seed(t, "quote.bin"), policy: lenient(), at: midsummer},
	}
	samples = append(append(samples, simulatedSamples(t)...), realSamples(t)...)
	for _, s := range samples {
		en := s.endorsements(t)
		whole := len(s.raw)
		if s.name != "an enveloped quote" {
			whole = s.parts(t).tail.from
		}
		for n := range whole {
			_, err := attesteer.Verify(attesteer.Evidence{Raw: s.raw[:n]}, en, s.policy, s.at)
			if rats.KindOf(err) != rats.Malformed {
				t.Fatalf("%s, %d of %d bytes: %v", s.name, n, whole, err)
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
