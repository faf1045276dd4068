// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"time"

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
	// Validators are those that the chain begins with. A ledger without any, which
	// no network has, is never changed by its validators.
	Validators []record.Validator `cbor:"6,keyasint,omitempty" json:"validators,omitempty"`
	// Version is that of the state machine in the first block.
	Version uint64 `cbor:"7,keyasint" json:"state_version"`
}

// Parameters bound what may be asked of the ledger.
type Parameters = record.Parameters

// NewGenesis returns a network's usual genesis.
func NewGenesis(network string) Genesis {
	day := 24 * time.Hour
	p := Parameters{
		DefaultDuration: (2 * day).Milliseconds(), MinDuration: time.Minute.Milliseconds(), MaxDuration: (90 * day).Milliseconds(),
		MaxUnfresh: (30 * day).Milliseconds(), FreshnessWindow: (10 * time.Minute).Milliseconds(),
		MaxTransactionLife: (10 * time.Minute).Milliseconds(), MaxListings: 16,
		EvaluationDelay: (365 * day).Milliseconds(), MaxReportAge: record.UsualReportAge,
		RegistrarQuota: 2000, UnknownQuota: 100, PlatformQuota: 100,
	}
	if network == Dev {
		p.MaxUnfresh, p.RegistrarQuota, p.UnknownQuota, p.PlatformQuota = 0, 0, 0, 0
	}
	return Genesis{Network: network, Parameters: p, Registrars: []string{}, Version: StateVersion}
}

// Validate refuses a genesis that no ledger of its network can have.
func (g Genesis) Validate() error {
	bad := func(format string, args ...any) error {
		return rats.Errorf(rats.Malformed, "genesis: "+format, args...)
	}
	switch {
	case g.Network != Dev && g.Network != Test && g.Network != Main:
		return bad("network %q is neither dev, test nor main", g.Network)
	case g.Network != Dev && g.ClockOffset != 0:
		return bad("a clock offset is for dev networks alone")
	case g.Network != Dev && g.SimulatedRoot != nil:
		return bad("a simulated root is for dev networks alone")
	}
	if err := g.simulatedRoot(); err != nil {
		return err
	}
	policy := g.begun().Policy
	for _, err := range []error{g.Parameters.Check(), policy.Check(), record.CheckValidators(g.Validators)} {
		if err != nil {
			return bad("%w", err)
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
