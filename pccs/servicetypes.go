// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"time"

	"github.com/attesteer/attesteer/pccs/store"
)

// PCKRequest asks for the PCK certificate of a platform at a raw TCB, as GET
// pckcert does. Hex may be of either case.
type PCKRequest struct {
	// QEID has 1 to 260 characters.
	QEID string
	// CPUSVN has 32 hex digits; PCESVN, low byte first, and PCEID have 4.
	CPUSVN, PCESVN, PCEID string
	// EncryptedPPID has 384 bytes, or is empty.
	EncryptedPPID []byte
	// Version is that of the API by which it is asked, 3 or 4; 0 stands for 4.
	Version int
}

// PCK is a PCK certificate as it is served.
type PCK struct {
	// Cert is the certificate in PEM.
	Cert []byte
	// TCBm is the TCB that it is for, in 36 upper-case hex digits.
	TCBm string
	// FMSPC is in 12 upper-case hex digits.
	FMSPC string
	// CA is "processor" or "platform".
	CA string
	// Chain is that CA's certificate and the root's in PEM.
	Chain []byte
}

// Registration is what POST platforms sends. Hex may be of either case.
type Registration struct {
	store.PlatformID
	// CPUSVN and PCESVN are as in [PCKRequest]. They and the encrypted PPID are
	// not looked at where there is a manifest, and must all be there otherwise.
	CPUSVN, PCESVN string
	EncryptedPPID  []byte
	// Manifest is the platform's, decoded, or empty.
	Manifest []byte
	// Version is that of the API by which it came, 3 or 4; 0 stands for 4.
	Version int
}

// Updates that a registration has filled.
const (
	UpdateStandard = "standard"
	UpdateEarly    = "early"
	UpdateAll      = "all"
)

// Standing is how one artefact stands.
type Standing struct {
	store.Key
	Digest                      [32]byte
	Issued, NextUpdate, Fetched time.Time
	// Left is the time until the next update, negative once it is past, and zero
	// where none was promised.
	Left   time.Duration
	Stale  bool
	Source string
}

// Event is one call of an upstream, for logs and counters.
type Event struct {
	Upstream string
	// What names the artefact or the platform that was asked for.
	What    string
	Outcome Outcome
	// Err says what went wrong, if something did.
	Err  error
	Took time.Duration
}

// Outcome is what came of asking an upstream.
type Outcome string

// The outcomes.
const (
	// Got: an answer that verifies and is new.
	Got Outcome = "got"
	// Same: the answer that is known already.
	Same Outcome = "same"
	// Absent: the upstream does not have it, or no longer.
	Absent Outcome = "absent"
	// Refused: the answer does not verify, is about something else, or is older
	// than what is known.
	Refused Outcome = "refused"
	// Down: no answer, or none that a PCS gives.
	Down Outcome = "down"
)

// RefreshRequest says what to refresh: everything but PCK certificates, or the
// PCK certificates of platforms.
type RefreshRequest struct {
	Certs bool
	// FMSPCs are in 12 hex digits of either case. None stands for all platforms.
	// They count with Certs alone.
	FMSPCs []string
}

// RefreshReport says what became of each part of a refresh.
type RefreshReport struct {
	Items []RefreshItem
}

// Failed returns how many parts are as they were because of a failure.
func (r RefreshReport) Failed() int {
	n := 0
	for _, item := range r.Items {
		if item.Err != nil {
			n++
		}
	}
	return n
}

// RefreshItem is one part of a refresh.
type RefreshItem struct {
	// Name says for people what was refreshed.
	Name    string
	Outcome Outcome
	// Err is set where the part failed. An upstream's not having what was not
	// there before is no failure.
	Err error
}

// ImportReport says what became of each part of an import.
type ImportReport struct {
	// Taken were verified and are kept, Stale among them; Older were not kept,
	// for what there is was issued later.
	Taken, Stale, Older []string
	Refused             []RefusedItem
}

// RefusedItem is a part of an import that was not kept, and why.
type RefusedItem struct {
	Name string
	Err  error
}

// PolicyUpload is what PUT appraisalpolicy sends.
type PolicyUpload struct {
	Default bool
	// FMSPC is in 12 hex digits of either case.
	FMSPC string
	// JWT is the policy.
	JWT string
}
