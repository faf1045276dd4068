// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Enclave is one enclave and what its owner wants for it. Fields that may be
// empty say so.
type Enclave struct {
	// Name is how reports and logs call it.
	Name string
	// Attest produces evidence bound to 64 bytes of report data.
	Attest func(ctx context.Context, reportData [64]byte) ([]byte, error)
	// ReportData is what the evidence is bound to, such as the enclave's key in
	// the first half. The second half takes the hash of a recent block, and has
	// to be zero, unless Unbound.
	ReportData [64]byte
	// RuntimeData, if any, hashes to the first half of the report data, and is
	// submitted along; docs/records.md says what that is good for.
	RuntimeData []byte
	// URL is where the enclave serves, or empty.
	URL string
	// ValidFor is how long each attestation is vouched for; zero is the network's
	// default.
	ValidFor time.Duration
	// Every is how often to attest at least; zero goes by the record's end alone.
	Every time.Duration
	// Margin is how long before the record's end the next attestation is due;
	// zero is a third of the time that is left after an attestation.
	Margin time.Duration
	// KeepFor is for how long the enclave is kept attested, from when the keeper
	// starts; zero is until it is told to stop.
	KeepFor time.Duration
	// Unbound evidence carries no block's hash, so that the ledger cannot tell
	// that it is fresh and bounds how long it can carry a record.
	Unbound bool
	// Revive attests again what was withdrawn.
	Revive bool
}

// check refuses what cannot be meant: Malformed.
func (e *Enclave) check() error {
	switch {
	case e.Attest == nil:
		return rats.Errorf(rats.Malformed, "enclave %s: there is nothing that attests it", e.Name)
	case !e.Unbound && [32]byte(e.ReportData[32:]) != [32]byte{}:
		return rats.Errorf(rats.Malformed, "enclave %s: the second half of the report data is for the challenge, and there is something in it", e.Name)
	case e.ValidFor < 0 || e.Every < 0 || e.Margin < 0 || e.KeepFor < 0:
		return rats.Errorf(rats.Malformed, "enclave %s: a duration is negative", e.Name)
	case e.ValidFor > 0 && e.Margin >= e.ValidFor:
		return rats.Errorf(rats.Malformed, "enclave %s: a margin of %v leaves nothing of the %v that an attestation is valid for", e.Name, e.Margin, e.ValidFor)
	}
	if err := record.CheckURL(e.URL); err != nil {
		return rats.Errorf(rats.Malformed, "enclave %s: %w", e.Name, err)
	}
	return nil
}
