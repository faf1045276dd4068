// SPDX-License-Identifier: Apache-2.0

package dcap

import "slices"

// KnownAnchor reports whether a root certificate is known by its digest.
func KnownAnchor(digest [32]byte) bool {
	anchors := intelAnchors()
	return slices.Contains(anchors[:], digest)
}
