// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Options of an appraisal.
type Options struct {
	// Roots replaces the pinned root when it is not nil.
	Roots []rats.TrustRoot
	// EvaluationNumber chooses among TCB evaluations.
	EvaluationNumber EvaluationNumber
	// Facts remembers signatures across appraisals, or is nil.
	Facts *Facts
}

// Appraisal is everything that was established about a quote.
type Appraisal struct {
	// Checks are all checks in their order.
	Checks []rats.Check
	// Err is the first failure, or nil.
	Err *rats.Error
	// Root vouches for the quote; empty until the chain is verified.
	Root string
	// Extension is what Intel certifies of the platform, nil until the chain is verified.
	Extension *PCKExtension
	// PCKSerial is the serial number of the PCK certificate, big-endian.
	PCKSerial []byte
	// TCB is nil while endorsements leave it undecided, and where the quoting
	// enclave is not the one that the identity describes.
	TCB *TCB
	// Used are the endorsements that the appraisal rests on: TCB info,
	// identity, root CRL, PCK CRL. It is empty while undecided.
	Used []*Statement
	// ValidFrom and ValidUntil are the latest start and earliest end over all
	// certificates and statements used; zero while undecided.
	ValidFrom, ValidUntil time.Time
}

// tagReplay separates replay keys from all other hashes.
const tagReplay = "attesteer/replay/v1"

// ReplayKey names a piece of evidence whatever envelope, padding or equivalent
// signature it comes in: SHA-256 over a tag, the attestation key, the signed
// bytes and r of their signature. (r, n−s) signs as well as (r, s), so s is
// left out.
func ReplayKey(q *quote.Quote) [32]byte {
	h := sha256.New()
	h.Write([]byte(tagReplay))
	h.Write(q.AttestationKey[:])
	signed := sha256.Sum256(q.Signed)
	h.Write(signed[:])
	h.Write(q.Signature[:32])
	return [32]byte(h.Sum(nil))
}

// Needs returns what an appraisal of q looks for. A quote that does not carry
// its PCK certificate needs that first: EndorsementUnavailable.
func Needs(q *quote.Quote) (Need, error) {
	if err := carriesChain(q); err != nil {
		return Need{}, err
	}
	c, err := openChain(q.CertificationData.Data)
	if err != nil {
		return Need{}, err
	}
	return Need{TEE: q.TEE, FMSPC: c.ext.FMSPC, PCEID: c.ext.PCEID, CA: keyScope(c.ca.RawSubjectPublicKeyInfo)}, nil
}

// carriesChain tells quotes that name their platform from those that bring its
// certificates.
func carriesChain(q *quote.Quote) error {
	switch t := q.CertificationData.Type; t {
	case quote.CertPCKChain:
		return nil
	case quote.CertPPID, quote.CertPPIDRSA2048, quote.CertPPIDRSA3072:
		return rats.Errorf(rats.EndorsementUnavailable, "the quote names its platform by PPID (certification data type %d): its PCK certificate is missing", t)
	case quote.CertPCKLeaf:
		return rats.Errorf(rats.EndorsementUnavailable, "the quote carries its PCK certificate alone (certification data type 4): the issuer's is missing")
	default:
		return rats.Errorf(rats.Unsupported, "certification data type %d in a version %d quote", t, q.Header.Version)
	}
}

// appraisal is one appraisal at work.
type appraisal struct {
	*journal
	q     *quote.Quote
	set   *Set
	opt   Options
	at    time.Time
	roots []root
	chain *chain
	out   *Appraisal

	info, identity, rootCRL, pckCRL *Statement
}

// Appraise judges q by the statements of set at a time. It always returns an
// appraisal; its Err says whether, and why, q is not genuine or undecided.
func Appraise(q *quote.Quote, set *Set, opt Options, at time.Time) *Appraisal {
	if set == nil {
		set = NewSet()
	}
	a := &appraisal{journal: newJournal(), q: q, set: set, opt: opt, at: at, out: &Appraisal{}}
	a.run()
	a.out.Checks, a.out.Err = a.checks, a.first
	return a.out
}

func (a *appraisal) run() {
	a.pass(checkFormat, trailingNote(a.q.Trailing))
	var err error
	if a.roots, err = openRoots(a.opt.Roots); err != nil {
		a.judge(checkChain, err)
		return
	}
	genuine := a.judge(checkSignature, a.verifyQuote())
	genuine = a.judge(checkQEBinding, a.verifyQEBinding()) && genuine
	if a.judge(checkChain, a.verifyChain()) {
		genuine = a.judge(checkQESignature, a.verifyQEReport()) && genuine
	} else {
		genuine = false
	}
	// What the evidence does not prove itself no endorsement can make good.
	if !genuine || !a.choose() {
		return
	}
	a.judge(checkRevocation, a.checkRevocation())
	a.judge(checkValidity, a.checkValidity())
	info, id := a.info.tcbInfo, a.identity.identity
	a.out.Used = []*Statement{a.info, a.identity, a.rootCRL, a.pckCRL}
	a.window()
	if a.judge(checkQEIdentity, matchIdentity(&a.q.QEReport, id)) {
		a.out.TCB = evaluate(&a.chain.ext, &a.q.QEReport, info, id)
	}
}

func trailingNote(trailing []byte) string {
	switch zeros := bytes.Count(trailing, []byte{0}); {
	case len(trailing) == 0:
		return ""
	case zeros == len(trailing):
		return fmt.Sprintf("padding: %d zero bytes after the quote", zeros)
	default:
		return fmt.Sprintf("%d bytes after the quote, not all zero; they are signed by nobody", len(trailing))
	}
}

// pointOf reads x ‖ y as a P-256 key.
func pointOf(raw []byte) (*ecdsa.PublicKey, error) {
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, raw...))
	if err != nil {
		return nil, rats.Errorf(rats.BadSignature, "the attestation key is not a point of P-256")
	}
	return key, nil
}

// verifyQuote: the attestation key signed header and body.
func (a *appraisal) verifyQuote() error {
	key, err := pointOf(a.q.AttestationKey[:])
	if err != nil {
		return err
	}
	if !a.opt.Facts.holds(key, sha256.Sum256(a.q.Signed), signatureDER(a.q.Signature[:])) {
		return rats.Errorf(rats.BadSignature, "the attestation key did not sign this quote")
	}
	return nil
}

// verifyChain: a pinned root vouches for the platform's certificate.
func (a *appraisal) verifyChain() error {
	if err := carriesChain(a.q); err != nil {
		return err
	}
	c, err := openChain(a.q.CertificationData.Data)
	if err != nil {
		return err
	}
	if err := c.verify(a.roots, a.opt.Facts); err != nil {
		return err
	}
	a.chain = c
	a.out.Root, a.out.Extension, a.out.PCKSerial = c.root.Name, &c.ext, c.pck.SerialNumber.Bytes()
	return nil
}

// verifyQEReport: the platform's certified key signed the quoting enclave's report.
func (a *appraisal) verifyQEReport() error {
	digest := sha256.Sum256(a.q.QEReportRaw)
	if !a.opt.Facts.holds(a.chain.pckKey, digest, signatureDER(a.q.QEReportSignature[:])) {
		return rats.Errorf(rats.BadSignature, "the platform's PCK key did not sign the quoting enclave's report")
	}
	return nil
}

// verifyQEBinding: the report vouches for the attestation key. The second half
// of its report data must be zero, which QVL does not look at.
func (a *appraisal) verifyQEBinding() error {
	h := sha256.New()
	h.Write(a.q.AttestationKey[:])
	h.Write(a.q.QEAuthData)
	var want [64]byte
	h.Sum(want[:0])
	if a.q.QEReport.ReportData != want {
		return rats.Errorf(rats.BindingMismatch, "the quoting enclave's report does not vouch for the attestation key")
	}
	return nil
}

// choose finds the endorsements to judge by, and reports whether all are there.
func (a *appraisal) choose() bool {
	infos := a.sift(a.fitting())
	ids := a.sift(a.identities())
	rootCRL := a.sift(a.set.rootCRLs)
	pckCRL := a.sift(a.set.pckCRLs[keyScope(a.chain.ca.RawSubjectPublicKeyInfo)])
	info, identity, note := pair(a.opt.EvaluationNumber, infos.good, ids.good)
	missing := func(s *Statement, f fit, name string) error {
		if s == nil && len(f.good) > 0 {
			return rats.Errorf(rats.EndorsementUnavailable, "%s of the evaluation number asked for is missing", name)
		}
		return f.err(name, a.at)
	}
	errs := []error{
		missing(info, infos, fmt.Sprintf("TCB info of FMSPC %x", a.chain.ext.FMSPC)),
		missing(identity, ids, "QE identity"),
		rootCRL.err("root CA CRL", a.at),
		pckCRL.err("PCK CRL of "+a.chain.ca.Subject.CommonName, a.at),
	}
	broken, absent, stale := rank(errs)
	if !a.judge(checkGenuine, broken) || !a.judge(checkPresent, absent) || !a.judge(checkCurrent, stale) {
		return false
	}
	a.pass(checkPresent, note)
	a.info, a.identity, a.rootCRL, a.pckCRL = info, identity, rootCRL.good[0], pckCRL.good[0]
	return true
}

// rank puts the first error of each sort in its place: broken comes before
// missing, and missing before stale.
func rank(errs []error) (broken, absent, stale error) {
	for _, err := range errs {
		slot := &broken
		switch rats.KindOf(err) {
		case rats.None:
			continue
		case rats.EndorsementUnavailable:
			slot = &absent
		case rats.EndorsementExpired:
			slot = &stale
		default:
		}
		if *slot == nil {
			*slot = err
		}
	}
	return broken, absent, stale
}

func (a *appraisal) sift(candidates []*Statement) fit {
	return sift(candidates, a.at, func(s *Statement) error {
		r, err := s.vouched(a.roots, a.opt.Facts)
		if err == nil && !bytes.Equal(r.PublicKey, a.chain.root.PublicKey) {
			err = rats.Errorf(rats.UntrustedRoot, "%s rests on another root than the quote", s.key.Kind)
		}
		return err
	})
}

// fitting returns the TCB infos of this platform.
func (a *appraisal) fitting() []*Statement {
	var out []*Statement
	for _, s := range a.set.tcb[a.chain.ext.FMSPC] {
		if s.tcbInfo.TEE == a.q.TEE && s.tcbInfo.PCEID == a.chain.ext.PCEID {
			out = append(out, s)
		}
	}
	return out
}

// identities returns the identities of the enclave that signs such quotes.
func (a *appraisal) identities() []*Statement {
	var out []*Statement
	for _, s := range a.set.identities {
		if s.identity.ID == "QE" {
			out = append(out, s)
		}
	}
	return out
}

// checkRevocation holds the PCK certificate, its CA and the TCB signing
// certificates against the lists.
func (a *appraisal) checkRevocation() error {
	for _, c := range []struct {
		list *Statement
		cert *x509.Certificate
	}{
		{a.rootCRL, a.chain.ca}, {a.pckCRL, a.chain.pck}, {a.rootCRL, a.info.issuer}, {a.rootCRL, a.identity.issuer},
	} {
		if revoked(c.list.crl, c.cert.SerialNumber) {
			return rats.Errorf(rats.Revoked, "certificate %q, serial %x, is revoked", c.cert.Subject.CommonName, c.cert.SerialNumber)
		}
	}
	return nil
}

func revoked(list *x509.RevocationList, serial *big.Int) bool {
	for i := range list.RevokedCertificateEntries {
		if list.RevokedCertificateEntries[i].SerialNumber.Cmp(serial) == 0 {
			return true
		}
	}
	return false
}

// checkValidity: the certificates that vouch for the evidence hold at the time,
// both ends included. The root is a key and has no time.
func (a *appraisal) checkValidity() error {
	for _, c := range []*x509.Certificate{a.chain.pck, a.chain.ca} {
		if a.at.Before(c.NotBefore) {
			return rats.Errorf(rats.Expired, "certificate %q is not yet valid: from %s", c.Subject.CommonName, c.NotBefore.UTC().Format(time.RFC3339))
		}
		if a.at.After(c.NotAfter) {
			return rats.Errorf(rats.Expired, "certificate %q expired at %s", c.Subject.CommonName, c.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// window is that of everything that was used.
func (a *appraisal) window() {
	from, until := a.chain.pck.NotBefore.UTC(), a.chain.pck.NotAfter.UTC()
	from, until = later(from, a.chain.ca.NotBefore.UTC()), earlier(until, a.chain.ca.NotAfter.UTC())
	for _, s := range a.out.Used {
		f, u := s.Window()
		from, until = later(from, f), earlier(until, u)
	}
	a.out.ValidFrom, a.out.ValidUntil = from, until
}
