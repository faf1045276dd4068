// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Consistency is the proof that the log of events grew out of an earlier one
// (RFC 6962 section 2.1.2).
type Consistency struct {
	From uint64   `json:"from" doc:"size of the earlier log"`
	To   uint64   `json:"to" doc:"size of the later log"`
	Path []string `json:"path" nullable:"false" doc:"hashes, in hex"`
}

// Latest stands for the newest block.
const Latest = 0

// Block returns a decided block, as JSON for package proof to read: its header,
// the votes for it, and who could vote.
func (c *Client) Block(ctx context.Context, height uint64) ([]byte, error) {
	name := "latest"
	if height != Latest {
		name = strconv.FormatUint(height, 10)
	}
	return c.call(ctx, http.MethodGet, "/v1/ledger/blocks/"+name, nil, nil)
}

// Checkpoint returns the size and root of the node's log of events as a signed
// note, for package checkpoint to read.
func (c *Client) Checkpoint(ctx context.Context) ([]byte, error) {
	return c.call(ctx, http.MethodGet, "/v1/ledger/checkpoint", nil, nil)
}

// Consistency returns the proof that the log grew from one size to another.
func (c *Client) Consistency(ctx context.Context, from, to uint64) (*Consistency, error) {
	return get[Consistency](ctx, c, "/v1/ledger/consistency", url.Values{
		"from": {strconv.FormatUint(from, 10)}, "to": {strconv.FormatUint(to, 10)},
	})
}
