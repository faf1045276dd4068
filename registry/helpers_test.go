// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// memory is a store in memory.
type memory struct {
	mu sync.RWMutex // guards m
	m  map[string][]byte
}

func newMemory() *memory { return &memory{m: map[string][]byte{}} }

func (s *memory) Get(key []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[string(key)], nil
}

func (s *memory) Scan(start, end []byte, fn func(k, v []byte) error) error {
	s.mu.RLock()
	var keys []string
	for k := range s.m {
		if k >= string(start) && (end == nil || k < string(end)) {
			keys = append(keys, k)
		}
	}
	s.mu.RUnlock()
	slices.Sort(keys)
	for _, k := range keys {
		v, _ := s.Get([]byte(k))
		key, value := []byte(k), slices.Clone(v)
		err := fn(key, value)
		for _, lent := range [][]byte{key, value} { // as a store does that uses its memory again
			for i := range lent {
				lent[i] = 0xa5
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *memory) Write(changes []registry.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		if c.Value == nil {
			delete(s.m, string(c.Key))
		} else {
			s.m[string(c.Key)] = slices.Clone(c.Value)
		}
	}
	return nil
}

func (s *memory) clone() *memory {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := newMemory()
	for k, v := range s.m {
		out.m[k] = v
	}
	return out
}

// start is ledger time at genesis.
func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// chain drives one registry block by block.
type chain struct {
	t     testing.TB
	store *memory
	reg   *registry.Registry
	now   record.Millis
	nonce uint64
}

func devGenesis() registry.Genesis {
	root := simtee.Root()
	g := registry.NewGenesis(registry.Dev)
	g.SimulatedRoot = &root
	return g
}

func newChain(t testing.TB, g registry.Genesis) *chain {
	t.Helper()
	return chainAt(t, start(), g)
}

func chainAt(t testing.TB, at time.Time, g registry.Genesis) *chain {
	t.Helper()
	c := &chain{t: t, store: newMemory(), now: record.MillisOf(at)}
	reg, err := registry.Open(c.store)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Init("test-chain", c.now, g); err != nil {
		t.Fatal(err)
	}
	c.reg = reg
	return c
}

// key returns one of several registrars' keys.
func key(n byte) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte{n})
	return ed25519.NewKeyFromSeed(seed[:])
}

func registrar(k ed25519.PrivateKey) record.Registrar {
	return record.Registrar(k.Public().(ed25519.PublicKey))
}

// tx signs a transaction for this chain; change adjusts it before.
func (c *chain) tx(k ed25519.PrivateKey, change func(*record.Transaction)) []byte {
	c.t.Helper()
	c.nonce++
	tx := record.Transaction{Version: 1, ChainID: "test-chain", NotAfter: c.now + 60_000}
	binary.BigEndian.PutUint64(tx.Nonce[:], c.nonce)
	change(&tx)
	b, err := record.Sign(k, tx)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

func (c *chain) publish(items ...rats.Endorsement) []byte {
	return c.tx(key(1), func(tx *record.Transaction) { tx.Endorsements = items })
}

func (c *chain) submit(k ed25519.PrivateKey, evidence []byte, change ...func(*record.Submission)) []byte {
	return c.tx(k, func(tx *record.Transaction) {
		tx.Submission = &record.Submission{Evidence: evidence}
		for _, f := range change {
			f(tx.Submission)
		}
	})
}

// hashOf names the block of a height.
func hashOf(height uint64) [32]byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], height)
	return sha256.Sum256(b[:])
}

// block commits transactions in a block of their own, a second later.
func (c *chain) block(txs ...[]byte) []registry.TxResult {
	c.t.Helper()
	c.now += 1000
	return c.blockAt(c.now, txs...)
}

func (c *chain) blockAt(at record.Millis, txs ...[]byte) []registry.TxResult {
	c.t.Helper()
	c.now = at
	tick, err := record.NewTick(at)
	if err != nil {
		c.t.Fatal(err)
	}
	height := c.reg.Height() + 1
	out, err := c.reg.Apply(registry.Block{Height: height, Hash: hashOf(height), Txs: append([][]byte{tick}, txs...)})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.reg.Commit(); err != nil {
		c.t.Fatal(err)
	}
	return out.Results[1:]
}

// ok commits one transaction that must count.
func (c *chain) ok(tx []byte) registry.TxResult {
	c.t.Helper()
	r := c.block(tx)[0]
	if r.Err != nil {
		c.t.Fatalf("refused: %v", r.Err)
	}
	return r
}

// refused commits one transaction that must not count, and returns why.
func (c *chain) refused(tx []byte, kind rats.Kind, words ...string) registry.TxResult {
	c.t.Helper()
	before := c.reg.EventCount()
	check := c.reg.Check(tx)
	r := c.block(tx)[0]
	if r.Err == nil || r.Err.Kind != kind {
		c.t.Fatalf("got %v, want %v", r.Err, kind)
	}
	if check.Err == nil || check.Err.Kind != kind {
		c.t.Errorf("Check says %v, Apply %v", check.Err, r.Err)
	}
	for _, w := range words {
		if !strings.Contains(r.Err.Detail, w) {
			c.t.Errorf("%q does not say %q", r.Err.Detail, w)
		}
	}
	if c.reg.EventCount() != before {
		c.t.Error("a refused transaction left an event")
	}
	return r
}

// endorsed is a chain that holds the simulated endorsements of both TEEs.
func endorsed(t testing.TB) *chain {
	t.Helper()
	c := newChain(t, devGenesis())
	var items []rats.Endorsement
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		more, err := simtee.EndorsementsFor(tee, start())
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, more...)
	}
	c.ok(c.publish(items...))
	return c
}

func quoteOf(t testing.TB, e simtee.Enclave) []byte {
	t.Helper()
	q, err := e.Quote()
	if err != nil {
		t.Fatal(err)
	}
	return q
}
