// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// maxChain bounds how many certificates a quote may carry; a real one has three.
const maxChain = 8

// chain is the PCK certificate chain that comes with a quote, its parts told
// apart by what they are, not by where they stand. It does not change once read.
type chain struct {
	pck *x509.Certificate
	ca  *x509.Certificate
	// anchor is the root certificate if one came along.
	anchor anchor

	ext PCKExtension
	// ca256 is SHA-256 of the CA's SubjectPublicKeyInfo, which names it in the
	// key of its revocation list.
	ca256 [32]byte
}

// anchor is a root certificate that comes with evidence. Its own validity and
// path length mean nothing: the root is a key and a name.
type anchor struct {
	raw []byte
	// cert is nil for one that is known by its bytes to be the vendor's.
	cert *x509.Certificate
}

// subject returns the root's name in DER.
func (a anchor) subject() []byte {
	if a.cert != nil {
		return a.cert.RawSubject
	}
	return Intel().Subject
}

// openChain reads the certificates of certification data type 5. Those that
// others of the appraisal came with are not read again.
func openChain(data []byte, known []*x509.Certificate) (*chain, error) {
	ders, err := splitPEM(data)
	if err != nil {
		return nil, err
	}
	c := &chain{}
	anchors := intelAnchors()
	var unread error
	for _, der := range ders {
		if slices.Contains(anchors[:], sha256.Sum256(der)) && (c.anchor.raw == nil || bytes.Equal(c.anchor.raw, der)) {
			c.anchor.raw = der
			continue
		}
		cert, err := knownOr(known, der)
		if err != nil {
			unread = err
			continue
		}
		if err := c.place(cert); err != nil {
			return nil, err
		}
	}
	switch {
	case unread != nil && c.pck != nil && c.ca != nil:
		// What is left to be is the root's certificate. It is not needed, but
		// one that cannot be the pinned root's makes the chain false.
		return nil, rats.Errorf(rats.UntrustedRoot, "the root certificate of the chain: %w", unread)
	case unread != nil:
		return nil, unread
	case c.pck == nil:
		return nil, rats.Errorf(rats.Malformed, "the chain holds no PCK certificate")
	case c.ca == nil:
		return nil, rats.Errorf(rats.UntrustedRoot, "the chain lacks the issuer of the PCK certificate")
	}
	return c, c.complete()
}

// place puts a certificate where it belongs. The same one may come twice, two
// different ones for one place make the chain ambiguous.
func (c *chain) place(cert *x509.Certificate) error {
	slot := &c.ca
	switch {
	case hasSGXExtension(cert):
		slot = &c.pck
	case bytes.Equal(cert.RawSubject, cert.RawIssuer):
		if c.anchor.raw != nil && !bytes.Equal(c.anchor.raw, cert.Raw) {
			return twice("root certificate", cert)
		}
		c.anchor = anchor{cert.Raw, cert}
		return nil
	}
	if *slot != nil && !bytes.Equal((*slot).Raw, cert.Raw) {
		return twice(strconv.Quote((*slot).Subject.CommonName), cert)
	}
	*slot = cert
	return nil
}

func twice(what string, cert *x509.Certificate) error {
	return rats.Errorf(rats.UntrustedRoot, "the chain holds two certificates for one place: %s and %q", what, cert.Subject.CommonName)
}

func knownOr(known []*x509.Certificate, der []byte) (*x509.Certificate, error) {
	for _, c := range known {
		if bytes.Equal(c.Raw, der) {
			return c, nil
		}
	}
	return parseCertificate(der)
}

// newChain returns the chain of a PCK certificate and its CA.
func newChain(pck, ca *x509.Certificate) (*chain, error) {
	c := &chain{pck: pck, ca: ca}
	return c, c.complete()
}

// complete fills in what follows from the certificates.
func (c *chain) complete() (err error) {
	c.ca256 = sha256.Sum256(c.ca.RawSubjectPublicKeyInfo)
	c.ext, err = parsePCKExtension(c.pck)
	return err
}

// issuer tells the two kinds of PCK CA apart, by the phrase in the name as the
// profile does (1.2).
func (c *chain) issuer() string {
	if strings.Contains(c.ca.Subject.CommonName, "Platform") {
		return "platform"
	}
	return "processor"
}

// verify checks names, roles and signatures from the pinned root down, and
// returns that root.
func (c *chain) verify(roots []root, facts *Facts) (*root, error) {
	if err := c.verifyAnchor(roots, facts); err != nil {
		return nil, err
	}
	if err := pckCA().plays(c.ca); err != nil {
		return nil, err
	}
	if err := pckLeaf().plays(c.pck); err != nil {
		return nil, err
	}
	r, err := underRoot(c.ca, roots, facts)
	if err != nil {
		return nil, err
	}
	// The root certificate must be that of the root that vouches: then the answer
	// depends on no other root that is trusted beside it.
	if c.anchor.raw != nil && !bytes.Equal(c.anchor.subject(), r.Subject) {
		return nil, rats.Errorf(rats.UntrustedRoot, "the chain holds the certificate of another root than the one that vouches for it")
	}
	key, err := publicKey(c.ca)
	if err != nil {
		return nil, err
	}
	return r, issuedBy(c.pck, c.ca.RawSubject, c.ca.RawSubjectPublicKeyInfo, key, facts)
}

// verifyAnchor refuses a root certificate that is not the pinned key's own: it
// is not needed, but evidence that carries a false one is not what it says.
func (c *chain) verifyAnchor(roots []root, facts *Facts) error {
	cert := c.anchor.cert
	switch {
	case c.anchor.raw == nil:
		return nil
	case cert == nil:
		vendor := Intel()
		if r := rootNamed(roots, vendor.Subject); r == nil || !bytes.Equal(r.PublicKey, vendor.PublicKey) {
			return rats.Errorf(rats.UntrustedRoot, "root certificate %q is not a pinned root", "Intel SGX Root CA")
		}
		return nil
	}
	r := rootNamed(roots, cert.RawSubject)
	if r == nil || !bytes.Equal(r.PublicKey, cert.RawSubjectPublicKeyInfo) {
		return rats.Errorf(rats.UntrustedRoot, "root certificate %q is not a pinned root", cert.Subject.CommonName)
	}
	return issuedBy(cert, r.Subject, r.PublicKey, r.key, facts)
}

// splitPEM returns the certificates of concatenated PEM in their order. END and
// BEGIN may share a line, which encoding/pem does not see, and a NUL may end
// the whole, as platforms in the field write it. Everything else around the
// certificates is refused.
func splitPEM(data []byte) ([][]byte, error) {
	const begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
	rest := bytes.TrimRight(data, "\x00")
	var out [][]byte
	for {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if len(rest) == 0 {
			break
		}
		body, ok := bytes.CutPrefix(rest, []byte(begin))
		if !ok {
			return nil, rats.Errorf(rats.Malformed, "the certificate chain is not PEM")
		}
		stop := bytes.Index(body, []byte(end))
		if stop < 0 {
			return nil, rats.Errorf(rats.Malformed, "a certificate of the chain does not end")
		}
		der, err := decodeBase64(body[:stop])
		if err != nil {
			return nil, err
		}
		if out = append(out, der); len(out) > maxChain {
			return nil, rats.Errorf(rats.Malformed, "the chain holds over %d certificates", maxChain)
		}
		rest = body[stop+len(end):]
	}
	if len(out) == 0 {
		return nil, rats.Errorf(rats.Malformed, "the certificate chain is empty")
	}
	return out, nil
}

// decodeBase64 reads base64 broken into lines, each bit of it canonical.
func decodeBase64(text []byte) ([]byte, error) {
	if bytes.IndexByte(text, ' ') >= 0 || bytes.IndexByte(text, '\t') >= 0 {
		text = bytes.Join(bytes.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' }), nil)
	}
	// The decoder passes over line ends.
	der := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(der, text)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "certificate: %w", err)
	}
	return der[:n:n], nil
}
