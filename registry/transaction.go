// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// TxResult is what became of one transaction.
type TxResult struct {
	Tx     record.TxHash
	Height uint64
	// Err is nil when the transaction counts.
	Err *rats.Error
	// RecordID is the record that the evidence is in: the one it was written
	// to, or for a replay the one that holds it already. Of a withdrawal it is
	// the record that it is about, if there is one.
	RecordID record.ID
	// Proposal is the number of the proposal that a governance transaction is about.
	Proposal uint64
	// Recorded: the transaction wrote a record.
	Recorded bool
	// Earlier is, for a replay, the transaction that recorded the evidence.
	Earlier record.TxHash
	// Result is the appraisal, if the evidence could be appraised.
	Result *attesteer.Result
	// Taken counts the endorsements that came into the state; Refused are those
	// that did not, and why.
	Taken   int
	Refused []Refusal
}

// Refusal is an endorsement that was not taken.
type Refusal struct {
	SHA256 [32]byte
	Kind   rats.Kind
	Detail string
}

// run is the execution of transactions at one height and ledger time: those of
// a block, or the one that is checked.
type run struct {
	registry *Registry
	// st is a copy of the committed state that the run may change.
	st     *state
	height uint64
	// use counts against the quotas.
	use *usage
	// w is what the run changed so far.
	w      *layer
	events [][]byte
	// count is the number of the next event.
	count uint64
	// stirred: what was taken may change verdicts, so that all are judged again.
	stirred bool
}

func (r *Registry) newRun(st *state, height uint64, use *usage) *run {
	c := *st
	return &run{registry: r, st: &c, height: height, use: use, w: newLayer(r.store), count: st.Past.Size}
}

// Check runs a transaction on the committed state at its ledger time and throws
// the outcome away. It counts what it lets pass against the quotas until the
// next commit.
func (r *Registry) Check(tx []byte) TxResult {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.check(r.state.time.Time, tx)
}

// CheckAt is Check at the ledger time that this node would propose now, its own
// clock: [Registry.Propose] says which. Ledger time stands still while nothing
// happens, and while the node is off; what is signed or endorsed since then
// would be from the future by it.
func (r *Registry) CheckAt(now record.Millis, tx []byte) TxResult {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.check(nextTime(r.state.time, now), tx)
}

// check is called with mu held for reading.
func (r *Registry) check(at record.Millis, tx []byte) TxResult {
	o, err := record.Open(tx)
	if err == nil && o.Kind == record.KindTime {
		err = rats.Errorf(rats.Malformed, "ledger time is the proposers' to say")
	}
	if err != nil {
		return TxResult{Tx: record.HashTx(tx), Err: rats.AsError(err)}
	}
	use := r.checked.above()
	x := r.newRun(r.state, r.state.Height+1, use)
	x.st.time.Time = at
	if err := x.activate(); err != nil {
		return TxResult{Tx: o.Hash, Err: rats.AsError(err)}
	}
	out := x.transaction(o)
	if out.Err == nil {
		use.merge()
	}
	return out
}

// transaction runs the transaction of a registrar or a validator. It counts whole or not at all.
func (x *run) transaction(o *record.Opened) TxResult {
	out := TxResult{Tx: o.Hash, Height: x.height}
	kept := *x.st
	use := x.use
	x.use = use.above()
	outer, events, count, stirred := x.w, x.events, x.count, x.stirred
	x.w = outer.child()
	err := x.execute(o, &out)
	if err != nil {
		out.Err = rats.AsError(err)
		*x.st, x.w, x.events, x.count, x.stirred = kept, outer, events, count, stirred
		x.use = use
		out.Taken, out.Recorded, out.Proposal = 0, false, 0
		return out
	}
	x.w.merge()
	x.use.merge()
	x.w, x.use = outer, use
	return out
}

// execute does the work, cheapest checks first.
func (x *run) execute(o *record.Opened, out *TxResult) error {
	if o.Motion != nil {
		return x.motion(o, out)
	}
	if err := x.admit(o); err != nil {
		return err
	}
	if err := x.registry.signed.verify(o); err != nil {
		return err
	}
	if err := x.publish(o.Tx, out); err != nil {
		return err
	}
	switch {
	case o.Tx.Withdrawal != nil:
		return x.withdraw(o, out)
	case o.Tx.Submission != nil:
		return x.submit(o, out)
	default:
		return nil
	}
}

// admit checks that a transaction is for this ledger and this time, was not
// seen before, and is within its registrar's quota.
func (x *run) admit(o *record.Opened) error {
	tx, now := o.Tx, x.st.time.Time
	life := record.Millis(x.st.gov.Parameters.MaxTransactionLife)
	switch {
	case tx.ChainID != x.st.ChainID:
		return rats.Errorf(rats.BindingMismatch, "the transaction is for another ledger")
	case tx.NotAfter < now:
		return rats.Errorf(rats.Expired, "the transaction's time is over")
	case tx.NotAfter > now+life:
		return rats.Errorf(rats.PolicyRejected, "the transaction's not_after is more than %d s past ledger time", life/1000)
	}
	if err := x.use.registrar(x.st, o.Registrar); err != nil {
		return err
	}
	return x.spend(o.Registrar, tx.Nonce, tx.NotAfter)
}

// spend takes a key's nonce, which is remembered for as long as the transaction
// could come again.
func (x *run) spend(who record.Registrar, nonce [16]byte, notAfter record.Millis) error {
	key := record.NonceKey(who, nonce)
	if used, err := x.w.get(mapSpace(key)); err != nil {
		return err
	} else if used != nil {
		return rats.Errorf(rats.Replayed, "the nonce of this key was used before")
	}
	if err := x.w.write(key, notAfter); err != nil {
		return err
	}
	x.w.put(timeKey(spaceNonceEnd, notAfter, key), []byte{1})
	return nil
}

// publish takes a transaction's endorsements. Beside evidence one that is
// refused does no harm; alone, a transaction of which nothing is taken or known
// already fails with the first reason.
func (x *run) publish(tx *record.Transaction, out *TxResult) error {
	known := 0
	var first error
	var taken []*offer
	shelf := x.st.shelf
	for _, e := range tx.Endorsements {
		o, err := x.registry.examine(x.st, x.st.time.Time, e)
		better := false
		if err == nil {
			better, err = shelf.weigh(o)
		}
		switch {
		case err != nil:
			refusal := rats.AsError(err)
			out.Refused = append(out.Refused, Refusal{e.Digest(), refusal.Kind, refusal.Detail})
			if first == nil {
				first = err
			}
		case !better:
			known++
		default:
			if len(taken) == 0 {
				shelf = shelf.clone()
			}
			x.stirred = x.stirred || shelf.stirs(o, x.st.time.Time)
			if err := shelf.put(o.key, o.entry, e); err != nil {
				return err
			}
			taken = append(taken, o)
		}
	}
	if len(taken)+known == 0 && first != nil && tx.Submission == nil {
		return first
	}
	if len(taken) == 0 {
		return nil
	}
	for _, o := range taken {
		if err := x.w.write([]byte(o.key), o.entry); err != nil {
			return err
		}
		x.w.put(endorsementKey(o.entry.SHA256), o.encoded)
	}
	shelf.collect()
	x.st.shelf, out.Taken = shelf, len(taken)
	return nil
}
