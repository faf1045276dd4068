// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"crypto/ed25519"

	"github.com/attesteer/attesteer/rats"
)

// MaxWithdrawalSignature bounds the signature of a withdrawal, in bytes: that
// of an RSA key of [MaxKeyBits].
const MaxWithdrawalSignature = MaxKeyBits / 8

// Withdrawal takes back what was said of an enclave: without a signature the
// listing of the registrar whose transaction it is, with one the whole record.
type Withdrawal struct {
	ID ID `cbor:"1,keyasint"`
	// Signature is the subject's key's over [WithdrawalBytes]: who carries it
	// does not matter. [SubjectKey] says by which algorithms.
	Signature []byte `cbor:"2,keyasint,omitempty"`
}

// checkWithdrawal checks form and limits of a transaction that withdraws.
func (tx *Transaction) checkWithdrawal() error {
	switch {
	case tx.Submission != nil || len(tx.Endorsements) > 0:
		return rats.Errorf(rats.Malformed, "a transaction that withdraws does nothing else")
	case len(tx.Withdrawal.Signature) > MaxWithdrawalSignature:
		return rats.Errorf(rats.TooLarge, "a withdrawal's signature of %d bytes is over %d", len(tx.Withdrawal.Signature), MaxWithdrawalSignature)
	default:
		return nil
	}
}

// WithdrawalBytes returns what the subject's key signs to withdraw a record: a
// domain tag, the chain id in UTF-8, the record's id and the transaction that
// wrote the record last, so that no withdrawal counts twice, nor elsewhere. All
// but the chain id are of one length.
func WithdrawalBytes(chainID string, id ID, last TxHash) []byte {
	out := make([]byte, 0, len(tagWithdraw)+len(chainID)+len(id)+len(last))
	out = append(out, tagWithdraw...)
	out = append(out, chainID...)
	out = append(out, id[:]...)
	return append(out, last[:]...)
}

// SubjectKey returns the key that may withdraw the record: the public key that
// the record keeps, else the first half of the subject as an Ed25519 key (RFC
// 8032) when the second half is zero. A subject of another form, or one of which
// anyone could forge signatures, as of zeros alone, is BindingMismatch.
func (r *Record) SubjectKey() (*Key, error) {
	if len(r.Key) > 0 {
		return ReadKey(r.Key)
	}
	const half = ed25519.PublicKeySize
	if len(r.Subject) != 2*half || !bytes.Equal(r.Subject[half:], make([]byte, half)) {
		return nil, rats.Errorf(rats.BindingMismatch, "the enclave's report data are no Ed25519 key followed by zeros, and no public key was shown that they are the hash of")
	}
	if smallOrder([half]byte(r.Subject[:half])) {
		return nil, rats.Errorf(rats.BindingMismatch, "the enclave's report data are nobody's key")
	}
	return &Key{Algorithm: Ed25519, public: ed25519.PublicKey(r.Subject[:half])}, nil
}
