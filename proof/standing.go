// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"slices"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// readWatch checks the entry that says what the record rests on, if it is there,
// and returns the entries after it.
func (v *Verdict) readWatch(entries []Entry, root [32]byte) ([]Entry, *record.Watch, error) {
	if len(entries) == 0 || v.Record == nil || !bytes.Equal(entries[0].Key, record.WatchKey(v.ID)) {
		return entries, nil, nil
	}
	w := new(record.Watch)
	if err := readEntry(&entries[0], root, w); err != nil {
		return nil, nil, err
	}
	return entries[1:], w, nil
}

// readEndorsements checks the rest: each an endorsement in state that the record
// was appraised with or that stands in the place of one, none twice.
func (v *Verdict) readEndorsements(entries []Entry, w *record.Watch, root [32]byte) error {
	seen := map[string]bool{}
	for i := range entries {
		var e record.EndorsementEntry
		if err := readEntry(&entries[i], root, &e); err != nil {
			return err
		}
		key, err := record.EndorsementEntryKey(e.Key)
		if err != nil || !bytes.Equal(key, entries[i].Key) || seen[string(key)] {
			return mismatch("an endorsement is not where its key says")
		}
		seen[string(key)] = true
		inPlace := w != nil && slices.Contains(w.RestsOn, e.Key)
		if v.Record == nil || !inPlace && !slices.Contains(v.Record.AppraisedWith, e.SHA256) {
			return mismatch("the record was not appraised with an endorsement that is shown beside it")
		}
		v.Endorsements = append(v.Endorsements, e)
	}
	if v.Record == nil {
		return nil
	}
	for _, digest := range v.Record.AppraisedWith {
		if !slices.ContainsFunc(v.Endorsements, func(e record.EndorsementEntry) bool { return e.SHA256 == digest }) {
			v.NotShown = append(v.NotShown, digest)
		}
	}
	v.refresh(w)
	return nil
}

// refresh derives until when the verdict holds from what is proven of the data
// on which it rests.
func (v *Verdict) refresh(w *record.Watch) {
	if w == nil || v.Record.State != record.Active {
		return
	}
	until, ok := w.ValidUntil(func(key rats.EndorsementKey) (record.EndorsementEntry, bool) {
		at := slices.IndexFunc(v.Endorsements, func(e record.EndorsementEntry) bool { return e.Key == key })
		if at < 0 {
			return record.EndorsementEntry{}, false
		}
		return v.Endorsements[at], true
	})
	if ok {
		v.Record.ValidUntil = until
	}
}
