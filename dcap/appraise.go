// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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
	// Inputs are what [Reappraise] goes by, nil until every signature of the
	// evidence is verified.
	Inputs *Inputs
	// TCB is nil while endorsements leave it undecided, and where the quoting
	// enclave or the TDX module is not the one that its identity describes.
	TCB *TCB
	// Used are the endorsements that the appraisal rests on: TCB info,
	// identity, root CRL, PCK CRL. It is empty while undecided.
	Used []*Statement
	// ValidFrom and ValidUntil are the latest start and earliest end over all
	// certificates and statements used; zero while undecided.
	ValidFrom, ValidUntil time.Time
	// Forecast is set where the set has a rule of binding (see [Set.WithBinding])
	// and an evaluation that is still to bind has the status fall.
	Forecast *Forecast
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

// Needs returns what an appraisal of q looks for. A quote that names its platform
// (see [NameOf]) needs the platform's PCK certificate first: it is looked for
// among certificates, which others have checked, and EndorsementUnavailable
// where it is missing.
func Needs(q *quote.Quote, certificates ...*Statement) (Need, error) {
	return (*Facts)(nil).Needs(q, certificates...)
}

// Needs is the function of the same name with this memory: what a chain says need
// not be read again.
func (f *Facts) Needs(q *quote.Quote, certificates ...*Statement) (Need, error) {
	switch q.CertificationData.Type {
	case quote.CertPCKChain:
		if c := f.read(q.CertificationData.Data); c != nil {
			return needOf(q, c), nil
		}
	case quote.CertPCKLeaf:
		leaf, err := loneLeaf(q.CertificationData.Data)
		if err != nil {
			return Need{}, err
		}
		ext, err := parsePCKExtension(leaf)
		return Need{TEE: q.TEE, FMSPC: ext.FMSPC, PCEID: ext.PCEID}, err
	}
	a := &appraisal{q: q, memo: forOnce()}
	a.set = NewSet(a.signers(certificates)...)
	c, err := a.certification()
	if err != nil {
		return Need{}, err
	}
	return needOf(q, c), nil
}

func needOf(q *quote.Quote, c *chain) Need {
	return Need{TEE: q.TEE, FMSPC: c.ext.FMSPC, PCEID: c.ext.PCEID, CA: hex.EncodeToString(c.ca256[:])}
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
	// in is what endorsements are held against.
	in     *Inputs
	device [2]judged
	// toCome are the evaluations that are still to bind, the next first.
	toCome []evaluation
	out    *Appraisal

	info, identity, rootCRL, pckCRL *Statement
}

// Appraise judges q by the statements of set at a time. It always returns an
// appraisal; its Err says whether, and why, q is not genuine or undecided.
func Appraise(q *quote.Quote, set *Set, opt Options, at time.Time) *Appraisal {
	a := newAppraisal(set, opt, at)
	a.q = q
	a.run()
	a.out.Checks, a.out.Err = a.checks, a.first
	return a.out
}

func newAppraisal(set *Set, opt Options, at time.Time) *appraisal {
	if set == nil {
		set = NewSet()
	}
	a := &appraisal{journal: newJournal(), set: set, opt: opt, at: at, memo: opt.Facts, out: &Appraisal{}}
	if a.memo == nil {
		a.memo = forOnce()
	}
	return a
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
	a.in = inputsOf(a.q, a.chain, a.root.Name)
	a.out.PCKSerial, a.out.Inputs = a.in.PCK.Serial, a.in
	a.endorse()
}

// endorse judges the inputs by the endorsements.
func (a *appraisal) endorse() {
	a.device = a.in.device()
	if !a.choose() {
		return
	}
	a.judge(checkRevocation, a.checkRevocation())
	a.judge(checkValidity, a.checkValidity())
	info, id := a.info.tcbInfo, a.identity.identity
	a.out.Used = []*Statement{a.info, a.identity, a.rootCRL, a.pckCRL}
	a.window()
	described := a.judge(checkQEIdentity, matchIdentity(&a.in.QE, id))
	if a.in.TD != nil {
		described = a.judge(checkModule, matchModule(a.in.TD, info)) && described
	}
	if described {
		a.out.TCB = evaluate(a.in, info, id)
		a.out.Forecast = a.forecast()
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
	signing := func(s *Statement) judged {
		return judged{name: s.issuer.Subject.CommonName, serial: s.issuer.SerialNumber}
	}
	for _, c := range []struct {
		list *Statement
		cert judged
	}{
		{a.rootCRL, a.device[1]}, {a.pckCRL, a.device[0]}, {a.rootCRL, signing(a.info)}, {a.rootCRL, signing(a.identity)},
	} {
		if revoked(c.list.crl, c.cert.serial) {
			return rats.Errorf(rats.Revoked, "certificate %q, serial %x, is revoked", c.cert.name, c.cert.serial)
		}
	}
	return nil
}

// checkValidity: the certificates that vouch for the evidence hold at the time,
// both ends included. The root is a key and has no time.
func (a *appraisal) checkValidity() error {
	for _, c := range a.device {
		from, until := c.Window()
		if a.at.Before(from) {
			return rats.Errorf(rats.Expired, "certificate %q is not yet valid: from %s", c.name, from.Format(time.RFC3339))
		}
		if a.at.After(until) {
			return rats.Errorf(rats.Expired, "certificate %q expired at %s", c.name, until.Format(time.RFC3339))
		}
	}
	return nil
}

// window is that of everything that was used.
func (a *appraisal) window() {
	from, until := a.in.DeviceWindow()
	for _, s := range a.out.Used {
		f, u := s.Window()
		from, until = later(from, f), earlier(until, u)
	}
	a.out.ValidFrom, a.out.ValidUntil = from, until
}
