// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// Trust is what a reader takes on trust: a set of validators, and with a
// genesis the name of the ledger. The zero Trust trusts nobody.
type Trust struct {
	validators []byte
	chainID    string
	// height is that of the last block that was followed to get here, and from the
	// first that these validators decide: that block, or the one after it where it
	// brought them.
	height, from int64
}

// ed25519Type is CometBFT's name of the one kind of key that is taken.
const ed25519Type = "tendermint/PubKeyEd25519"

// ParseGenesis returns trust in the validators of a ledger's genesis file, as
// CometBFT writes it, and in its name. The error is Malformed, or Unsupported
// for a validator whose key is not Ed25519.
func ParseGenesis(data []byte) (Trust, error) {
	var g struct {
		ChainID    string `json:"chain_id"`
		Validators []struct {
			PubKey struct {
				Type  string `json:"type"`
				Value []byte `json:"value"`
			} `json:"pub_key"`
			Power string `json:"power"`
		} `json:"validators"`
	}
	if err := json.Unmarshal(data, &g); err != nil {
		return Trust{}, rats.Errorf(rats.Malformed, "genesis: %w", err)
	}
	switch {
	case g.ChainID == "":
		return Trust{}, rats.Errorf(rats.Malformed, "genesis: it names no chain")
	case len(g.Validators) == 0:
		return Trust{}, rats.Errorf(rats.Malformed, "genesis: it names no validators, so that their hash is needed to trust them")
	}
	var set []Validator
	for _, v := range g.Validators {
		if v.PubKey.Type != ed25519Type {
			return Trust{}, rats.Errorf(rats.Unsupported, "genesis: a validator with a key of type %q", v.PubKey.Type)
		}
		power, err := strconv.ParseInt(v.Power, 10, 64)
		if err != nil {
			return Trust{}, rats.Errorf(rats.Malformed, "genesis: a validator's power: %w", err)
		}
		set = append(set, Validator{PublicKey: v.PubKey.Value, Power: power})
	}
	if err := checkValidators(set); err != nil {
		return Trust{}, rats.Errorf(rats.Malformed, "genesis: %w", err)
	}
	sortValidators(set)
	return Trust{validators: hashValidators(set), chainID: g.ChainID}, nil
}

// TrustHash returns trust in the validator set of a hash: 64 hex digits of
// either case, with or without 0x before them.
func TrustHash(text string) (Trust, error) {
	digits := strings.ToLower(strings.TrimSpace(text))
	b, err := hex.DecodeString(strings.TrimPrefix(digits, "0x"))
	if err != nil || len(b) != 32 {
		return Trust{}, rats.Errorf(rats.Malformed, "a validator set's hash is 64 hex digits")
	}
	return Trust{validators: b}, nil
}
