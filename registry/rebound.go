// SPDX-License-Identifier: Apache-2.0

package registry

import "github.com/attesteer/attesteer/record"

// reboundVersion is the first version of the state machine in which a record says
// of the evidence that revived it what block that is bound to. The ones before left
// what newer evidence had been bound to, so that evidence which binds nothing could
// pass for fresh.
const reboundVersion = 6

// rebound writes what ties the evidence to a time on which a record that had ended
// rests from now on: it need not be the evidence that it rested on before. What an
// older version recorded counts as bound to nothing, since the block was not noted.
func (w writing) rebound(rec *record.Record, earlier record.ReplayEntry) {
	if w.st.gov.Version < reboundVersion {
		return
	}
	rec.Freshness = record.Freshness{Kind: record.FreshnessNone}
	if earlier.Block != 0 {
		rec.Freshness = record.Freshness{Kind: record.FreshnessBlock, Height: earlier.Block}
	}
}
