// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/record"
)

// opening is what became of reading a transaction.
type opening struct {
	hash   record.TxHash
	opened *record.Opened
	err    error
}

// ahead reads the transactions of a block on all cores, and verifies those that
// Check has not seen, as when a node catches up. Only what memory then holds
// counts, signatures that verify: the block itself comes to the same without.
func (r *Registry) ahead(st *state, txs [][]byte) []opening {
	out := make([]opening, len(txs))
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(txs)); i = next.Add(1) - 1 {
			o, err := record.Open(txs[i])
			if err != nil {
				out[i] = opening{hash: record.HashTx(txs[i]), err: err}
				continue
			}
			out[i] = opening{hash: o.Hash, opened: o}
			if o.Tx != nil && !r.signed.has(o.Hash) {
				r.recall(st, o)
			}
		}
	}
	var group sync.WaitGroup
	for range min(len(txs), runtime.GOMAXPROCS(0)) {
		group.Go(work)
	}
	group.Wait()
	return out
}

// recall has memory hold the signatures of a registrar's transaction and of its
// evidence. What does not verify is not remembered, and its error is found again.
func (r *Registry) recall(st *state, o *record.Opened) {
	if o.Tx.ChainID != st.ChainID || r.signed.verify(o) != nil {
		return
	}
	if s := o.Tx.Submission; s != nil {
		// A verdict at another time than the block's: only the signatures count.
		_, _ = r.verifier.Verify(attesteer.Evidence{Raw: s.Evidence}, st.shelf.all, st.policy(s.RuntimeData), st.time.Time.Time())
	}
}
