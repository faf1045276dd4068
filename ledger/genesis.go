// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// maxBlockBytes bounds a block.
const maxBlockBytes = 4 << 20

// validatorPower is a lone validator's: any number does.
const validatorPower = 10

// genesis is what a chain starts from: CometBFT's document, and the registry's
// part of it.
type genesis struct {
	doc   *types.GenesisDoc
	state registry.Genesis
	// trust is in the validators that it names.
	trust proof.Trust
}

// makeGenesis writes the genesis of a new chain. It is the last file that a new
// home gets: without it the home counts as never finished.
func (h *home) makeGenesis(cfg Config, validators []record.Validator) error {
	if h.has(dataPath + "/" + registryDB + ".db") {
		return h.wrap(genesisPath, errors.New("missing, though the home holds a ledger"))
	}
	chainID, err := cfg.chainID()
	if err != nil {
		return err
	}
	now := cfg.Now().UTC()
	state := cfg.genesis(now)
	state.Validators = validators
	if err := state.Validate(); err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	raw, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	params := types.DefaultConsensusParams()
	params.Block.MaxBytes = maxBlockBytes
	params.Version.App = state.Version
	doc := &types.GenesisDoc{
		GenesisTime: now.Truncate(time.Millisecond), ChainID: chainID, InitialHeight: 1,
		ConsensusParams: params, AppState: raw, Validators: genesisValidators(validators),
	}
	if err := doc.ValidateAndComplete(); err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	b, err := cmtjson.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	return h.write(genesisPath, b, 0o644)
}

// readGenesis reads the genesis and compares it with what the caller expects.
func (h *home) readGenesis(cfg Config) (genesis, error) {
	b, err := h.read(genesisPath)
	if err != nil {
		return genesis{}, err
	}
	g, err := parseGenesis(b)
	if err != nil {
		return genesis{}, h.wrap(genesisPath, err)
	}
	switch {
	case g.state.Network != cfg.Network:
		err = &NetworkError{Want: "network " + cfg.Network, Have: "network " + g.state.Network}
	case cfg.ChainID != "" && g.doc.ChainID != cfg.ChainID:
		err = &NetworkError{Want: "chain " + cfg.ChainID, Have: "chain " + g.doc.ChainID}
	default:
		return g, nil
	}
	return genesis{}, h.wrap("", err)
}

// parseGenesis reads a genesis file.
func parseGenesis(b []byte) (genesis, error) {
	doc, err := types.GenesisDocFromJSON(b)
	if err != nil {
		return genesis{}, err
	}
	g := genesis{doc: doc}
	if g.trust, err = proof.ParseGenesis(b); err != nil {
		return genesis{}, err
	}
	if err := json.Unmarshal(doc.AppState, &g.state); err != nil {
		return genesis{}, fmt.Errorf("app_state: %w", err)
	}
	return g, nil
}

// chainID returns the configured chain id, or a new one: transactions are
// signed for a chain, so no two should share a name.
func (c Config) chainID() (string, error) {
	if c.ChainID != "" {
		return c.ChainID, nil
	}
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("chain id: %w", err)
	}
	return "attesteer-" + c.Network + "-" + hex.EncodeToString(b[:]), nil
}

// genesis returns the registry's part of a new genesis.
func (c Config) genesis(now time.Time) registry.Genesis {
	g := registry.NewGenesis(c.Network)
	if c.Parameters != nil {
		g.Parameters = *c.Parameters
	}
	for _, r := range c.Registrars {
		g.Registrars = append(g.Registrars, hex.EncodeToString(r[:]))
	}
	g.SimulatedRoot = c.SimulatedRoot
	if !c.Clock.IsZero() {
		g.ClockOffset = int64(record.MillisOf(c.Clock) - record.MillisOf(now))
	}
	return g
}
