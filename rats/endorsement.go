// SPDX-License-Identifier: Apache-2.0

package rats

import "crypto/sha256"

// EndorsementKind names what an endorsement says.
type EndorsementKind string

// The kinds of endorsements.
const (
	// TCBInfo: Intel's list of TCB levels of one FMSPC (JSON with signature).
	TCBInfo EndorsementKind = "tcb_info"
	// QEIdentity: Intel's identity of a quoting enclave (JSON with signature).
	QEIdentity EndorsementKind = "qe_identity"
	// RootCACRL: the revocation list signed by the root (DER).
	RootCACRL EndorsementKind = "root_ca_crl"
	// PCKCRL: the revocation list signed by a PCK certificate authority (DER).
	PCKCRL EndorsementKind = "pck_crl"
	// EvaluationNumbers: Intel's list of TCB evaluation data numbers for one
	// TEE (JSON with signature).
	EvaluationNumbers EndorsementKind = "tcb_evaluation_numbers"
	// PCKCertificate: the certificate of one platform at one TCB (DER), for
	// evidence that names its platform without carrying it.
	PCKCertificate EndorsementKind = "pck_certificate"
)

// Endorsement is one statement signed by a vendor, with what is needed to check
// it alone. Endorsements vouch for themselves: who brought one does not matter.
type Endorsement struct {
	Kind EndorsementKind `cbor:"1,keyasint" json:"kind"`
	// Body is the statement as its signature covers it: JSON byte for byte as
	// the vendor sent it ({"tcbInfo":{…},"signature":"…"}), or a CRL or
	// certificate in DER.
	Body []byte `cbor:"2,keyasint" json:"body"`
	// Issuers are DER certificates from the one whose key signed Body up to, and
	// without, the root: the TCB signing certificate, or the PCK CA. It is
	// empty where the root itself signs.
	Issuers [][]byte `cbor:"3,keyasint,omitempty" json:"issuers,omitempty"`
}

// Digest returns SHA-256 of the body, the name by which results and records
// refer to the statement, whoever's certificates came with it.
func (e Endorsement) Digest() [32]byte { return sha256.Sum256(e.Body) }

// EndorsementKey is the place of an endorsement among others that say the same
// kind of thing: within one key the latest issue date wins.
type EndorsementKey struct {
	Kind EndorsementKind `cbor:"1,keyasint" json:"kind"`
	// TEE is empty for CRLs.
	TEE TEE `cbor:"2,keyasint,omitempty" json:"tee,omitempty"`
	// Scope is the FMSPC in lower-case hex (TCB info), the identity's id such as
	// "QE" (QE identity), lower-case hex SHA-256 of the issuing CA's
	// SubjectPublicKeyInfo (PCK CRL) or of the root's name (root CA CRL), or PPID,
	// CPUSVN, PCESVN and PCE id in lower-case hex (PCK certificate). It is empty
	// for evaluation numbers.
	Scope string `cbor:"3,keyasint,omitempty" json:"scope,omitempty"`
	// EvaluationDataNumber is zero where the kind has none.
	EvaluationDataNumber uint32 `cbor:"4,keyasint,omitempty" json:"evaluation_data_number,omitempty"`
	// Version is that of the vendor's format, zero where the kind has none.
	Version uint32 `cbor:"5,keyasint,omitempty" json:"version,omitempty"`
}
