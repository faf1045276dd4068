// SPDX-License-Identifier: Apache-2.0

package epid

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// The checks in the order in which they run and are reported. The kind of a
// result is that of the first that fails.
const (
	checkFormat    = "report_format"
	checkSignature = "report_signature"
	checkChain     = "signing_chain"
	checkCarrier   = "carrying_certificate"
	checkQuote     = "quote_status"
	checkValidity  = "certificate_validity"
	checkTime      = "report_time"
	checkPlatform  = "platform_info"
	checkService   = "attestation_service"
)

// clauses maps each check to the clause that demands it, in order.
func clauses() [9]rats.Check {
	const ias = "IAS API, "
	return [9]rats.Check{
		{Name: checkFormat, Spec: ias + "Attestation Verification Report"},
		{Name: checkSignature, Spec: ias + "Report Signature"},
		{Name: checkChain, Spec: ias + "Report Signing Certificate Chain"},
		{Name: checkCarrier, Spec: "RFC 5280 4.1.1.3"},
		{Name: checkQuote, Spec: ias + "isvEnclaveQuoteStatus"},
		{Name: checkValidity, Spec: "RFC 5280 4.1.2.5"},
		{Name: checkTime, Spec: ias + "timestamp"},
		{Name: checkPlatform, Spec: ias + "platformInfoBlob"},
		{Name: checkService, Spec: "Intel, IAS end of life"},
	}
}

// Retired is the day on which Intel's service ended.
func Retired() time.Time { return time.Date(2025, time.April, 2, 0, 0, 0, 0, time.UTC) }

// Appraisal is everything that was established about a report.
type Appraisal struct {
	// Checks are all checks in their order.
	Checks []rats.Check
	// Err is the first failure, or nil.
	Err *rats.Error
	// Root vouches for the key that signed the report; empty until the chain is
	// verified.
	Root string
	// Inputs are what [Reappraise] goes by, nil until the report is genuine and
	// says that the quote is.
	Inputs *Inputs
	// Status is what Intel's word comes to; empty where that is a refusal, and
	// until signature and chain are verified.
	Status rats.TCBStatus
	// ValidFrom is when the report was made, ValidUntil when the certificate of
	// the key that signed it ends; zero until they are verified.
	ValidFrom, ValidUntil time.Time
}

// Inputs are what is left to judge of a report whose signature, chain and word
// are verified: Intel says nothing more about it, ever.
type Inputs struct {
	// Root names the trust root that vouched for the signing key.
	Root string `cbor:"1,keyasint"`
	// Status and Advisories are what Intel said of the platform.
	Status     rats.TCBStatus `cbor:"2,keyasint"`
	Advisories []string       `cbor:"3,keyasint,omitempty"`
	// Made is when, in milliseconds since the Unix epoch, and NotAfter the end of
	// the signing key's certificate in seconds.
	Made     int64 `cbor:"4,keyasint"`
	NotAfter int64 `cbor:"5,keyasint"`
}

// Window returns from when on the report says what it says, and until when
// Intel vouches for the key that signed it.
func (in *Inputs) Window() (from, until time.Time) {
	return time.UnixMilli(in.Made).UTC(), time.Unix(in.NotAfter, 0).UTC()
}

// appraisal is one appraisal at work.
type appraisal struct {
	Appraisal
	ev *Evidence
	at time.Time
}

// Appraise judges a report as of a time by roots; nil roots stand for [Intel]'s.
// It always returns an appraisal, whose Err says whether, and why, the report or
// what it tells of is not genuine.
func Appraise(ev *Evidence, roots []rats.TrustRoot, at time.Time) *Appraisal {
	list := clauses()
	a := &appraisal{Appraisal: Appraisal{Checks: list[:]}, ev: ev, at: at}
	for i := range a.Checks {
		a.Checks[i].Outcome = rats.Skipped
	}
	a.run(roots)
	return &a.Appraisal
}

func (a *appraisal) run(roots []rats.TrustRoot) {
	r := a.ev.Report
	form := "of a version of the API that was not named"
	if r.Version > 0 {
		form = "of version " + strconv.FormatUint(uint64(r.Version), 10) + " of the API"
	}
	a.judge(checkFormat, form, nil)
	leaf, from, err := a.signer()
	if err == nil {
		err = a.signed(leaf)
	}
	genuine := a.judge(checkSignature, "", err)
	if genuine {
		var root *root
		if root, err = vouched(leaf, a.ev.Chain, roots); err == nil {
			a.Root = root.Name
		}
		genuine = a.judge(checkChain, from, err)
	}
	if a.ev.Carrier != nil {
		note, err := a.ev.carried()
		genuine = a.judge(checkCarrier, note, err) && genuine
	}
	if !genuine {
		return
	}
	a.ValidFrom, a.ValidUntil = r.Time, leaf.NotAfter
	a.told(leaf)
}

// judge records how a check ended and reports whether it passed.
func (a *appraisal) judge(name, note string, err error) bool {
	for i := range a.Checks {
		c := &a.Checks[i]
		if c.Name != name {
			continue
		}
		if c.Outcome, c.Detail = rats.Pass, note; err == nil {
			break
		}
		e := rats.AsError(err)
		if c.Outcome, c.Detail = rats.Fail, e.Detail; e.Kind == rats.EndorsementExpired {
			c.Outcome = rats.Undecided
		}
		if a.Err == nil {
			a.Err = e.In(name, c.Spec)
		}
	}
	return err == nil
}

// signer returns the certificate of the key that signs reports.
func (a *appraisal) signer() (leaf *x509.Certificate, from string, err error) {
	for _, c := range a.ev.Chain {
		if bytes.Equal(c.RawSubject, c.RawIssuer) {
			continue
		}
		if leaf != nil && !bytes.Equal(leaf.Raw, c.Raw) {
			return nil, "", rats.Errorf(rats.UntrustedRoot, "the chain holds two certificates for one place: %q and %q", leaf.Subject.CommonName, c.Subject.CommonName)
		}
		leaf = c
	}
	if leaf == nil {
		return nil, "", rats.Errorf(rats.UntrustedRoot, "the chain lacks the certificate of the signing key")
	}
	return leaf, strconv.Quote(leaf.Subject.CommonName), nil
}

// signed checks Intel's signature over the body as it stands.
func (a *appraisal) signed(leaf *x509.Certificate) error {
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	switch {
	case a.ev.Signature == nil:
		return rats.Errorf(rats.BadSignature, "the report comes without its signature")
	case !ok || key.Size() < 256:
		return rats.Errorf(rats.Unsupported, "certificate %q: not an RSA key of 2,048 bits or more", leaf.Subject.CommonName)
	}
	digest := sha256.Sum256(a.ev.Body)
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], a.ev.Signature) != nil {
		return rats.Errorf(rats.BadSignature, "the signing key did not sign this report: was it formatted anew?")
	}
	return nil
}

// vouched checks the certificate of the signing key and returns the root that
// issued it. A root's certificate that comes along must be that root's own: what
// it says besides means nothing, since the root is a key and a name.
func vouched(leaf *x509.Certificate, chain []*x509.Certificate, roots []rats.TrustRoot) (*root, error) {
	refuse := func(format string, args ...any) (*root, error) {
		return nil, rats.Errorf(rats.UntrustedRoot, "certificate "+strings.ReplaceAll(strconv.Quote(leaf.Subject.CommonName), "%", "%%")+" "+format, args...)
	}
	r := rootNamed(roots, leaf.RawIssuer)
	switch {
	case r == nil:
		return refuse("is not issued by a pinned root of report signing keys")
	case !strings.Contains(leaf.Subject.CommonName, "Attestation Report Signing"):
		return refuse("is not that of a report signing key")
	case leaf.Version != 3 || !leaf.BasicConstraintsValid || leaf.IsCA:
		return refuse("has the wrong version or basic constraints for a report signing key")
	case leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 || leaf.KeyUsage&x509.KeyUsageCertSign != 0:
		return refuse("has the wrong key usage for a report signing key")
	case len(leaf.UnhandledCriticalExtensions) > 0:
		return nil, rats.Errorf(rats.Unsupported, "certificate %q: unknown critical extension %v", leaf.Subject.CommonName, leaf.UnhandledCriticalExtensions[0])
	}
	for _, c := range chain {
		if !bytes.Equal(c.RawSubject, c.RawIssuer) {
			continue
		}
		if !bytes.Equal(c.RawSubject, r.Subject) || !bytes.Equal(c.RawSubjectPublicKeyInfo, r.PublicKey) {
			return refuse("comes with the certificate of another root than the one that vouches for it")
		}
		if err := r.issued(c); err != nil {
			return nil, err
		}
	}
	return r, damaged(leaf, r.issued(leaf))
}

// damaged says more of a failure where a certificate is Intel's own but for its
// signature, as in copies that circulate.
func damaged(leaf *x509.Certificate, err error) error {
	if err == nil {
		return nil
	}
	if own, failed := x509.ParseCertificate(SigningCertificate()); failed == nil && bytes.Equal(own.RawTBSCertificate, leaf.RawTBSCertificate) {
		e := rats.AsError(err)
		return rats.Errorf(e.Kind, "%s: a damaged copy of Intel's, which is taken whole where none comes along", e.Detail)
	}
	return err
}

// told judges what a genuine report says, and when.
func (a *appraisal) told(leaf *x509.Certificate) {
	r := a.ev.Report
	m, _ := meaningOf(r.Status)
	var err error
	if m.kind != rats.None {
		err = rats.Errorf(m.kind, "Intel says %s: %s", r.Status, m.why)
		if r.RevocationReason != nil {
			err = rats.Errorf(m.kind, "Intel says %s: %s, for reason %d", r.Status, m.why, *r.RevocationReason)
		}
	}
	good := a.judge(checkQuote, "Intel says "+string(r.Status), err)
	const day = "2006-01-02"
	err = nil
	switch {
	case r.Time.Before(leaf.NotBefore):
		err = rats.Errorf(rats.Expired, "the certificate of the signing key was not yet valid when the report was made")
	case r.Time.After(leaf.NotAfter):
		err = rats.Errorf(rats.Expired, "the certificate of the signing key had ended on %s when the report was made", leaf.NotAfter.Format(day))
	}
	a.judge(checkValidity, "judged as of the report's time", err)
	if err = nil; r.Time.After(a.at) {
		err = rats.Errorf(rats.Expired, "the report is of %s, from the future: not yet valid", r.Time.Format(time.RFC3339))
	}
	a.judge(checkTime, "made at "+r.Time.Format(time.RFC3339), err)
	if p := r.PlatformInfo; p != nil {
		a.judge(checkPlatform, strings.Join(p.Flags(), ", "), nil)
	}
	a.judge(checkService, a.service(), nil)
	if !good {
		return
	}
	a.Status = m.tcb
	if a.Err == nil {
		a.Inputs = &Inputs{
			Root: a.Root, Status: m.tcb, Advisories: r.Advisories, Made: r.Time.UnixMilli(), NotAfter: leaf.NotAfter.Unix(),
		}
	}
}

// service says what trust a report is worth since the service ended.
func (a *appraisal) service() string {
	ended := "Intel ended its attestation service for EPID on " + Retired().Format("2006-01-02")
	word := ": the report stands for that time alone, and nothing that became known since is in it"
	switch {
	case a.Root != rats.IntelRoot:
		return "made by a stand-in; " + ended + word
	case a.ev.Report.Time.After(Retired()):
		return ended + ", before this report was made" + word
	default:
		return ended + word
	}
}

// tagReplay separates the names of reports from all other hashes.
const tagReplay = "attesteer/replay/epid/v1"

// ReplayKey names a report whatever form it comes in: SHA-256 over a tag, the
// signing key (SubjectPublicKeyInfo) and the signed body. The signature is no
// part of it: a key makes one for a body (RFC 8017 8.2).
func ReplayKey(ev *Evidence) [32]byte {
	h := sha256.New()
	h.Write([]byte(tagReplay))
	for _, c := range ev.Chain {
		if !bytes.Equal(c.RawSubject, c.RawIssuer) {
			h.Write(c.RawSubjectPublicKeyInfo)
			break
		}
	}
	h.Write(ev.Body)
	return [32]byte(h.Sum(nil))
}
