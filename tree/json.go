// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/attesteer/attesteer/rats"
)

// The JSON of a proof shows hashes in lower-case hex, as every other outward
// form does, and is read as strictly as its CBOR: nothing unknown, nothing
// missing, each part as long as it must be.

// hashOf reads 32 bytes of lower-case hex.
func hashOf(d rats.Hex, name string) (out [32]byte, err error) {
	if len(d) != len(out) {
		return out, fmt.Errorf("%s of %d bytes, not %d", name, len(d), len(out))
	}
	return [32]byte(d), nil
}

// branchJSON and neighbourJSON are the outward forms. Pointers tell what is
// missing from what is zero.
type branchJSON struct {
	Depth    *uint16   `json:"depth"`
	Filled   *rats.Hex `json:"filled"`
	Siblings *rats.Hex `json:"siblings"`
}

type neighbourJSON struct {
	Path   rats.Hex `json:"path"`
	Value  rats.Hex `json:"value"`
	Branch *Branch  `json:"branch"`
}

// MarshalJSON writes bytes in lower-case hex.
func (b Branch) MarshalJSON() ([]byte, error) {
	filled, siblings := rats.Hex(b.Filled), rats.Hex(b.Siblings)
	if filled == nil {
		filled = rats.Hex{}
	}
	if siblings == nil {
		siblings = rats.Hex{}
	}
	return json.Marshal(branchJSON{&b.Depth, &filled, &siblings})
}

// UnmarshalJSON reads what MarshalJSON writes and refuses lengths that no
// branch has.
func (b *Branch) UnmarshalJSON(data []byte) error {
	var in branchJSON
	if err := strictly(data, &in); err != nil {
		return fmt.Errorf("branch: %w", err)
	}
	if in.Depth == nil || in.Filled == nil || in.Siblings == nil {
		return fmt.Errorf("branch: depth, filled or siblings is missing")
	}
	out := Branch{Depth: *in.Depth, Filled: *in.Filled, Siblings: *in.Siblings}
	if _, ok := out.spread(); !ok {
		return fmt.Errorf("branch: not well formed")
	}
	*b = out
	return nil
}

// MarshalJSON writes bytes in lower-case hex.
func (n Neighbour) MarshalJSON() ([]byte, error) {
	return json.Marshal(neighbourJSON{n.Path[:], n.Value[:], &n.Branch})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Neighbour) UnmarshalJSON(data []byte) error {
	var in neighbourJSON
	err := strictly(data, &in)
	if err == nil && in.Branch == nil {
		err = fmt.Errorf("branch is missing")
	}
	var out Neighbour
	if err == nil {
		out.Path, err = hashOf(in.Path, "path")
	}
	if err == nil {
		out.Value, err = hashOf(in.Value, "value")
	}
	if err != nil {
		return fmt.Errorf("neighbour: %w", err)
	}
	out.Branch = *in.Branch
	*n = out
	return nil
}

// strictly reads one JSON object that has no other members than v.
func strictly(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
