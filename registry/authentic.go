// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Authentic checks what no state changes of a transaction: its form, that it is for
// this ledger, and its signature. [Registry.Check] lets nothing pass that fails
// here, on whichever node. The errors are Malformed, TooLarge, BindingMismatch and
// BadSignature, and Unsupported for what a later version may know.
func (r *Registry) Authentic(tx []byte) error {
	if r.signed.has(record.HashTx(tx)) {
		return nil
	}
	o, err := record.Open(tx)
	if err != nil {
		return err
	}
	var chain string
	switch {
	case o.Tx != nil:
		chain = o.Tx.ChainID
	case o.Motion != nil:
		chain = o.Motion.ChainID
	default:
		return rats.Errorf(rats.Malformed, "ledger time is the proposers' to say")
	}
	if chain != r.ChainID() {
		return rats.Errorf(rats.BindingMismatch, "the transaction is for another ledger")
	}
	return r.signed.verify(o)
}
