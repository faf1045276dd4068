// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// registrar signs transactions about simulated enclaves that all run on one machine.
type registrar struct {
	key      ed25519.PrivateKey
	chain    string
	platform *simtee.Platform
}

func newRegistrar(t testing.TB, chain string) *registrar {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	platform, err := simtee.NewPlatform(1, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	return &registrar{key: key, chain: chain, platform: platform}
}

// dev returns the configuration of a dev network that trusts the simulated root.
func dev(home string) Config {
	root := simtee.Root()
	return Config{Home: home, Network: "dev", SimulatedRoot: &root}
}

// startDev starts a dev network and publishes what endorses simulated enclaves.
func startDev(t *testing.T) (*Node, *registrar) {
	t.Helper()
	n := run(t, dev(t.TempDir()))
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, time.Now()))
	return n, r
}

// quote returns evidence of the enclave of a number.
func (r *registrar) quote(t testing.TB, number uint64) []byte {
	t.Helper()
	var e simtee.Enclave
	binary.BigEndian.PutUint64(e.ReportData[:], number)
	q, err := r.platform.Quote(e)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// evidence returns a transaction that submits a quote.
func (r *registrar) evidence(t testing.TB, quote []byte, at time.Time) []byte {
	t.Helper()
	return r.sign(t, record.Transaction{Submission: &record.Submission{Evidence: quote}}, at)
}

// endorsements returns a transaction that publishes what endorses simulated enclaves.
func (r *registrar) endorsements(t testing.TB, at time.Time) []byte {
	t.Helper()
	items, err := simtee.Endorsements(at)
	if err != nil {
		t.Fatal(err)
	}
	return r.sign(t, record.Transaction{Endorsements: items}, at)
}

func (r *registrar) sign(t testing.TB, tx record.Transaction, at time.Time) []byte {
	t.Helper()
	tx.Version, tx.ChainID = record.TransactionVersion, r.chain
	tx.NotAfter = record.MillisOf(at.Add(5 * time.Minute))
	if _, err := rand.Read(tx.Nonce[:]); err != nil {
		t.Fatal(err)
	}
	b, err := record.Sign(r.key, tx)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// submit submits with patience.
func submit(t testing.TB, n *Node, tx []byte) registry.TxResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	res, err := n.Submit(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	if res.Tx != record.TxHash(sha256.Sum256(tx)) {
		t.Fatalf("the result is of transaction %x", res.Tx)
	}
	return res
}

// mustSubmit submits what must be accepted.
func mustSubmit(t testing.TB, n *Node, tx []byte) registry.TxResult {
	t.Helper()
	res := submit(t, n, tx)
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	return res
}
