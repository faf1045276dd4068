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

// ProofOptions say what a proof is of; the zero value is the newest state, without
// the record's past.
type ProofOptions struct {
	// Height is that of the state, one of the last hundred.
	Height uint64
	// Events is how many of the record's newest events to prove with it, at most 256.
	Events int
	// Since leaves out the changes of validators before a height, for who trusts the
	// validators of that height or later ones.
	Since uint64
}

// Proof returns the bundle, as JSON for package proof to read, that proves a
// record or, for an id that the ledger does not hold, its absence.
func (c *Client) Proof(ctx context.Context, id string) ([]byte, error) {
	return c.ProofOf(ctx, id, ProofOptions{})
}

// ProofOf is Proof with options.
func (c *Client) ProofOf(ctx context.Context, id string, o ProofOptions) ([]byte, error) {
	query := url.Values{}
	if o.Height != 0 {
		query.Set("height", strconv.FormatUint(o.Height, 10))
	}
	if o.Events != 0 {
		query.Set("events", strconv.Itoa(o.Events))
	}
	if o.Since != 0 {
		query.Set("since", strconv.FormatUint(o.Since, 10))
	}
	return c.call(ctx, http.MethodGet, enclave(id, "/proof"), query, nil)
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
