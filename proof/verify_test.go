// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func TestPresenceAndAbsenceAreProvenInBothSpellings(t *testing.T) {
	c := newChain(t, 10, 20, 5, 1)
	commit := c.commit(t, 0, 1, 2)
	byHash, err := proof.TrustHash(hex.EncodeToString(c.set.Hash()))
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]record.ID{"present": c.rec.ID, "absent": {1, 2, 3}} {
		b := c.bundle(t, id, commit)
		asCBOR, err := b.CBOR()
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := b.JSON()
		if err != nil {
			t.Fatal(err)
		}
		indented := &bytes.Buffer{}
		if err := json.Indent(indented, asJSON, "", "  "); err != nil {
			t.Fatal(err)
		}
		for form, data := range map[string][]byte{"CBOR": asCBOR, "JSON": asJSON, "indented JSON": indented.Bytes()} {
			got, err := proof.Decode(data)
			if err != nil {
				t.Fatalf("%s in %s: %v", name, form, err)
			}
			for _, trust := range []proof.Trust{c.trust(t), byHash} {
				v, err := proof.Verify(got, trust)
				if err != nil {
					t.Fatalf("%s in %s: %v", name, form, err)
				}
				if v.Present != (name == "present") || v.ID != id || v.Height != 42 || v.ChainID != chainID ||
					v.LedgerTime.Height != 42 || v.SignedPower != 35 || v.TotalPower != 36 {
					t.Errorf("%s in %s: %+v", name, form, v)
				}
				if v.Present && (v.Record.ID != id || len(v.Endorsements) != 1) {
					t.Errorf("%+v", v)
				}
			}
		}
	}
}

func TestWhatCometBFTAcceptsIsAcceptedAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		powers  []int64
		signers []int
	}{
		"one of one":              {[]int64{10}, []int{0}},
		"none of one":             {[]int64{10}, nil},
		"three of four":           {[]int64{1, 1, 1, 1}, []int{0, 2, 3}},
		"two of four":             {[]int64{1, 1, 1, 1}, []int{0, 3}},
		"exactly two thirds":      {[]int64{1, 1, 1}, []int{0, 1}},
		"one that is enough":      {[]int64{70, 10, 10, 10}, []int{0}},
		"many that are not":       {[]int64{70, 10, 10, 10}, []int{1, 2, 3}},
		"just over two thirds":    {[]int64{67, 33}, []int{0}},
		"just under two thirds":   {[]int64{66, 34}, []int{0}},
		"a hundred, all of equal": {bytesToPowers(100), indexes(100)},
	} {
		ch := newChain(t, c.powers...)
		commit := ch.commit(t, c.signers...)
		want := ch.set.VerifyCommit(chainID, commit.BlockID, commit.Height, commit) == nil
		_, err := proof.Verify(ch.bundle(t, ch.rec.ID, commit), ch.trust(t))
		if (err == nil) != want {
			t.Errorf("%s: %v; CometBFT accepts: %v", name, err, want)
		}
		if err != nil && !errors.Is(err, rats.BadSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func bytesToPowers(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestEachForgeryIsFoundAndNamed(t *testing.T) {
	c := newChain(t, 1, 1, 1, 1)
	other := newChain(t, 5, 5)
	for name, f := range map[string]struct {
		forge func(*proof.Bundle)
		kind  rats.Kind
	}{
		"another application hash":         {func(b *proof.Bundle) { b.Header.App = sumOf("forged") }, rats.BadSignature},
		"another height in the header":     {func(b *proof.Bundle) { b.Header.Height++ }, rats.BadSignature},
		"another height beside it":         {func(b *proof.Bundle) { b.Height++ }, rats.BindingMismatch},
		"another ledger's name":            {func(b *proof.Bundle) { b.Header.ChainID, b.ChainID = "x", "x" }, rats.UntrustedRoot},
		"another ledger's name beside it":  {func(b *proof.Bundle) { b.ChainID = "x" }, rats.BindingMismatch},
		"other validators":                 {func(b *proof.Bundle) { *b = *other.bundle(t, other.rec.ID, other.commit(t, 0, 1)) }, rats.UntrustedRoot},
		"other validators beside it":       {func(b *proof.Bundle) { b.Validators[0].Power = 100 }, rats.BindingMismatch},
		"a signature twice":                {func(b *proof.Bundle) { b.Commit.Signatures[1] = b.Commit.Signatures[0] }, rats.BadSignature},
		"a signature of another's place":   {func(b *proof.Bundle) { b.Commit.Signatures[0].Index = 3; b.Commit.Signatures = b.Commit.Signatures[:1] }, rats.BadSignature},
		"a signature past the validators":  {func(b *proof.Bundle) { b.Commit.Signatures[2].Index = 9 }, rats.BadSignature},
		"too few signatures":               {func(b *proof.Bundle) { b.Commit.Signatures = b.Commit.Signatures[:2] }, rats.BadSignature},
		"another root of the map":          {func(b *proof.Bundle) { b.MapRoot = sumOf("forged") }, rats.BindingMismatch},
		"another size of the log":          {func(b *proof.Bundle) { b.LogSize++ }, rats.BindingMismatch},
		"another value of the record":      {func(b *proof.Bundle) { b.Entries[0].Value[30] ^= 1 }, rats.BindingMismatch},
		"another record's id":              {func(b *proof.Bundle) { b.ID = sumOf("x") }, rats.BindingMismatch},
		"a record said to be absent":       {func(b *proof.Bundle) { b.Entries[0].Value = nil }, rats.BindingMismatch},
		"another entry as ledger time":     {func(b *proof.Bundle) { b.Entries[1] = b.Entries[2] }, rats.BindingMismatch},
		"an endorsement that was not used": {func(b *proof.Bundle) { b.Entries[2] = c.entry(c.endorsementKey(t, "other")) }, rats.BindingMismatch},
		"an endorsement twice":             {func(b *proof.Bundle) { b.Entries = append(b.Entries, b.Entries[2]) }, rats.BindingMismatch},
		"an entry that is no endorsement":  {func(b *proof.Bundle) { b.Entries[2] = c.entry([]byte("x1")) }, rats.BindingMismatch},
	} {
		b := c.bundle(t, c.rec.ID, c.commit(t, 0, 1, 2))
		encoded, err := b.CBOR()
		if err != nil {
			t.Fatal(err)
		}
		if b, err = proof.Decode(encoded); err != nil { // a copy that may be written to
			t.Fatal(err)
		}
		f.forge(b)
		if _, err := proof.Verify(b, c.trust(t)); !errors.Is(err, f.kind) {
			t.Errorf("%s: %v, want %v", name, err, f.kind)
		} else if rats.KindOf(err).ExitCode() != 10 {
			t.Errorf("%s: exit code %d", name, rats.KindOf(err).ExitCode())
		}
	}
	if _, err := proof.Verify(c.bundle(t, c.rec.ID, c.commit(t, 0, 1, 2)), proof.Trust{}); !errors.Is(err, rats.UntrustedRoot) {
		t.Errorf("the zero trust trusts: %v", err)
	}
}

// TestNoBitOfABundleCanChange: each flip is malformed or false, or at the most
// a true statement about another id that is absent too.
func TestNoBitOfABundleCanChange(t *testing.T) {
	c := newChain(t, 3, 2, 2)
	trust := c.trust(t)
	for name, id := range map[string]record.ID{"present": c.rec.ID, "absent": {9}} {
		encoded, err := c.bundle(t, id, c.commit(t, 0, 1)).CBOR()
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(encoded) * 8 {
			flipped := bytes.Clone(encoded)
			flipped[i/8] ^= 1 << (i % 8)
			b, err := proof.Decode(flipped)
			if err != nil {
				if k := rats.KindOf(err); k != rats.Malformed {
					t.Fatalf("%s, bit %d: %v", name, i, err)
				}
				continue
			}
			v, err := proof.Verify(b, trust)
			if err == nil && (v.Present || v.ID == id) {
				t.Fatalf("%s, bit %d: the proof still holds", name, i)
			}
			if err != nil && rats.KindOf(err).ExitCode() != 10 && rats.KindOf(err).ExitCode() != 14 {
				t.Fatalf("%s, bit %d: %v", name, i, err)
			}
		}
		for n := range encoded {
			if _, err := proof.Decode(encoded[:n]); !errors.Is(err, rats.Malformed) {
				t.Fatalf("%s, cut to %d bytes: %v", name, n, err)
			}
		}
	}
}

func TestWhatIsNoBundleIsMalformed(t *testing.T) {
	c := newChain(t, 1)
	good, err := c.bundle(t, c.rec.ID, c.commit(t, 0)).JSON()
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	for name, data := range map[string]string{
		"nothing":              "",
		"a word":               "proof",
		"an empty object":      "{}",
		"an array":             "[]",
		"an unknown field":     strings.Replace(text, `{"schema"`, `{"extra":1,"schema"`, 1),
		"another schema":       strings.Replace(text, "proof/v1", "proof/v9", 1),
		"upper-case hex":       strings.Replace(text, `"app_hash":"`, `"app_hash":"AB`, 1),
		"a short hash":         strings.Replace(text, hex.EncodeToString(sumOf("log")), "00", 1),
		"two of them":          text + text,
		"trailing bytes":       text + "x",
		"a power that is text": strings.Replace(text, `"power":1`, `"power":"1"`, 1),
	} {
		if _, err := proof.Decode([]byte(data)); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := proof.Decode(make([]byte, proof.MaxBundle+1)); !errors.Is(err, rats.TooLarge) {
		t.Errorf("a large one: %v", err)
	}
	for name, g := range map[string]string{
		"no JSON": "x", "no validators": `{"chain_id":"a","validators":[]}`,
		"no power": `{"chain_id":"a","validators":[{"pub_key":{"type":"tendermint/PubKeyEd25519","value":"AAAA"},"power":"1"}]}`,
	} {
		if _, err := proof.ParseGenesis([]byte(g)); !errors.Is(err, rats.Malformed) {
			t.Errorf("genesis with %s: %v", name, err)
		}
	}
	for _, h := range []string{"", "00", strings.Repeat("z", 64)} {
		if _, err := proof.TrustHash(h); !errors.Is(err, rats.Malformed) {
			t.Errorf("hash %q: %v", h, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	c := newChain(f, 1, 2)
	b := c.bundle(f, c.rec.ID, c.commit(f, 0, 1))
	if encoded, err := b.CBOR(); err == nil {
		f.Add(encoded)
	}
	if encoded, err := b.JSON(); err == nil {
		f.Add(encoded)
	}
	trust := c.trust(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := proof.Decode(data)
		if err != nil {
			return
		}
		if v, err := proof.Verify(got, trust); err == nil && v.Present && v.Record.ID != c.rec.ID {
			t.Errorf("a proof of a record that is not there: %+v", v)
		}
	})
}
