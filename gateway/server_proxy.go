// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// callerBehind returns the address, "host:port", of who made a request: the
// connection's, unless that is a trusted proxy's. Then it is the last one in
// its header that is no trusted proxy's itself, since whatever stands before it
// the caller may have written.
func (c ServerConfig) callerBehind(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !trusts(c.Proxies, peer.Addr()) {
		return r.RemoteAddr
	}
	last := peer
	hops := forwardedFor(r.Header, c.ProxyHeader)
	for _, hop := range slices.Backward(hops) {
		addr, ok := parseHop(hop)
		if !ok {
			break // who it was is not said; the proxy that knows answers for it
		}
		last = addr
		if !trusts(c.Proxies, addr.Addr()) {
			break
		}
	}
	return last.String()
}

// trusts reports whether an address lies in one of the networks.
func trusts(networks []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// forwardedFor returns the addresses that proxies noted, the nearest one last.
func forwardedFor(h http.Header, name string) []string {
	// Several fields of one name are one list (RFC 9110 section 5.3).
	list := strings.Split(strings.Join(h.Values(name), ","), ",")
	if name != Forwarded {
		return list
	}
	// RFC 7239 section 4: elements of pairs. A comma in a quoted value makes an
	// element of which no address comes, and the way ends there.
	hops := make([]string, 0, len(list))
	for _, element := range list {
		hop := ""
		for pair := range strings.SplitSeq(element, ";") {
			key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.EqualFold(key, "for") {
				hop = strings.Trim(value, `"`)
			}
		}
		hops = append(hops, hop)
	}
	return hops
}

// parseHop reads an address with or without a port, an IPv6 address with or
// without brackets. "unknown" and obfuscated names (RFC 7239 section 6) are none.
func parseHop(text string) (netip.AddrPort, bool) {
	text = strings.TrimSpace(text)
	if addr, err := netip.ParseAddrPort(text); err == nil {
		return addr, true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(text)
	return netip.AddrPortFrom(addr, 0), err == nil
}
