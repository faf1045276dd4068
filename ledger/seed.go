// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// LoadRegistrarKey returns the key with which the gateway of this home signs
// its transactions, and makes it when there is none: config/registrar_key, an
// Ed25519 seed of 32 bytes in hex. It may be called before [Start], so that the
// key can be admitted in the genesis. Errors are *[HomeError].
func LoadRegistrarKey(dir string) (ed25519.PrivateKey, error) {
	return loadSeed(dir, registrarKeyPath)
}

// LoadCheckpointKey returns the key with which this node signs checkpoints of the
// log of events, and makes it when there is none: config/checkpoint_key, in the
// form of the registrar's. Errors are *[HomeError].
func LoadCheckpointKey(dir string) (ed25519.PrivateKey, error) {
	return loadSeed(dir, checkpointKeyPath)
}

// LoadGovernanceKey returns the key by which the validator of this home proposes
// and votes about the ledger: config/governance_key, in the form of the
// registrar's. It is made with the home, and not here: another would be nobody's.
// Errors are *[HomeError].
func LoadGovernanceKey(dir string) (ed25519.PrivateKey, error) {
	return (&home{dir: dir}).readSeed(governanceKeyPath)
}

func loadSeed(dir, path string) (ed25519.PrivateKey, error) {
	h := &home{dir: dir}
	if h.has(path) {
		return h.readSeed(path)
	}
	// Two processes must not make two keys and each go on with its own.
	h, err := openHome(dir)
	if err != nil {
		return nil, err
	}
	key, err := h.makeSeed(path)
	return key, errors.Join(err, h.close())
}

func (h *home) makeSeed(path string) (ed25519.PrivateKey, error) {
	if h.has(path) {
		return h.readSeed(path)
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return nil, h.wrap(path, fmt.Errorf("random: %w", err))
	}
	if err := h.write(path, []byte(hex.EncodeToString(seed)+"\n"), 0o600); err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func (h *home) readSeed(path string) (ed25519.PrivateKey, error) {
	text, err := h.readSecret(path)
	if err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, h.wrap(path, errors.New("not a seed of 32 bytes in hex"))
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
