// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Networks.
const (
	// Dev takes debug builds and simulated enclaves, and may live at another time.
	Dev = "dev"
	// Test takes debug builds.
	Test = "test"
	// Main takes neither.
	Main = "main"
)

// Genesis is what a ledger agrees on from the start. It is the app_state of the
// chain's genesis file, and an entry of the map.
type Genesis struct {
	Network string `cbor:"1,keyasint" json:"network"`
	// ClockOffset in milliseconds is added to proposers' clocks; zero but on dev.
	ClockOffset int64      `cbor:"2,keyasint" json:"clock_offset_ms"`
	Parameters  Parameters `cbor:"3,keyasint" json:"parameters"`
	// Registrars are the admitted registrars' keys in lower-case hex.
	Registrars []string `cbor:"4,keyasint" json:"registrars"`
	// SimulatedRoot is trusted beside the vendors' roots, on dev alone.
	SimulatedRoot *rats.TrustRoot `cbor:"5,keyasint,omitempty" json:"simulated_root,omitempty"`
}

// Parameters bound what may be asked of the ledger. Durations are in
// milliseconds of ledger time; quotas are counts per block, zero for no bound.
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
}

// NewGenesis returns a network's usual genesis.
func NewGenesis(network string) Genesis {
	day := 24 * time.Hour
	p := Parameters{
		DefaultDuration: (2 * day).Milliseconds(), MinDuration: time.Minute.Milliseconds(), MaxDuration: (90 * day).Milliseconds(),
		MaxUnfresh: (30 * day).Milliseconds(), FreshnessWindow: (10 * time.Minute).Milliseconds(),
		MaxTransactionLife: (10 * time.Minute).Milliseconds(), MaxListings: 16,
		EvaluationDelay: (365 * day).Milliseconds(),
		RegistrarQuota:  2000, UnknownQuota: 100, PlatformQuota: 100,
	}
	if network == Dev {
		p.MaxUnfresh, p.RegistrarQuota, p.UnknownQuota, p.PlatformQuota = 0, 0, 0, 0
	}
	return Genesis{Network: network, Parameters: p, Registrars: []string{}}
}

// Validate refuses a genesis that no ledger of its network can have.
func (g Genesis) Validate() error {
	bad := func(format string, args ...any) error {
		return rats.Errorf(rats.Malformed, "genesis: "+format, args...)
	}
	p := g.Parameters
	switch {
	case g.Network != Dev && g.Network != Test && g.Network != Main:
		return bad("network %q is neither dev, test nor main", g.Network)
	case g.Network != Dev && g.ClockOffset != 0:
		return bad("a clock offset is for dev networks alone")
	case g.Network != Dev && g.SimulatedRoot != nil:
		return bad("a simulated root is for dev networks alone")
	case p.MinDuration <= 0 || p.DefaultDuration < p.MinDuration || p.MaxDuration < p.DefaultDuration:
		return bad("durations are not in order")
	case p.MaxUnfresh < 0 || p.FreshnessWindow <= 0 || p.MaxTransactionLife <= 0 || p.MaxListings == 0 || p.EvaluationDelay < 0:
		return bad("a parameter is out of range")
	}
	if err := g.simulatedRoot(); err != nil {
		return err
	}
	for i, r := range g.Registrars {
		if slices.Contains(g.Registrars[:i], r) {
			return bad("registrar %s stands twice", r)
		}
		if b, err := hex.DecodeString(r); err != nil || len(b) != 32 || hex.EncodeToString(b) != r {
			return bad("registrar %q is not 32 bytes in lower-case hex", r)
		}
	}
	return nil
}

// simulatedRoot checks that the root which is trusted beside the vendors', if
// there is one, can be used and cannot be taken for theirs.
func (g Genesis) simulatedRoot() error {
	root := g.SimulatedRoot
	if root == nil {
		return nil
	}
	key, err := x509.ParsePKIXPublicKey(root.PublicKey)
	ec, ok := key.(*ecdsa.PublicKey)
	if err != nil || !ok || ec.Curve != elliptic.P256() || len(root.Subject) == 0 {
		return rats.Errorf(rats.Malformed, "genesis: the simulated root is no name with a P-256 key")
	}
	if root.Name != rats.SimulatedRoot {
		return rats.Errorf(rats.Malformed, "genesis: the simulated root calls itself %q, not %q", root.Name, rats.SimulatedRoot)
	}
	return nil
}

// UnmarshalJSON reads a genesis and refuses unknown fields: a misspelt
// parameter would otherwise silently be zero, which is often "no bound".
func (g *Genesis) UnmarshalJSON(data []byte) error {
	type plain Genesis // without this method
	var out plain
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		return rats.Errorf(rats.Malformed, "genesis: %w", err)
	}
	*g = Genesis(out)
	return nil
}

// admits reports whether a registrar is admitted.
func (g Genesis) admits(r record.Registrar) bool {
	return slices.Contains(g.Registrars, hex.EncodeToString(r[:]))
}

// roots returns the roots that count on this network.
func (g Genesis) roots() []rats.TrustRoot {
	roots := attesteer.Roots()
	if g.SimulatedRoot != nil {
		roots = append(roots, *g.SimulatedRoot)
	}
	return roots
}

// policy is the network's profile. The network decides little: every decided
// status but Revoked and NotSupported is recorded with its tier, and how good
// is good enough is each reader's policy.
func (g Genesis) policy(runtimeData []byte) attesteer.Policy {
	return attesteer.Policy{
		AllowDebug: g.Network != Main,
		AcceptTCB: []rats.TCBStatus{
			rats.SWHardeningNeeded, rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded,
			rats.OutOfDate, rats.OutOfDateConfigurationNeeded,
			rats.TDRelaunchAdvised, rats.TDRelaunchAdvisedConfigurationNeeded,
		},
		Roots: g.roots(), RuntimeData: runtimeData,
	}
}
