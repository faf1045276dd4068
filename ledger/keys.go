// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"

	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/types"
)

// keys are the node's identities towards the other nodes.
type keys struct {
	// node names it among its peers.
	node *p2p.NodeKey
	// validator signs votes, and remembers on disk what it signed last.
	validator *privval.FilePV
	// signer is the validator but in tests.
	signer types.PrivValidator
}

// makeKeys writes what of the keys a new home lacks.
func (h *home) makeKeys() error {
	if !h.has(nodeKeyPath) {
		if err := h.writeJSON(nodeKeyPath, &p2p.NodeKey{PrivKey: ed25519.GenPrivKey()}); err != nil {
			return err
		}
	}
	if h.has(validatorKeyPath) && h.has(validatorStatePath) {
		return nil
	}
	// The key comes last: a key without a state would be damage, not a home
	// whose making was interrupted.
	v := privval.NewFilePV(ed25519.GenPrivKey(), h.path(validatorKeyPath), h.path(validatorStatePath))
	if err := h.writeJSON(validatorStatePath, &v.LastSignState); err != nil {
		return err
	}
	return h.writeJSON(validatorKeyPath, v.Key)
}

// readKeys reads the keys. CometBFT's own functions for this end the process
// when a file is missing.
func (h *home) readKeys() (keys, error) {
	var node p2p.NodeKey
	if err := h.readJSON(nodeKeyPath, &node); err != nil {
		return keys{}, err
	}
	if node.PrivKey == nil {
		return keys{}, h.wrap(nodeKeyPath, errors.New("holds no key"))
	}
	var key privval.FilePVKey
	if err := h.readJSON(validatorKeyPath, &key); err != nil {
		return keys{}, err
	}
	if key.PrivKey == nil {
		return keys{}, h.wrap(validatorKeyPath, errors.New("holds no key"))
	}
	v := privval.NewFilePV(key.PrivKey, h.path(validatorKeyPath), h.path(validatorStatePath))
	if err := h.readJSON(validatorStatePath, &v.LastSignState); err != nil {
		return keys{}, err
	}
	return keys{node: &node, validator: v, signer: v}, nil
}

// readJSON and writeJSON use CometBFT's JSON, which writes 64-bit numbers as
// strings and names the types of keys.
func (h *home) readJSON(name string, v any) error {
	b, err := h.readSecret(name)
	if err != nil {
		return err
	}
	if err := cmtjson.Unmarshal(b, v); err != nil {
		return h.wrap(name, err)
	}
	return nil
}

// writeJSON writes with mode 0600; the genesis alone is public.
func (h *home) writeJSON(name string, v any) error {
	b, err := cmtjson.MarshalIndent(v, "", "  ")
	if err != nil {
		return h.wrap(name, err)
	}
	return h.write(name, b, 0o600)
}
