// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Statement is one parsed endorsement. It is immutable.
type Statement struct {
	endorsement rats.Endorsement
	key         rats.EndorsementKey
	digest      [32]byte
	issued      time.Time
	nextUpdate  time.Time
	// issuer is the certificate whose key signed; nil where the root did.
	issuer *x509.Certificate

	// Exactly one of these is set.
	tcbInfo  *TCBInfo
	identity *Identity
	crl      *x509.RevocationList

	// inner is the digest of what the signature covers, signature ASN.1.
	inner     [32]byte
	signature []byte
}

// Parse reads an endorsement strictly and checks no signature. Errors are
// Malformed, or Unsupported for versions and kinds that are not read here.
func Parse(e rats.Endorsement) (*Statement, error) {
	e = cloned(e) // what was parsed keeps pointing into it
	s := &Statement{endorsement: e, digest: e.Digest(), key: rats.EndorsementKey{Kind: e.Kind}}
	var read func() error
	switch e.Kind {
	case rats.TCBInfo:
		read = s.readTCBInfo
	case rats.QEIdentity:
		read = s.readIdentity
	case rats.RootCACRL, rats.PCKCRL:
		read = s.readCRL
	default:
		return nil, rats.Errorf(rats.Unsupported, "endorsement of kind %q", e.Kind)
	}
	if err := s.readIssuers(); err != nil {
		return nil, err
	}
	if err := read(); err != nil {
		return nil, err
	}
	return s, nil
}

func cloned(e rats.Endorsement) rats.Endorsement {
	out := rats.Endorsement{Kind: e.Kind, Body: bytes.Clone(e.Body)}
	for _, der := range e.Issuers {
		out.Issuers = append(out.Issuers, bytes.Clone(der))
	}
	return out
}

// readIssuers reads the certificate that vouches for the body: one, or none
// for the list that the root itself signs.
func (s *Statement) readIssuers() error {
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
	var err error
	s.issuer, err = parseCertificate(s.endorsement.Issuers[0])
	return err
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

// Verify checks that a root vouches for the statement: names, roles and
// signatures. It knows no dates. nil roots stand for the vendor's pinned ones.
func (s *Statement) Verify(roots []rats.TrustRoot, facts *Facts) error {
	open, err := openRoots(roots)
	if err != nil {
		return err
	}
	_, err = s.vouched(open, facts)
	return err
}

// vouched returns the root that vouches for the statement.
func (s *Statement) vouched(roots []root, facts *Facts) (*root, error) {
	if s.issuer == nil {
		r := rootNamed(roots, s.crl.RawIssuer)
		if r == nil {
			return nil, rats.Errorf(rats.UntrustedRoot, "revocation list is not issued by a pinned root")
		}
		if !facts.holds(r.key, s.inner, s.signature) {
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
	if s.crl != nil && !bytes.Equal(s.crl.RawIssuer, s.issuer.RawSubject) {
		return nil, rats.Errorf(rats.UntrustedRoot, "revocation list names another issuer")
	}
	if !facts.holds(key, s.inner, s.signature) {
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

// Issued returns the issue date (JSON) or thisUpdate (CRL).
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
