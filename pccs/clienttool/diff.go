// SPDX-License-Identifier: Apache-2.0

package clienttool

import (
	"cmp"
	"slices"
	"strings"
)

// State says how the second of two things stands to the first.
type State string

// The states.
const (
	// Same: to the byte.
	Same State = "same"
	// Newer: the second was issued later.
	Newer State = "newer"
	// Older: the second was issued earlier.
	Older State = "older"
	// Changed: they differ, and neither is known to be the later.
	Changed State = "changed"
	// Added: the second alone has it.
	Added State = "added"
	// Missing: the first alone has it.
	Missing State = "missing"
)

// Change is what became of one item.
type Change struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Before is nil where the first has none, After where the second has none.
	Before *Item `json:"before"`
	After  *Item `json:"after"`
}

// Compare says of each thing in either list how the second stands to the first,
// by name. Of two items of one name in a list the later counts.
func Compare(before, after []Item) []Change {
	first, second := latest(before), latest(after)
	var out []Change
	for name, b := range first {
		a, ok := second[name]
		if !ok {
			out = append(out, Change{Name: name, State: Missing, Before: &b})
			continue
		}
		out = append(out, Change{Name: name, State: stateOf(&b, &a), Before: &b, After: &a})
	}
	for name, a := range second {
		if _, ok := first[name]; !ok {
			out = append(out, Change{Name: name, State: Added, After: &a})
		}
	}
	slices.SortFunc(out, func(x, y Change) int { return strings.Compare(x.Name, y.Name) })
	return out
}

func latest(items []Item) map[string]Item {
	out := make(map[string]Item, len(items))
	for _, i := range items {
		if before, ok := out[i.Name]; !ok || i.age(&before) >= 0 {
			out[i.Name] = i
		}
	}
	return out
}

// age orders items by issue date, those of one date by evaluation number.
func (i *Item) age(o *Item) int {
	return cmp.Or(i.Issued.Compare(o.Issued), cmp.Compare(i.EvaluationNumber, o.EvaluationNumber))
}

func stateOf(before, after *Item) State {
	if before.SHA256 == after.SHA256 {
		return Same
	}
	if before.Issued.IsZero() || after.Issued.IsZero() {
		return Changed
	}
	switch c := after.age(before); {
	case c > 0:
		return Newer
	case c < 0:
		return Older
	default:
		return Changed
	}
}
