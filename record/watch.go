// SPDX-License-Identifier: Apache-2.0

package record

import (
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
)

// Watch is what the ledger keeps of a record that may still change by itself:
// active ones, those that wait for endorsements, and those that are revoked
// while somebody lists them. It is an entry of the map beside the record's.
type Watch struct {
	// DCAP are the inputs of the last verdict, of SGX and TDX.
	DCAP *dcap.Inputs `cbor:"1,keyasint,omitempty"`
	// RestsOn are the places of the endorsements that decide the record, sorted
	// by kind. What stands there now may have been refreshed since the record
	// was written, without another status.
	RestsOn []rats.EndorsementKey `cbor:"2,keyasint"`
	// Deadline is when the record has to be looked at though no endorsement
	// changes: its expiry, or the end of a certificate of the device.
	Deadline Millis `cbor:"3,keyasint"`
	// EPID are the inputs of the last verdict, of IAS reports. They never lead to
	// another one, and rest on no endorsement.
	EPID *epid.Inputs `cbor:"4,keyasint,omitempty"`
}

// Sweep is how far the ledger has come with judging records again, in the order
// of their ids, round the circle of all of them.
type Sweep struct {
	// Next is the first id that is still to be looked at.
	Next ID `cbor:"1,keyasint"`
	// Until ends the sweep: the id at which it began, or zero for the first.
	Until ID `cbor:"2,keyasint"`
	// Wrapped: the sweep has come past the last id and begun anew at the first.
	Wrapped bool `cbor:"3,keyasint"`
}

// ValidUntil returns until when what the record rests on holds, device and
// endorsements, by what entry says stands in the places of these; false where it
// does not know one of them.
func (w *Watch) ValidUntil(entry func(rats.EndorsementKey) (EndorsementEntry, bool)) (Millis, bool) {
	if w.DCAP == nil {
		return 0, false
	}
	_, device := w.DCAP.DeviceWindow()
	out := MillisOf(device)
	for _, key := range w.RestsOn {
		e, ok := entry(key)
		if !ok {
			return 0, false
		}
		out = min(out, e.ValidUntil)
	}
	return out, true
}

// WatchKey is the map key of a record's [Watch].
func WatchKey(id ID) []byte { return append([]byte{'w'}, id[:]...) }

// SweepKey is the map key of the [Sweep] that is under way.
func SweepKey() []byte { return []byte{'s'} }
