// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// memory is a store in memory.
type memory map[string][]byte

func (m memory) Get(key []byte) ([]byte, error) { return m[string(key)], nil }

func (m memory) Scan(start, end []byte, fn func(k, v []byte) error) error {
	var keys []string
	for k := range m {
		if k >= string(start) && (end == nil || k < string(end)) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := fn([]byte(k), m[k]); err != nil {
			return err
		}
	}
	return nil
}

func (m memory) Write(changes []registry.Write) error {
	for _, c := range changes {
		if c.Value == nil {
			delete(m, string(c.Key))
		} else {
			m[string(c.Key)] = bytes.Clone(c.Value)
		}
	}
	return nil
}

// ledger is the real state machine, with a block for each transaction and one
// whenever somebody looks and the last is old. Its time is not that
// of the machine.
type ledger struct {
	t      testing.TB
	name   string
	offset time.Duration
	// idle is how old the last block gets where somebody looks and nothing happens;
	// for a challenge it is half a minute.
	idle time.Duration

	mu    sync.Mutex // guards what follows
	reg   *registry.Registry
	last  record.Millis
	nonce uint64
	// views are records as of the last block: keepers look at them far more often
	// than there are blocks.
	views map[string]record.View
}

// usualIdle is how long a ledger makes no block where nothing happens.
const usualIdle = 30 * time.Second

func newLedger(t testing.TB, name string) *ledger {
	t.Helper()
	l := &ledger{t: t, name: name, idle: usualIdle, offset: time.Until(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	root := simtee.Root()
	g := registry.NewGenesis(registry.Dev)
	g.SimulatedRoot = &root
	var err error
	if l.reg, err = registry.Open(memory{}); err != nil {
		t.Fatal(err)
	}
	l.last = l.now()
	if _, err := l.reg.Init(name, l.last, g); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *ledger) now() record.Millis { return record.MillisOf(time.Now().Add(l.offset)) }

// block commits transactions; time goes on by a millisecond at least.
func (l *ledger) block(txs ...[]byte) []registry.TxResult {
	l.last = max(l.now(), l.last+1)
	l.views = make(map[string]record.View)
	tick, err := record.NewTick(l.last)
	if err != nil {
		l.t.Fatal(err)
	}
	height := l.reg.Height() + 1
	hash := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(l.name), height))
	out, err := l.reg.Apply(registry.Block{Height: height, Hash: hash, Txs: append([][]byte{tick}, txs...)})
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.reg.Commit(); err != nil {
		l.t.Fatal(err)
	}
	return out.Results[1:]
}

// catchUp makes a block where the last is old.
func (l *ledger) catchUp(idle time.Duration) {
	if l.now()-l.last >= record.Millis(idle.Milliseconds()) || l.reg.Height() == 0 {
		l.block()
	}
}

// send commits one transaction.
func (l *ledger) send(key ed25519.PrivateKey, change func(*record.Transaction)) registry.TxResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nonce++
	tx := record.Transaction{Version: 1, ChainID: l.name, NotAfter: l.now() + 60_000}
	binary.BigEndian.PutUint64(tx.Nonce[:], l.nonce)
	change(&tx)
	b, err := record.Sign(key, tx)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.block(b)[0]
}

// view returns a record as of now, or not_found.
func (l *ledger) view(id string) (*record.View, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catchUp(l.idle)
	return l.look(id)
}

func (l *ledger) look(id string) (*record.View, error) {
	if v, known := l.views[id]; known {
		return &v, nil
	}
	raw, err := hex.DecodeString(id)
	if err != nil {
		return nil, err
	}
	rec, err := l.reg.Record(record.ID(raw))
	if err != nil {
		return nil, refusal(rats.AsError(err))
	}
	if err := l.reg.Refresh(&rec); err != nil {
		return nil, err
	}
	v := rec.View(l.last)
	l.views[id] = v
	return &v, nil
}

func refusal(e *rats.Error) *client.Refusal {
	return &client.Refusal{Err: e, Status: e.Kind.HTTPStatus()}
}

// key returns one of several registrars' keys.
func key(n byte) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte{n})
	return ed25519.NewKeyFromSeed(seed[:])
}

// node is a node of a ledger, as a client with a registrar's token has it.
type node struct {
	*ledger
	key ed25519.PrivateKey
	// tells is how often events are told; zero is every minute.
	tells time.Duration

	state sync.Mutex // guards what follows
	// down answers nothing; deaf does what it is asked and loses the answer.
	down, deaf bool
	// refuse is what submissions are told, if not nil, and busy what every call is.
	refuse, busy error
	// submissions are those that came in, and asked the times of calls.
	submissions []client.Submission
	asked       []time.Time
	pushed      int
}

var errDown = errors.New("connection refused")

func (n *node) set(change func(*node)) {
	n.state.Lock()
	defer n.state.Unlock()
	change(n)
}

func (n *node) submitted() int {
	n.state.Lock()
	defer n.state.Unlock()
	return len(n.submissions)
}

// up counts a call, and returns an error where there is no answer.
func (n *node) up() error {
	n.state.Lock()
	defer n.state.Unlock()
	n.asked = append(n.asked, time.Now())
	if n.down {
		return errDown
	}
	return n.busy
}

func (n *node) Ledger(context.Context) (*client.Ledger, error) {
	if err := n.up(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.catchUp(n.idle)
	return &client.Ledger{ChainID: n.name, Network: "dev", GenesisHash: n.name, Height: n.reg.Height(), Time: n.last}, nil
}

func (n *node) Governance(context.Context) (*client.Governance, error) {
	if err := n.up(); err != nil {
		return nil, err
	}
	g := n.reg.Governance()
	return &client.Governance{ChainID: n.name, Parameters: g.Parameters, Policy: g.Policy}, nil
}

func (n *node) Challenge(context.Context) (*client.Challenge, error) {
	if err := n.up(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.catchUp(usualIdle)
	hash, height, at, ok := n.reg.Challenge()
	if !ok {
		return nil, refusal(rats.Errorf(rats.NotFound, "no block"))
	}
	return &client.Challenge{Hash: hex.EncodeToString(hash[:]), Height: height, Time: at}, nil
}

func (n *node) Get(_ context.Context, id string) (*record.View, error) {
	if err := n.up(); err != nil {
		return nil, err
	}
	return n.view(id)
}

func (n *node) PushEndorsements(_ context.Context, items []rats.Endorsement) (*client.Pushed, error) {
	if err := n.up(); err != nil {
		return nil, err
	}
	n.set(func(n *node) { n.pushed += len(items) })
	r := n.send(n.key, func(tx *record.Transaction) { tx.Endorsements = items })
	if r.Err != nil && r.Err.Kind != rats.Replayed {
		return nil, refusal(r.Err)
	}
	return &client.Pushed{Taken: make([]client.PushedEndorsement, r.Taken)}, nil
}

func (n *node) Submit(_ context.Context, s client.Submission) (*client.Recorded, error) {
	if err := n.up(); err != nil {
		return nil, err
	}
	var refuse error
	deaf := false
	n.set(func(n *node) {
		n.submissions = append(n.submissions, s)
		refuse, deaf = n.refuse, n.deaf
	})
	if refuse != nil {
		return nil, refuse
	}
	validFor, err := time.ParseDuration("0" + s.ValidFor)
	if s.ValidFor == "" {
		validFor, err = 0, nil
	}
	if err != nil {
		return nil, refusal(rats.Errorf(rats.Malformed, "valid_for"))
	}
	r := n.send(n.key, func(tx *record.Transaction) {
		tx.Submission = &record.Submission{Evidence: s.Evidence, URL: s.URL, ValidFor: validFor.Milliseconds(), RuntimeData: s.RuntimeData}
	})
	id := hex.EncodeToString(r.RecordID[:])
	switch {
	case deaf:
		return nil, errDown
	case r.Err != nil:
		e := refusal(r.Err)
		if r.Err.Kind == rats.Replayed {
			e.Record = id
		}
		return nil, e
	}
	v, err := n.view(id)
	if err != nil {
		return nil, err
	}
	return &client.Recorded{Record: *v, Result: r.Result, Tx: r.Tx.Hex(), Height: r.Height}, nil
}

// Events looks now and then what happened.
func (n *node) Events(ctx context.Context, f client.Follow) iter.Seq2[*client.Event, error] {
	return func(yield func(*client.Event, error) bool) {
		if err := n.up(); err != nil {
			yield(nil, err)
			return
		}
		from := n.reg.EventCount()
		for {
			wait, cancel := context.WithTimeout(ctx, cmp.Or(n.tells, time.Minute))
			<-wait.Done()
			cancel()
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			n.mu.Lock()
			n.catchUp(n.idle)
			events, err := n.reg.Events(from, 100)
			n.mu.Unlock()
			from += uint64(len(events))
			for _, e := range events {
				v := e.Record.View(e.Time)
				if v.ID == strings.ToLower(f.Filters.Get("id")) && !yield(&client.Event{Sequence: e.Sequence, Event: e.Kind, Record: v}, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}
