// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/hex"
	"slices"

	"github.com/attesteer/attesteer/rats"
)

// Bounds on what the rules of a ledger may hold.
const (
	MaxRegistrars    = 128
	MaxManufacturers = 16
)

// Parameters bound what may be asked of a ledger. Durations are in milliseconds
// of ledger time; quotas are counts per block, zero for no bound.
type Parameters struct {
	DefaultDuration int64 `cbor:"1,keyasint" json:"default_duration_ms"`
	MinDuration     int64 `cbor:"2,keyasint" json:"min_duration_ms"`
	MaxDuration     int64 `cbor:"3,keyasint" json:"max_duration_ms"`
	// MaxUnfresh bounds how long after a record's first attestation evidence
	// that binds nothing recent can carry it; zero for no bound.
	MaxUnfresh int64 `cbor:"4,keyasint" json:"max_unfresh_ms"`
	// FreshnessWindow is how long a block's hash is remembered.
	FreshnessWindow int64 `cbor:"5,keyasint" json:"freshness_window_ms"`
	// MaxTransactionLife bounds a transaction's not_after past ledger time.
	MaxTransactionLife int64 `cbor:"6,keyasint" json:"max_transaction_life_ms"`
	// MaxListings bounds the registrars that list one record.
	MaxListings uint32 `cbor:"7,keyasint" json:"max_listings"`
	// RegistrarQuota is each admitted registrar's, UnknownQuota that of all
	// others together, PlatformQuota that of one machine.
	RegistrarQuota uint32 `cbor:"8,keyasint" json:"registrar_quota"`
	UnknownQuota   uint32 `cbor:"9,keyasint" json:"unknown_quota"`
	PlatformQuota  uint32 `cbor:"10,keyasint" json:"platform_quota"`
	// EvaluationDelay is how long after a TCB recovery the evaluation that came
	// of it binds, by the newest list of evaluation numbers in state.
	EvaluationDelay int64 `cbor:"11,keyasint" json:"evaluation_delay_ms"`
	// MaxReportAge is how old an IAS report may be when it is recorded; zero for
	// [UsualReportAge]. It is of version 5 of the state machine.
	MaxReportAge int64 `cbor:"12,keyasint,omitempty" json:"max_report_age_ms"`
}

// UsualReportAge is how old an IAS report may be where a ledger says nothing of it:
// a day, in milliseconds.
const UsualReportAge = 24 * 3600 * 1000

// century bounds every duration, so that no sum with a ledger time overflows.
const century = 100 * 365 * 24 * 3600 * 1000

// Check refuses parameters that no ledger can have: Malformed.
func (p Parameters) Check() error {
	all := []int64{p.DefaultDuration, p.MinDuration, p.MaxDuration, p.MaxUnfresh, p.FreshnessWindow, p.MaxTransactionLife, p.EvaluationDelay, p.MaxReportAge}
	switch {
	case p.MinDuration <= 0 || p.DefaultDuration < p.MinDuration || p.MaxDuration < p.DefaultDuration:
		return rats.Errorf(rats.Malformed, "parameters: durations are not in order")
	case slices.Min(all) < 0 || slices.Max(all) > century || p.FreshnessWindow == 0 || p.MaxTransactionLife == 0 || p.MaxListings == 0:
		return rats.Errorf(rats.Malformed, "parameters: one is out of range")
	default:
		return nil
	}
}

// NetworkPolicy is what a network decides of evidence and of those who bring it.
type NetworkPolicy struct {
	// AllowDebug: evidence of debug builds is recorded, as such.
	AllowDebug bool `cbor:"1,keyasint" json:"allow_debug"`
	// Registrars are the admitted registrars' keys in lower-case hex.
	Registrars []string `cbor:"2,keyasint,omitempty" json:"registrars"`
	// Manufacturers are the roots that count beside the vendors' pinned ones.
	// Every result names the root that it rests on.
	Manufacturers []rats.TrustRoot `cbor:"3,keyasint,omitempty" json:"manufacturers"`
}

// Check checks form and limits: Malformed or TooLarge. Whether a manufacturer's
// root can be used the state machine says.
func (p *NetworkPolicy) Check() error {
	if len(p.Registrars) > MaxRegistrars || len(p.Manufacturers) > MaxManufacturers {
		return rats.Errorf(rats.TooLarge, "policy: over %d registrars or %d manufacturers", MaxRegistrars, MaxManufacturers)
	}
	return CheckRegistrars(p.Registrars)
}

// CheckRegistrars checks a list of registrars' keys in hex: Malformed.
func CheckRegistrars(list []string) error {
	for i, r := range list {
		if slices.Contains(list[:i], r) {
			return rats.Errorf(rats.Malformed, "registrar %s stands twice", r)
		}
		if b, err := hex.DecodeString(r); err != nil || len(b) != 32 || hex.EncodeToString(b) != r {
			return rats.Errorf(rats.Malformed, "registrar %q is not 32 bytes in lower-case hex", r)
		}
	}
	return nil
}
