// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto/ecdsa"
	"crypto/x509"
	"slices"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Faults are the ways in which a [PKI] can be made to differ from a sound one,
// for tests of whoever has to notice. The zero Faults has none.
//
// The functions see each thing before it is signed and may change all of it;
// nil ones change nothing. They are called whenever the thing is made, so what
// they do must follow from their argument alone. What is to be wrong only after
// signing the caller changes in what was returned.
type Faults struct {
	// RevokedPlatforms lists platforms whose PCK certificates, at every TCB
	// level, are on the CRL of the PCK CA.
	RevokedPlatforms []uint32
	// PCKNotAfter, when not zero, ends the validity of PCK certificates.
	PCKNotAfter time.Time
	// ProcessorCA has the PCK Processor CA issue PCK certificates, as it does for
	// machines of one package; their SGX extension then has five elements. It is
	// a PKI of another kind and not a fault.
	ProcessorCA bool

	// Certificate edits certificates of every role.
	Certificate func(*Certificate)
	// Extension edits what is certified of platforms.
	Extension func(*dcap.PCKExtension)
	// TCBInfo, Identity and Numbers edit statements as objects, Statement
	// edits the bytes that are then signed.
	TCBInfo   func(*TCBInfo)
	Identity  func(*Identity)
	Numbers   func(*EvaluationNumbers)
	Statement func(*Statement)
	// CRL edits revocation lists.
	CRL func(*RevocationList)
	// QE edits the quoting enclave's report before the platform signs it, when it
	// already binds the attestation key and the authentication data.
	QE func(*QuotingEnclave)
	// Quote edits header and report of a quote before the attestation key signs.
	Quote func(*quote.Quote)
}

func (f Faults) clone() Faults {
	f.RevokedPlatforms = slices.Clone(f.RevokedPlatforms)
	return f
}

// Role is what a certificate is for.
type Role string

// The roles, in the places of Intel's "SGX Root CA", "SGX PCK Platform CA" or
// "SGX PCK Processor CA", "SGX PCK Certificate" and "SGX TCB Signing".
const (
	RootCA     Role = "root"
	PCKCA      Role = "pck_ca"
	PCK        Role = "pck"
	TCBSigning Role = "tcb_signing"
)

// Certificate is a certificate about to be signed.
type Certificate struct {
	Role Role
	// Template is what crypto/x509 makes the certificate from.
	Template *x509.Certificate
	// Key is the subject's.
	Key *ecdsa.PrivateKey
	// Issuer lends its subject and key identifier, SigningKey signs: the parent's,
	// unless changed.
	Issuer     *x509.Certificate
	SigningKey *ecdsa.PrivateKey
	// TBS, when not nil, edits the DER that is signed, for what a template cannot
	// say; Signed edits the DER of the whole. What they do shows where the
	// certificate is shown, and not in those that it issues.
	TBS, Signed func([]byte) []byte
}

// Statement is signed JSON about to be signed.
type Statement struct {
	Kind rats.EndorsementKind
	TEE  rats.TEE
	// Inner are the bytes that the signature covers.
	Inner []byte
	// Key is the TCB signing certificate's.
	Key *ecdsa.PrivateKey
}

// RevocationList is a CRL about to be signed.
type RevocationList struct {
	// Role is the CA's: RootCA or PCKCA.
	Role     Role
	Template *x509.RevocationList
	// Issuer lends its name and key identifier, Key signs.
	Issuer *x509.Certificate
	Key    *ecdsa.PrivateKey
	// TBS, when not nil, edits the DER that is signed.
	TBS func([]byte) []byte
}

// QuotingEnclave is a quoting enclave whose report is about to be signed.
type QuotingEnclave struct {
	TEE    rats.TEE
	Report *quote.SGXReport
	// Key is the platform's PCK key.
	Key *ecdsa.PrivateKey
}
