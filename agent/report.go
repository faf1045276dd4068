// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// ReportSchema names the JSON form of [Report].
const ReportSchema = "attesteer/attestation/v1"

// Outcome is what became of a round.
type Outcome string

// The outcomes.
const (
	// Recorded: the ledger recorded the evidence.
	Recorded Outcome = "recorded"
	// Known: the ledger had recorded the evidence before, and its record holds.
	Known Outcome = "known"
	// Renewed: only endorsements were published, before those ended that the
	// verdict rests on.
	Renewed Outcome = "renewed"
	// Failed: nothing came of it, and it will be tried again.
	Failed Outcome = "failed"
	// Ended: the enclave is kept no longer.
	Ended Outcome = "ended"
)

// Outcomes lists them.
func Outcomes() []Outcome { return []Outcome{Recorded, Known, Renewed, Failed, Ended} }

// Reason is why there was a round.
type Reason string

// The reasons.
const (
	// Starting: the keeper began.
	Starting Reason = "start"
	// Due: its time had come.
	Due Reason = "due"
	// Again: the one before failed.
	Again Reason = "again"
	// Ageing: the data will end that the verdict rests on.
	Ageing Reason = "ageing"
	// Over: the time is over for which the enclave was to be kept.
	Over Reason = "over"
	// Unlisted: the record has given up the registrar's listing for others'.
	Unlisted Reason = "unlisted"
	// Forgotten: the ledger does not have the record, as after a development
	// network was founded anew.
	Forgotten Reason = "forgotten"
	// The others are what the record became: undecided, expired, revoked, or
	// withdrawn.
	BecameUndecided = Reason(record.Undecided)
	BecameExpired   = Reason(record.Expired)
	BecameRevoked   = Reason(record.Revoked)
	BecameWithdrawn = Reason(record.Withdrawn)
)

// Report says what became of one round.
type Report struct {
	Schema string `json:"schema"`
	// Time is by this machine's clock; Expires and ValidUntil are ledger time.
	Time    time.Time `json:"time"`
	Enclave string    `json:"enclave"`
	Outcome Outcome   `json:"outcome"`
	Reason  Reason    `json:"reason"`
	// Node is the one that answered, empty where none did.
	Node string `json:"node,omitempty"`
	// Record and what follows are absent until the record is known.
	Record     string         `json:"record,omitempty"`
	State      record.State   `json:"state,omitempty"`
	Tier       rats.Tier      `json:"tier,omitempty"`
	Status     rats.TCBStatus `json:"status,omitempty"`
	Expires    record.Millis  `json:"expires,omitzero"`
	ValidUntil record.Millis  `json:"valid_until,omitzero"`
	Tx         string         `json:"tx,omitempty"`
	Height     uint64         `json:"height,omitempty"`
	// Kind and Detail say why a round failed, or why it was the last. Where no node
	// answered there is no kind.
	Kind   rats.Kind `json:"kind,omitzero"`
	Detail string    `json:"detail,omitempty"`
	// Failures counts the rounds that failed since one did not.
	Failures int `json:"failures"`
	// Next is in how many seconds the next round is due; absent from the last.
	Next float64 `json:"next_in_seconds,omitzero"`
}

// Standing is how an enclave's record stands, as far as its keeper knows.
type Standing struct {
	Enclave string
	// Record is empty until it is known.
	Record string
	State  record.State
	// Left is the time until the record expires, Valid until the data end that the
	// verdict rests on; negative once they did.
	Left, Valid time.Duration
	// Success is when a round last succeeded, by this machine's clock; zero if none did.
	Success time.Time
	// Rounds counts them by their outcome.
	Rounds map[Outcome]uint64
	// Failures counts the rounds that failed since one did not.
	Failures int
}
