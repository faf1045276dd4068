// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// noon lies within the day whose endorsements simulated gives out; summer is when
// the real endorsements for the seed quote hold.
const (
	noon   = "2025-06-20T12:00:00Z"
	summer = "2025-06-20T10:55:00Z"
)

// write puts a file into a folder of the test's and returns its path.
func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// flip returns a copy with one bit of the report's first measurement turned.
func flip(raw []byte) []byte {
	forged := bytes.Clone(raw)
	forged[48+64] ^= 1
	return forged
}

// simulated returns a quote of a simulated enclave and its vendor's endorsements.
func simulated(t *testing.T, e simtee.Enclave) ([]byte, []rats.Endorsement) {
	t.Helper()
	at, err := time.Parse(time.RFC3339, noon)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := e.Quote()
	if err != nil {
		t.Fatal(err)
	}
	items, err := simtee.Endorsements(at)
	if err != nil {
		t.Fatal(err)
	}
	return raw, items
}

// provenGenesis returns a bundle that proves a record, with the genesis and the
// validator set hash of its ledger.
func provenGenesis(t *testing.T) (bundle, genesis []byte, hash string) {
	t.Helper()
	bundle = read(t, "..", "..", "proof", "testdata", "present.json")
	var b struct {
		ChainID string `json:"chain_id"`
		Header  struct {
			Validators string `json:"validators_hash"`
		} `json:"header"`
		Validators []struct {
			PublicKey rats.Hex    `json:"public_key"`
			Power     json.Number `json:"power"`
		} `json:"validators"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		t.Fatal(err)
	}
	var validators []any
	for _, v := range b.Validators {
		validators = append(validators, map[string]any{
			"power": v.Power.String(), "pub_key": map[string]any{"type": "tendermint/PubKeyEd25519", "value": []byte(v.PublicKey)},
		})
	}
	genesis, err := json.Marshal(map[string]any{"chain_id": b.ChainID, "validators": validators})
	if err != nil {
		t.Fatal(err)
	}
	return bundle, genesis, b.Header.Validators
}
