// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"crypto/x509"
	_ "embed"

	"github.com/attesteer/attesteer/rats"
)

// intelRoot is the certificate of "Intel SGX Root CA" that Intel's service puts
// at the end of its chains, valid to the end of 2049. It has the pinned name and
// key, which is what counts: readers of chains want the certificate too.
//
//go:embed intel_sgx_root_ca.pem
var intelRoot []byte

// IntelRootCertificate returns the certificate of Intel's SGX root in DER.
func IntelRootCertificate() []byte {
	certs, err := splitChain(intelRoot)
	if err != nil {
		panic(err) // the file above
	}
	return certs[0]
}

// ServedChain returns a chain in PEM as services give it: the certificates that
// come with a statement, signer first, and the root's, which they leave out.
// roots are certificates in DER, of which the one counts that issued the last.
// It is empty where there are none, as with a list that the root signs itself.
// The error is UntrustedRoot where no root issued the last.
func ServedChain(issuers [][]byte, roots ...[]byte) ([]byte, error) {
	if len(issuers) == 0 {
		return nil, nil
	}
	last, err := x509.ParseCertificate(issuers[len(issuers)-1])
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "a certificate of the chain: %w", err)
	}
	for _, der := range roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "a root's certificate: %w", err)
		}
		if bytes.Equal(root.RawSubject, last.RawIssuer) && last.CheckSignatureFrom(root) == nil {
			return joinChain(append(issuers[:len(issuers):len(issuers)], der)), nil
		}
	}
	return nil, rats.Errorf(rats.UntrustedRoot, "there is no certificate of the root that issued %q", last.Subject.CommonName)
}

// endorsementOf returns an artefact as verification and ledgers have it: with the
// certificates below the root. ok is false for kinds that are no endorsements.
func endorsementOf(kind rats.EndorsementKind, body, chain []byte) (e rats.Endorsement, ok bool) {
	e = rats.Endorsement{Kind: kind, Body: body}
	if kind == rats.RootCACRL {
		return e, true
	}
	certs, err := splitChain(chain)
	if err != nil {
		return e, false
	}
	for _, der := range certs {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return e, false
		}
		if !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
			e.Issuers = append(e.Issuers, der)
		}
	}
	return e, len(e.Issuers) > 0
}
