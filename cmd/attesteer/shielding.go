// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"io/fs"
	"net/url"
	"strings"

	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/registry"
)

// poolOf shows a node's waiting transactions to the gateway.
type poolOf struct{ node *ledger.Node }

var _ gateway.Pool = poolOf{}

func (p poolOf) Enter(ctx context.Context, tx []byte) (gateway.Outcome, *registry.TxResult, error) {
	e, err := p.node.Enter(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	return e.Wait, e.Refused, nil
}

func (p poolOf) Pending(maxBytes int) ([][]byte, error) { return p.node.Pending(maxBytes) }

func (p poolOf) BlockHash(height uint64) ([32]byte, error) { return p.node.BlockHash(height) }

// nodeKeys returns the node's keys as a registrar and for its callers to encrypt
// to, and makes those that are missing. That takes a home on which no node runs.
func nodeKeys(home string) (ed25519.PrivateKey, *rsa.PrivateKey, error) {
	key, err := ledger.LoadRegistrarKey(home)
	if err != nil {
		return nil, nil, homeError(err)
	}
	shielding, err := ledger.LoadShieldingKey(home)
	if err != nil {
		return nil, nil, homeError(err)
	}
	// The key by which a validator votes is not used here, but it is guarded here.
	if _, err := ledger.LoadGovernanceKey(home); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, homeError(err)
	}
	return key, shielding, nil
}

// checkPublicURL refuses what nobody can connect to.
func checkPublicURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err == nil && u.Host != "" {
		switch u.Scheme {
		case "http", "https", "ws", "wss":
			return nil
		}
	}
	return usagef("--public-url: %q is no http, https, ws or wss URL", text)
}

// socketURL returns the WebSocket's URL of an http or https one.
func socketURL(address string) string { return "ws" + strings.TrimPrefix(address, "http") }
