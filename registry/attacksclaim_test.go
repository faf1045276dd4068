// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// claiming returns the quote of an enclave that makes custom claims, and the
// claims, which stand behind it in evidence.
func claiming(t testing.TB, claims ...openenclave.Claim) (quote, buffer []byte) {
	t.Helper()
	buffer, err := openenclave.AppendClaims(nil, claims...)
	if err != nil {
		t.Fatal(err)
	}
	var e simtee.Enclave
	sum := sha256.Sum256(buffer)
	copy(e.ReportData[:], sum[:])
	return quoteOf(t, e), buffer
}

// headed puts Open Enclave's header before a quote and its claims.
func headed(t testing.TB, data []byte) []byte {
	t.Helper()
	form, err := hex.DecodeString("a3a21e871b4d4014b70aa125d2fbcd8c") // SGX_ECDSA
	if err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint32(nil, 3)
	out = append(append(out, form...), make([]byte, 4)...) // padding
	out = binary.LittleEndian.AppendUint64(out, uint64(len(data)))
	return append(out, data...)
}

func blockClaim(hash [32]byte) openenclave.Claim {
	return openenclave.Claim{Name: attesteer.BlockClaim, Value: hash[:]}
}

func TestAttackACustomClaimOfABlockThatTheEnclaveDidNotMakeIsRefused(t *testing.T) {
	c := endorsed(t)
	hash, height, _, ok := c.reg.Challenge()
	if !ok {
		t.Fatal("no challenge")
	}
	name := openenclave.Claim{Name: "name", Value: []byte("vault")}
	old, _ := claiming(t, name, blockClaim(hashOf(10_000)))
	_, fresh := claiming(t, name, blockClaim(hash))
	c.refused(c.submit(key(1), headed(t, append(slices.Clone(old), fresh...))), rats.BindingMismatch, "custom claims")

	// What the enclave did say counts, and is its record with or without the block.
	plainQuote, plain := claiming(t, name)
	without := c.ok(c.submit(key(1), headed(t, append(slices.Clone(plainQuote), plain...)))).RecordID
	quote, buffer := claiming(t, name, blockClaim(hash))
	r := c.ok(c.submit(key(1), headed(t, append(slices.Clone(quote), buffer...))))
	rec := c.record(r.RecordID)
	if r.RecordID != without || rec.Freshness != (record.Freshness{Kind: record.FreshnessBlock, Height: height}) {
		t.Errorf("record %x and %x, %+v", r.RecordID, without, rec.Freshness)
	}

	// It counts once, whether its claims, or its header, are there or not.
	for name, again := range map[string][]byte{
		"as it was":        headed(t, append(slices.Clone(quote), buffer...)),
		"without a header": append(slices.Clone(quote), buffer...),
		"without claims":   quote,
		"as a report":      enveloped(quote),
	} {
		got := c.refused(c.submit(key(1), again), rats.Replayed)
		if got.RecordID != r.RecordID || got.Earlier != r.Tx {
			t.Errorf("%s: record %x, transaction %x", name, got.RecordID, got.Earlier)
		}
	}
}

func TestAttackACustomClaimOfABlockOutsideTheWindowMakesNothingFresh(t *testing.T) {
	c := endorsed(t)
	old, _, _, ok := c.reg.Challenge()
	if !ok {
		t.Fatal("no challenge")
	}
	c.blockAt(c.now + 11*60_000)
	for name, hash := range map[string][32]byte{"an old block": old, "a block to come": hashOf(10_000), "none": {}} {
		quote, buffer := claiming(t, blockClaim(hash))
		rec := c.record(c.ok(c.submit(key(1), append(quote, buffer...))).RecordID)
		if rec.Freshness.Kind != record.FreshnessNone {
			t.Errorf("%s: %+v", name, rec.Freshness)
		}
	}
}
