// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Outcome is what [Verifier.VerifyAll] says of one piece of evidence: what
// [Verify] returns.
type Outcome struct {
	Result *Result
	Err    error
}

// VerifyAll judges many pieces of evidence by the same endorsements and policy,
// on all cores. The outcomes stand in the order of the evidence, and each is
// what [Verifier.Verify] would return for it.
func (v *Verifier) VerifyAll(evs []Evidence, en *Endorsements, p Policy, at time.Time) []Outcome {
	out := make([]Outcome, len(evs))
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(evs)); i = next.Add(1) - 1 {
			out[i].Result, out[i].Err = v.Verify(evs[i], en, p, at)
		}
	}
	var group sync.WaitGroup
	for range min(len(evs), runtime.GOMAXPROCS(0)) {
		group.Go(work)
	}
	group.Wait()
	return out
}
