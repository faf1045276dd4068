// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// enter enters a transaction with patience.
func enter(t *testing.T, n *Node, tx []byte) *Entered {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	e, err := n.Enter(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWhoEntersATransactionNeedNotWaitForIt(t *testing.T) {
	n, r := startDev(t)
	tx := r.evidence(t, r.quote(t, 1), time.Now())
	e := enter(t, n, tx)
	if e.Refused != nil {
		t.Fatal(e.Refused.Err)
	}
	res, err := e.Wait(t.Context())
	if err != nil || res.Err != nil || !res.Recorded || res.Tx != record.HashTx(tx) {
		t.Fatalf("%+v, %v", res, err)
	}
	hash, err := n.BlockHash(res.Height)
	if err != nil || hash == [32]byte{} {
		t.Errorf("block %d: %x, %v", res.Height, hash, err)
	}
	if before, err := n.BlockHash(res.Height - 1); err != nil || before == hash {
		t.Errorf("the block before: %x, %v", before, err)
	}
	for _, height := range []uint64{0, res.Height + 1000, 1<<64 - 1} {
		if _, err := n.BlockHash(height); !errors.Is(err, rats.NotFound) {
			t.Errorf("block %d: %v", height, err)
		}
	}
	if again := enter(t, n, tx); again.Refused == nil || again.Refused.Err.Kind != rats.Replayed {
		t.Errorf("the same again: %+v", again.Refused)
	}
	if bad := enter(t, n, []byte("no")); bad.Refused == nil || bad.Refused.Err.Kind != rats.Malformed {
		t.Errorf("no transaction: %+v", bad.Refused)
	}
}

// TestTransactionsWaitInTheOpen has a node wait for another, without which there
// is no block.
func TestTransactionsWaitInTheOpen(t *testing.T) {
	t.Parallel() // it mostly waits
	net := found(t, 2)
	n, other := net.start(t, net.homes[0]), net.start(t, net.homes[1])
	same(t, 1, n, other)
	net.stop(t, other)
	r := newRegistrar(t, n.genesis.doc.ChainID)
	var txs [][]byte
	var waiting []*Entered
	for i := range 3 {
		tx := r.endorsements(t, time.Now())
		e := enter(t, n, tx)
		if e.Refused != nil {
			t.Fatal(e.Refused.Err)
		}
		if i == 1 {
			e = enter(t, n, tx) // somebody else with the same
		}
		txs, waiting = append(txs, tx), append(waiting, e)
	}
	pending, err := n.Pending(1 << 20)
	if err != nil || len(pending) != len(txs) {
		t.Fatalf("%d wait, %v", len(pending), err)
	}
	for i := range txs {
		if !bytes.Equal(pending[i], txs[i]) {
			t.Errorf("%d is another", i)
		}
	}
	if some, err := n.Pending(len(txs[0]) + len(txs[1]) + 100); err != nil || len(some) != 2 {
		t.Errorf("%d have room, %v", len(some), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := waiting[0].Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wait without a block: %v", err)
	}
	net.start(t, net.homes[1])
	ctx, cancel = context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i, e := range waiting {
		if res, err := e.Wait(ctx); err != nil || res.Tx != record.HashTx(txs[i]) || res.Height == 0 {
			t.Errorf("%d: %+v, %v", i, res, err)
		}
	}
	if pending, err := n.Pending(1 << 20); err != nil || len(pending) != 0 {
		t.Errorf("%d still wait, %v", len(pending), err)
	}
}

func TestAnEnteredTransactionSurvivesItsCaller(t *testing.T) {
	n, r := startDev(t)
	tx := r.evidence(t, r.quote(t, 1), time.Now())
	s, first, err := n.pending.join(record.HashTx(tx), len(tx)) // somebody is about to take it through the checks
	if err != nil || !first {
		t.Fatal(first, err)
	}
	e := enter(t, n, tx)
	if e.Refused != nil {
		t.Fatal(e.Refused.Err)
	}
	n.pending.abandon(record.HashTx(tx)) // and goes away
	<-s.done
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if res, err := e.Wait(ctx); err != nil || res.Err != nil || !res.Recorded {
		t.Errorf("%+v, %v", res, err)
	}
	gone, cancelled := context.WithCancel(t.Context())
	cancelled()
	if _, err := n.Enter(gone, r.evidence(t, r.quote(t, 2), time.Now())); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who is gone: %v", err)
	}
}

func TestAStoppedNodeTakesNothing(t *testing.T) {
	n, r := startDev(t)
	stop(t, n)
	if _, err := n.Enter(t.Context(), r.evidence(t, r.quote(t, 1), time.Now())); err == nil {
		t.Error("entered")
	}
	if _, err := n.Pending(1 << 20); err == nil {
		t.Error("listed")
	}
	if _, err := n.BlockHash(1); err == nil {
		t.Error("a block")
	}
}

func TestTheGenesisHashIsThatOfTheFileWithoutWhiteSpace(t *testing.T) {
	dir := t.TempDir()
	n := run(t, Config{Home: dir, Network: "dev"})
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(genesisPath)))
	if err != nil {
		t.Fatal(err)
	}
	var small bytes.Buffer
	if err := json.Compact(&small, b); err != nil {
		t.Fatal(err)
	}
	if got := n.GenesisHash(); got != sha256.Sum256(small.Bytes()) {
		t.Errorf("%x", got)
	}
	if other := run(t, Config{Home: t.TempDir(), Network: "dev"}); other.GenesisHash() == n.GenesisHash() {
		t.Error("two chains have one name")
	}
}

func TestTheShieldingKeyStaysTheSameAndTheOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	first, err := LoadShieldingKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	run(t, Config{Home: dir, Network: "dev"})
	again, err := LoadShieldingKey(dir) // while the node holds the home
	if err != nil || !again.Equal(first) || first.N.BitLen() != 3072 {
		t.Fatalf("%v, %d bits", err, first.N.BitLen())
	}
	path := filepath.Join(dir, filepath.FromSlash(shieldingKeyPath))
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", st.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	var home *HomeError
	if _, err := LoadShieldingKey(dir); !errors.As(err, &home) {
		t.Errorf("readable for others: %v", err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"empty": nil, "cut short": whole[:len(whole)/2], "of another size": small(t), "no PEM": []byte("key"),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadShieldingKey(dir); !errors.As(err, &home) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// small returns the PEM of a key that is too small.
func small(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der})
}
