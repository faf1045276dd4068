// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// Clauses that the cases of certificates cite.
const (
	chainClause   = "SGX DCAP QVL 4.1.2.1"
	profileClause = "Intel SGX PCK Certificate and CRL Profile 1.4"
)

// chained edits the PEM of the chain that a quote carries, given as one text for
// each certificate: PCK, CA, root.
func chained(f func(certs []string) string) edit {
	return signed(func(q *quote.Quote) {
		const end = "-----END CERTIFICATE-----\n"
		certs := strings.SplitAfter(string(q.CertificationData.Data), end)
		q.CertificationData.Data = []byte(f(certs[:3]))
	})
}

// others are the certificates of a chain that another scene's quote carries.
func others(edits ...edit) []string {
	var out []string
	s, err := set(append(edits, chained(func(certs []string) string {
		out = slices.Clone(certs)
		return certs[0]
	})))
	if err == nil {
		_, err = s.evidence()
	}
	if err != nil {
		panic(err)
	}
	return out
}

func certPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func chainForms() family {
	f := family{name: "chain-form"}
	add := func(name, text string, w want, edits ...edit) *testCase {
		f.cases = append(f.cases, testCase{name, sgxLayout + " table 9; " + chainClause, text, w, edits, ""})
		return &f.cases[len(f.cases)-1]
	}
	text := func(name, what string, w want, g func([]string) string) *testCase {
		return add(name, what, w, chained(g))
	}
	text("root-first", "the certificates stand with the root first", accepted(), func(c []string) string { return c[2] + c[1] + c[0] })
	text("ca-first", "the certificates stand with the CA first", accepted(), func(c []string) string { return c[1] + c[2] + c[0] })
	text("end-and-begin-on-one-line", "END and BEGIN share a line, as some platforms write it", accepted(), func(c []string) string {
		return strings.ReplaceAll(strings.Join(c, ""), "-----END CERTIFICATE-----\n-----BEGIN", "-----END CERTIFICATE----------BEGIN")
	}).note = "A PEM reader that wants BEGIN at the start of a line finds one certificate of three."
	text("trailing-nul", "a NUL ends the chain, as in most quotes in the field", accepted(), func(c []string) string { return strings.Join(c, "") + "\x00" })
	text("crlf", "lines end in CR LF", accepted(), func(c []string) string { return strings.ReplaceAll(strings.Join(c, ""), "\n", "\r\n") })
	text("no-final-line-end", "the last line does not end", accepted(), func(c []string) string { return strings.TrimSpace(strings.Join(c, "")) })
	text("without-root", "the root's certificate does not come along: it is known", accepted(), func(c []string) string { return c[0] + c[1] }).
		note = "Intel's library wants three certificates. The root is pinned by key and name, so that its certificate adds nothing."
	text("ca-twice", "the CA's certificate stands twice", accepted(), func(c []string) string { return strings.Join(c, "") + c[1] })
	text("without-ca", "the CA's certificate is missing", refused(rats.UntrustedRoot), func(c []string) string { return c[0] + c[2] })
	text("root-alone", "there is the root's certificate alone", refused(rats.Malformed), func(c []string) string { return c[2] })
	text("without-pck", "the PCK certificate is missing", refused(rats.Malformed), func(c []string) string { return c[1] + c[2] })
	text("empty", "there is no certificate", refused(rats.Malformed), func([]string) string { return "\n" })
	text("nul-alone", "there is a NUL alone", refused(rats.Malformed), func([]string) string { return "\x00" })
	other := others(func(s *scene) { s.faults.PCKNotAfter = noon.AddDate(1, 0, 0) })
	text("two-pck-certificates", "there are two PCK certificates of one platform, with different validities", refused(rats.UntrustedRoot),
		func(c []string) string { return strings.Join(c, "") + other[0] })
	ca := others(template(simtee.PCKCA, func(t *x509.Certificate) { t.NotAfter = t.NotAfter.AddDate(-1, 0, 0) }))
	text("two-cas", "there are two certificates of the PCK CA, with different validities", refused(rats.UntrustedRoot),
		func(c []string) string { return strings.Join(c, "") + ca[1] })
	text("nine-certificates", "there are nine certificates", refused(rats.Malformed),
		func(c []string) string { return strings.Repeat(strings.Join(c, ""), 3) })
	text("not-pem", "the chain is not PEM", refused(rats.Malformed), func([]string) string { return "certificate" })
	text("text-between", "there is text between the certificates", refused(rats.Malformed), func(c []string) string { return c[0] + "subject=\n" + c[1] + c[2] })
	text("text-after", "there is text after the certificates", refused(rats.Malformed), func(c []string) string { return strings.Join(c, "") + "the end" })
	text("cut", "the last certificate does not end", refused(rats.Malformed), func(c []string) string {
		all := strings.Join(c, "")
		return all[:len(all)-40]
	})
	text("another-label", "the PCK certificate is labelled TRUSTED CERTIFICATE", refused(rats.Malformed), func(c []string) string {
		return strings.ReplaceAll(c[0], "CERTIFICATE", "TRUSTED CERTIFICATE") + c[1] + c[2]
	})
	text("not-base64", "the PCK certificate is not base64", refused(rats.Malformed), func(c []string) string {
		return strings.Replace(c[0], "\nMII", "\nM*I", 1) + c[1] + c[2]
	})
	text("der-cut", "the PCK certificate's DER is cut short", refused(rats.Malformed), func(c []string) string {
		block, _ := pem.Decode([]byte(c[0]))
		return certPEM(block.Bytes[:len(block.Bytes)-1]) + c[1] + c[2]
	})
	text("der-trailing", "a byte follows the PCK certificate's DER", refused(rats.Malformed), func(c []string) string {
		block, _ := pem.Decode([]byte(c[0]))
		return certPEM(append(block.Bytes, 0)) + c[1] + c[2]
	})
	add("processor-ca", "the Processor CA issued the PCK certificate, whose extension has five elements", accepted(), processor())
	return f
}

// processor has the PCK Processor CA issue the certificates.
func processor() edit { return func(s *scene) { s.faults.ProcessorCA = true } }

func foreignRoot(c *simtee.Certificate) { c.Key, c.SigningKey = simtee.Key("root"), simtee.Key("root") }

func chainTrust() family {
	f := family{name: "chain-trust"}
	add := func(name, text string, w want, edits ...edit) *testCase {
		f.cases = append(f.cases, testCase{name, chainClause, text, w, edits, ""})
		return &f.cases[len(f.cases)-1]
	}
	withoutRoot := chained(func(c []string) string { return c[0] + c[1] })
	add("another-root-of-that-name", "everything is under another root, which bears the pinned root's name", refused(rats.UntrustedRoot),
		certificate(simtee.RootCA, foreignRoot))
	add("another-root-of-that-name-not-shown", "everything is under another root of the pinned root's name, whose certificate does not come along",
		refused(rats.BadSignature), certificate(simtee.RootCA, foreignRoot), withoutRoot)
	rename := template(simtee.RootCA, func(t *x509.Certificate) { t.Subject.CommonName = "Another SGX Root CA" })
	add("another-root", "everything is under another root", refused(rats.UntrustedRoot), certificate(simtee.RootCA, foreignRoot), rename)
	add("another-root-not-shown", "everything is under another root, whose certificate does not come along", refused(rats.UntrustedRoot),
		certificate(simtee.RootCA, foreignRoot), rename, withoutRoot)
	add("another-name-for-the-root", "the root's certificate bears another name with the pinned key", refused(rats.UntrustedRoot), rename)
	forged := others(certificate(simtee.RootCA, foreignRoot))
	add("forged-root-shown", "all is genuine but the root's certificate that comes along, which has another key", refused(rats.UntrustedRoot),
		chained(func(c []string) string { return c[0] + c[1] + forged[2] }))
	add("two-roots-shown", "two certificates of the root come along, one of them forged", refused(rats.UntrustedRoot),
		chained(func(c []string) string { return strings.Join(c, "") + forged[2] }))
	add("root-signature", "the signature of the root's certificate that comes along is broken", refused(rats.BadSignature), shown(simtee.RootCA, flip(-1)))
	add("root-reissued", "the root's certificate was issued anew with another serial number and validity, with the pinned key", accepted(),
		template(simtee.RootCA, func(t *x509.Certificate) {
			t.SerialNumber, t.NotAfter = big.NewInt(2033), time.Date(2033, 5, 21, 10, 45, 10, 0, time.UTC)
		})).
		note = "Intel's root has been issued anew with one key and several validities. Intel's library compares certificates and refuses chains with another edition than the caller's; the root is a key and a name here."
	add("root-path-length-0", "the root's certificate says that no CA may stand below it, as an edition of Intel's does", accepted(),
		template(simtee.RootCA, func(t *x509.Certificate) { t.MaxPathLen, t.MaxPathLenZero = 0, true })).
		note = "The root's own path length means nothing, since the root is a key and a name."
	f.cases = append(f.cases, chainSignatures()...)
	return f
}

// chainSignatures are the cases of who issued CA and PCK certificate.
func chainSignatures() (out []testCase) {
	add := func(name, text string, w want, edits ...edit) {
		out = append(out, testCase{name, chainClause, text, w, edits, ""})
	}
	add("ca-signature", "the signature of the CA's certificate is broken", refused(rats.BadSignature), shown(simtee.PCKCA, flip(-1)))
	add("ca-foreign-key", "another key than the root's signed the CA's certificate", refused(rats.BadSignature),
		certificate(simtee.PCKCA, func(c *simtee.Certificate) { c.SigningKey = simtee.Key("intruder") }))
	add("ca-names-another-issuer", "the CA's certificate, which the root's key signed, names another issuer", refused(rats.UntrustedRoot),
		certificate(simtee.PCKCA, issuerNamed("Another SGX Root CA")))
	add("pck-signature", "the signature of the PCK certificate is broken", refused(rats.BadSignature), shown(simtee.PCK, flip(-1)))
	add("pck-foreign-key", "another key than the CA's signed the PCK certificate", refused(rats.BadSignature),
		certificate(simtee.PCK, func(c *simtee.Certificate) { c.SigningKey = simtee.Key("intruder") }))
	add("pck-names-another-issuer", "the PCK certificate, which the CA's key signed, names another issuer", refused(rats.UntrustedRoot),
		certificate(simtee.PCK, issuerNamed("Simulated SGX PCK Processor CA")))
	add("pck-changed-after-signing", "one letter of the PCK certificate's name was changed after signing", refused(rats.BadSignature),
		shown(simtee.PCK, func(der []byte) []byte {
			return bytes.Replace(der, []byte("Simulated SGX PCK Certificate"), []byte("simulated SGX PCK Certificate"), 1)
		}))
	add("pck-by-root", "the root issued the PCK certificate itself", refused(rats.UntrustedRoot), func(s *scene) {
		certificate(simtee.PCK, func(c *simtee.Certificate) {
			root := s.made[simtee.RootCA]
			c.Issuer, c.SigningKey = root.Template, root.Key
		})(s)
	})
	add("ca-by-ca", "a further CA stands between root and PCK CA", refused(rats.UntrustedRoot), func(s *scene) {
		certificate(simtee.PCKCA, func(c *simtee.Certificate) {
			between := *c.Template
			between.Subject.CommonName = "Simulated SGX Intermediate CA"
			c.Issuer, c.SigningKey = &between, simtee.Key("between")
		})(s)
	})
	add("another-pck-ca", "the chain carries another genuine CA than the one that issued the PCK certificate", refused(rats.UntrustedRoot),
		chained(func(c []string) string { return c[0] + others(processor())[1] + c[2] }))
	return out
}

func issuerNamed(common string) func(*simtee.Certificate) {
	return func(c *simtee.Certificate) {
		issuer := *c.Issuer
		issuer.RawSubject = nil
		issuer.Subject.CommonName = common
		issuer.Subject.Names = nil
		c.Issuer = &issuer
	}
}

// p384 is a key on a curve that no certificate of the profile has.
func p384() *ecdsa.PrivateKey {
	scalar := sha512.Sum384([]byte("a key on P-384"))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), scalar[:])
	if err != nil {
		panic(err)
	}
	return key
}

// ofVersion writes a version into a certificate, which x509 makes of version 3:
// [0] EXPLICIT INTEGER 2.
func ofVersion(v byte) func(*simtee.Certificate) {
	return func(c *simtee.Certificate) {
		c.TBS = func(tbs []byte) []byte {
			return bytes.Replace(tbs, []byte{0xa0, 3, 2, 1, 2}, []byte{0xa0, 3, 2, 1, v - 1}, 1)
		}
	}
}

func notACA(t *x509.Certificate) { t.IsCA, t.MaxPathLen, t.MaxPathLenZero = false, -1, false }

// foreignExtension is an extension that nobody knows.
func foreignExtension(critical bool) func(*x509.Certificate) {
	return func(t *x509.Certificate) {
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: critical, Value: []byte{5, 0},
		})
	}
}

func usage(u x509.KeyUsage) func(*x509.Certificate) {
	return func(t *x509.Certificate) { t.KeyUsage = u }
}

func named(common string) func(*x509.Certificate) {
	return func(t *x509.Certificate) { t.Subject.CommonName = common }
}

func chainRoles() family {
	f := family{name: "chain-role"}
	add := func(name, text string, w want, edits ...edit) *testCase {
		f.cases = append(f.cases, testCase{name, profileClause, text, w, edits, ""})
		return &f.cases[len(f.cases)-1]
	}
	const lax = "Intel's library asks that key usage and basic constraints are there, not what they say."
	ca, pck := simtee.PCKCA, simtee.PCK
	wrong := refused(rats.UntrustedRoot)
	add("ca-is-no-ca", "the basic constraints of the CA's certificate say that it is none", wrong, template(ca, notACA)).note = lax
	add("ca-without-constraints", "the CA's certificate has no basic constraints", wrong,
		template(ca, notACA), template(ca, func(t *x509.Certificate) { t.BasicConstraintsValid = false }))
	add("ca-may-not-sign-certificates", "the CA's certificate lacks keyCertSign", wrong, template(ca, usage(x509.KeyUsageCRLSign))).note = lax
	add("ca-may-not-sign-lists", "the CA's certificate lacks cRLSign", wrong, template(ca, usage(x509.KeyUsageCertSign))).note = lax
	add("ca-without-usage", "the CA's certificate has no key usage", wrong, template(ca, usage(0)))
	add("ca-of-another-name", "the CA's name is not that of a PCK CA", wrong, template(ca, named("Simulated SGX Quoting CA")))
	add("ca-is-tcb-signing", "a TCB signing certificate issued the PCK certificate", wrong,
		template(ca, notACA), template(ca, named("Simulated SGX TCB Signing")), template(ca, usage(x509.KeyUsageDigitalSignature)))
	add("ca-is-pck", "a PCK certificate's name stands on the CA's", wrong, template(ca, named("Simulated SGX PCK Certificate")))
	add("ca-critical-extension", "the CA's certificate has a critical extension that nobody knows", refused(rats.Unsupported), template(ca, foreignExtension(true)))
	add("ca-unknown-extension", "the CA's certificate has an extension that nobody knows, not critical", accepted(), template(ca, foreignExtension(false)))
	add("ca-on-p384", "the CA's key is on P-384", refused(rats.Unsupported), certificate(ca, func(c *simtee.Certificate) { c.Key = p384() }))
	add("ca-sha384", "the CA's certificate is signed with SHA-384", refused(rats.Unsupported),
		template(ca, func(t *x509.Certificate) { t.SignatureAlgorithm = x509.ECDSAWithSHA384 }))
	add("ca-version-2", "the CA's certificate has version 2", wrong, certificate(ca, ofVersion(2)))
	add("pck-is-ca", "the basic constraints of the PCK certificate say that it is a CA", wrong, template(pck, func(t *x509.Certificate) { t.IsCA = true })).note = lax
	add("pck-may-sign-certificates", "the PCK certificate may sign certificates", wrong,
		template(pck, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign))).note = lax
	add("pck-may-not-sign", "the PCK certificate lacks digitalSignature", wrong, template(pck, usage(x509.KeyUsageContentCommitment))).note = lax
	add("pck-without-usage", "the PCK certificate has no key usage", wrong, template(pck, usage(0)))
	add("pck-without-constraints", "the PCK certificate has no basic constraints", wrong,
		template(pck, func(t *x509.Certificate) { t.BasicConstraintsValid = false }))
	add("pck-of-another-name", "the PCK certificate's name is not that of one", wrong, template(pck, named("Simulated SGX TCB Signing")))
	add("pck-without-extension", "the PCK certificate lacks the SGX extension", wrong,
		template(pck, func(t *x509.Certificate) { t.ExtraExtensions = nil }))
	add("pck-critical-extension", "the PCK certificate has a critical extension that nobody knows", refused(rats.Unsupported), template(pck, foreignExtension(true)))
	add("pck-unknown-extension", "the PCK certificate has an extension that nobody knows, not critical", accepted(), template(pck, foreignExtension(false)))
	add("pck-on-p384", "the PCK certificate's key is on P-384", refused(rats.Unsupported),
		certificate(pck, func(c *simtee.Certificate) { c.Key = p384() }),
		quotingEnclave(func(q *simtee.QuotingEnclave) { q.Key = simtee.Key("intruder") }))
	add("pck-sha384", "the PCK certificate is signed with SHA-384", refused(rats.Unsupported),
		template(pck, func(t *x509.Certificate) { t.SignatureAlgorithm = x509.ECDSAWithSHA384 }))
	add("pck-version-1", "the PCK certificate has version 1, and so no extensions", wrong, certificate(pck, ofVersion(1)))
	return f
}
