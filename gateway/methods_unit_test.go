// SPDX-License-Identifier: Apache-2.0

package gateway

import "testing"

// methodOf returns a method of the API by its name.
func methodOf(t testing.TB, g *Gateway, name string) *served {
	t.Helper()
	for _, s := range g.rpc.served {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("no method %s", name)
	return nil
}
