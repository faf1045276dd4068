// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
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
	// Issuer is the PCK CA that certified the platform: "platform" or "processor".
	Issuer string
	// Extension is what Intel certifies of the platform, nil until the chain is verified.
	Extension *PCKExtension
	// PCKSerial is the serial number of the PCK certificate, big-endian. It is
	// empty until every signature up to the quote's own is verified, so that
	// nobody can speak for another's platform by copying its certificates.
	PCKSerial []byte
	// TCB is nil while endorsements leave it undecided, and where the quoting
	// enclave or the TDX module is not the one that its identity describes.
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
	b := make([]byte, 0, 1280) // enough for every quote, and then not on the heap
	b = append(b, tagReplay...)
	b = append(b, q.AttestationKey[:]...)
	b = append(b, q.Signed...)
	return sha256.Sum256(append(b, q.Signature[:32]...))
}

// Needs returns what an appraisal of q looks for. A quote that does not carry
// its PCK certificate needs that first: EndorsementUnavailable.
func Needs(q *quote.Quote) (Need, error) {
	if q.CertificationData.Type == quote.CertPCKLeaf {
		leaf, err := loneLeaf(q.CertificationData.Data)
		if err != nil {
			return Need{}, err
		}
		ext, err := parsePCKExtension(leaf)
		return Need{TEE: q.TEE, FMSPC: ext.FMSPC, PCEID: ext.PCEID}, err
	}
	c, err := (&appraisal{q: q, set: NewSet()}).certification()
	if err != nil {
		return Need{}, err
	}
	return Need{TEE: q.TEE, FMSPC: c.ext.FMSPC, PCEID: c.ext.PCEID, CA: c.scope}, nil
}

// appraisal is one appraisal at work.
type appraisal struct {
	*journal
	q     *quote.Quote
	set   *Set
	opt   Options
	at    time.Time
	roots []root
	// memo is the caller's memory, or one for this appraisal alone: certificates
	// serve several statements.
	memo  *Facts
	chain *chain
	root  *root
	out   *Appraisal

	info, identity, rootCRL, pckCRL *Statement
}

// Appraise judges q by the statements of set at a time. It always returns an
// appraisal; its Err says whether, and why, q is not genuine or undecided.
func Appraise(q *quote.Quote, set *Set, opt Options, at time.Time) *Appraisal {
	if set == nil {
		set = NewSet()
	}
	a := &appraisal{journal: newJournal(), q: q, set: set, opt: opt, at: at, memo: opt.Facts, out: &Appraisal{}}
	if a.memo == nil {
		a.memo = forOnce()
	}
	a.run()
	a.out.Checks, a.out.Err = a.checks, a.first
	return a.out
}

func (a *appraisal) run() {
	a.pass(checkFormat, "")
	if len(a.q.Trailing) > 0 {
		a.pass(checkPadding, trailingNote(a.q.Trailing))
	}
	var err error
	if a.roots, err = a.memo.open(a.opt.Roots); err != nil {
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
	if !genuine {
		return
	}
	a.out.PCKSerial = a.chain.pck.SerialNumber.Bytes()
	if !a.choose() {
		return
	}
	a.judge(checkRevocation, a.checkRevocation())
	a.judge(checkValidity, a.checkValidity())
	info, id := a.info.tcbInfo, a.identity.identity
	a.out.Used = []*Statement{a.info, a.identity, a.rootCRL, a.pckCRL}
	a.window()
	described := a.judge(checkQEIdentity, matchIdentity(&a.q.QEReport, id))
	if a.q.TD != nil {
		described = a.judge(checkModule, matchModule(a.q.TD, info)) && described
	}
	if described {
		a.out.TCB = evaluate(&a.chain.ext, a.q, info, id)
	}
}

// trailingNote says what follows the quote. Platforms pad their buffers, so it
// is no fault; nothing of it is signed, and nothing of it is used.
func trailingNote(trailing []byte) string {
	if bytes.Count(trailing, []byte{0}) == len(trailing) {
		return fmt.Sprintf("%d zero bytes after the quote", len(trailing))
	}
	return fmt.Sprintf("%d bytes after the quote, not all zero, which nobody signed", len(trailing))
}

// verifyQuote: the attestation key signed header and body.
func (a *appraisal) verifyQuote() error {
	return a.memo.attested(&a.q.AttestationKey, sha256.Sum256(a.q.Signed), &a.q.Signature)
}

// verifyChain: a pinned root vouches for the platform's certificate.
func (a *appraisal) verifyChain() error {
	c, r, err := a.vouchedChain()
	if err != nil {
		return err
	}
	a.chain, a.root = c, r
	a.out.Root, a.out.Issuer, a.out.Extension = r.Name, c.issuer(), c.ext.clone()
	return nil
}

// vouchedChain returns the quote's chain and the root that vouches for it. Only
// a chain that the quote itself carries is remembered by its text.
func (a *appraisal) vouchedChain() (*chain, *root, error) {
	carried, text := a.q.CertificationData.Type == quote.CertPCKChain, a.q.CertificationData.Data
	if carried {
		if c, r := a.memo.chain(text, a.roots); r != nil {
			return c, r, nil
		}
	}
	c, err := a.certification()
	if err != nil {
		return nil, nil, err
	}
	r, err := c.verify(a.roots, a.memo)
	if err != nil {
		return nil, nil, err
	}
	if carried {
		a.memo.keepChain(text, c, r)
	}
	return c, r, nil
}

// verifyQEReport: the platform's certified key signed the quoting enclave's report.
func (a *appraisal) verifyQEReport() error {
	if !a.signedQEReport(a.chain) {
		return rats.Errorf(rats.BadSignature, "the platform's PCK key did not sign the quoting enclave's report")
	}
	return nil
}

// verifyQEBinding: the report vouches for the attestation key. The second half
// of its report data must be zero, which QVL does not look at.
func (a *appraisal) verifyQEBinding() error {
	b := make([]byte, 0, 256) // enough for what Intel's enclave writes
	b = append(b, a.q.AttestationKey[:]...)
	var want [64]byte
	sum := sha256.Sum256(append(b, a.q.QEAuthData...))
	copy(want[:], sum[:])
	if a.q.QEReport.ReportData != want {
		return rats.Errorf(rats.BindingMismatch, "the quoting enclave's report does not vouch for the attestation key")
	}
	return nil
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
