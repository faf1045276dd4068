// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// profileClause is cited by the checks of certificates.
const profileClause = "Intel SGX PCK Certificate and CRL Profile 1.4"

// role is what a certificate may be used for. The profile tells roles apart by
// a phrase in the common name; the rest of what each must have is checked too.
type role struct {
	name   string
	phrase []string
	ca     bool
	usage  x509.KeyUsage
}

func pckCA() role {
	return role{"PCK CA", []string{"SGX PCK Platform CA", "SGX PCK Processor CA"}, true, x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
}

func pckLeaf() role {
	return role{"PCK", []string{"SGX PCK Certificate"}, false, x509.KeyUsageDigitalSignature}
}

func tcbSigning() role {
	return role{"TCB signing", []string{"SGX TCB Signing"}, false, x509.KeyUsageDigitalSignature}
}

// certificates are certificates read before: endorsements come with the same
// few again and again.
type certificates []*hashed

// hashed is a certificate with SHA-256 of its bytes.
type hashed struct {
	*x509.Certificate
	sum [32]byte
}

// find returns the certificate with these bytes, or nil.
func (known certificates) find(der []byte) *hashed {
	for _, c := range known {
		if bytes.Equal(c.Raw, der) {
			return c
		}
	}
	return nil
}

// parse reads one DER certificate, from memory if it can.
func (known *certificates) parse(der []byte) (*hashed, error) {
	if c := known.find(der); c != nil {
		return c, nil
	}
	c, err := parseCertificate(der)
	if err != nil {
		return nil, err
	}
	h := &hashed{c, sha256.Sum256(der)}
	*known = append(*known, h)
	return h, nil
}

// parseCertificate reads one DER certificate with nothing after it.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "certificate: %w", err)
	}
	return c, nil
}

// publicKey returns the P-256 key of a certificate.
func publicKey(c *x509.Certificate) (*ecdsa.PublicKey, error) {
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, rats.Errorf(rats.Unsupported, "certificate %q: not a P-256 key", c.Subject.CommonName)
	}
	return key, nil
}

// sgxExtension is the OID of the extension that makes a certificate a PCK
// certificate (profile 1.3.5).
func sgxExtension() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}
}

func hasSGXExtension(c *x509.Certificate) bool {
	oid := sgxExtension()
	for i := range c.Extensions {
		if c.Extensions[i].Id.Equal(oid) {
			return true
		}
	}
	return false
}

// plays checks that a certificate has what its role takes. A certificate of
// another role in its place is a chain that nobody pinned: UntrustedRoot.
//
// Path lengths hold by the shape of the chain: a CA here issues end entities
// alone, which every path length allows (RFC 5280 4.2.1.9), and the root's own
// means nothing, since the root is a key and a name.
func (r role) plays(c *x509.Certificate) error {
	named := false
	for _, phrase := range r.phrase {
		named = named || strings.Contains(c.Subject.CommonName, phrase)
	}
	_, err := publicKey(c)
	switch {
	case !named:
		return r.refuse(c, "is not a %s certificate", r.name)
	case err != nil:
		return err
	case c.Version != 3:
		return r.refuse(c, "has version %d, not 3", c.Version)
	case !c.BasicConstraintsValid || c.IsCA != r.ca:
		return r.refuse(c, "has the wrong basic constraints for a %s certificate", r.name)
	case c.KeyUsage&r.usage != r.usage:
		return r.refuse(c, "lacks a key usage of a %s certificate", r.name)
	case !r.ca && c.KeyUsage&x509.KeyUsageCertSign != 0:
		return r.refuse(c, "may sign certificates, which a %s certificate may not", r.name)
	case len(c.UnhandledCriticalExtensions) > 0:
		return rats.Errorf(rats.Unsupported, "certificate %q: unknown critical extension %v",
			c.Subject.CommonName, c.UnhandledCriticalExtensions[0])
	case (r.name == "PCK") != hasSGXExtension(c):
		return r.refuse(c, "does not have the SGX extension as a %s certificate should", r.name)
	}
	return nil
}

func (r role) refuse(c *x509.Certificate, format string, args ...any) error {
	e := rats.Errorf(rats.UntrustedRoot, "certificate "+quoted(c.Subject.CommonName)+" "+format, args...)
	e.Spec = profileClause
	return e
}

// quoted returns a name for a format string. Names come with the evidence: what
// they hold must not reach a terminal or a log as it is.
func quoted(name string) string { return strings.ReplaceAll(strconv.Quote(name), "%", "%%") }

// issuedBy checks that a key and name issued a certificate: names by raw bytes,
// then the signature.
func issuedBy(c *x509.Certificate, name, spki []byte, key *ecdsa.PublicKey, facts *Facts) error {
	if !bytes.Equal(c.RawIssuer, name) {
		return rats.Errorf(rats.UntrustedRoot, "certificate %q names another issuer", c.Subject.CommonName)
	}
	if c.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		return rats.Errorf(rats.Unsupported, "certificate %q is signed with %v", c.Subject.CommonName, c.SignatureAlgorithm)
	}
	if !facts.holds(spki, key, sha256.Sum256(c.RawTBSCertificate), c.Signature) {
		return rats.Errorf(rats.BadSignature, "certificate %q: its signature does not verify", c.Subject.CommonName)
	}
	return nil
}

// underRoot checks that a root issued a certificate and returns that root.
func underRoot(c *x509.Certificate, roots []root, facts *Facts) (*root, error) {
	r := rootNamed(roots, c.RawIssuer)
	if r == nil {
		return nil, rats.Errorf(rats.UntrustedRoot, "certificate %q is not issued by a pinned root", c.Subject.CommonName)
	}
	return r, issuedBy(c, r.Subject, r.PublicKey, r.key, facts)
}
