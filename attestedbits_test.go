// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// attestedStep is the distance between the bits that are flipped inside the
// quote, every bit of which is its own tests' affair.
const attestedStep = 41

// TestABitOfAnAttestedCertificateIsFound: it is forged, unsupported or malformed.
// One in its names can make it say that another signed it, who is not judged: then
// it is accepted, says so, and says the same of enclave and key.
func TestABitOfAnAttestedCertificateIsFound(t *testing.T) {
	for _, p := range simtee.Profiles() {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			s := attested(t, simtee.AttestedTLS{Profile: p})
			en, err := attesteer.ParseEndorsements(s.items...)
			if err != nil {
				t.Fatal(err)
			}
			v := attesteer.NewVerifier(1 << 12)
			whole, err := v.Verify(attesteer.Evidence{Raw: s.raw}, en, trusting(), simTime)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := x509.ParseCertificate(s.raw)
			if err != nil {
				t.Fatal(err)
			}
			name := bytes.Index(s.raw, cert.RawIssuer)
			names := []span{{name, name + len(cert.RawIssuer)}}
			name = bytes.LastIndex(s.raw, cert.RawSubject)
			names = append(names, span{name, name + len(cert.RawSubject)})
			first := bytes.Index(s.raw, cert.RawSubjectPublicKeyInfo) + len(cert.RawSubjectPublicKeyInfo) + 64
			last := len(s.raw) - 128
			raw := bytes.Clone(s.raw)
			strangers := 0
			for bit := 0; bit < 8*len(raw); bit++ {
				at := bit / 8
				if at > first && at < last && bit%attestedStep != 0 {
					continue
				}
				raw[at] ^= 1 << (bit % 8)
				r, err := v.Verify(attesteer.Evidence{Raw: raw}, en, trusting(), simTime)
				switch code := rats.KindOf(err).ExitCode(); {
				case code == 10, code == 13, code == 14:
				case err == nil && (names[0].holds(at) || names[1].holds(at)) && sameButForTheSigner(t, whole, r):
					strangers++
				default:
					t.Errorf("bit %d of byte %d: %v", bit%8, at, err)
				}
				raw[at] = s.raw[at]
			}
			if strangers == 0 {
				t.Error("no flipped bit made the certificate another's, of the hundreds in its names")
			}
		})
	}
}

// sameButForTheSigner reports whether b says what a says, but for who signed the
// certificate, which it says it does not judge.
func sameButForTheSigner(t *testing.T, a, b *attesteer.Result) bool {
	t.Helper()
	c := checkNamed(t, b, "tls_certificate")
	note := `"detail":"` + c.Detail + `"`
	return strings.Contains(c.Detail, "not judged") && strings.Replace(marshal(t, b), note, `"detail":""`, 1) == marshal(t, a)
}

// TestAnAttestedCertificateThatIsCutShortIsMalformed at every length, in DER and
// in PEM.
func TestAnAttestedCertificateThatIsCutShortIsMalformed(t *testing.T) {
	for _, p := range simtee.Profiles() {
		s := attested(t, simtee.AttestedTLS{Profile: p})
		for _, raw := range [][]byte{s.raw, bytes.TrimSpace(inPEM(s.raw))} {
			for n := range raw {
				if r, err := attesteer.Verify(attesteer.Evidence{Raw: raw[:n]}, nil, trusting(), simTime); rats.KindOf(err) != rats.Malformed || r != nil {
					t.Fatalf("%s, %d of %d bytes: %v", p, n, len(raw), err)
				}
			}
		}
		if _, err := attesteer.Inspect(attesteer.Evidence{Raw: append(bytes.Clone(s.raw), 0)}); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s, and a byte: %v", p, err)
		}
	}
}

// TestTheFirstCertificateOfAFileCounts, and if it is broken none of those behind.
func TestTheFirstCertificateOfAFileCounts(t *testing.T) {
	good := attested(t, simtee.AttestedTLS{Profile: simtee.EGo})
	other := good.items[0].Issuers[0]
	broken := bytes.Replace(inPEM(good.raw), []byte("\nMII"), []byte("\n***"), 1)
	mangled := bytes.Replace(inPEM(good.raw), []byte("-----END"), []byte("----END"), 1)
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})
	plain := []byte("CONNECTED(00000003)\n---\nCertificate chain\n 0 s:CN = enclave\n---\nServer certificate\r\n")
	for name, raw := range map[string][]byte{
		"text before it":          append(plain, inPEM(good.raw)...),
		"text around it":          slices.Concat(plain, inPEM(good.raw), []byte("---\nSSL handshake has read 5 bytes\n")),
		"white space before it":   append([]byte(" \r\n\t"), inPEM(good.raw)...),
		"lines as Windows' end":   bytes.ReplaceAll(inPEM(good.raw), []byte("\n"), []byte("\r\n")),
		"no line end at the end":  bytes.TrimSpace(inPEM(good.raw)),
		"the next on the same":    append(bytes.TrimSpace(inPEM(good.raw)), inPEM(other)...),
		"a broken one behind it":  append(inPEM(good.raw), broken...),
		"a private key behind it": append(inPEM(good.raw), key...),
	} {
		decoded, err := attesteer.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (sim{decoded, good.items}).verify(t, trusting(), simTime); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, raw := range map[string][]byte{
		"words on its line":     append([]byte("see: "), inPEM(good.raw)...),
		"zeros before it":       append([]byte("a\x00\n"), inPEM(good.raw)...),
		"another first":         append(inPEM(other), inPEM(good.raw)...),
		"a broken one first":    append(broken, inPEM(good.raw)...),
		"one without an end":    append(mangled, inPEM(good.raw)...),
		"a private key first":   append(key, inPEM(good.raw)...),
		"two glued in DER":      append(bytes.Clone(good.raw), good.raw...),
		"a revocation list":     good.items[2].Body,
		"a platform's":          good.items[0].Issuers[0],
		"an empty PEM":          []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
		"one of more than most": append(bytes.Clone(good.raw), make([]byte, 200<<10)...),
	} {
		if r, err := (sim{raw, good.items}).verify(t, trusting(), simTime); rats.KindOf(err) != rats.Malformed || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (sim{good.items[2].Body, nil}).verify(t, trusting(), simTime); !strings.Contains(err.Error(), "revocation list") {
		t.Errorf("a revocation list: %v", err)
	}
}

// TestWhoSignedACertificateIsJudgedWhereItSaysThatItDid: what another signed is
// bound by the quote all the same.
func TestWhoSignedACertificateIsJudgedWhereItSaysThatItDid(t *testing.T) {
	broken := attested(t, simtee.AttestedTLS{Profile: simtee.Tagged})
	broken.raw[len(broken.raw)-1] ^= 1
	if r, err := broken.verify(t, trusting(), simTime); rats.KindOf(err) != rats.BadSignature || checkNamed(t, r, "tls_certificate").Outcome != rats.Fail || r.RuntimeData != nil {
		t.Errorf("its own broken signature: %v", err)
	}

	// The authority's certificate, and one that it signs.
	ca, key := &x509.Certificate{}, simtee.Key("authority")
	own := attested(t, simtee.AttestedTLS{Profile: simtee.Tagged, Template: func(c *x509.Certificate) { *ca = *c }})
	leaf := *ca
	ca.Subject = pkix.Name{CommonName: "an authority"}
	der, err := x509.CreateCertificate(nil, &leaf, ca, simtee.AttestedKey(simtee.Tagged).Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sim{der, own.items}.verify(t, trusting(), simTime)
	if err != nil || !strings.Contains(checkNamed(t, r, "tls_certificate").Detail, "signed by another key") || r.RuntimeKey == nil {
		t.Errorf("an authority's: %v", err)
	}
	// It has another key than the quote names.
	if der, err = x509.CreateCertificate(nil, &leaf, ca, key.Public(), key); err != nil {
		t.Fatal(err)
	}
	if _, err := (sim{der, own.items}).verify(t, trusting(), simTime); rats.KindOf(err) != rats.BindingMismatch {
		t.Errorf("an authority's for another key: %v", err)
	}
}

// TestACriticalExtensionIsUnderstoodOrRefused (RFC 5280 section 4.2): evidence is.
func TestACriticalExtensionIsUnderstoodOrRefused(t *testing.T) {
	unknown := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}
	for _, p := range simtee.Profiles() {
		s := attested(t, simtee.AttestedTLS{Profile: p, Template: func(c *x509.Certificate) {
			for i := range c.ExtraExtensions {
				c.ExtraExtensions[i].Critical = len(c.ExtraExtensions[i].Value) > 3 // not the version beside Azure's
			}
		}})
		if _, err := s.verify(t, trusting(), simTime); err != nil {
			t.Errorf("%s, critical: %v", p, err)
		}
		s = attested(t, simtee.AttestedTLS{Profile: p, Template: func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, unknown) }})
		if _, err := s.verify(t, trusting(), simTime); rats.KindOf(err) != rats.Unsupported || !strings.Contains(err.Error(), "1.2.3.4") {
			t.Errorf("%s and another: %v", p, err)
		}
	}
}

// TestEvidenceInCertificatesThatIsNotReadIsCalledByItsName, and does not hide what
// is read.
func TestEvidenceInCertificatesThatIsNotReadIsCalledByItsName(t *testing.T) {
	for dots, says := range map[string]string{
		"1.3.9900.4.3": "Constellation", "1.3.9901.2.1": "Contrast", "1.3.6.1.4.1.62397.1.8": "dstack", "1.3.6.1.5.5.7.1.35": "conceptual message wrapper",
	} {
		var id asn1.ObjectIdentifier
		for arc := range strings.SplitSeq(dots, ".") {
			n, err := strconv.Atoi(arc)
			if err != nil {
				t.Fatal(err)
			}
			id = append(id, n)
		}
		unread := pkix.Extension{Id: id, Value: []byte("{}")}
		s := attested(t, simtee.AttestedTLS{Profile: simtee.EGo, Template: func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{unread} }})
		if _, err := s.verify(t, trusting(), simTime); rats.KindOf(err) != rats.Unsupported || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", dots, err)
		}
		s = attested(t, simtee.AttestedTLS{Profile: simtee.EGo, Template: func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, unread) }})
		if _, err := s.verify(t, trusting(), simTime); err != nil {
			t.Errorf("%s beside an EGo report: %v", dots, err)
		}
	}
}
