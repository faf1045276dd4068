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
	if name != Forwarded {
		// Several fields of one name are one list (RFC 9110 section 5.3).
		return strings.Split(strings.Join(h.Values(name), ","), ",")
	}
	var hops []string
	for _, line := range h.Values(name) {
		hops = append(hops, forwardedLine(line)...)
	}
	return hops
}

// forwardedLine returns the addresses of one field (RFC 7239 section 4): elements
// with commas between, each of pairs with semicolons between. What is in quotes
// may come from the caller, such as its Host, and separates nothing. A line whose
// quotes do not close names nobody.
func forwardedLine(line string) []string {
	elements, whole := unquotedFields(line, ',')
	if !whole {
		return []string{""}
	}
	hops := make([]string, len(elements))
	for i, element := range elements {
		pairs, _ := unquotedFields(element, ';')
		for _, pair := range pairs {
			key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.EqualFold(key, "for") {
				hops[i] = strings.Trim(value, `"`)
			}
		}
	}
	return hops
}

// unquotedFields splits text at a separator outside of quoted strings (RFC 9110
// section 5.6.4), and reports whether the last of these is closed.
func unquotedFields(text string, separator byte) (fields []string, whole bool) {
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++ // whatever follows stands for itself
		case c == '"':
			quoted = !quoted
		case !quoted && c == separator:
			fields = append(fields, text[start:i])
			start = i + 1
		}
	}
	return append(fields, text[start:]), !quoted
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
