// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"net/netip"
	"strings"
	"testing"
)

func TestANodeListensOnLoopbackUnlessToldOtherwise(t *testing.T) {
	c := configuration(Config{}, t.TempDir())
	if c.RPC.ListenAddress != "" || c.RPC.GRPCListenAddress != "" || c.RPC.PprofListenAddress != "" {
		t.Errorf("calls are taken at %q, %q, %q", c.RPC.ListenAddress, c.RPC.GRPCListenAddress, c.RPC.PprofListenAddress)
	}
	address, err := netip.ParseAddrPort(strings.TrimPrefix(c.P2P.ListenAddress, "tcp://"))
	if err != nil || !address.Addr().IsLoopback() {
		t.Errorf("peers are taken at %q: %v", c.P2P.ListenAddress, err)
	}
	c = configuration(Config{Peering: Peering{Listen: "192.0.2.1:26656"}}, t.TempDir())
	if c.P2P.ListenAddress != "tcp://192.0.2.1:26656" {
		t.Errorf("peers are taken at %q", c.P2P.ListenAddress)
	}
}
