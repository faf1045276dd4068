// SPDX-License-Identifier: Apache-2.0

// Package tree is the map of the present: a compact sparse Merkle map from keys
// to values, whose root commits to every entry and to the absence of all others.
//
// The hash layout is the SmtSpec of ICS-23. The path of a key is SHA-256(key),
// read bit by bit from the most significant; a leaf is
// SHA-256(0 ‖ path ‖ SHA-256(value)), an inner node SHA-256(1 ‖ left ‖ right),
// and an empty subtree of any height is 32 zero bytes. A leaf stands at the
// shortest prefix of its path that no other leaf shares, so the shape, and with
// it the root, depends on the entries alone and not on their history.
//
// Presence is shown by the siblings on the way from the leaf to the root.
// Absence is shown by the two leaves between which the path would stand, and by
// their siblings, which leave no room between them.
//
// A [Map] is an immutable value that shares its structure with the maps that it
// was made from: to keep the last hundred states costs what changed between
// them. Keys and values are not kept, only their hashes.
package tree
