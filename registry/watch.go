// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"slices"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// inputsOf returns what a watched record is judged by again.
func inputsOf(w *record.Watch, mode rats.BuildMode) *attesteer.Inputs {
	return &attesteer.Inputs{DCAP: w.DCAP, EPID: w.EPID, BuildMode: mode}
}

// watch returns what is kept of evidence to judge it again.
func (w writing) watch() *record.Watch {
	in := w.result.Inputs
	return &record.Watch{DCAP: in.DCAP, EPID: in.EPID, RestsOn: placesOf(w.result.Endorsements)}
}

// placesOf returns where endorsements stand, sorted by kind, of which each
// verdict rests on one.
func placesOf(used []attesteer.UsedEndorsement) []rats.EndorsementKey {
	out := make([]rats.EndorsementKey, len(used))
	for i := range used {
		out[i] = used[i].Key
	}
	slices.SortFunc(out, func(a, b rats.EndorsementKey) int { return bytes.Compare([]byte(a.Kind), []byte(b.Kind)) })
	return out
}

// digestsOf returns the digests of endorsements, sorted.
func digestsOf(used []attesteer.UsedEndorsement) [][32]byte {
	out := make([][32]byte, len(used))
	for i := range used {
		out[i] = [32]byte(used[i].SHA256)
	}
	slices.SortFunc(out, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	return out
}

// announced returns a forecast as records hold it.
func announced(f *attesteer.Forecast) *record.WillChange {
	if f == nil {
		return nil
	}
	return &record.WillChange{At: record.MillisOf(f.At), To: f.Status, Reason: record.ReasonRecovery}
}

// watchOf returns what is watched of a record, nil for one that cannot change by
// itself.
func (x *run) watchOf(id record.ID) (*record.Watch, error) {
	var w record.Watch
	if ok, err := x.w.read(record.WatchKey(id), &w); err != nil || !ok {
		return nil, err
	}
	return &w, nil
}

// rewatch brings what is watched of a record in line with it.
func (x *run) rewatch(rec *record.Record) error {
	w, err := x.watchOf(rec.ID)
	if err != nil || w == nil {
		return err
	}
	return x.keepWatch(rec, w)
}

// keepWatch watches a record by its state: what has ended for good is not. w is
// what was watched of it so far, or new.
func (x *run) keepWatch(rec *record.Record, w *record.Watch) error {
	before := w.Deadline
	if before == 0 {
		if old, err := x.watchOf(rec.ID); err != nil {
			return err
		} else if old != nil {
			before = old.Deadline
		}
	}
	watched := mayBeActive(rec.State)
	if watched {
		w.Deadline = x.deadline(rec, w)
	}
	if until, ok := x.st.shelf.validUntil(w); ok && rec.State == record.Active {
		rec.ValidUntil = until // what is written anyway says what holds by now
	}
	if before != 0 && (!watched || before != w.Deadline) {
		x.w.put(timeKey(spaceDeadline, before, rec.ID[:]), nil)
	}
	if !watched {
		x.w.put(mapSpace(record.WatchKey(rec.ID)), nil)
		return nil
	}
	x.w.put(timeKey(spaceDeadline, w.Deadline, rec.ID[:]), []byte{1})
	return x.w.write(record.WatchKey(rec.ID), w)
}

// deadline is when a record has to be looked at though no endorsement changes.
func (x *run) deadline(rec *record.Record, w *record.Watch) record.Millis {
	_, until := inputsOf(w, rec.BuildMode).DeviceWindow()
	if end := record.MillisOf(until) + 1; end > x.st.time.Time {
		return min(rec.Expires, end)
	}
	return rec.Expires
}

// save writes a changed record, and the event that tells of it; tx is zero for
// a change that came by itself.
func (x *run) save(rec *record.Record, kind record.EventKind, tx record.TxHash) error {
	rec.Height = x.height
	if err := x.w.write(record.RecordKey(rec.ID), rec); err != nil {
		return err
	}
	return x.log(record.Event{Kind: kind, Tx: tx, Record: *rec})
}

// log writes the next event, of this block.
func (x *run) log(e record.Event) error {
	e.Sequence, e.Time, e.Height = x.count, x.st.time.Time, x.height
	event, err := record.Marshal(e)
	if err != nil {
		return err
	}
	x.w.put(eventKey(x.count), event)
	x.w.put(historyKey(e.Record.ID, x.count), []byte{1})
	x.events = append(slices.Clip(x.events), event)
	x.count++
	return nil
}
