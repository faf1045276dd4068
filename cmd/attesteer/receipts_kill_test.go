// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// TestNoReceiptIsLostWhenTheNodeIsKilled kills a node with SIGKILL as soon as it
// gave some receipts, each time a little later, and asks the next one about them:
// each was recorded, once.
func TestNoReceiptIsLostWhenTheNodeIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const rounds, each = 6, 4
	home := t.TempDir()
	platform, err := simtee.NewPlatform(7, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	var given []string
	for round := range rounds {
		p := startNode(t, home, "--network", "dev")
		c := client.New(p.url, "dev", nil)
		for i := range each {
			q, err := platform.Quote(numbered(uint64(round*each + i)))
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.SubmitAsync(t.Context(), client.Submission{Evidence: q}, 0)
			if err != nil {
				t.Fatal(err)
			}
			given = append(given, r.Tx)
		}
		time.Sleep(time.Duration(round*5) * time.Millisecond)
		p.kill()
	}
	p := startNode(t, home, "--network", "dev")
	c := client.New(p.url, "dev", nil)
	for _, tx := range given {
		got, err := c.Await(t.Context(), tx)
		if err != nil || got.Tx != tx {
			t.Errorf("%s: %+v, %v", tx, got, err)
			continue
		}
		if past, err := c.History(t.Context(), got.Record.ID); err != nil || len(past.Events) != 1 || !strings.EqualFold(past.Events[0].Tx, tx) {
			t.Errorf("%s: %+v, %v", tx, past, err)
		}
	}
}
