// SPDX-License-Identifier: Apache-2.0

package tree_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/tree"
)

// sample is a map with a key that is there and some that are not, one of which
// stands before all entries and one after.
func sample() (m tree.Map, want model, member []byte, strangers [][]byte) {
	want = numbered(50)
	m = tree.Map{}.Update(want.changes())
	member = want.entries()[17].key
	var first, last, middle []byte
	for i := 0; first == nil || last == nil || middle == nil; i++ {
		key := fmt.Appendf(nil, "stranger %d", i)
		switch p := m.Prove(key); {
		case p.Left == nil:
			first = key
		case p.Right == nil:
			last = key
		default:
			middle = key
		}
	}
	return m, want, member, [][]byte{first, middle, last}
}

func encoded(t testing.TB, p tree.Proof) []byte {
	t.Helper()
	b, err := record.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decoded is how a reader gets a proof.
func decoded(b []byte) (p tree.Proof, err error) { return p, record.Unmarshal(b, &p) }

func TestNoBitOfAnEncodedProofIsIgnored(t *testing.T) {
	m, want, member, strangers := sample()
	root := m.Root()
	flip := func(name string, p tree.Proof, verify func(tree.Proof) error) {
		whole := encoded(t, p)
		if again, err := decoded(whole); err != nil || verify(again) != nil {
			t.Fatalf("%s does not survive encoding: %v, %v", name, err, verify(again))
		}
		read := 0
		for n := range len(whole) * 8 {
			b := bytes.Clone(whole)
			b[n/8] ^= 1 << (n % 8)
			q, err := decoded(b)
			if err != nil {
				continue
			}
			read++
			if verify(q) == nil {
				t.Errorf("%s: bit %d of byte %d does not count", name, n%8, n/8)
			}
		}
		if read == 0 {
			t.Errorf("%s: no flipped proof could be read at all", name)
		}
	}
	flip("presence", m.Prove(member), func(p tree.Proof) error {
		return tree.VerifyPresence(root, member, want[string(member)], p)
	})
	for _, key := range strangers {
		flip("absence", m.Prove(key), func(p tree.Proof) error { return tree.VerifyAbsence(root, key, p) })
	}
}

func TestNoTruncatedProofVerifies(t *testing.T) {
	m, want, member, strangers := sample()
	for _, key := range append(strangers, member) {
		whole := encoded(t, m.Prove(key))
		for n := range whole {
			p, err := decoded(whole[:n])
			if err == nil && (tree.VerifyAbsence(m.Root(), key, p) == nil || tree.VerifyPresence(m.Root(), key, want[string(key)], p) == nil) {
				t.Errorf("%d of %d bytes verify", n, len(whole))
			}
		}
	}
}

// TestAProofHasOneSpelling: what leads to the same root by other bytes is refused.
func TestAProofHasOneSpelling(t *testing.T) {
	m, want, member, strangers := sample()
	root, value := m.Root(), want[string(member)]
	branch := func(edit func(*tree.Branch)) tree.Proof {
		b := *m.Prove(member).Present
		b.Filled, b.Siblings = bytes.Clone(b.Filled), bytes.Clone(b.Siblings)
		edit(&b)
		return tree.Proof{Present: &b}
	}
	if err := tree.VerifyPresence(root, member, value, branch(func(*tree.Branch) {})); err != nil {
		t.Fatal(err)
	}
	absent := m.Prove(strangers[1])
	for name, p := range map[string]tree.Proof{
		"a bit past the depth": branch(func(b *tree.Branch) { b.Filled[len(b.Filled)-1] |= 1 }),
		"a byte past the bits": branch(func(b *tree.Branch) { b.Filled = append(b.Filled, 0) }),
		"a byte too few":       branch(func(b *tree.Branch) { b.Filled = b.Filled[:len(b.Filled)-1] }),
		"a sibling too many":   branch(func(b *tree.Branch) { b.Siblings = append(b.Siblings, make([]byte, 32)...) }),
		"a sibling too few":    branch(func(b *tree.Branch) { b.Siblings = b.Siblings[32:] }),
		"half a sibling":       branch(func(b *tree.Branch) { b.Siblings = append(b.Siblings, make([]byte, 16)...) }),
		"a sibling of zeros":   branch(func(b *tree.Branch) { clear(b.Siblings[:32]) }),
		"an empty level below": branch(func(b *tree.Branch) { b.Depth++ }),
		"a level less":         branch(func(b *tree.Branch) { b.Depth-- }),
		"depth 257":            branch(func(b *tree.Branch) { b.Depth, b.Filled = 257, make([]byte, 33) }),
		"257 full levels": {Present: &tree.Branch{
			Depth: 257, Filled: append(bytes.Repeat([]byte{0xff}, 32), 0x80), Siblings: bytes.Repeat([]byte{1}, 257*32),
		}},
		"depth 65535":        branch(func(b *tree.Branch) { b.Depth = 65535 }),
		"a neighbour beside": {Present: m.Prove(member).Present, Left: absent.Left},
		"nothing":            {},
	} {
		refused(t, name, tree.VerifyPresence(root, member, value, p))
	}
	for name, p := range map[string]tree.Proof{
		"a branch beside":     {Present: m.Prove(member).Present, Left: absent.Left, Right: absent.Right},
		"no left neighbour":   {Right: absent.Right},
		"no right neighbour":  {Left: absent.Left},
		"neighbours swapped":  {Left: absent.Right, Right: absent.Left},
		"one neighbour twice": {Left: absent.Left, Right: absent.Left},
		"nothing":             {},
	} {
		refused(t, name, tree.VerifyAbsence(root, strangers[1], p))
	}
}

// TestAnEmptySiblingIsABitAndNotZeros: spelled out it would hash to the same.
func TestAnEmptySiblingIsABitAndNotZeros(t *testing.T) {
	m, want, _, _ := sample()
	tried := 0
	for _, e := range want.entries() {
		b := *m.Prove(e.key).Present
		b.Filled = bytes.Clone(b.Filled)
		for d, filled := 0, 0; d < int(b.Depth); d++ {
			if b.Filled[d/8]>>(7-d%8)&1 == 1 {
				filled++
				continue
			}
			b.Filled[d/8] |= 0x80 >> (d % 8)
			b.Siblings = slices.Insert(bytes.Clone(b.Siblings), 32*filled, make([]byte, 32)...)
			refused(t, "zeros in place of a bit", tree.VerifyPresence(m.Root(), e.key, e.value, tree.Proof{Present: &b}))
			tried++
			break
		}
	}
	if tried == 0 {
		t.Error("no branch of the sample has an empty sibling")
	}
}

// TestNullIsNotNoBytes: the branch of a lone entry has no bytes at all.
func TestNullIsNotNoBytes(t *testing.T) {
	key := []byte("k")
	m := tree.Map{}.Update([]tree.Change{{Key: key, Value: key}})
	if err := tree.VerifyPresence(m.Root(), key, key, tree.Proof{Present: &tree.Branch{Filled: []byte{}, Siblings: []byte{}}}); err != nil {
		t.Error(err)
	}
	for name, b := range map[string]tree.Branch{
		"filled": {Siblings: []byte{}}, "siblings": {Filled: []byte{}}, "both": {},
	} {
		refused(t, name, tree.VerifyPresence(m.Root(), key, key, tree.Proof{Present: &b}))
	}
}

// TestALeafStandsNoLowerThanItMust: the root is of a tree that has the entry
// alone, one level down, which is not the shape of any map.
func TestALeafStandsNoLowerThanItMust(t *testing.T) {
	key := []byte("k")
	alone := tree.Map{}.Update([]tree.Change{{Key: key, Value: key}}).Root()
	halves := [][]byte{{1}, alone[:], make([]byte, 32)}
	if path := sha256.Sum256(key); path[0]>>7 == 1 {
		halves[1], halves[2] = halves[2], halves[1]
	}
	root := sha256.Sum256(bytes.Join(halves, nil))
	low := tree.Branch{Depth: 1, Filled: []byte{0}, Siblings: []byte{}}
	refused(t, "presence", tree.VerifyPresence(root, key, key, tree.Proof{Present: &low}))
	stranger := tree.Proof{Right: &tree.Neighbour{Path: sha256.Sum256(key), Value: sha256.Sum256(key), Branch: low}}
	refused(t, "absence", tree.VerifyAbsence(root, []byte("s"), stranger)) // "s" comes first
}

func TestTheEmptyMapHoldsNothing(t *testing.T) {
	var m tree.Map
	p := m.Prove([]byte("k"))
	if err := tree.VerifyAbsence(m.Root(), []byte("k"), p); err != nil {
		t.Error(err)
	}
	refused(t, "presence", tree.VerifyPresence(m.Root(), []byte("k"), nil, p))
	refused(t, "presence by an empty branch", tree.VerifyPresence(m.Root(), []byte("k"), nil, tree.Proof{Present: &tree.Branch{}}))
	if again := m.Update([]tree.Change{{Key: []byte("k")}}); again.Len() != 0 || again.Root() != m.Root() {
		t.Error("removing from nothing leaves something")
	}
}

func TestAValueOfNoBytesIsAValue(t *testing.T) {
	m := tree.Map{}.Update([]tree.Change{{Key: []byte("k"), Value: []byte{}}})
	if err := tree.VerifyPresence(m.Root(), []byte("k"), []byte{}, m.Prove([]byte("k"))); err != nil || m.Len() != 1 {
		t.Errorf("%d entries, %v", m.Len(), err)
	}
}

func TestProofsSurviveJSONInHex(t *testing.T) {
	m, want, member, strangers := sample()
	for _, key := range append(strangers, member) {
		p := m.Prove(key)
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var again tree.Proof
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(p, again) {
			t.Errorf("%s comes back as something else", text)
		}
		if !bytes.Equal(encoded(t, p), encoded(t, again)) {
			t.Error("its CBOR differs")
		}
	}
	root := m.Root()
	p := m.Prove(member)
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`{"present":{"depth":%d,"filled":"%x","siblings":"%x"}}`, p.Present.Depth, p.Present.Filled, p.Present.Siblings); string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	p = m.Prove(strangers[0])
	if text, err = json.Marshal(p); err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{p.Right.Path[:], p.Right.Value[:], p.Right.Branch.Filled} {
		if !strings.Contains(string(text), `"`+hex.EncodeToString(part)+`"`) {
			t.Errorf("%x is not in %s", part, text)
		}
	}
	// A branch of depth 0 has no bytes, which is not the same as none.
	one := tree.Map{}.Update([]tree.Change{{Key: member, Value: want[string(member)]}})
	if text, err = json.Marshal(one.Prove(member)); err != nil || string(text) != `{"present":{"depth":0,"filled":"","siblings":""}}` {
		t.Errorf("%s, %v", text, err)
	}
	refused(t, "a proof of another map", tree.VerifyPresence(root, member, want[string(member)], one.Prove(member)))
}

func TestJSONOfProofsIsReadStrictly(t *testing.T) {
	hash, zeros := strings.Repeat("ab", 32), strings.Repeat("00", 32)
	branch := `{"depth":1,"filled":"80","siblings":"` + hash + `"}`
	neighbour := func(path, value, branch string) string {
		return `{"left":{"path":"` + path + `","value":"` + value + `","branch":` + branch + `}}`
	}
	for name, text := range map[string]string{
		"a branch":               `{"present":` + branch + `}`,
		"a neighbour":            neighbour(hash, hash, branch),
		"a neighbour of depth 0": neighbour(hash, hash, `{"depth":0,"filled":"","siblings":""}`),
		"nothing":                `{}`,
	} {
		var p tree.Proof
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"upper-case hex":             `{"present":` + strings.Replace(branch, hash, strings.ToUpper(hash), 1) + `}`,
		"odd hex":                    `{"present":{"depth":1,"filled":"8","siblings":"` + hash + `"}}`,
		"base64":                     `{"present":{"depth":1,"filled":"gA==","siblings":"` + hash + `"}}`,
		"numbers in place of hex":    `{"present":{"depth":1,"filled":[128],"siblings":"` + hash + `"}}`,
		"a short sibling":            `{"present":{"depth":1,"filled":"80","siblings":"` + hash[2:] + `"}}`,
		"no sibling":                 `{"present":{"depth":1,"filled":"80","siblings":""}}`,
		"a sibling of zeros":         `{"present":{"depth":1,"filled":"80","siblings":"` + zeros + `"}}`,
		"more bits than depth":       `{"present":{"depth":1,"filled":"c0","siblings":"` + hash + hash + `"}}`,
		"more bytes than depth":      `{"present":{"depth":1,"filled":"8000","siblings":"` + hash + `"}}`,
		"a missing depth":            `{"present":{"filled":"80","siblings":"` + hash + `"}}`,
		"a missing sibling":          `{"present":{"depth":0,"filled":""}}`,
		"a member too many":          `{"present":{"depth":1,"more":1,"filled":"80","siblings":"` + hash + `"}}`,
		"a negative depth":           `{"present":{"depth":-1,"filled":"80","siblings":"` + hash + `"}}`,
		"a short path":               neighbour(hash[2:], hash, branch),
		"a long path":                neighbour(hash+"00", hash, branch),
		"a short value":              neighbour(hash, hash[2:], branch),
		"an empty value":             neighbour(hash, "", branch),
		"a branch that is null":      neighbour(hash, hash, "null"),
		"a member too many about it": `{"left":{"more":1,"path":"` + hash + `","value":"` + hash + `","branch":` + branch + `}}`,
		"a neighbour without branch": `{"left":{"path":"` + hash + `","value":"` + hash + `"}}`,
		"a neighbour that is a text": `{"left":"` + hash + `"}`,
	} {
		var p tree.Proof
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%s is taken: %s", name, text)
		}
	}
}
