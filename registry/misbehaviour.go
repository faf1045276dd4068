// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"github.com/attesteer/attesteer/record"
)

// convict puts on record what validators did that consensus has evidence of. The
// log holds each case, the map their number and the last of them.
func (x *run) convict(cases []record.Misbehaviour) error {
	if len(cases) == 0 {
		return nil
	}
	var all record.Offences
	if _, err := x.w.read(record.OffencesKey(), &all); err != nil {
		return err
	}
	for _, m := range cases {
		m.Time, m.Recorded = x.st.time.Time, x.height
		all.Count++
		all.Latest = append(all.Latest, m)
		if err := x.tell(record.Misbehaved, record.TxHash{}, record.Act{Misbehaviour: &m}); err != nil {
			return err
		}
	}
	all.Latest = all.Latest[max(0, len(all.Latest)-record.MaxMisbehaviour):]
	return x.w.write(record.OffencesKey(), all)
}

// Misbehaviour returns what validators did that consensus has evidence of.
func (r *Registry) Misbehaviour() (record.Offences, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := record.Offences{Latest: []record.Misbehaviour{}}
	_, err := r.base().read(record.OffencesKey(), &out)
	return out, err
}
