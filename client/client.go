// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// maxAnswer bounds what is read of an answer, so that no node can fill a
// client's memory: a listing of endorsements with their bodies is the largest.
const maxAnswer = 64 << 20

// Client calls one node. It is safe for concurrent use.
type Client struct {
	node  string
	token string
	http  *http.Client
	// header goes with every call, beside what a call says of itself.
	header http.Header
}

// New returns a client of the node at an address such as
// "http://127.0.0.1:2000". The token goes with every call if it is not empty;
// only submissions need one. A nil http.Client is [http.DefaultClient].
func New(node, token string, c *http.Client) *Client {
	if c == nil {
		c = http.DefaultClient
	}
	return &Client{node: strings.TrimRight(node, "/"), token: token, http: c}
}

// Submission is evidence to be recorded.
type Submission struct {
	// Evidence is raw: no hex, no base64.
	Evidence []byte `json:"evidence"`
	// Format, if it is not empty, is what the evidence has to be recognised as.
	Format rats.Format `json:"format,omitempty"`
	// URL is where the enclave serves, or empty.
	URL string `json:"url,omitempty"`
	// ValidFor is how long the registrar vouches, such as "48h" or "30d"; empty
	// is the network's default.
	ValidFor string `json:"valid_for,omitempty"`
	// RuntimeData, if any, hashes to the evidence's report data.
	RuntimeData []byte `json:"runtime_data,omitempty"`
}

// SubmitEvidence has evidence appraised and recorded, and returns once its
// block is committed. Evidence that was recorded before is [rats.Replayed], and
// the [*Refusal] names the record.
func (c *Client) SubmitEvidence(ctx context.Context, s Submission) (*Recorded, error) {
	return send[Recorded](ctx, c, "/v1/evidence", s)
}

// Get returns a record by its id, or [rats.NotFound].
func (c *Client) Get(ctx context.Context, id string) (*record.View, error) {
	return get[record.View](ctx, c, enclave(id, ""), nil)
}

// Withdraw takes back what was said of an enclave, and returns its record as it
// then stands: without a signature the listing of the token's own registrar,
// with one the whole record. The signature is that of the enclave's key over
// what [record.WithdrawalBytes] returns.
func (c *Client) Withdraw(ctx context.Context, id string, signature []byte) (*record.View, error) {
	var body []byte
	if len(signature) > 0 {
		var err error
		if body, err = json.Marshal(Withdrawal{Signature: signature}); err != nil {
			return nil, rats.Errorf(rats.Internal, "encode: %w", err)
		}
	}
	return read[record.View](c.call(ctx, http.MethodDelete, enclave(id, ""), nil, body))
}

// List returns a page of records, newest first. The filters are those of the
// API: q, tee, fingerprint, mr_signer, signer, url, status, tier, state,
// registrar, cursor, limit.
func (c *Client) List(ctx context.Context, filters url.Values) (*Page, error) {
	return get[Page](ctx, c, "/v1/enclaves", filters)
}

// History returns what happened to a record, oldest first.
func (c *Client) History(ctx context.Context, id string) (*History, error) {
	return get[History](ctx, c, enclave(id, "/history"), nil)
}

// Evidence returns what a record rests on.
func (c *Client) Evidence(ctx context.Context, id string) (*Evidence, error) {
	return get[Evidence](ctx, c, enclave(id, "/evidence"), nil)
}

// ListEndorsements returns endorsements on the ledger. The filters are those of
// the API: kind, tee, fmspc, evaluation_data_number, sha256, and body=true for
// their content.
func (c *Client) ListEndorsements(ctx context.Context, filters url.Values) (*EndorsementList, error) {
	return get[EndorsementList](ctx, c, "/v1/endorsements", filters)
}

// PushEndorsements publishes endorsements on the ledger. It fails, with the
// kind of the first refusal, only when nothing was taken and nothing was known.
func (c *Client) PushEndorsements(ctx context.Context, items []rats.Endorsement) (*Pushed, error) {
	return send[Pushed](ctx, c, "/v1/endorsements", map[string]any{"endorsements": items})
}

// Ledger returns where the node's ledger stands.
func (c *Client) Ledger(ctx context.Context) (*Ledger, error) {
	return get[Ledger](ctx, c, "/v1/ledger", nil)
}

// Challenge returns a recent block to bind evidence to.
func (c *Client) Challenge(ctx context.Context) (*Challenge, error) {
	return get[Challenge](ctx, c, "/v1/challenge", nil)
}

// enclave returns the path of a record; whatever is in id stays in its segment.
func enclave(id, part string) string { return "/v1/enclaves/" + url.PathEscape(id) + part }

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (*T, error) {
	return read[T](c.call(ctx, http.MethodGet, path, query, nil))
}

func send[T any](ctx context.Context, c *Client, path string, body any) (*T, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return read[T](c.call(ctx, http.MethodPost, path, nil, b))
}

// read decodes an answer. Fields that this client does not know are passed
// over: nodes may add some.
func read[T any](body []byte, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	out := new(T)
	if err := json.Unmarshal(body, out); err != nil {
		return nil, fmt.Errorf("the node's answer: %w", err)
	}
	return out, nil
}

// request makes the request of one call.
func (c *Client) request(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Request, error) {
	target := c.node + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, c.fault(err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	return req, nil
}

// with returns a client that says one more thing with every call.
func (c *Client) with(name, value string) *Client {
	out := *c
	if out.header = c.header.Clone(); out.header == nil {
		out.header = make(http.Header)
	}
	out.header.Set(name, value)
	return &out
}

// call makes one call and returns the body of an answer that says yes.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	_, answer, err := c.exchange(ctx, method, path, query, body)
	return answer, err
}

// exchange is call with the status of the answer.
func (c *Client) exchange(ctx context.Context, method, path string, query url.Values, body []byte) (int, []byte, error) {
	req, err := c.request(ctx, method, path, query, body)
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, c.fault(err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is left to lose
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, c.fault(err)
	}
	if len(answer) > maxAnswer {
		return 0, nil, c.fault(fmt.Errorf("the answer is over %d bytes", maxAnswer))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return 0, nil, refusal(resp, answer)
	}
	return resp.StatusCode, answer, nil
}
