// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"time"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// report returns the report of the scene's enclave.
func (s *scene) report() ([]byte, error) {
	s.ias.Enclave = s.enclave
	r, err := s.pki.IASReport(*s.ias)
	if err != nil {
		return nil, err
	}
	if s.form == nil {
		return r.JSON(), nil
	}
	return s.form(r)
}

// iasReport has the simulated service speak for the enclave, an hour before noon.
func iasReport(edits ...func(*simtee.IAS)) edit {
	return func(s *scene) {
		s.ias = &simtee.IAS{Time: noon.Add(-time.Hour)}
		for _, e := range edits {
			e(s.ias)
		}
	}
}

// inBody replaces text in the body before it is signed.
func inBody(from, to string) func(*simtee.IAS) {
	return func(s *simtee.IAS) { s.Edit = func(text string) string { return strings.Replace(text, from, to, 1) } }
}

// says has the service say a word.
func says(word epid.QuoteStatus) func(*simtee.IAS) {
	return func(s *simtee.IAS) { s.Status = word }
}

// leafOf edits the certificate of the report signing key.
func leafOf(change func(*x509.Certificate)) func(*simtee.IAS) {
	return func(s *simtee.IAS) { s.Certificate = change }
}

// asForm writes the report in another way.
func asForm(form func(simtee.IASReport) ([]byte, error)) edit {
	return func(s *scene) { s.form = form }
}

// inJSON edits the report's parts after they were signed.
func inJSON(change func(*simtee.IASReport)) edit {
	return asForm(func(r simtee.IASReport) ([]byte, error) {
		r.Body, r.Signature, r.Certificate = bytes.Clone(r.Body), bytes.Clone(r.Signature), bytes.Clone(r.Certificate)
		change(&r)
		return r.JSON(), nil
	})
}

func iasReports() family {
	f := family{name: "ias-report"}
	const spec = "IAS API, "
	add := func(name, clause, text string, w want, edits ...edit) {
		f.cases = append(f.cases, testCase{name, clause, text, w, edits, ""})
	}
	wrong := refused(rats.Malformed)
	for _, c := range []struct {
		word epid.QuoteStatus
		want want
	}{
		{epid.OK, accepted()}, {epid.GroupOutOfDate, at(od)}, {epid.ConfigurationNeeded, at(cf)}, {epid.SWHardeningNeeded, at(sw)},
		{epid.ConfigurationAndSWHardeningNeeded, at(cs)}, {epid.SignatureInvalid, refused(rats.BadSignature)},
		{epid.GroupRevoked, refused(rats.Revoked)}, {epid.SignatureRevoked, refused(rats.Revoked)}, {epid.KeyRevoked, refused(rats.Revoked)},
		{epid.SigRLVersionMismatch, refused(rats.EndorsementExpired)}, {"FINE", wrong},
	} {
		name := "says-" + strings.ToLower(strings.ReplaceAll(string(c.word), "_", "-"))
		add(name, spec+"isvEnclaveQuoteStatus", "Intel's word is "+string(c.word), c.want, iasReport(says(c.word)))
	}
	add("says-signature-invalid-whatever-is-accepted", spec+"isvEnclaveQuoteStatus", "Intel signed that the quote is false, and the policy accepts every status",
		refused(rats.BadSignature), iasReport(says(epid.SignatureInvalid)), accepting(rats.TCBStatuses()...))
	for _, c := range []struct {
		name string
		n    int
	}{{"unnamed", -1}, {"3", 3}, {"4", 4}, {"5", 5}} {
		add("version-"+c.name, spec+"version", "a report of version "+c.name, accepted(), iasReport(func(s *simtee.IAS) { s.Version = c.n }))
	}
	add("version-2", spec+"version", "a report that names version 2, which named none", refused(rats.Unsupported), iasReport(func(s *simtee.IAS) { s.Version = 2 }))
	add("version-6", spec+"version", "a report of a version that there is not", refused(rats.Unsupported), iasReport(func(s *simtee.IAS) { s.Version = 6 }))
	add("unlinkable", spec+"epidPseudonym", "a quote of the unlinkable kind, without a pseudonym", accepted(), iasReport(func(s *simtee.IAS) { s.Unlinkable = true }))
	add("platform-info", spec+"platformInfoBlob", "a report with platform info", at(od), iasReport(says(epid.GroupOutOfDate), func(s *simtee.IAS) { s.PlatformInfo = []byte{4, 0, 1} }))
	add("unknown-member", spec+"Attestation Verification Report", "a member that nobody knows is passed over", accepted(), iasReport(inBody(`{"id"`, `{"new":[1],"id"`)))
	add("member-twice", "RFC 8259 4", "a member stands twice", wrong, iasReport(inBody(`{"id"`, `{"id":"1","id"`)))
	add("timestamp-zone", spec+"timestamp", "the time has a zone", wrong, iasReport(inBody(`000000",`, `000000Z",`)))
	add("quote-cut", spec+"isvEnclaveQuoteBody", "the quote is cut short", wrong, iasReport(inBody(`"isvEnclaveQuoteBody":"AgAB`, `"isvEnclaveQuoteBody":"`)))
	f.cases = append(f.cases, iasForms()...)
	f.cases = append(f.cases, iasSigners()...)
	return f
}

// iasForms are reports in their envelopes, and what was done to them.
func iasForms() (cases []testCase) {
	add := func(name, clause, text string, w want, edits ...edit) {
		cases = append(cases, testCase{name, clause, text, w, append([]edit{iasReport()}, edits...), ""})
	}
	carried := func(r simtee.IASReport) ([]byte, error) { return r.Carried("an enclave") }
	add("form-certificate", "2.16.840.1.113730.1.13", "the report in a certificate's comment", accepted(), asForm(carried))
	add("form-certificate-broken", "RFC 5280 4.1.1.3", "the certificate that carries the report is not signed by its own key", refused(rats.BadSignature),
		asForm(func(r simtee.IASReport) ([]byte, error) {
			der, err := carried(r)
			der[len(der)-1] ^= 1
			return der, err
		}))
	pair := func(change func([]byte)) edit {
		return asForm(func(r simtee.IASReport) ([]byte, error) {
			b := r.Pair()
			change(b)
			return b, nil
		})
	}
	add("form-pair", "Contract ABI", "the pair has no room for a certificate, and Intel's own key did not sign", refused(rats.BadSignature), pair(func([]byte) {}))
	add("form-pair-offset", "Contract ABI", "the second offset is beyond the end", refused(rats.Malformed), pair(func(b []byte) { b[60] = 0x7f }))
	add("form-pair-length", "Contract ABI", "the first length is beyond the end", refused(rats.Malformed), pair(func(b []byte) { b[92] = 0x7f }))
	add("form-body", "IAS API, Report Signature", "the body alone", refused(rats.BadSignature), asForm(func(r simtee.IASReport) ([]byte, error) { return r.Body, nil }))
	add("form-url-encoded", "IAS API, Report Signing Certificate Chain", "the certificate is URL-encoded, as in the service's header", accepted(),
		asForm(func(r simtee.IASReport) ([]byte, error) {
			chain := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate}))
			chain = strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "=", "%3D").Replace(chain)
			return json.Marshal(map[string]string{
				"report": string(r.Body), "signature": base64.StdEncoding.EncodeToString(r.Signature), "certificate": chain,
			})
		}))
	add("body-reformatted", "IAS API, Report Signature", "the body was formatted anew", refused(rats.BadSignature),
		inJSON(func(r *simtee.IASReport) {
			r.Body = bytes.Replace(r.Body, []byte(`,"version`), []byte(`, "version`), 1)
		}))
	add("signature-flipped", "RFC 8017 8.2", "a bit of the signature is flipped", refused(rats.BadSignature), inJSON(func(r *simtee.IASReport) { r.Signature[9] ^= 1 }))
	add("signature-cut", "RFC 8017 8.2", "the signature is a byte short", refused(rats.BadSignature), inJSON(func(r *simtee.IASReport) { r.Signature = r.Signature[1:] }))
	add("certificate-flipped", "RFC 5280 6.1.3", "a bit of the signing certificate's signature is flipped", refused(rats.BadSignature),
		inJSON(func(r *simtee.IASReport) { r.Certificate[len(r.Certificate)-1] ^= 1 }))
	return cases
}

// iasSigners are reports under one certificate or another, at one time or another.
func iasSigners() (cases []testCase) {
	add := func(name, clause, text string, w want, change func(*x509.Certificate), edits ...edit) {
		cases = append(cases, testCase{name, clause, text, w, append([]edit{iasReport(leafOf(change))}, edits...), ""})
	}
	made := noon.Add(-time.Hour)
	same := func(*x509.Certificate) {}
	add("signer-another-role", "RFC 5280 4.1.2.6", "the certificate is that of another role", refused(rats.UntrustedRoot),
		func(c *x509.Certificate) { c.Subject.CommonName = "Simulated SGX TCB Signing" })
	add("signer-authority", "RFC 5280 4.2.1.9", "the certificate is an authority's", refused(rats.UntrustedRoot), func(c *x509.Certificate) { c.IsCA = true })
	add("signer-usage", "RFC 5280 4.2.1.3", "the certificate is not for signatures", refused(rats.UntrustedRoot),
		func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })
	add("signer-ended-since", "RFC 5280 4.1.2.5", "the certificate held when the report was made, and has ended since", accepted(),
		func(c *x509.Certificate) { c.NotAfter = made })
	add("signer-ended-before", "RFC 5280 4.1.2.5", "the certificate had ended when the report was made", refused(rats.Expired),
		func(c *x509.Certificate) { c.NotAfter = made.Add(-time.Second) })
	add("signer-not-yet", "RFC 5280 4.1.2.5", "the certificate did not hold yet when the report was made", refused(rats.Expired),
		func(c *x509.Certificate) { c.NotBefore = made.Add(time.Second) })
	when := func(at time.Time) edit { return func(s *scene) { s.now = at } }
	add("time-future", "IAS API, timestamp", "the report is from the future", refused(rats.Expired), same, when(made.Add(-time.Second)))
	add("time-at-once", "IAS API, timestamp", "the report is judged at the moment it was made", accepted(), same, when(made))
	add("age-just-right", "docs/policy.md", "the report is as old as the policy takes it", accepted(), same, demanding("max_report_age", "1h"))
	add("age-too-old", "docs/policy.md", "the report is older than the policy takes it", refused(rats.Expired), same, demanding("max_report_age", "59m"))
	add("policy-code", "RFC 9334 8.5", "reference values of SGX match an enclave that Intel's service spoke for", accepted(), same, knowing(object{"mr_enclave": hexOf(32, 0xe1)}))
	add("policy-debug", "RFC 9334 8.5", "a debug build", refused(rats.DebugForbidden), same, func(s *scene) { s.enclave.Debug = true })
	return cases
}
