// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"slices"

	"github.com/attesteer/attesteer/rats"
)

// statementForm is one way in which a statement and its signature stand
// together in an object.
type statementForm struct {
	inner, signature string
	// name is the inner object's key in the API's form.
	name string
	kind rats.EndorsementKind
}

// statementForms lists the API's own form first (PCS API v4), then the one that
// libraries use for everything that goes with one quote, then that of a cache
// that keeps a statement as text and its signature in DER, octet by octet. A
// statement is signed over its bytes as sent, so they are cut out of the file
// and put into the API's form untouched.
func statementForms() []statementForm {
	const tcbInfo, identity, numbers = "tcbInfo", "enclaveIdentity", "tcbEvaluationDataNumbers"
	return []statementForm{
		{tcbInfo, "signature", tcbInfo, rats.TCBInfo},
		{identity, "signature", identity, rats.QEIdentity},
		{numbers, "signature", numbers, rats.EvaluationNumbers},
		{"tcb_info", "tcb_info_signature", tcbInfo, rats.TCBInfo},
		{"qe_identity", "qe_identity_signature", identity, rats.QEIdentity},
		{"raw_tcb_info", "signature", tcbInfo, rats.TCBInfo},
		{"raw_enclave_identity", "signature", identity, rats.QEIdentity},
		{"raw_tcb_evaluation_data_numbers", "signature", numbers, rats.EvaluationNumbers},
	}
}

// body puts a statement into the API's form.
func (f statementForm) body(inner, signature json.RawMessage) ([]byte, error) {
	var unquoted string
	if json.Unmarshal(inner, &unquoted) == nil {
		inner = json.RawMessage(unquoted)
	}
	if signature[0] == '[' {
		sig, err := signatureOfOctets(signature)
		if err != nil {
			return nil, err
		}
		signature = json.RawMessage(`"` + hex.EncodeToString(sig[:]) + `"`)
	}
	return slices.Concat([]byte(`{"`+f.name+`":`), inner, []byte(`,"signature":`), signature, []byte(`}`)), nil
}

// signatureOfOctets reads a signature that stands in JSON as a list of numbers:
// ECDSA-Sig-Value in DER (RFC 3279 section 2.2.3), or r and s at their full
// length. It returns r and s, 32 bytes each, big-endian, as the API has them.
func signatureOfOctets(list json.RawMessage) (sig [64]byte, err error) {
	var octets []byte
	if err := json.Unmarshal(list, &octets); err != nil {
		return sig, errors.New("its signature is no list of octets")
	}
	if len(octets) == len(sig) {
		return [64]byte(octets), nil
	}
	var value struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(octets, &value)
	if err != nil || len(rest) != 0 || value.R.Sign() < 0 || value.S.Sign() < 0 ||
		value.R.BitLen() > 256 || value.S.BitLen() > 256 {
		return sig, errors.New("its signature is neither DER nor r and s of P-256")
	}
	value.R.FillBytes(sig[:32])
	value.S.FillBytes(sig[32:])
	return sig, nil
}

// signedBy reports whether one of signers signed what the statement says, be
// that well-formed or not, and whether the statement has a signature at all.
func (s statement) signedBy(signers []*x509.Certificate) (yes, known bool) {
	var object map[string]json.RawMessage
	var digits string
	if json.Unmarshal(s.body, &object) != nil || json.Unmarshal(object["signature"], &digits) != nil {
		return false, false
	}
	sig, err := hex.DecodeString(digits)
	inner := object[s.form.name]
	if err != nil || len(sig) != 64 || inner == nil {
		return false, false
	}
	digest := sha256.Sum256(inner)
	r, t := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	return slices.ContainsFunc(signers, func(cert *x509.Certificate) bool {
		key, ok := cert.PublicKey.(*ecdsa.PublicKey)
		return ok && ecdsa.Verify(key, digest[:], r, t)
	}), true
}
