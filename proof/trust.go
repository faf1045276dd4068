// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/attesteer/attesteer/rats"
)

// Trust is what a reader takes on trust: a set of validators, and with a
// genesis the name of the ledger. The zero Trust trusts nobody.
type Trust struct {
	validators []byte
	chainID    string
}

// ed25519Type is CometBFT's name of the one kind of key that is taken.
const ed25519Type = "tendermint/PubKeyEd25519"

// ParseGenesis returns trust in the validators of a ledger's genesis file.
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
	if g.ChainID == "" || len(g.Validators) == 0 {
		return Trust{}, rats.Errorf(rats.Malformed, "genesis: it names no chain or no validators")
	}
	var set []Validator
	for _, v := range g.Validators {
		power, err := strconv.ParseInt(v.Power, 10, 64)
		if err != nil || power <= 0 || len(v.PubKey.Value) != 32 {
			return Trust{}, rats.Errorf(rats.Malformed, "genesis: a validator without key or power")
		}
		if v.PubKey.Type != ed25519Type {
			return Trust{}, rats.Errorf(rats.Unsupported, "genesis: a validator with a key of type %q", v.PubKey.Type)
		}
		set = append(set, Validator{PublicKey: v.PubKey.Value, Power: power})
	}
	sortValidators(set)
	return Trust{validators: hashValidators(set), chainID: g.ChainID}, nil
}

// TrustHash returns trust in the validator set of a hash, 64 hex digits.
func TrustHash(text string) (Trust, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 32 {
		return Trust{}, rats.Errorf(rats.Malformed, "a validator set's hash is 64 hex digits")
	}
	return Trust{validators: b}, nil
}

// covers checks that a header names the trusted validators and ledger.
func (t Trust) covers(b *Bundle) error {
	if t.validators == nil || !bytes.Equal(t.validators, b.Header.Validators) {
		return rats.Errorf(rats.UntrustedRoot, "the block is not of the validators that are trusted")
	}
	if t.chainID != "" && t.chainID != b.Header.ChainID {
		return rats.Errorf(rats.UntrustedRoot, "the block is of ledger %q, not of %q", b.Header.ChainID, t.chainID)
	}
	return nil
}
