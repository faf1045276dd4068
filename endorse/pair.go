// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// collection gathers what files hold until each statement can be paired with
// the certificates that vouch for it, which may lie in any other file.
type collection struct {
	statements []named[statement]
	crls       []named[*x509.RevocationList]
	// certificates are kept once each, by their DER.
	certificates []named[*x509.Certificate]
	seen         map[[32]byte]bool
	refusals     []Refusal
}

type named[T any] struct {
	name  string
	value T
}

func (c *collection) add(name string, data []byte) {
	p := recognise(data)
	if p.foreign() {
		c.refuse(name, true, rats.Errorf(rats.Malformed, "not an endorsement"))
		return
	}
	for _, s := range p.statements {
		c.statements = append(c.statements, named[statement]{name, s})
	}
	for _, crl := range p.crls {
		c.crls = append(c.crls, named[*x509.RevocationList]{name, crl})
	}
	if c.seen == nil {
		c.seen = make(map[[32]byte]bool)
	}
	for _, cert := range p.certificates {
		if id := sha256.Sum256(cert.Raw); !c.seen[id] {
			c.seen[id] = true
			c.certificates = append(c.certificates, named[*x509.Certificate]{name, cert})
		}
	}
	for _, fault := range p.faults {
		c.refuse(name, false, fault)
	}
}

// pair joins every statement and CRL with the certificates that vouch for it
// and checks the result. It fails only when ctx ends.
func (c *collection) pair(ctx context.Context, roots []rats.TrustRoot) (*Folder, error) {
	if roots == nil {
		roots = attesteer.Roots()
	}
	m := matcher{
		ctx: ctx, roots: roots, verifier: attesteer.NewVerifier(4 * len(c.certificates)),
		taken: make(map[[32]byte]error),
	}
	m.sortCertificates(c.certificates)
	for _, s := range c.statements {
		if err := m.statement(s.value); err != nil {
			c.refuse(s.name, false, err)
		}
	}
	for _, crl := range c.crls {
		if err := m.crl(crl.value); err != nil {
			c.refuse(crl.name, false, err)
		}
	}
	for _, cert := range m.platforms {
		if err := m.platform(cert.value); err != nil {
			c.refuse(cert.name, false, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(m.items, inOrder)
	slices.SortFunc(c.refusals, byName)
	return &Folder{items: m.items, refusals: c.refusals}, nil
}

// matcher finds the certificates for statements.
type matcher struct {
	ctx      context.Context //nolint:containedctx // lives for one pairing
	roots    []rats.TrustRoot
	verifier *attesteer.Verifier
	// signers are certificates, issued by a root, that may sign statements;
	// authorities those that may sign CRLs. Both in the order of their bytes.
	signers, authorities []*x509.Certificate
	// platforms are certificates of platforms, in the order in which they came.
	platforms []named[*x509.Certificate]
	items     []item
	// taken remembers, by digest, what became of each body, since the same
	// statement often lies in several files.
	taken map[[32]byte]error
}

// sortCertificates keeps the certificates that a root signed. Only those can be
// a TCB signing certificate or a PCK CA (Intel SGX PCK Certificate and CRL
// Profile, section 2), so a folder full of foreign certificates costs one
// signature check for each, not one for each pair with a statement. Of the
// others it keeps those that speak of a platform.
func (m *matcher) sortCertificates(all []named[*x509.Certificate]) {
	for _, c := range all {
		cert := c.value
		switch {
		case !m.issuedByRoot(cert):
			if !cert.IsCA && hasSGXExtension(cert) {
				m.platforms = append(m.platforms, c)
			}
		case m.isRoot(cert):
		case cert.IsCA:
			m.authorities = append(m.authorities, cert)
		default:
			m.signers = append(m.signers, cert)
		}
	}
	byBytes := func(a, b *x509.Certificate) int { return bytes.Compare(a.Raw, b.Raw) }
	slices.SortFunc(m.signers, byBytes)
	slices.SortFunc(m.authorities, byBytes)
}

// hasSGXExtension reports whether a certificate has what makes it a PCK
// certificate (Intel SGX PCK Certificate and CRL Profile, 1.3.5).
func hasSGXExtension(cert *x509.Certificate) bool {
	id := asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}
	return slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(id) })
}

func (m *matcher) issuedByRoot(cert *x509.Certificate) bool {
	for _, root := range m.roots {
		if !bytes.Equal(cert.RawIssuer, root.Subject) {
			continue
		}
		key, err := x509.ParsePKIXPublicKey(root.PublicKey)
		if err != nil {
			continue
		}
		issuer := x509.Certificate{PublicKey: key}
		if issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil {
			return true
		}
	}
	return false
}

func (m *matcher) isRoot(cert *x509.Certificate) bool {
	return slices.ContainsFunc(m.roots, func(root rats.TrustRoot) bool {
		return bytes.Equal(cert.RawSubjectPublicKeyInfo, root.PublicKey)
	})
}

func (m *matcher) statement(s statement) error {
	e := rats.Endorsement{Kind: s.form.kind, Body: s.body}
	return m.once(e, func() error {
		if len(m.signers) == 0 {
			return rats.Errorf(rats.UntrustedRoot, "no TCB signing certificate of a trusted root was found beside it: "+
				"add the chain that comes with it, in PCS the header TCB-Info-Issuer-Chain "+
				"or SGX-Enclave-Identity-Issuer-Chain")
		}
		err := m.withEach(e, m.signers)
		if rats.KindOf(err) == rats.Malformed {
			// What nobody signed may say what it likes: that it is forged comes
			// before what is wrong with its form.
			if signed, known := s.signedBy(m.signers); known && !signed {
				return rats.Errorf(rats.BadSignature, "%s: its signature does not verify, and it is malformed: %s",
					e.Kind, rats.AsError(err).Detail)
			}
		}
		return err
	})
}

func (m *matcher) crl(crl *x509.RevocationList) error {
	e := rats.Endorsement{Kind: rats.PCKCRL, Body: crl.Raw}
	for _, root := range m.roots {
		if bytes.Equal(crl.RawIssuer, root.Subject) {
			e.Kind = rats.RootCACRL
		}
	}
	return m.once(e, func() error {
		if e.Kind == rats.RootCACRL {
			return m.take(e)
		}
		return m.withAuthority(e, crl.RawIssuer, crl.Issuer.CommonName, "SGX-PCK-CRL-Issuer-Chain")
	})
}

func (m *matcher) platform(cert *x509.Certificate) error {
	e := rats.Endorsement{Kind: rats.PCKCertificate, Body: cert.Raw}
	return m.once(e, func() error {
		return m.withAuthority(e, cert.RawIssuer, cert.Issuer.CommonName, "SGX-PCK-Certificate-Issuer-Chain")
	})
}

// withAuthority takes e with each PCK CA of the issuer's name; header is where
// PCS puts the certificate.
func (m *matcher) withAuthority(e rats.Endorsement, issuer []byte, name, header string) error {
	var issuers []*x509.Certificate
	for _, cert := range m.authorities {
		if bytes.Equal(cert.RawSubject, issuer) {
			issuers = append(issuers, cert)
		}
	}
	if len(issuers) == 0 {
		return rats.Errorf(rats.UntrustedRoot, "%s: no certificate of its issuer %q under a trusted root "+
			"was found beside it: add the chain that comes with it, in PCS the header %s", e.Kind, name, header)
	}
	return m.withEach(e, issuers)
}

// once answers for a body seen before with what became of it then.
func (m *matcher) once(e rats.Endorsement, judge func() error) error {
	id := identity(e)
	if before, ok := m.taken[id]; ok {
		return before
	}
	err := m.ctx.Err()
	if err == nil {
		err = judge()
	}
	m.taken[id] = err
	return err
}

// withEach takes e once with each certificate that vouches for it. If none
// does, it returns why the first does not.
func (m *matcher) withEach(e rats.Endorsement, issuers []*x509.Certificate) error {
	var first error
	took := false
	for _, cert := range issuers {
		e.Issuers = [][]byte{cert.Raw}
		err := m.take(e)
		took = took || err == nil
		if first == nil {
			first = err
		}
	}
	if took {
		return nil
	}
	return first
}

func (m *matcher) take(e rats.Endorsement) error {
	info, err := m.verifier.CheckEndorsement(e, m.roots)
	if err != nil {
		return err
	}
	m.items = append(m.items, item{e, info})
	return nil
}

// identity names an endorsement with its issuers, injectively.
func identity(e rats.Endorsement) [32]byte {
	h := sha256.New()
	write := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	write([]byte(e.Kind))
	write(e.Body)
	for _, issuer := range e.Issuers {
		write(issuer)
	}
	return [32]byte(h.Sum(nil))
}

// inOrder sorts endorsements by what they are about, then by issue date, then
// by content.
func inOrder(a, b item) int {
	ka, kb := a.info.Key, b.info.Key
	return cmp.Or(
		strings.Compare(string(ka.Kind), string(kb.Kind)),
		strings.Compare(string(ka.TEE), string(kb.TEE)),
		strings.Compare(ka.Scope, kb.Scope),
		cmp.Compare(ka.EvaluationDataNumber, kb.EvaluationDataNumber),
		cmp.Compare(ka.Version, kb.Version),
		a.info.Issued.Compare(b.info.Issued),
		bytes.Compare(a.info.SHA256[:], b.info.SHA256[:]),
		slices.CompareFunc(a.Issuers, b.Issuers, bytes.Compare),
	)
}
