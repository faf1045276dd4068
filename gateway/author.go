// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// Pool holds the transactions that wait for a block. It is safe for concurrent
// use.
type Pool interface {
	// Enter returns once a transaction waits for a block, with what returns what
	// became of it; refused, if not nil, is what the rules said at once. An error
	// says that it does not wait.
	Enter(ctx context.Context, tx []byte) (wait Outcome, refused *registry.TxResult, err error)
	// Pending returns waiting transactions, oldest first, that have room in maxBytes.
	Pending(maxBytes int) ([][]byte, error)
	// BlockHash returns the hash of a block.
	BlockHash(height uint64) ([32]byte, error)
}

// Outcome returns what became of a transaction, once that is durable.
type Outcome func(ctx context.Context) (registry.TxResult, error)

const (
	// maxListed bounds the transactions that one answer lists, in bytes.
	maxListed = 1 << 20
	// maxShards bounds those that one call may name.
	maxShards = 64
)

// author serves the original's methods that are about transactions.
type author struct {
	g *Gateway
	// shield is nil where the node has no shielding key.
	shield *shield
}

// authorMethods are the compatible methods but those for quotes and of the system.
func (r *rpc) authorMethods() []method {
	a := &author{g: r.g}
	if r.g.cfg.ShieldingKey != nil {
		a.shield = &shield{key: r.g.cfg.ShieldingKey, turn: r.g.turn}
	}
	return []method{
		{name: "attesteer_forwardIasAttestationReport", submits: true, params: "report, url?", about: "Have an IAS report verified and recorded", call: r.forwardIASReport},
		{name: "author_getShieldingKey", about: "The key to which callers encrypt", call: a.shieldingKey},
		{name: "author_getUntrustedUrl", about: "Where the node can be reached", call: a.untrustedURL},
		{name: "author_pendingExtrinsics", params: "shard, …", about: "What waits for a block", call: a.pendingExtrinsics},
		{name: "author_pendingTrustedCallsFor", params: "shard, account", about: "What of the caller's own waits for a block", call: a.pendingTrustedCallsFor},
		{name: "author_submitAndWatchExtrinsic", submits: true, params: "request", about: "Submit a transaction, and be told what becomes of it", call: a.submitAndWatch},
		{name: "author_submitExtrinsic", submits: true, params: "request", about: "Submit a transaction", call: a.submit},
	}
}

// texts reads parameters that are strings, at least low and at most high of them.
func texts(params []json.RawMessage, low, high int) ([]string, error) {
	if len(params) < low || len(params) > high {
		expected := ""
		switch {
		case low == high:
			expected = strconv.Itoa(low)
		case high == low+1:
			expected = strconv.Itoa(low) + " or " + strconv.Itoa(high)
		default:
			expected = strconv.Itoa(low) + " to " + strconv.Itoa(high)
		}
		return nil, rats.Errorf(rats.Malformed, "wrong number of parameters: %d, expected %s", len(params), expected)
	}
	out := make([]string, len(params))
	for i, p := range params {
		if err := json.Unmarshal(p, &out[i]); err != nil {
			return nil, rats.Errorf(rats.Malformed, "parameter %d: not a string", i+1)
		}
	}
	return out, nil
}

// shieldingKey answers with a String of JSON, as [client.FormatShieldingKey] makes it.
func (a *author) shieldingKey(context.Context, []json.RawMessage) (any, error) {
	if a.shield == nil {
		return nil, errUnshielded()
	}
	text, err := client.FormatShieldingKey(&a.shield.key.PublicKey)
	if err != nil {
		return nil, err
	}
	return returnValue(appendVec(nil, text), returnOK), nil
}

func errUnshielded() error {
	return rats.Errorf(rats.Unsupported, "this node has no shielding key")
}

// untrustedURL answers with a String: where the node can be reached.
func (a *author) untrustedURL(context.Context, []json.RawMessage) (any, error) {
	if a.g.cfg.PublicURL == "" {
		return nil, rats.Errorf(rats.Unsupported, "this node does not say where it can be reached")
	}
	return returnValue(appendVec(nil, []byte(a.g.cfg.PublicURL)), returnOK), nil
}

// shard returns the node's one.
func (a *author) shard(ctx context.Context) (client.Shard, error) {
	s, err := a.g.cfg.Ledger.Status(ctx)
	return s.GenesisHash, err
}

// transaction returns the signed transaction that a call brought: [hex of
// SCALE Request]. What costs nothing is checked first.
func (a *author) transaction(ctx context.Context, params []json.RawMessage) (*record.Opened, []byte, error) {
	in, err := texts(params, 1, 1)
	switch {
	case err != nil:
		return nil, nil, err
	case a.shield == nil || a.g.cfg.Pool == nil:
		return nil, nil, errUnshielded()
	}
	raw, err := decodeHex("request", in[0])
	if err != nil {
		return nil, nil, err
	}
	request, err := client.DecodeRequest(raw)
	if err != nil {
		return nil, nil, err
	}
	shard, err := a.shard(ctx)
	if err != nil {
		return nil, nil, err
	}
	if request.Shard != shard {
		return nil, nil, rats.Errorf(rats.NotFound, "shard %s: this node has %s", request.Shard, shard)
	}
	return a.shield.open(ctx, request)
}

// enter has a transaction wait for a block.
func (a *author) enter(ctx context.Context, tx []byte) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	wait, refused, err := a.g.cfg.Pool.Enter(ctx, tx)
	switch {
	case err != nil:
		return nil, err
	case refused != nil:
		return nil, &refusedTx{*refused}
	}
	return wait, nil
}

// submit answers once a transaction waits for a block: its hash, with the
// status that it was submitted.
func (a *author) submit(ctx context.Context, params []json.RawMessage) (any, error) {
	o, tx, err := a.transaction(ctx, params)
	if err != nil {
		return nil, err
	}
	if _, err := a.enter(ctx, tx); err != nil {
		return nil, err
	}
	v := client.ReturnValue{Value: o.Hash[:], Status: client.StatusOperation, Operation: client.Submitted}
	return v.Encode(), nil
}

// submitAndWatch answers as soon, with the hash alone, and then pushes where
// the transaction stands until that is settled.
func (a *author) submitAndWatch(ctx context.Context, params []json.RawMessage) (any, error) {
	p, ok := pushesIn(ctx)
	if !ok {
		return nil, rats.Errorf(rats.Unsupported, "nothing can be pushed over POST: use a WebSocket, or author_submitExtrinsic")
	}
	o, tx, err := a.transaction(ctx, params)
	if err != nil {
		return nil, err
	}
	w := &txWatch{a: a, hash: o.Hash, entered: make(chan Outcome, 1)}
	// To subscribe comes first: who cannot be told of it shall not submit it here.
	id, err := p.subscribeToEnd(ctx, func(ctx context.Context, _ string) { w.run(ctx, p) })
	if err != nil {
		return nil, err
	}
	wait, err := a.enter(ctx, tx)
	if err != nil {
		p.unsubscribe(id)
		return nil, err
	}
	w.entered <- wait
	return w.name(), nil
}

// txWatch tells a connection of one transaction.
type txWatch struct {
	a    *author
	hash record.TxHash
	// entered gets the outcome once the transaction waits for a block.
	entered chan Outcome
}

// name is what the call answered, by which clients know its pushes.
func (w *txWatch) name() string { return "0x" + hex.EncodeToString(w.hash[:]) }

func (w *txWatch) run(ctx context.Context, p *pushes) {
	var wait Outcome
	select {
	case wait = <-w.entered:
	case <-ctx.Done():
		return
	}
	if w.push(p, client.ReturnValue{Operation: client.Ready, Watch: true}, nil) != nil {
		return
	}
	result, err := wait(ctx)
	if ctx.Err() != nil {
		return
	}
	v := client.ReturnValue{Operation: client.InBlock}
	if err == nil && result.Err == nil {
		v.Block, err = w.a.g.cfg.Pool.BlockHash(result.Height)
	}
	switch {
	case err != nil:
		v, err = client.ReturnValue{Operation: client.Dropped}, w.a.g.fault(ctx, err)
	case result.Err != nil:
		v, err = client.ReturnValue{Operation: client.Invalid}, result.Err
	}
	_ = w.push(p, v, err) // a connection that is gone needs no word
}

// statusUpdate is the original's RpcSubscriptionUpdate. Its id is that of no call.
type statusUpdate struct {
	Version string       `json:"jsonrpc"`
	ID      int          `json:"id"`
	Method  string       `json:"method"`
	Params  statusParams `json:"params"`
}

type statusParams struct {
	// Error is "kind: detail" for a transaction that no block took, or null.
	Error        *string `json:"error"`
	Result       string  `json:"result"`
	Subscription string  `json:"subscription"`
}

// push sends where the transaction stands.
func (w *txWatch) push(p *pushes, v client.ReturnValue, reason error) error {
	v.Value, v.Status = w.hash[:], client.StatusOperation
	u := statusUpdate{
		Version: "2.0", ID: 1, Method: "author_submitAndWatchExtrinsic",
		Params: statusParams{Result: v.Encode(), Subscription: w.name()},
	}
	if reason != nil {
		text := outwardText(reason)
		u.Params.Error = &text
	}
	msg, err := json.Marshal(u)
	if err != nil {
		return rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return p.send(msg)
}

// pendingExtrinsics takes [shard in base 58, …] and answers with the waiting
// transactions of each shard that it knows: a Vec for each, of Vec<u8>. A shard
// counts once.
func (a *author) pendingExtrinsics(ctx context.Context, params []json.RawMessage) (any, error) {
	names, err := texts(params, 0, maxShards)
	if err != nil {
		return nil, err
	}
	known, err := a.knows(ctx, names)
	if err != nil {
		return nil, err
	}
	if !known {
		return returnValue(client.AppendCompact(nil, 0), returnOK), nil
	}
	list, err := a.pending(nil)
	if err != nil {
		return nil, err
	}
	return returnValue(append(client.AppendCompact(nil, 1), list...), returnOK), nil
}

// knows reports whether the node's shard is among those named in base 58.
func (a *author) knows(ctx context.Context, names []string) (bool, error) {
	own, err := a.shard(ctx)
	if err != nil {
		return false, err
	}
	known := false
	for _, name := range names {
		shard, err := client.ParseShard(name)
		if err != nil {
			return false, err
		}
		known = known || shard == own
	}
	return known, nil
}

// pending returns the waiting transactions of one registrar, or of all, as a Vec
// of Vec<u8>.
func (a *author) pending(of *record.Registrar) ([]byte, error) {
	if a.g.cfg.Pool == nil {
		return nil, rats.Errorf(rats.Unsupported, "this node does not say what waits for a block")
	}
	all, err := a.g.cfg.Pool.Pending(maxListed)
	if err != nil {
		return nil, err
	}
	var b []byte
	n := 0
	for _, tx := range all {
		if of != nil {
			o, err := record.Open(tx)
			if err != nil || o.Kind != record.KindRegistrar || o.Registrar != *of {
				continue
			}
		}
		b, n = appendVec(b, tx), n+1
	}
	return append(client.AppendCompact(nil, n), b...), nil
}

// pendingTrustedCallsFor takes [shard in base 58, account in hex] and answers
// with the waiting transactions of that registrar, as a Vec of Vec<u8>. The
// original told everybody; here a token has to prove that the account is the
// caller's. A word of a development network proves nothing.
func (a *author) pendingTrustedCallsFor(ctx context.Context, params []json.RawMessage) (any, error) {
	in, err := texts(params, 2, 2)
	if err != nil {
		return nil, err
	}
	account, err := decodeHex("account", in[1])
	if err != nil {
		return nil, err
	}
	if len(account) != ed25519.PublicKeySize {
		return nil, rats.Errorf(rats.Malformed, "account: %d bytes, a registrar's key has %d", len(account), ed25519.PublicKeySize)
	}
	if callerIn(ctx).entry == nil {
		return nil, rats.Errorf(rats.Unauthorized, "what waits for an account is told to its own token alone")
	}
	key, err := a.g.signingKey(ctx)
	if err != nil {
		return nil, err
	}
	own := record.Registrar(key[ed25519.SeedSize:])
	if record.Registrar(account) != own {
		return nil, rats.Errorf(rats.Unauthorized, "the account is not the token's")
	}
	known, err := a.knows(ctx, in[:1])
	if err != nil {
		return nil, err
	}
	if !known {
		return returnValue(client.AppendCompact(nil, 0), returnOK), nil
	}
	list, err := a.pending(&own)
	if err != nil {
		return nil, err
	}
	return returnValue(list, returnOK), nil
}
