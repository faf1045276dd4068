// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cometbft/cometbft/p2p"

	"github.com/attesteer/attesteer/rats"
)

// peeringPath holds a home's [Peering] as JSON.
const peeringPath = "config/peering.json"

// aloneAddress is where a node listens for peers that was told of no network.
const aloneAddress = "127.0.0.1:0"

// Peering is how a node reaches the others of its network. The zero value is a
// node that stands alone.
type Peering struct {
	// Listen is the host and port at which peers reach this node; empty listens
	// on the loopback interface, on a port that the system picks.
	Listen string `json:"listen,omitempty"`
	// External is the host and port that peers are told, where Listen is not
	// what they can dial.
	External string `json:"external,omitempty"`
	// Peers are kept connected, each as NODE-ID@HOST:PORT.
	Peers []string `json:"peers,omitempty"`
	// Trust, on a node that holds no state yet, is what a snapshot from peers is
	// held against; nil replays every block from the first.
	Trust *TrustPoint `json:"trust,omitempty"`
}

// TrustPoint is a block that the operator knows to be the chain's, by its height
// and the hash of its header in lower-case hex.
type TrustPoint struct {
	Height uint64 `json:"height"`
	Hash   string `json:"hash"`
}

// ParseTrustPoint reads HEIGHT:HASH.
func ParseTrustPoint(s string) (*TrustPoint, error) {
	height, hash, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(height, 10, 63)
	t := &TrustPoint{Height: n, Hash: strings.ToLower(hash)}
	if !ok || err != nil || t.validate() != nil {
		return nil, rats.Errorf(rats.Malformed, "%q is not HEIGHT:HASH, with the 64 hex digits of a block's hash", s)
	}
	return t, nil
}

func (t *TrustPoint) validate() error {
	if _, err := hash32(t.Hash); err != nil || t.Height == 0 {
		return rats.Errorf(rats.Malformed, "trust: not the height and the hash of a block")
	}
	return nil
}

// networked reports whether the node takes part in a network.
func (p Peering) networked() bool { return p.Listen != "" || len(p.Peers) > 0 }

// Validate refuses addresses that cannot be meant.
func (p Peering) Validate() error {
	for _, a := range []struct{ name, address string }{{"listen", p.Listen}, {"external", p.External}} {
		if a.address == "" {
			continue
		}
		if _, _, err := splitAddress(a.address); err != nil {
			return rats.Errorf(rats.Malformed, "peering: %s %q is not HOST:PORT", a.name, a.address)
		}
	}
	for i, peer := range p.Peers {
		if err := validatePeer(peer); err != nil {
			return err
		}
		if slices.Contains(p.Peers[:i], peer) {
			return rats.Errorf(rats.Malformed, "peering: peer %s stands twice", peer)
		}
	}
	if p.Trust != nil {
		return p.Trust.validate()
	}
	return nil
}

// validatePeer checks the form of NODE-ID@HOST:PORT without asking any server
// for the host.
func validatePeer(peer string) error {
	id, address, ok := strings.Cut(peer, "@")
	_, port, err := splitAddress(address)
	if !ok || err != nil || port == 0 || !validNodeID(id) || strings.ContainsAny(peer, ", ") {
		return rats.Errorf(rats.Malformed, "peering: %q is not NODE-ID@HOST:PORT", peer)
	}
	return nil
}

func splitAddress(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || host == "" {
		return "", 0, errors.New("no host or no port")
	}
	return host, uint16(n), nil
}

// validNodeID reports whether id is a node's: the first 20 bytes of SHA-256 over
// its Ed25519 key, in lower-case hex.
func validNodeID(id string) bool {
	return len(id) == 2*p2p.IDByteLength && strings.Trim(id, "0123456789abcdef") == ""
}

// advertised returns the address that peers can dial, and an error where there
// is none to tell.
func (p Peering) advertised() (string, error) {
	if p.External != "" {
		return p.External, nil
	}
	host, port, err := splitAddress(p.Listen)
	if err != nil || port == 0 {
		return "", rats.Errorf(rats.Malformed, "peering: no address under which peers reach this node")
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		return "", rats.Errorf(rats.Malformed,
			"peering: %s listens on every interface: say under which address peers reach it", p.Listen)
	}
	return p.Listen, nil
}

// local reports whether the node's peers are on its own machine or network, so
// that several may share an address and addresses need not be public ones.
func (p Peering) local() bool {
	address := p.Listen
	if p.External != "" {
		address = p.External
	}
	host, _, err := splitAddress(address)
	if err != nil || host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast())
}

// ReadPeering returns how the node of a home reaches others, as it was written
// down when the home was made for a network; the zero value where it was not.
// Errors are *[HomeError].
func ReadPeering(dir string) (Peering, error) {
	h := &home{dir: dir}
	var p Peering
	if !h.has(peeringPath) {
		return p, nil
	}
	b, err := h.read(peeringPath)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, h.wrap(peeringPath, err)
	}
	if err := p.Validate(); err != nil {
		return p, h.wrap(peeringPath, err)
	}
	return p, nil
}

func (h *home) writePeering(p Peering) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("peering: %w", err)
	}
	return h.write(peeringPath, append(b, '\n'), 0o644)
}
