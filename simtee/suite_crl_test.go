// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

const crlClause = profileClause + "; RFC 5280 5"

func serialOf(n int64) *big.Int { return big.NewInt(n) }

// crlParts edits the parts of a TBSCertList: version, algorithm, issuer, this and
// next update, [revoked certificates,] extensions.
func crlParts(role simtee.Role, f func([]asn1.RawValue) []asn1.RawValue) edit {
	return crl(role, func(l *simtee.RevocationList) {
		l.TBS = func(tbs []byte) []byte {
			var parts []asn1.RawValue
			if _, err := asn1.Unmarshal(tbs, &parts); err != nil {
				panic(err)
			}
			return mustMarshal(f(parts))
		}
	})
}

// crlBytes replaces bytes of a TBSCertList.
func crlBytes(role simtee.Role, old, with []byte) edit {
	return crl(role, func(l *simtee.RevocationList) {
		l.TBS = func(tbs []byte) []byte {
			if !bytes.Contains(tbs, old) {
				panic("the list does not have what is to be replaced")
			}
			return bytes.Replace(tbs, old, with, 1)
		}
	})
}

func crlExtension(id asn1.ObjectIdentifier, critical bool, value []byte) func(*simtee.RevocationList) {
	return func(l *simtee.RevocationList) {
		l.Template.ExtraExtensions = append(l.Template.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
	}
}

// listFaults are what can be wrong with either list.
func listFaults(list, whose string, role simtee.Role, kind rats.EndorsementKind) (out []testCase) {
	bad := refused(rats.Malformed)
	oidNumber, oidKeyID, oidUnknown := []byte{0x55, 0x1d, 0x14}, []byte{0x55, 0x1d, 0x23}, []byte{0x55, 0x1d, 0x7f}
	ecdsa256, ecdsa384 := []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3}
	one := func(name, text string, w want, edits ...edit) {
		out = append(out, testCase{list + "-" + name, crlClause, strings.ReplaceAll(text, "LIST", whose), w, edits, ""})
	}
	one("missing", "the LIST is missing: without lists the answer is undecided", refused(rats.EndorsementUnavailable), lacking(kind))
	one("signature", "the signature of the LIST is broken", refused(rats.BadSignature), sent(kind, flip(-1)))
	one("foreign-key", "another key signed the LIST", refused(rats.BadSignature), crl(role, func(r *simtee.RevocationList) { r.Key = simtee.Key("intruder") }))
	one("names-another-issuer", "the LIST, which the right key signed, names another issuer", refused(rats.UntrustedRoot), crl(role, func(r *simtee.RevocationList) {
		issuer := *r.Issuer
		issuer.RawSubject, issuer.Subject.CommonName = nil, "Another SGX CA"
		r.Issuer = &issuer
	}))
	one("changed", "the dates of the LIST were changed after signing", refused(rats.BadSignature), sent(kind, func(b []byte) []byte {
		return bytes.Replace(b, []byte("250720000000Z"), []byte("260720000000Z"), 1)
	}))
	one("garbage", "the LIST is one zero byte", bad, sent(kind, func([]byte) []byte { return []byte{0} }))
	one("empty", "the LIST has no bytes", bad, sent(kind, func([]byte) []byte { return nil }))
	one("cut", "the last byte of the LIST is missing", bad, sent(kind, func(b []byte) []byte { return b[:len(b)-1] }))
	one("trailing", "a byte follows the LIST", bad, sent(kind, func(b []byte) []byte { return append(b, 0) }))
	one("version-1", "the LIST has version 1, and no extensions", bad, crlParts(role, func(p []asn1.RawValue) []asn1.RawValue { return p[1 : len(p)-1] }))
	one("without-next-update", "the LIST does not say when it ends", bad, crlParts(role, func(p []asn1.RawValue) []asn1.RawValue { return slices.Delete(p, 4, 5) }))
	one("ends-before-it-begins", "the LIST ends before it begins", bad, crlParts(role, func(p []asn1.RawValue) []asn1.RawValue {
		p[3], p[4] = p[4], p[3]
		return p
	}))
	one("without-extensions", "the LIST has no extensions", bad, crlParts(role, func(p []asn1.RawValue) []asn1.RawValue { return p[:len(p)-1] }))
	one("without-number", "the LIST has no number", bad, crlBytes(role, oidNumber, oidUnknown))
	one("without-key-id", "the LIST has no authority key identifier", bad, crlBytes(role, oidKeyID, oidUnknown))
	one("two-algorithms", "the LIST names SHA-384 inside and SHA-256 outside", bad, crlBytes(role, ecdsa256, ecdsa384))
	one("sha384", "the LIST is signed with SHA-384", refused(rats.Unsupported), crl(role, func(r *simtee.RevocationList) { r.Template.SignatureAlgorithm = x509.ECDSAWithSHA384 }))
	one("partial", "the LIST says, in a critical extension, that it is of some certificates only", refused(rats.Unsupported),
		crl(role, crlExtension(asn1.ObjectIdentifier{2, 5, 29, 28}, true, []byte{0x30, 3, 0x81, 1, 0xff})))
	one("delta", "the LIST says that it adds to another (delta CRL)", refused(rats.Unsupported),
		crl(role, crlExtension(asn1.ObjectIdentifier{2, 5, 29, 27}, true, []byte{2, 1, 1})))
	one("unknown-extension", "the LIST has an extension that nobody knows, not critical", accepted(),
		crl(role, crlExtension(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 2}, false, []byte{5, 0})))
	one("entry-critical-extension", "an entry of the LIST has a critical extension", refused(rats.Unsupported), crl(role, func(r *simtee.RevocationList) {
		entry := simtee.Revoke(serialOf(99))
		entry.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}}}
		r.Template.RevokedCertificateEntries = append(r.Template.RevokedCertificateEntries, entry)
	}))
	one("in-pem", "the LIST comes in PEM", accepted(), encoded(kind, func(der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	}))
	one("in-hex", "the LIST comes as hex, as caches keep it", accepted(), encoded(kind, func(der []byte) []byte { return []byte(hex.EncodeToString(der)) }))
	one("of-200", "the LIST revokes 200 others", accepted(), crl(role, func(r *simtee.RevocationList) {
		for i := range int64(200) {
			r.Template.RevokedCertificateEntries = append(r.Template.RevokedCertificateEntries, simtee.Revoke(serialOf(1000+i)))
		}
	}))
	return out
}

func revocationLists() family {
	f := family{"crl", append(listFaults("root", "root's list", simtee.RootCA, rats.RootCACRL), listFaults("pck", "PCK CA's list", simtee.PCKCA, rats.PCKCRL)...)}
	add := func(name, text string, w want, edits ...edit) {
		f.cases = append(f.cases, testCase{name, crlClause, text, w, edits, ""})
	}
	bad := refused(rats.Malformed)
	swap := func(s *scene) {
		s.items = append(s.items, func(items []rats.Endorsement) []rats.Endorsement {
			items[2].Body, items[3].Body = items[3].Body, items[2].Body
			return items
		})
	}
	add("swapped", "the lists stand in each other's place", refused(rats.UntrustedRoot), swap)
	add("of-the-other-ca", "the only list of a PCK CA is the Processor CA's, and the Platform CA issued the PCK certificate", refused(rats.EndorsementUnavailable),
		lacking(rats.PCKCRL), elsewhere(rats.PCKCRL, processor()))
	add("of-both-cas", "there are the lists of both PCK CAs", accepted(), elsewhere(rats.PCKCRL, processor()))
	add("pck-under-another-root", "the PCK CA's list comes with a CA under another root, which bears the pinned root's name", refused(rats.BadSignature),
		lacking(rats.PCKCRL), elsewhere(rats.PCKCRL, certificate(simtee.RootCA, foreignRoot)))
	add("pck-by-tcb-signing", "the TCB signing certificate vouches for the PCK CA's list", refused(rats.UntrustedRoot),
		lacking(rats.PCKCRL), elsewhere(rats.PCKCRL, template(simtee.PCKCA, named("Simulated SGX TCB Signing")), template(simtee.PCKCA, notACA),
			template(simtee.PCKCA, usage(x509.KeyUsageDigitalSignature))))
	add("pck-ca-signature", "the signature of the CA's certificate that comes with the PCK CA's list is broken", refused(rats.BadSignature), each(rats.PCKCRL, func(e *rats.Endorsement) {
		e.Issuers = [][]byte{flip(-1)(bytes.Clone(e.Issuers[0]))}
	}))
	add("pck-without-its-ca", "the PCK CA's list comes without the CA's certificate", bad, each(rats.PCKCRL, func(e *rats.Endorsement) { e.Issuers = nil }))
	return f
}

func pckSerialNumber(s *scene) *big.Int { return s.platform.Serial() }

func roleSerial(role simtee.Role) func(*scene) *big.Int {
	return func(s *scene) *big.Int { return s.pki.Serial(role) }
}

func revocation() family {
	f := family{name: "revocation"}
	add := func(name, text string, w want, edits ...edit) *testCase {
		f.cases = append(f.cases, testCase{name, "SGX DCAP QVL 4.1.2.1.6; RFC 5280 5", text, w, edits, ""})
		return &f.cases[len(f.cases)-1]
	}
	revoked := refused(rats.Revoked)
	pck := revoking(simtee.PCKCA, pckSerialNumber)
	for _, name := range []string{"sgx-v3", "tdx-v4", "tdx-v5-td15"} {
		add("pck-"+name, "the PCK certificate is revoked", revoked, formNamed(name, pck)...)
		add("ca-"+name, "the PCK CA is revoked", revoked, formNamed(name, revoking(simtee.RootCA, roleSerial(simtee.PCKCA)))...)
		add("tcb-signing-"+name, "the TCB signing certificate is revoked", revoked, formNamed(name, revoking(simtee.RootCA, roleSerial(simtee.TCBSigning)))...)
	}
	// Identity and TCB info under two certificates, one of which is revoked.
	two := []edit{lacking(rats.QEIdentity), elsewhere(rats.QEIdentity, template(simtee.TCBSigning, func(t *x509.Certificate) { t.SerialNumber = serialOf(7) }))}
	add("tcb-signing-of-tcb-info", "the certificate that signed the TCB info is revoked, and that of the identity is not", revoked,
		append(two[:2:2], revoking(simtee.RootCA, roleSerial(simtee.TCBSigning)))...)
	add("tcb-signing-of-identity", "the certificate that signed the identity is revoked, and that of the TCB info is not", revoked,
		append(two[:2:2], revoking(simtee.RootCA, func(*scene) *big.Int { return serialOf(7) }))...)
	add("tcb-signing-of-nobody", "a TCB signing certificate is revoked that signed neither identity nor TCB info", accepted(),
		append(two[:2:2], revoking(simtee.RootCA, func(*scene) *big.Int { return serialOf(8) }))...)
	add("processor-pck", "the PCK certificate of a Processor CA is revoked", revoked, processor(), pck)
	add("pck-among-others", "the PCK certificate is the last of 50 that are revoked", revoked, crl(simtee.PCKCA, func(l *simtee.RevocationList) {
		for i := range int64(49) {
			l.Template.RevokedCertificateEntries = append(l.Template.RevokedCertificateEntries, simtee.Revoke(serialOf(1000+i)))
		}
	}), pck)
	add("pck-later", "the PCK certificate is revoked from a date on that is still to come: it is on the list", revoked, crlEntry(func(e *x509.RevocationListEntry) { e.RevocationTime = noon.AddDate(0, 0, 1) }))
	add("pck-on-hold", "the PCK certificate is on hold, which is a revocation", revoked, crlEntry(func(e *x509.RevocationListEntry) { e.ReasonCode = 6 }))
	add("another-platform", "another platform's PCK certificate is revoked", accepted(), revoking(simtee.PCKCA, func(s *scene) *big.Int {
		m, err := s.pki.NewPlatform(2, "")
		if err != nil {
			panic(err)
		}
		return m.Serial()
	}))
	add("serial-with-a-longer-neighbour", "a serial number is revoked that begins with the platform's", accepted(), revoking(simtee.PCKCA, func(s *scene) *big.Int {
		return new(big.Int).Rsh(s.platform.Serial(), 8)
	}))
	add("pck-on-the-roots-list", "the PCK certificate's serial number is on the root's list, which is not its issuer's", accepted(), revoking(simtee.RootCA, pckSerialNumber))
	add("ca-on-its-own-list", "the CA's serial number is on its own list, which is not its issuer's", accepted(), revoking(simtee.PCKCA, roleSerial(simtee.PCKCA)))
	add("root-on-its-own-list", "the root's serial number is on its own list: a root cannot revoke itself", accepted(), revoking(simtee.RootCA, roleSerial(simtee.RootCA)))
	add("before-expired", "the PCK certificate is revoked and expired: revoked counts", revoked, pck, func(s *scene) { s.faults.PCKNotAfter = noon.AddDate(0, 0, -1) })
	add("before-qe-mismatch", "the PCK certificate is revoked and the quoting enclave is not the one that the identity describes", revoked, pck,
		quotingEnclave(func(q *simtee.QuotingEnclave) { q.Report.MRSigner[0] ^= 1 }))
	add("before-status", "the PCK certificate is revoked and the platform out of date", revoked, pck, platformAt(rats.OutOfDate))
	add("after-quote-signature", "the PCK certificate is revoked and the quote's signature is broken: the signature counts", refused(rats.BadSignature), pck,
		written(flip(layoutOf("sgx-v3").signature+4+40))).note = "Intel's library reports the revocation first."
	add("after-missing", "the PCK certificate is revoked and the TCB info is missing: the answer is undecided", refused(rats.EndorsementUnavailable), pck, lacking(rats.TCBInfo))
	add("after-stale", "the PCK certificate is revoked and the list that says so is stale: the answer is undecided", refused(rats.EndorsementExpired), pck,
		crl(simtee.PCKCA, func(l *simtee.RevocationList) { l.Template.NextUpdate = noon.AddDate(0, 0, -0).Add(-1) }))
	return f
}

// crlEntry puts the platform's certificate on the PCK CA's list, with an entry
// that is edited.
func crlEntry(f func(*x509.RevocationListEntry)) edit {
	return func(s *scene) {
		crl(simtee.PCKCA, func(l *simtee.RevocationList) {
			entry := simtee.Revoke(s.platform.Serial())
			f(&entry)
			l.Template.RevokedCertificateEntries = append(l.Template.RevokedCertificateEntries, entry)
		})(s)
	}
}
