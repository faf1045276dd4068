// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"

	"github.com/attesteer/attesteer/rats"
)

// Common names, in the places where Intel has "Intel SGX Root CA", "Intel SGX
// PCK Platform CA" or "Processor CA", "Intel SGX PCK Certificate" and "Intel
// SGX TCB Signing".
const (
	rootName        = "Attesteer Simulated Root CA"
	platformCAName  = "Simulated SGX PCK Platform CA"
	processorCAName = "Simulated SGX PCK Processor CA"
	pckName         = "Simulated SGX PCK Certificate"
	tcbSigningName  = "Simulated SGX TCB Signing"
)

// PKI is the simulated vendor: the root, the CA that issues PCK certificates,
// and the certificate whose key signs TCB info, identities and evaluation
// numbers. It is immutable and safe for concurrent use. All PKIs have the same
// root, names and keys; they differ in their faults alone.
type PKI struct {
	faults     Faults
	root       issuer
	pckCA      issuer
	tcbSigning issuer
}

// NewPKI builds the vendor's certificates. Errors are Internal; only edits of
// [Faults] can cause them.
func NewPKI(faults Faults) (*PKI, error) {
	p := &PKI{faults: faults.clone()}
	caName, caKey := platformCAName, "pck platform ca"
	if faults.ProcessorCA {
		caName, caKey = processorCAName, "pck processor ca"
	}
	key := rootKey()
	var err error
	if p.root, err = p.certify(RootCA, authority(rootName, 1), key, issuer{key: key}); err != nil {
		return nil, err
	}
	if p.pckCA, err = p.certify(PCKCA, authority(caName, 0), deriveKey(caKey), p.root); err != nil {
		return nil, err
	}
	if p.tcbSigning, err = p.certify(TCBSigning, leaf(tcbSigningName), deriveKey("tcb signing"), p.root); err != nil {
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

// RootCertificate returns the root's own certificate in DER.
func (p *PKI) RootCertificate() []byte { return append([]byte(nil), p.root.der...) }
