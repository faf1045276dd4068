// SPDX-License-Identifier: Apache-2.0

package tree_test

import (
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/tree"
)

// FuzzVerify reads any bytes as a proof, in CBOR and in JSON. None shows what
// is not so, none panics, and each refusal has the same kind.
func FuzzVerify(f *testing.F) {
	m, want, member, strangers := sample()
	root := m.Root()
	for _, key := range append(strangers, member) {
		p := m.Prove(key)
		f.Add(encoded(f, p), key)
		text, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, key)
	}
	f.Add([]byte{0xa0}, []byte("k"))
	f.Add([]byte("{}"), []byte{})
	f.Fuzz(func(t *testing.T, data, key []byte) {
		proofs := []tree.Proof{}
		if p, err := decoded(data); err == nil {
			proofs = append(proofs, p)
		}
		var p tree.Proof
		if json.Unmarshal(data, &p) == nil {
			proofs = append(proofs, p)
		}
		for _, p := range proofs {
			value, there := want[string(key)]
			absent := tree.VerifyAbsence(root, key, p)
			present := tree.VerifyPresence(root, key, value, p)
			if absent == nil && there {
				t.Error("absence of a member")
			}
			if present == nil && !there {
				t.Error("presence of a stranger")
			}
			if err := tree.VerifyPresence(root, key, append([]byte("no "), value...), p); err == nil {
				t.Error("presence of another value")
			}
			for _, err := range []error{absent, present} {
				if err != nil && rats.KindOf(err) != rats.BindingMismatch {
					t.Errorf("%v", err)
				}
			}
		}
	})
}

// FuzzUpdate holds the map against the model over histories spelled in bytes:
// key, value, and how many changes make a batch.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte{1, 1, 2, 2, 1, 0, 3, 3}, uint8(2))
	f.Add([]byte{7, 1, 7, 0, 7, 1}, uint8(1))
	f.Add([]byte{0, 1, 1, 1, 2, 1, 3, 1, 4, 1, 5, 1, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0}, uint8(11))
	f.Fuzz(func(t *testing.T, script []byte, size uint8) {
		if len(script) > 512 {
			return
		}
		var m tree.Map
		want := model{}
		var batch []tree.Change
		flush := func() {
			m = m.Update(batch)
			want.apply(batch)
			batch = nil
		}
		for i := 0; i+1 < len(script); i += 2 {
			key := sha256.Sum256(script[i : i+1])
			c := tree.Change{Key: key[:4]}
			if script[i+1] != 0 {
				c.Value = script[i+1 : i+2]
			}
			if batch = append(batch, c); len(batch) > int(size) {
				flush()
			}
		}
		flush()
		if m.Root() != want.root() || m.Len() != len(want) {
			t.Fatalf("root %x of %d, the model's %x of %d", m.Root(), m.Len(), want.root(), len(want))
		}
	})
}
