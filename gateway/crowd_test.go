// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

func TestOneAddressHasNotAllPlacesForWebSockets(t *testing.T) {
	s := newSockets()
	crowd, other := network("192.0.2.1:1"), network("192.0.2.2:1")
	last := &socket{who: crowd}
	for range maxSocketsPerAddress - 1 {
		if !s.add(&socket{who: crowd}) {
			t.Fatal("there is no room for those that there should be")
		}
	}
	if !s.add(last) || s.add(&socket{who: crowd}) {
		t.Errorf("an address does not have %d places", maxSocketsPerAddress)
	}
	if !s.add(&socket{who: other}) {
		t.Error("another address has none")
	}
	s.remove(last)
	if !s.add(&socket{who: crowd}) {
		t.Error("a place is not given back")
	}
}

func TestWhoSendsMuchToDecryptWaitsItsTurn(t *testing.T) {
	g := following(t, newEventLog(0), nil)
	g.turns.free = 0
	ctx := withCaller(t.Context(), &caller{remote: "192.0.2.1:1"})
	for range maxTurnsWaiting {
		if _, err := g.turns.enter(network("192.0.2.1:1").String(), false); err != nil {
			t.Fatal(err)
		}
	}
	// Without a key: nothing is decrypted before that.
	s := &shield{turn: g.turn}
	_, _, err := s.open(ctx, client.Request{Cyphertext: make([]byte, client.ShieldBlock)})
	if rats.KindOf(err) != rats.QuotaExceeded {
		t.Errorf("%v", err)
	}
}
