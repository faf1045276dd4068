// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Statement is one parsed endorsement. It is immutable.
type Statement struct {
	endorsement rats.Endorsement
	key         rats.EndorsementKey
	digest      [32]byte
	name        statementName
	issued      time.Time
	nextUpdate  time.Time
	// issuer is the certificate whose key signed; nil where the root did.
	issuer *x509.Certificate

	// Exactly one of these is set.
	tcbInfo  *TCBInfo
	identity *Identity
	numbers  *NumberList
	crl      *revocationList
	// pck is the platform's certificate with its CA, not yet verified.
	pck *chain

	// inner is the digest of what the signature covers, signature ASN.1.
	inner     [32]byte
	signature []byte
}

// statementName is all that vouching for a statement rests on: its kind, and
// SHA-256 of its body and of the certificate that comes with it.
type statementName struct {
	kind         rats.EndorsementKind
	body, issuer [32]byte
}

// Parse reads an endorsement strictly and checks no signature. Errors are
// Malformed, or Unsupported for versions and kinds that are not read here.
func Parse(e rats.Endorsement) (*Statement, error) { return new(Parser).Parse(e) }

// Parser reads many endorsements and each certificate among them once. The zero
// Parser is ready for use, by one goroutine at a time.
type Parser struct {
	known certificates
}

// Parse is the function of the same name.
func (p *Parser) Parse(e rats.Endorsement) (*Statement, error) {
	e = p.known.cloned(e) // what was parsed keeps pointing into it
	s := &Statement{endorsement: e, digest: e.Digest(), key: rats.EndorsementKey{Kind: e.Kind}}
	s.name = statementName{kind: e.Kind, body: s.digest}
	var read func() error
	switch e.Kind {
	case rats.TCBInfo:
		read = s.readTCBInfo
	case rats.QEIdentity:
		read = s.readIdentity
	case rats.EvaluationNumbers:
		read = s.readNumbers
	case rats.PCKCertificate:
		read = s.readPCK
	case rats.RootCACRL, rats.PCKCRL:
		read = s.readCRL
	default:
		return nil, rats.Errorf(rats.Unsupported, "endorsement of kind %q", e.Kind)
	}
	if err := s.readIssuers(&p.known); err != nil {
		return nil, err
	}
	if err := read(); err != nil {
		return nil, err
	}
	return s, nil
}

// cloned returns a copy that shares nothing with e. Certificates that were read
// before are their own copy.
func (known certificates) cloned(e rats.Endorsement) rats.Endorsement {
	out := rats.Endorsement{Kind: e.Kind, Body: bytes.Clone(e.Body)}
	for _, der := range e.Issuers {
		if c := known.find(der); c != nil {
			der = c.Raw
		} else {
			der = bytes.Clone(der)
		}
		out.Issuers = append(out.Issuers, der)
	}
	return out
}

// readIssuers reads the certificate that vouches for the body: one, or none
// for the list that the root itself signs.
func (s *Statement) readIssuers(known *certificates) error {
	want := 1
	if s.endorsement.Kind == rats.RootCACRL {
		want = 0
	}
	if got := len(s.endorsement.Issuers); got != want {
		return rats.Errorf(rats.Malformed, "%s comes with %d issuer certificates, not %d", s.endorsement.Kind, got, want)
	}
	if want == 0 {
		return nil
	}
	issuer, err := known.parse(s.endorsement.Issuers[0])
	if err != nil {
		return err
	}
	s.issuer, s.name.issuer = issuer.Certificate, issuer.sum
	return nil
}

func (s *Statement) readTCBInfo() error {
	inner, sig, err := signed(s.endorsement.Body, "tcbInfo")
	if err != nil {
		return err
	}
	if s.tcbInfo, err = parseTCBInfo(inner); err != nil {
		return err
	}
	t := s.tcbInfo
	s.key.TEE, s.key.Scope = t.TEE, hex.EncodeToString(t.FMSPC[:])
	s.key.EvaluationDataNumber, s.key.Version = t.EvaluationDataNumber, t.Version
	s.issued, s.nextUpdate = t.Issued, t.NextUpdate
	s.inner, s.signature = sha256.Sum256(inner.raw), signatureDER(sig[:])
	return nil
}

func (s *Statement) readIdentity() error {
	inner, sig, err := signed(s.endorsement.Body, "enclaveIdentity")
	if err != nil {
		return err
	}
	if s.identity, err = parseIdentity(inner); err != nil {
		return err
	}
	id := s.identity
	s.key.TEE, s.key.Scope = id.tee(), id.ID
	s.key.EvaluationDataNumber, s.key.Version = id.EvaluationDataNumber, 2
	s.issued, s.nextUpdate = id.Issued, id.NextUpdate
	s.inner, s.signature = sha256.Sum256(inner.raw), signatureDER(sig[:])
	return nil
}

func (s *Statement) readNumbers() error {
	inner, sig, err := signed(s.endorsement.Body, "tcbEvaluationDataNumbers")
	if err != nil {
		return err
	}
	if s.numbers, err = parseNumberList(inner); err != nil {
		return err
	}
	s.key.TEE, s.key.Version = s.numbers.TEE, 1
	s.issued, s.nextUpdate = s.numbers.Issued, s.numbers.NextUpdate
	s.inner, s.signature = sha256.Sum256(inner.raw), signatureDER(sig[:])
	return nil
}

// readPCK reads the certificate of one platform at one TCB. Its window stands
// for issue date and next update.
func (s *Statement) readPCK() error {
	leaf, err := parseCertificate(s.endorsement.Body)
	if err != nil {
		return err
	}
	if !hasSGXExtension(leaf) {
		return rats.Errorf(rats.Malformed, "a PCK certificate without the SGX extension")
	}
	if s.pck, err = newChain(leaf, s.issuer); err != nil {
		return err
	}
	e := &s.pck.ext
	s.key.Scope = fmt.Sprintf("%x%x%04x%x", e.PPID, e.CPUSVN, e.PCESVN, e.PCEID)
	s.issued, s.nextUpdate = leaf.NotBefore.UTC(), leaf.NotAfter.UTC()
	return nil
}

// Verify checks that a root vouches for the statement: names, roles and
// signatures. It knows no dates. nil roots stand for the vendor's pinned ones.
func (s *Statement) Verify(roots []rats.TrustRoot, facts *Facts) error {
	open, err := facts.open(roots)
	if err != nil {
		return err
	}
	_, err = s.vouched(open, facts)
	return err
}

// vouched returns the root that vouches for the statement.
func (s *Statement) vouched(roots []root, facts *Facts) (*root, error) {
	if r := facts.vouches(s.name, roots); r != nil {
		return r, nil
	}
	r, err := s.verify(roots, facts)
	if err != nil {
		return nil, err
	}
	facts.keepVouched(s.name, r)
	return r, nil
}

// verify checks what vouched remembers.
func (s *Statement) verify(roots []root, facts *Facts) (*root, error) {
	if s.pck != nil {
		return s.pck.verify(roots, facts)
	}
	if s.issuer == nil {
		r := rootNamed(roots, s.crl.issuer)
		if r == nil {
			return nil, rats.Errorf(rats.UntrustedRoot, "revocation list is not issued by a pinned root")
		}
		if !facts.holds(r.PublicKey, r.key, s.inner, s.signature) {
			return nil, rats.Errorf(rats.BadSignature, "root revocation list: its signature does not verify")
		}
		return r, nil
	}
	want := tcbSigning()
	if s.crl != nil {
		want = pckCA()
	}
	if err := want.plays(s.issuer); err != nil {
		return nil, err
	}
	r, err := underRoot(s.issuer, roots, facts)
	if err != nil {
		return nil, err
	}
	key, err := publicKey(s.issuer)
	if err != nil {
		return nil, err
	}
	if s.crl != nil && !bytes.Equal(s.crl.issuer, s.issuer.RawSubject) {
		return nil, rats.Errorf(rats.UntrustedRoot, "revocation list names another issuer")
	}
	if !facts.holds(s.issuer.RawSubjectPublicKeyInfo, key, s.inner, s.signature) {
		hint := ""
		if s.crl == nil {
			hint = " (was the JSON re-formatted?)"
		}
		return nil, rats.Errorf(rats.BadSignature, "%s: its signature does not verify%s", s.key.Kind, hint)
	}
	return r, nil
}

// Key returns the statement's place among others of its kind.
func (s *Statement) Key() rats.EndorsementKey { return s.key }

// Digest returns SHA-256 of the body.
func (s *Statement) Digest() [32]byte { return s.digest }

// Endorsement returns what was parsed.
func (s *Statement) Endorsement() rats.Endorsement { return s.endorsement }

// NumberList returns the list of evaluation numbers, nil for other kinds. It is
// the statement's own: read it only.
func (s *Statement) NumberList() *NumberList { return s.numbers }

// Issued returns the issue date (JSON), thisUpdate (CRL) or the beginning of
// validity (certificate).
func (s *Statement) Issued() time.Time { return s.issued }

// NextUpdate returns when the vendor promised the next edition.
func (s *Statement) NextUpdate() time.Time { return s.nextUpdate }

// Window returns when the statement holds, its issuer's certificate included;
// both ends belong to it.
func (s *Statement) Window() (from, until time.Time) {
	from, until = s.issued, s.nextUpdate
	if s.issuer != nil {
		from, until = later(from, s.issuer.NotBefore.UTC()), earlier(until, s.issuer.NotAfter.UTC())
	}
	return from, until
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// within reports whether at lies in a window, ends included.
func within(at, from, until time.Time) bool { return !at.Before(from) && !at.After(until) }
