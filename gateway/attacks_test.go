// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	quotes "github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// The attacks of docs/records.md, from outside.

// outside changes a quote in what its enclave did not sign.
func outside(t testing.TB, raw []byte, change func(*quotes.Quote)) []byte {
	t.Helper()
	q, err := quotes.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	change(q)
	return q.Marshal()
}

func TestAttackDisguisedEvidenceIsAnsweredWithTheRecordThatItMade(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("any")
	raw := quote(t, 1, simtee.Enclave{})
	first, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
	if err != nil {
		t.Fatal(err)
	}
	header := binary.LittleEndian.AppendUint32(nil, 1)
	header = binary.LittleEndian.AppendUint32(header, 2)
	for name, again := range map[string][]byte{
		"padding": append(bytes.Clone(raw), make([]byte, 64)...),
		"(r, n-s)": outside(t, raw, func(q *quotes.Quote) {
			n, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
			s := new(big.Int).SetBytes(q.Signature[32:])
			s.Sub(n, s).FillBytes(q.Signature[32:])
		}),
		"re-encoded certificates": outside(t, raw, func(q *quotes.Quote) {
			q.CertificationData.Data = bytes.ReplaceAll(q.CertificationData.Data, []byte("\n"), []byte("\r\n"))
		}),
		"another envelope": append(binary.LittleEndian.AppendUint64(header, uint64(len(raw))), raw...),
	} {
		_, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: again})
		var refusal *client.Refusal
		if !errors.As(err, &refusal) || !errors.Is(err, rats.Replayed) || refusal.Status != http.StatusConflict ||
			refusal.Record != first.Record.ID || refusal.Tx != first.Tx {
			t.Errorf("%s: %v, %+v", name, err, refusal)
		}
	}
	if v, err := c.Get(t.Context(), first.Record.ID); err != nil || v.Attestations != 1 || v.Expires != first.Record.Expires {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestAttackAStrangerWhoIsFirstStandsBehindTheOwner(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("any")
	// Endorsements are there once something was recorded.
	if _, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})}); err != nil {
		t.Fatal(err)
	}
	raw := quote(t, 2, simtee.Enclave{})
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))
	tx, err := record.Sign(stranger, record.Transaction{
		Version: record.TransactionVersion, ChainID: h.node.Registry().ChainID(), NotAfter: record.MillisOf(time.Now().Add(time.Minute)),
		Nonce: [16]byte{1}, Submission: &record.Submission{Evidence: raw, URL: "stranger.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	before, err := h.node.Submit(t.Context(), tx)
	if err != nil || before.Err != nil {
		t.Fatal(err, before.Err)
	}
	// The owner gets the record, not a refusal, and stands first in it.
	got, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: raw, URL: "owner.example"})
	if err != nil {
		t.Fatal(err)
	}
	name := hex.EncodeToString(stranger[ed25519.SeedSize:])
	if v := got.Record; v.ID != hex.EncodeToString(before.RecordID[:]) || v.URL == nil || *v.URL != "owner.example" ||
		len(v.Listings) != 2 || v.Registrar == nil || *v.Registrar == name {
		t.Errorf("%+v", v)
	}
}

func TestAttackAnOldChallengeIsNoFreshness(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("any")
	if _, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})}); err != nil {
		t.Fatal(err)
	}
	challenge, _, _, ok := h.node.Registry().Challenge()
	if !ok {
		t.Fatal("no challenge")
	}
	for name, tt := range map[string]struct {
		hash [32]byte
		want string
	}{
		"the challenge":     {challenge, record.FreshnessBlock},
		"one bit off":       {flippedHash(challenge), record.FreshnessNone},
		"a block of nobody": {[32]byte{1, 2, 3}, record.FreshnessNone},
	} {
		e := simtee.Enclave{MRSigner: challenge}
		copy(e.ReportData[32:], tt.hash[:])
		got, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 5, e)})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Record.Freshness.Kind != tt.want {
			t.Errorf("%s: %+v", name, got.Record.Freshness)
		}
	}
}

func flippedHash(h [32]byte) [32]byte {
	h[31] ^= 1
	return h
}
