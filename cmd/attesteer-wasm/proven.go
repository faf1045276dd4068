// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// provenView is what the command "proof verify --json" prints; a test holds the
// two against each other.
type provenView struct {
	Schema  string        `json:"schema"`
	Present bool          `json:"present"`
	ID      rats.Hex      `json:"id"`
	ChainID string        `json:"chain_id"`
	Height  uint64        `json:"height"`
	Time    record.Millis `json:"time"`
	Signed  int64         `json:"signed_power"`
	Total   int64         `json:"total_power"`
	Judged  time.Time     `json:"judged_at"`
	Record  *record.View  `json:"record"`
	// Changes is how often the validators changed on the way from the genesis.
	Changes int `json:"validator_changes"`
	// Events are proven to stand in the log, the last being the record as it is.
	Events []provenEvent `json:"events,omitempty"`
	// NotShown are the digests of endorsements that the record was appraised
	// with and that the bundle does not prove: replaced since, or withheld.
	NotShown []rats.Hex `json:"endorsements_not_shown"`
}

// provenEvent is one event of a record's past.
type provenEvent struct {
	Sequence uint64           `json:"sequence"`
	Event    record.EventKind `json:"event"`
	Time     record.Millis    `json:"time"`
	Height   uint64           `json:"height"`
	Status   rats.TCBStatus   `json:"status"`
}

// viewProven shows a verdict, with the record's state as of a time.
func viewProven(v *proof.Verdict, at time.Time) provenView {
	out := provenView{
		Schema: "attesteer/proven/v1", Present: v.Present, ID: v.ID[:], ChainID: v.ChainID, Height: v.Height,
		Time: v.LedgerTime.Time, Signed: v.SignedPower, Total: v.TotalPower, Judged: at, Changes: v.Changes, NotShown: []rats.Hex{},
	}
	for i := range v.Events {
		e := &v.Events[i]
		out.Events = append(out.Events, provenEvent{e.Sequence, e.Kind, e.Time, e.Height, e.Record.Status})
	}
	for _, d := range v.NotShown {
		out.NotShown = append(out.NotShown, d[:])
	}
	if v.Record != nil {
		view := v.Record.View(record.MillisOf(at))
		out.Record = &view
	}
	return out
}
