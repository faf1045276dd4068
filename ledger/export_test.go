// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/tree"
)

func TestAnExportHoldsAllThatTheHashOfTheStateIsOf(t *testing.T) {
	cfg := dev(t.TempDir())
	n := run(t, cfg)
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, time.Now()))
	for number := range uint64(5) {
		r.attest(t, n, number)
	}
	none := func(registry.Standing) error { return nil }
	if err := Export(t.Context(), cfg.Home, none, nil); !errors.Is(err, ErrHomeInUse) {
		t.Errorf("of a running node: %v, want ErrHomeInUse", err)
	}
	height, hash := n.Registry().Height(), n.Registry().AppHash()
	stop(t, n)

	var at registry.Standing
	var entries []tree.Change
	var log []record.Event
	history := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	err := Export(t.Context(), cfg.Home, func(s registry.Standing) error { at = s; return nil }, func(p registry.Part) error {
		switch p.Kind {
		case registry.PartEntry:
			entries = append(entries, tree.Change{Key: slices.Clone(p.Key), Value: slices.Clone(p.Value)})
		case registry.PartEvent:
			var e record.Event
			if err := record.Unmarshal(p.Value, &e); err != nil {
				return err
			}
			log = append(log, e)
			return history.Append(rfc6962.DefaultHasher.HashLeaf(p.Value), nil)
		default:
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	root, err := history.GetRootHash(nil)
	if err != nil {
		t.Fatal(err)
	}
	if at.Height < height || at.ChainID != r.chain || at.Events != uint64(len(log)) || len(log) != 5 {
		t.Errorf("the export is of %+v, with %d events", at, len(log))
	}
	if got := record.AppHash((tree.Map{}).Update(entries).Root(), [32]byte(root), at.Events); got != at.AppHash || at.Height == height && got != hash {
		t.Errorf("its entries and events have the hash %x, want %x", got, at.AppHash)
	}
	stop(t, run(t, cfg)) // it let go of the home

	enough := errors.New("enough")
	if err := Export(t.Context(), cfg.Home, none, func(registry.Part) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want the caller's error", err)
	}
	var he *HomeError
	if err := Export(t.Context(), t.TempDir(), none, nil); !errors.As(err, &he) {
		t.Errorf("of an empty folder: %v, want a HomeError", err)
	}
	empty := dev(t.TempDir())
	if _, err := Prepare(empty.Home, Peering{Listen: port(t)}, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Found(empty, []Member{{PublicKey: [32]byte{2}, Governance: [32]byte{3}, Power: 1, Peer: "00112233445566778899aabbccddeeff00112233@127.0.0.1:1"}}); err != nil {
		t.Fatal(err)
	}
	if err := Export(t.Context(), empty.Home, none, nil); rats.KindOf(err) != rats.NotFound {
		t.Errorf("of a home without a state: %v, want NotFound", err)
	}
}

func TestWhatCannotBeMeantAsPeersIsRefused(t *testing.T) {
	id := "00112233445566778899aabbccddeeff00112233"
	for _, p := range []Peering{
		{Listen: "nowhere"}, {Listen: ":1"}, {External: "a.example"}, {External: "a.example:70000"},
		{Peers: []string{"a.example:1"}}, {Peers: []string{id + "@a.example"}}, {Peers: []string{id + "@a.example:0"}},
		{Peers: []string{"00@a.example:1"}}, {Peers: []string{id + "@a.example:1", id + "@a.example:1"}},
		{Peers: []string{id + "@a.example:1,b"}}, {Trust: &TrustPoint{}}, {Trust: &TrustPoint{Height: 1, Hash: "00"}},
	} {
		if err := p.Validate(); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%+v: %v, want Malformed", p, err)
		}
	}
	good := Peering{Listen: "0.0.0.0:1", External: "a.example:1", Peers: []string{id + "@[::1]:1"}}
	if err := good.Validate(); err != nil || good.local() {
		t.Errorf("%v, local %v", err, good.local())
	}
	for _, listen := range []string{"127.0.0.1:1", "localhost:1", "10.1.2.3:1"} {
		if p := (Peering{Listen: listen}); !p.local() {
			t.Errorf("%s is not held to be local", listen)
		}
	}
}

func TestAMembersLineIsReadAsItWasWritten(t *testing.T) {
	m := Member{PublicKey: [32]byte{1}, Power: 7, Registrar: record.Registrar{2}, Governance: record.PublicKey{3}, Peer: "00112233445566778899aabbccddeeff00112233@a.example:1"}
	if got, err := ParseMember(" " + m.String() + "\n"); err != nil || got != m {
		t.Errorf("%+v, %v", got, err)
	}
	line := m.String()
	for _, bad := range []string{
		"", "x" + line, line + "/", line[:len(line)-2], memberTag + "/00/7/00/" + m.Peer,
		Member{Power: 0, Peer: m.Peer}.String(), Member{Power: maxPower + 1, Peer: m.Peer}.String(), Member{Power: 1}.String(),
	} {
		if _, err := ParseMember(bad); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%q: %v, want Malformed", bad, err)
		}
	}
	for _, members := range [][]Member{nil, {m, m}, make([]Member, maxMembers+1)} {
		if _, err := Found(Config{Home: t.TempDir(), Network: "dev"}, members); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%d members: %v, want Malformed", len(members), err)
		}
	}
}
