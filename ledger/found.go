// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// maxMembers bounds the validators that a network is founded with: each block
// carries a vote of every one.
const maxMembers = record.MaxValidators

// Prepare makes the keys of a home that is to become part of a network, where it
// has none yet, writes down its peering, and returns what the others must know
// of it to make it a validator. The home gets its genesis from [Found] or [Join].
// Errors about the home are *[HomeError].
func Prepare(dir string, p Peering, power int64) (Member, error) {
	if err := p.Validate(); err != nil {
		return Member{}, err
	}
	address, err := p.advertised()
	if err != nil {
		return Member{}, err
	}
	if power <= 0 || power > maxPower {
		return Member{}, rats.Errorf(rats.Malformed, "a validator's power is between 1 and %d", int64(maxPower))
	}
	h, err := openHome(dir)
	if err != nil {
		return Member{}, err
	}
	m, err := h.prepare(p, address, power)
	return m, errors.Join(err, h.close())
}

func (h *home) prepare(p Peering, address string, power int64) (Member, error) {
	k, registrar, err := h.settle(p)
	if err != nil {
		return Member{}, err
	}
	return h.member(k, registrar, address, power)
}

// settle gives a home without genesis its keys and its peering.
func (h *home) settle(p Peering) (keys, ed25519.PrivateKey, error) {
	if h.has(genesisPath) {
		return keys{}, nil, h.wrap(genesisPath, errors.New("exists: the home belongs to a chain already"))
	}
	// The peering comes first: a home with keys and without it would start a
	// chain of its own.
	if err := h.writePeering(p); err != nil {
		return keys{}, nil, err
	}
	if err := h.makeKeys(); err != nil {
		return keys{}, nil, err
	}
	k, err := h.readKeys()
	if err != nil {
		return keys{}, nil, err
	}
	if _, err := h.makeSeed(governanceKeyPath); err != nil {
		return keys{}, nil, err
	}
	registrar, err := h.makeSeed(registrarKeyPath)
	return k, registrar, err
}

// Found writes the genesis of a new network into a home that [Prepare] made, and
// adds the other members to its peers. Of cfg it takes what says how a chain
// begins; the members' registrars are admitted beside cfg.Registrars. It returns
// the genesis file, which every other home gets by [Join].
func Found(cfg Config, members []Member) ([]byte, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := checkMembers(members); err != nil {
		return nil, err
	}
	for _, m := range members {
		if !slices.Contains(cfg.Registrars, m.Registrar) {
			cfg.Registrars = append(slices.Clip(cfg.Registrars), m.Registrar)
		}
	}
	h, err := openHome(cfg.Home)
	if err != nil {
		return nil, err
	}
	b, err := h.found(cfg, members)
	return b, errors.Join(err, h.close())
}

func checkMembers(members []Member) error {
	if len(members) == 0 || len(members) > maxMembers {
		return rats.Errorf(rats.Malformed, "a network begins with 1 to %d validators, not with %d", maxMembers, len(members))
	}
	for i, m := range members {
		if slices.ContainsFunc(members[:i], func(o Member) bool {
			return o.PublicKey == m.PublicKey || o.Governance == m.Governance || o.Peer == m.Peer
		}) {
			return rats.Errorf(rats.Malformed, "validator %s: its keys or its address stand twice", m)
		}
	}
	return nil
}

func (h *home) found(cfg Config, members []Member) ([]byte, error) {
	if h.has(genesisPath) {
		return nil, h.wrap(genesisPath, errors.New("exists: the home belongs to a chain already"))
	}
	k, err := h.readKeys()
	if err != nil {
		return nil, err
	}
	p, err := ReadPeering(h.dir)
	if err != nil {
		return nil, err
	}
	p.Peers = othersOf(members, string(k.node.ID()), p.Peers)
	if err := h.writePeering(p); err != nil {
		return nil, err
	}
	if err := h.makeGenesis(cfg, validatorsOfMembers(members)); err != nil {
		return nil, err
	}
	return h.read(genesisPath)
}

// othersOf returns peers with all members but this node among them.
func othersOf(members []Member, self string, peers []string) []string {
	out := slices.Clone(peers)
	for _, m := range members {
		if !strings.HasPrefix(m.Peer, self+"@") && !slices.Contains(out, m.Peer) {
			out = append(out, m.Peer)
		}
	}
	return out
}

// Join makes a home for a chain that exists, from its genesis file. A home that
// [Prepare] made keeps its keys; it is a validator where the genesis says so, else
// a full node. Errors about the home are *[HomeError].
func Join(dir string, genesisFile []byte, p Peering) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if _, err := parseGenesis(genesisFile); err != nil {
		return rats.Errorf(rats.Malformed, "genesis: %w", err)
	}
	h, err := openHome(dir)
	if err != nil {
		return err
	}
	return errors.Join(h.join(genesisFile, p), h.close())
}

func (h *home) join(genesisFile []byte, p Peering) error {
	if _, _, err := h.settle(p); err != nil {
		return err
	}
	return h.write(genesisPath, genesisFile, 0o644)
}

// NodeID returns the id under which the node of a home is known to its peers.
// Errors are *[HomeError].
func NodeID(dir string) (string, error) {
	h := &home{dir: dir}
	k, err := h.readKeys()
	if err != nil {
		return "", err
	}
	return string(k.node.ID()), nil
}

// errNoGenesis is what a home gets that was prepared for a network and not made
// a part of one: to start it would begin a chain of its own.
func (h *home) errNoGenesis() error {
	return h.wrap(genesisPath, fmt.Errorf("missing: the home was prepared for a network and has not joined it"))
}

// Founded reports whether a home belongs to a chain: whether it has a genesis.
func Founded(dir string) bool { return (&home{dir: dir}).has(genesisPath) }

// GenesisInfo is what a genesis file is about.
type GenesisInfo struct{ ChainID, Network string }

// InspectGenesis says what a genesis file is about. Errors are Malformed.
func InspectGenesis(b []byte) (GenesisInfo, error) {
	g, err := parseGenesis(b)
	if err != nil {
		return GenesisInfo{}, rats.Errorf(rats.Malformed, "genesis: %w", err)
	}
	return GenesisInfo{ChainID: g.doc.ChainID, Network: g.state.Network}, nil
}
