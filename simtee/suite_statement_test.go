// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

const signingClause = "SGX DCAP QVL 4.1.2.2; PCS API v4 3.3, 3.6"

// indented formats JSON anew, as some caches do.
func indented(b []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// flipSignature flips a bit of the hex signature that ends a statement.
func flipSignature(b []byte) []byte {
	i := len(b) - 3
	if b[i] == '0' {
		b[i] = '1'
	} else {
		b[i] = '0'
	}
	return b
}

func zeroSignature(b []byte) []byte {
	i := bytes.LastIndex(b, []byte(`:"`)) + 2
	return append(b[:i], strings.Repeat("0", 128)+`"}`...)
}

func endorsementSignatures() family {
	f := family{name: "endorsement-signature"}
	add := func(name, text string, w want, edits ...edit) *testCase {
		f.cases = append(f.cases, testCase{name, signingClause, text, w, edits, ""})
		return &f.cases[len(f.cases)-1]
	}
	forged := refused(rats.BadSignature)
	const reformatted = "The signature covers the bytes as they were sent. Intel's library writes the object anew before it verifies, and takes this."
	for _, tee := range []struct {
		name  string
		edits []edit
	}{{"sgx", nil}, {"tdx", formNamed("tdx-v4")}} {
		for _, k := range []struct {
			name string
			kind rats.EndorsementKind
		}{{"tcb-info", rats.TCBInfo}, {"identity", rats.QEIdentity}} {
			name := k.name + "-" + tee.name
			with := func(e ...edit) []edit { return append(slices.Clone(tee.edits), e...) }
			add(name+"-flipped", "the signature of the "+k.name+" is broken", forged, with(sent(k.kind, flipSignature))...)
			add(name+"-zero", "the signature of the "+k.name+" is zero", forged, with(sent(k.kind, zeroSignature))...)
			add(name+"-foreign-key", "another key than the TCB signing certificate's signed the "+k.name, forged, with(signer(k.kind, "intruder"))...)
			add(name+"-changed", "the evaluation number of the "+k.name+" was changed after signing", forged, with(sent(k.kind, func(b []byte) []byte {
				return bytes.Replace(b, []byte(`Number":20`), []byte(`Number":21`), 1)
			}))...)
			add(name+"-reformatted", "the "+k.name+" was formatted anew after signing", forged, with(sent(k.kind, indented))...).note = reformatted
			add(name+"-missing", "there is no "+k.name, refused(rats.EndorsementUnavailable), with(lacking(k.kind))...)
		}
	}
	add("white-space-outside", "there is white space around the signed object, and none was added to it", accepted(), sent(rats.TCBInfo, func(b []byte) []byte {
		return bytes.Replace(bytes.Replace(b, []byte(`{"tcbInfo":`), []byte("{\n  \"tcbInfo\": "), 1), []byte(`,"signature"`), []byte(",\n  \"signature\""), 1)
	}))
	add("white-space-inside", "the vendor signed an object with white space in it", accepted(), inner(rats.TCBInfo, func(t string) string {
		return string(indented([]byte(t)))
	})).note = "The signature covers the bytes as they were sent. Intel's library verifies what it writes itself, and refuses this."
	add("signature-first", "the signature stands before the object", accepted(), sent(rats.TCBInfo, func(b []byte) []byte {
		i := bytes.LastIndex(b, []byte(`,"signature"`))
		return slices.Concat([]byte("{"), b[i+1:len(b)-1], []byte(","), b[1:i], []byte("}"))
	}))
	add("signature-in-capitals", "the signature is hex in capitals", accepted(), sent(rats.TCBInfo, func(b []byte) []byte {
		i := bytes.LastIndex(b, []byte(`:"`)) + 2
		return append(b[:i:i], bytes.ToUpper(b[i:])...)
	}))
	f.cases = append(f.cases, signerCases()...)
	f.cases = append(f.cases, besideCases()...)
	return f
}

// signerCases are those of the certificate under which statements are signed.
func signerCases() (out []testCase) {
	add := func(name, text string, w want, edits ...edit) {
		out = append(out, testCase{name, signingClause, text, w, edits, ""})
	}
	forged := refused(rats.BadSignature)
	for _, k := range []rats.EndorsementKind{rats.TCBInfo, rats.QEIdentity} {
		add(mapped(k)+"-by-pck", "a platform's PCK key signed the "+mapped(k)+", with its PCK certificate", refused(rats.UntrustedRoot), signedByRole(k, simtee.PCK)...)
		add(mapped(k)+"-by-ca", "the PCK CA signed the "+mapped(k), refused(rats.UntrustedRoot), signedByRole(k, simtee.PCKCA)...)
	}
	signing := func(name, text string, w want, edits ...edit) { add("signer-"+name, text, w, edits...) }
	tcb := simtee.TCBSigning
	signing("signature", "the signature of the TCB signing certificate is broken", forged, shown(tcb, flip(-1)))
	signing("foreign-key", "another key than the root's signed the TCB signing certificate", forged,
		certificate(tcb, func(c *simtee.Certificate) { c.SigningKey = simtee.Key("intruder") }))
	signing("names-another-issuer", "the TCB signing certificate names another issuer", refused(rats.UntrustedRoot), certificate(tcb, issuerNamed("Another SGX Root CA")))
	signing("by-ca", "the PCK CA issued the TCB signing certificate", refused(rats.UntrustedRoot), func(s *scene) {
		certificate(tcb, func(c *simtee.Certificate) {
			c.Issuer, c.SigningKey = s.made[simtee.PCKCA].Template, s.made[simtee.PCKCA].Key
		})(s)
	})
	signing("of-another-name", "the certificate under which statements are signed is not the TCB signing certificate by name", refused(rats.UntrustedRoot),
		template(tcb, named("Simulated SGX Report Signing")))
	signing("is-ca", "the TCB signing certificate is a CA", refused(rats.UntrustedRoot), template(tcb, func(t *x509.Certificate) { t.IsCA = true }))
	signing("may-not-sign", "the TCB signing certificate lacks digitalSignature", refused(rats.UntrustedRoot), template(tcb, usage(x509.KeyUsageContentCommitment)))
	signing("may-sign-certificates", "the TCB signing certificate may sign certificates", refused(rats.UntrustedRoot),
		template(tcb, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign)))
	signing("critical-extension", "the TCB signing certificate has a critical extension that nobody knows", refused(rats.Unsupported), template(tcb, foreignExtension(true)))
	signing("version-2", "the TCB signing certificate has version 2", refused(rats.UntrustedRoot), certificate(tcb, ofVersion(2)))
	signing("sha384", "the TCB signing certificate is signed with SHA-384", refused(rats.Unsupported),
		template(tcb, func(t *x509.Certificate) { t.SignatureAlgorithm = x509.ECDSAWithSHA384 }))
	signing("under-another-root", "TCB info and identity are signed under another root, which bears the pinned root's name", forged,
		elsewhereAll(rats.TCBInfo, rats.QEIdentity)...)
	signing("reissued", "identity and TCB info come with two TCB signing certificates of one key", accepted(), lacking(rats.QEIdentity),
		elsewhere(rats.QEIdentity, template(tcb, func(t *x509.Certificate) { t.SerialNumber = serialOf(7) })))
	return out
}

// besideCases are those of several statements, or none.
func besideCases() (out []testCase) {
	add := func(name, text string, w want, edits ...edit) {
		out = append(out, testCase{name, signingClause, text, w, edits, ""})
	}
	add("forged-beside-genuine", "a forged TCB info stands beside the genuine one: anyone can add rubbish", accepted(),
		elsewhere(rats.TCBInfo, signer(rats.TCBInfo, "intruder"), info(func(i *simtee.TCBInfo) { i.Levels[0].Status = rats.OutOfDate })))
	add("stale-beside-current", "an old TCB info stands beside the current one", accepted(), elsewhere(rats.TCBInfo, info(func(i *simtee.TCBInfo) {
		i.IssueDate, i.NextUpdate = stamp(noon.AddDate(0, -2, 0)), stamp(noon.AddDate(0, -1, 0))
		i.Levels[0].Status = rats.OutOfDate
	})))
	add("forged-beside-stale", "a forged TCB info stands beside a genuine one that is stale: the answer is undecided", refused(rats.EndorsementExpired),
		info(func(i *simtee.TCBInfo) { i.NextUpdate = stamp(noon.Add(-time.Second)) }),
		elsewhere(rats.TCBInfo, signer(rats.TCBInfo, "intruder")))
	add("none-at-all", "there are no endorsements", refused(rats.EndorsementUnavailable),
		lacking(rats.TCBInfo), lacking(rats.QEIdentity), lacking(rats.RootCACRL), lacking(rats.PCKCRL))
	add("bad-quote-and-none", "there are no endorsements, and the quote's signature is broken, which is what counts", refused(rats.BadSignature),
		lacking(rats.TCBInfo), lacking(rats.QEIdentity), lacking(rats.RootCACRL), lacking(rats.PCKCRL),
		signed(func(q *quote.Quote) { q.Signature[40] ^= 1 }))
	return out
}

// mapped names a kind as the cases do.
func mapped(k rats.EndorsementKind) string {
	if k == rats.TCBInfo {
		return "tcb-info"
	}
	return "identity"
}

// signedByRole has the key of another role sign a statement, and that role's
// certificate vouch for it.
func signedByRole(kind rats.EndorsementKind, role simtee.Role) []edit {
	return []edit{func(s *scene) {
		// The platform is made after the PKI, and statements after both.
		s.statement = append(s.statement, func(st *simtee.Statement) {
			if st.Kind == kind {
				st.Key = s.made[role].Key
			}
		})
		each(kind, func(e *rats.Endorsement) {
			c := s.platform.PCKCertificate()
			e.Issuers = [][]byte{c.Body}
			if role == simtee.PCKCA {
				e.Issuers = c.Issuers
			}
		})(s)
	}}
}

// elsewhereAll replaces endorsements of some kinds by those of a PKI whose root
// has another key.
func elsewhereAll(kinds ...rats.EndorsementKind) (out []edit) {
	for _, k := range kinds {
		out = append(out, lacking(k), elsewhere(k, certificate(simtee.RootCA, foreignRoot)))
	}
	return out
}
