// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Common names, in the places where Intel has "Intel SGX Root CA", "Intel SGX
// PCK Platform CA", "Intel SGX PCK Certificate" and "Intel SGX TCB Signing".
const (
	rootName       = "Attesteer Simulated Root CA"
	pckCAName      = "Simulated SGX PCK Platform CA"
	pckName        = "Simulated SGX PCK Certificate"
	tcbSigningName = "Simulated SGX TCB Signing"
)

// validity returns the window of every certificate, wide enough for whatever
// clock a development network starts at.
func validity() (notBefore, notAfter time.Time) {
	return time.Date(2018, time.January, 1, 0, 0, 0, 0, time.UTC), time.Date(2049, time.December, 31, 23, 59, 59, 0, time.UTC)
}

// Faults are the ways in which a [PKI] can be made to have something wrong
// with it, for tests of whoever has to notice. The zero Faults has none.
type Faults struct {
	// RevokedPlatforms lists platforms whose PCK certificates, at every TCB
	// level, are on the CRL of the PCK CA.
	RevokedPlatforms []uint32
	// PCKNotAfter, when not zero, ends the validity of PCK certificates.
	PCKNotAfter time.Time
}

// PKI is the simulated vendor: the root, the CA that issues PCK certificates,
// and the certificate whose key signs TCB info and QE identity. It is immutable
// and safe for concurrent use. All PKIs have the same root, names and keys;
// they differ in their faults alone.
type PKI struct {
	faults     Faults
	root       issuer
	pckCA      issuer
	tcbSigning issuer
}

// issuer is a key with its certificate.
type issuer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// NewPKI builds the vendor's certificates. Errors are Internal.
func NewPKI(faults Faults) (*PKI, error) {
	faults.RevokedPlatforms = append([]uint32(nil), faults.RevokedPlatforms...)
	p := &PKI{
		faults:     faults,
		root:       issuer{key: rootKey()},
		pckCA:      issuer{key: deriveKey("pck platform ca")},
		tcbSigning: issuer{key: deriveKey("tcb signing")},
	}
	var err error
	root := authority(rootName, 1)
	// The root names itself as its authority, as Intel's does.
	if root.AuthorityKeyId, err = keyID(p.root.key); err != nil {
		return nil, err
	}
	if p.root.cert, err = certify(root, p.root.key, issuer{key: p.root.key, cert: root}); err != nil {
		return nil, err
	}
	if p.pckCA.cert, err = certify(authority(pckCAName, 0), p.pckCA.key, p.root); err != nil {
		return nil, err
	}
	if p.tcbSigning.cert, err = certify(leaf(tcbSigningName), p.tcbSigning.key, p.root); err != nil {
		return nil, err
	}
	return p, nil
}

// Root returns the simulated root, to be named by policies of development
// networks and of tests.
func Root() rats.TrustRoot {
	subject, err := asn1.Marshal(name(rootName).ToRDNSequence())
	if err != nil {
		panic(err) // unreachable: a constant name of plain strings
	}
	public, err := x509.MarshalPKIXPublicKey(rootKey().Public())
	if err != nil {
		panic(err) // unreachable: a P-256 key
	}
	return rats.TrustRoot{Name: rats.SimulatedRoot, Subject: subject, PublicKey: public}
}

func rootKey() *ecdsa.PrivateKey { return deriveKey("root") }

func name(common string) pkix.Name {
	return pkix.Name{CommonName: common, Organization: []string{"Attesteer Simulation"}}
}

// template returns what all certificates have in common.
func template(common string, usage x509.KeyUsage) *x509.Certificate {
	notBefore, notAfter := validity()
	return &x509.Certificate{
		Subject:               name(common),
		SerialNumber:          serial(common),
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              usage,
		BasicConstraintsValid: true,
		SignatureAlgorithm:    x509.ECDSAWithSHA256,
		// Intel's profile wants a distribution point in every certificate. This
		// one can never resolve (RFC 2606).
		CRLDistributionPoints: []string{"https://simulated.invalid/crl.der"},
	}
}

// authority returns the template of a CA below which pathLen more may stand.
func authority(common string, pathLen int) *x509.Certificate {
	t := template(common, x509.KeyUsageCertSign|x509.KeyUsageCRLSign)
	t.IsCA, t.MaxPathLen, t.MaxPathLenZero = true, pathLen, pathLen == 0
	return t
}

// leaf returns the template of a certificate that signs data.
func leaf(common string) *x509.Certificate {
	return template(common, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment)
}

// certify has by sign t for key. A nil source of randomness selects RFC 6979.
func certify(t *x509.Certificate, key *ecdsa.PrivateKey, by issuer) (*x509.Certificate, error) {
	var err error
	if t.SubjectKeyId, err = keyID(key); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(nil, t, by.cert, key.Public(), by.key)
	if err != nil {
		return nil, internal("certificate", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, internal("certificate", err)
	}
	return cert, nil
}

// keyID returns 20 bytes that stand for a key in key identifiers.
func keyID(key *ecdsa.PrivateKey) ([]byte, error) {
	p, err := point(key)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(p[:])
	return id[:20], nil
}

// serial returns a positive serial number of at most 20 bytes (RFC 5280
// 4.1.2.2) for what label and numbers name.
func serial(label string, numbers ...uint32) *big.Int {
	s := derive("serial "+label, numbers...)
	s[0] = s[0]&0x3f | 0x40
	return new(big.Int).SetBytes(s[:20])
}
