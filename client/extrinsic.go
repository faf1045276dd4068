// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// ShieldingKey returns the key to which the node's callers may encrypt their
// transactions. It is as authentic as the connection.
func (c *Client) ShieldingKey(ctx context.Context) (*rsa.PublicKey, error) {
	v, err := c.returned(ctx, "author_getShieldingKey")
	if err != nil {
		return nil, err
	}
	text, err := v.Text()
	if err != nil {
		return nil, err
	}
	return ParseShieldingKey([]byte(text))
}

// Shard returns the node's one.
func (c *Client) Shard(ctx context.Context) (Shard, error) {
	l, err := c.Ledger(ctx)
	if err != nil {
		return Shard{}, err
	}
	return parseGenesisHash(l.GenesisHash)
}

// SubmitExtrinsic shields a transaction that its registrar signed
// ([record.Sign]) and hands it to the node. It returns once the transaction
// waits for a block; what the rules refuse before that is an error of its kind.
// Whether the block took it says the record, or author_submitAndWatchExtrinsic.
func (c *Client) SubmitExtrinsic(ctx context.Context, tx []byte) (record.TxHash, error) {
	var hash record.TxHash
	shard, err := c.Shard(ctx)
	if err != nil {
		return hash, err
	}
	key, err := c.ShieldingKey(ctx)
	if err != nil {
		return hash, err
	}
	request, err := Shield(key, shard, tx)
	if err != nil {
		return hash, err
	}
	v, err := c.returned(ctx, "author_submitExtrinsic", hex.EncodeToString(request.Encode()))
	if err != nil {
		return hash, err
	}
	if v.Status != StatusOperation || len(v.Value) != len(hash) {
		return hash, rats.Errorf(rats.Malformed, "the node's answer is no status of a transaction")
	}
	copy(hash[:], v.Value)
	return hash, nil
}

// returned calls a compatible method. A value of status error is an error of
// the kind that it names.
func (c *Client) returned(ctx context.Context, method string, params ...string) (*ReturnValue, error) {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": append([]string{}, params...)})
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	answer, err := read[struct {
		Result string
		Error  *struct{ Message string }
	}](c.call(ctx, http.MethodPost, "/", nil, body))
	if err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("the node's answer: %s", answer.Error.Message)
	}
	v, err := DecodeReturnValue(answer.Result)
	if err != nil || v.Status != StatusError {
		return v, err
	}
	text, err := v.Text()
	if err != nil {
		return nil, err
	}
	name, detail, _ := strings.Cut(text, ": ")
	kind := rats.Internal
	if kind.UnmarshalText([]byte(name)) != nil {
		kind, detail = rats.Internal, text
	}
	return nil, rats.Errorf(kind, "%s", detail)
}
