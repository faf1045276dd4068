// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// With -update the golden files are written anew. They are the outward form:
// members may come, none may change.
var update = flag.Bool("update", false, "write testdata anew")

// spellings returns a bundle's CBOR and JSON.
func spellings(t testing.TB, b *proof.Bundle) (asCBOR, asJSON []byte) {
	t.Helper()
	asCBOR, err := b.CBOR()
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err = b.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return asCBOR, asJSON
}

func TestABundleIsSpelledAsItAlwaysWas(t *testing.T) {
	c, past, d := newChain(t, 3, 2, 2), newChain(t, 3, 2, 2), newDynasty(t)
	withHistory(t, past)
	for name, tt := range map[string]struct {
		bundle *proof.Bundle
		trust  proof.Trust
	}{
		"present": {c.bundle(t, c.rec.ID, c.commit(t, 0, 1)), c.trust(t)},
		"absent":  {c.bundle(t, record.ID{9}, c.commit(t, 0, 1)), c.trust(t)},
		"past":    {past.bundle(t, past.rec.ID, past.commit(t, 0, 1)), past.trust(t)},
		"changed": {d.bundle(t), d.first.trust(t)},
	} {
		asCBOR, asJSON := spellings(t, tt.bundle)
		var indented bytes.Buffer
		if err := json.Indent(&indented, asJSON, "", " "); err != nil {
			t.Fatal(err)
		}
		indented.WriteByte('\n')
		for file, data := range map[string][]byte{name + ".cbor": asCBOR, name + ".json": indented.Bytes()} {
			file = "testdata/" + file
			if *update {
				if err := os.WriteFile(file, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(golden, data) {
				t.Errorf("%s is spelled otherwise", file)
			}
			b, err := proof.Decode(golden)
			if err != nil {
				t.Fatal(err)
			}
			v, err := proof.Verify(b, tt.trust)
			if err != nil || v.Present != (name != "absent") || (len(v.Events) > 0) != (name == "past") || (v.Changes > 0) != (name == "changed") {
				t.Errorf("%s: %+v, %v", file, v, err)
			}
		}
	}
}

// TestTheFirstBlockHasNoLastOne: its header holds empty fields, which stay
// empty through both spellings.
func TestTheFirstBlockHasNoLastOne(t *testing.T) {
	c := newChain(t, 1)
	c.header.Height = 1
	c.header.LastBlockID.Hash, c.header.LastBlockID.PartSetHeader.Hash = nil, nil
	c.header.LastBlockID.PartSetHeader.Total = 0
	asCBOR, asJSON := spellings(t, c.bundle(t, c.rec.ID, c.commit(t, 0)))
	var bundles []*proof.Bundle
	for _, data := range [][]byte{asCBOR, asJSON} {
		b, err := proof.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := proof.Verify(b, c.trust(t)); err != nil || v.Height != 0 {
			t.Errorf("%+v, %v", v, err)
		}
		if again, _ := spellings(t, b); !bytes.Equal(again, asCBOR) {
			t.Error("the CBOR differs after decoding")
		}
		bundles = append(bundles, b)
	}
	if !reflect.DeepEqual(bundles[0], bundles[1]) {
		t.Error("CBOR and JSON say different things")
	}
	bundles[0].Header.LastBlockHash = nil
	null, _ := spellings(t, bundles[0])
	if _, err := proof.Decode(null); !errors.Is(err, rats.Malformed) {
		t.Errorf("null in place of no bytes: %v", err)
	}
}

func TestNoLetterOfTheJSONIsIgnored(t *testing.T) {
	c := newChain(t, 3, 2)
	trust := c.trust(t)
	for name, id := range map[string]record.ID{"present": c.rec.ID, "absent": {9}} {
		_, text := spellings(t, c.bundle(t, id, c.commit(t, 0, 1)))
		// Two bits of each byte: all would take long, and the CBOR has all. The
		// sixth turns small letters into capitals.
		for i := range len(text) * 2 {
			bit := 5
			if i%2 == 1 {
				bit = i / 2 % 8
			}
			flipped := bytes.Clone(text)
			flipped[i/2] ^= 1 << bit
			b, err := proof.Decode(flipped)
			if err == nil {
				_, err = proof.Verify(b, trust)
			}
			if code := rats.KindOf(err).ExitCode(); code != 10 && code != 14 {
				t.Fatalf("%s, bit %d of byte %d: %v", name, bit, i/2, err)
			}
		}
	}
}

// TestJSONIsFreeInOrderAndSpaceAlone lists what encoding/json would forgive.
func TestJSONIsFreeInOrderAndSpaceAlone(t *testing.T) {
	c := newChain(t, 1)
	_, raw := spellings(t, c.bundle(t, c.rec.ID, c.commit(t, 0)))
	_, rawAbsent := spellings(t, c.bundle(t, record.ID{9}, c.commit(t, 0)))
	text, absent := string(raw), string(rawAbsent)

	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	sorted, err := json.MarshalIndent(members, " ", "\t") // maps are written in the order of their keys
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(bytes.TrimSpace(sorted), []byte(`{"schema"`)) {
		t.Fatal("the order is the same")
	}
	for name, text := range map[string]string{"sorted": string(sorted), "spaced": "\r\n\t " + text + " \n"} {
		b, err := proof.Decode([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if _, err := proof.Verify(b, c.trust(t)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	swap := func(from, to string) string {
		out := strings.Replace(text, from, to, 1)
		if out == text {
			t.Fatalf("%q is not in the bundle", from)
		}
		return out
	}
	value := string(members["entries"])
	value = value[strings.Index(value, `"value":"`)+9:]
	value = value[:strings.IndexByte(value, '"')]
	for name, text := range map[string]string{
		"a closing brace after it":    text + "}",
		"a closing bracket after it":  text + "]",
		"a member twice":              swap(`"height":42,`, `"height":42,"height":42,`),
		"a member twice, the last":    swap(`"height":42,`, `"height":41,"height":42,`),
		"a member twice, deep":        swap(`"round":1,`, `"round":1,"round":1,`),
		"a member in other letters":   swap(`"chain_id"`, `"Chain_ID"`),
		"a deep one in other letters": swap(`"seconds"`, `"SECONDS"`),
		"a missing member":            swap(`"last_block":{"total":2,`, `"last_block":{`),
		"a missing member of zero":    strings.Replace(absent, `"value":null,`, ``, 1),
		"a null member":               swap(`"proof":{"present"`, `"proof":{"left":null,"present"`),
		"null in place of a number":   swap(`"round":1`, `"round":null`),
		"null in place of hex":        swap(`"app_hash":"`, `"app_hash":null,"x":"`),
		"a number in other digits":    swap(`"height":42`, `"height":4.2e1`),
		"a negative height":           swap(`"height":42`, `"height":-42`),
		"an unknown member, deep":     swap(`"round":1,`, `"round":1,"polka":1,`),
		"base64 on two lines":         swap(value, value[:4]+`\n`+value[4:]),
		"base64 with bits to spare":   spare(t, text),
		"hex of a prefix":             swap(`"id":"`, `"id":"0x`),
	} {
		if b, err := proof.Decode([]byte(text)); !errors.Is(err, rats.Malformed) || b != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// spare sets a bit in some base64 that stands for nothing.
func spare(t *testing.T, text string) string {
	t.Helper()
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	at := strings.IndexByte(text, '=') - 1
	if at < 0 {
		t.Fatal("no base64 in the bundle is padded")
	}
	next := letters[strings.IndexByte(letters, text[at])+1]
	return text[:at] + string(next) + text[at+1:]
}

// TestLengthsAndPowersAreThoseOfTheirKind: what [proof.New] is given wrongly is
// refused by whoever reads or verifies it.
func TestLengthsAndPowersAreThoseOfTheirKind(t *testing.T) {
	c := newChain(t, 2, 1)
	good, _ := spellings(t, c.bundle(t, c.rec.ID, c.commit(t, 0, 1)))
	short := proof.Hex(make([]byte, 31))
	for name, spoil := range map[string]func(*proof.Bundle){
		"an id":                     func(b *proof.Bundle) { b.ID = short },
		"no id":                     func(b *proof.Bundle) { b.ID = proof.Hex{} },
		"the map's root":            func(b *proof.Bundle) { b.MapRoot = nil },
		"the log's root":            func(b *proof.Bundle) { b.LogRoot = short },
		"an application hash":       func(b *proof.Bundle) { b.Header.App = proof.Hex{} },
		"the validators' hash":      func(b *proof.Bundle) { b.Header.Validators = proof.Hex{} },
		"the data's hash":           func(b *proof.Bundle) { b.Header.Data = short },
		"a hash that is null":       func(b *proof.Bundle) { b.Header.Evidence = nil },
		"the proposer":              func(b *proof.Bundle) { b.Header.Proposer = short },
		"the last block's parts":    func(b *proof.Bundle) { b.Header.LastBlock.Hash = short },
		"the block's parts":         func(b *proof.Bundle) { b.Commit.Parts.Hash = proof.Hex{} },
		"a signature":               func(b *proof.Bundle) { b.Commit.Signatures[1].Signature = short },
		"a key":                     func(b *proof.Bundle) { b.Validators[1].PublicKey = short },
		"no validators":             func(b *proof.Bundle) { b.Validators = nil },
		"a validator twice":         func(b *proof.Bundle) { b.Validators[1].PublicKey = b.Validators[0].PublicKey },
		"no power":                  func(b *proof.Bundle) { b.Validators[1].Power = 0 },
		"a negative power":          func(b *proof.Bundle) { b.Validators[1].Power = -1 },
		"more power than there is":  func(b *proof.Bundle) { b.Validators[0].Power = 1 << 60 },
		"powers of too high a sum":  func(b *proof.Bundle) { b.Validators[0].Power, b.Validators[1].Power = 1<<59, 1<<59 },
		"powers that overflow":      func(b *proof.Bundle) { b.Validators[1].Power = 1<<63 - 1 },
		"no entries":                func(b *proof.Bundle) { b.Entries = nil },
		"no ledger time":            func(b *proof.Bundle) { b.Entries = b.Entries[:1] },
		"a header of height zero":   func(b *proof.Bundle) { b.Header.Height, b.Height = 0, 1<<64-1 },
		"a header of height -1":     func(b *proof.Bundle) { b.Header.Height, b.Height = -1, 1<<64-2 },
		"a schema of another thing": func(b *proof.Bundle) { b.Schema = "attesteer/result/v1" },
	} {
		b, err := proof.Decode(good)
		if err != nil {
			t.Fatal(err)
		}
		spoil(b)
		asCBOR, asJSON := spellings(t, b)
		for form, data := range map[string][]byte{"CBOR": asCBOR, "JSON": asJSON} {
			// JSON has no null hex to spoil: it is "" there.
			if _, err := proof.Decode(data); !errors.Is(err, rats.Malformed) && (form == "CBOR" || name != "a hash that is null") {
				t.Errorf("%s in %s: %v", name, form, err)
			}
		}
		if _, err := proof.Verify(b, c.trust(t)); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s, verified: %v", name, err)
		}
	}
}

// FuzzSpellings: whatever can be read is spelled again as the same bundle.
func FuzzSpellings(f *testing.F) {
	c := newChain(f, 2, 1)
	for _, id := range []record.ID{c.rec.ID, {9}} {
		asCBOR, asJSON := spellings(f, c.bundle(f, id, c.commit(f, 0, 1)))
		f.Add(asCBOR)
		f.Add(asJSON)
	}
	trust := c.trust(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := proof.Decode(data)
		if err != nil {
			if k := rats.KindOf(err); k != rats.Malformed && k != rats.TooLarge || b != nil {
				t.Errorf("%v with %v", err, b)
			}
			return
		}
		asCBOR, asJSON := spellings(t, b)
		for _, spelled := range [][]byte{asCBOR, asJSON} {
			again, err := proof.Decode(spelled)
			if err != nil || !reflect.DeepEqual(again, b) {
				t.Errorf("%q comes back as %+v, %v", spelled, again, err)
			}
		}
		if v, err := proof.Verify(b, trust); (v == nil) == (err == nil) {
			t.Errorf("%+v, %v", v, err)
		}
	})
}
