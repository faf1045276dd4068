// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/agent"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// address is where a node is, and another one may be later.
type address struct{ atomic.Pointer[node] }

func (a *address) Ledger(ctx context.Context) (*client.Ledger, error) { return a.Load().Ledger(ctx) }
func (a *address) Governance(ctx context.Context) (*client.Governance, error) {
	return a.Load().Governance(ctx)
}

func (a *address) Challenge(ctx context.Context) (*client.Challenge, error) {
	return a.Load().Challenge(ctx)
}

func (a *address) Get(ctx context.Context, id string) (*record.View, error) {
	return a.Load().Get(ctx, id)
}

func (a *address) PushEndorsements(ctx context.Context, items []rats.Endorsement) (*client.Pushed, error) {
	return a.Load().PushEndorsements(ctx, items)
}

func (a *address) Submit(ctx context.Context, s client.Submission) (*client.Recorded, error) {
	return a.Load().Submit(ctx, s)
}

func (a *address) Events(ctx context.Context, f client.Follow) iter.Seq2[*client.Event, error] {
	return a.Load().Events(ctx, f)
}

// TestALedgerThatWasFoundedAnewGetsTheRecordSoon though its blocks are fewer than
// the record was made at, and whether or not it has the record already.
func TestALedgerThatWasFoundedAnewGetsTheRecordSoon(t *testing.T) {
	for name, known := range map[string]bool{"without the record": false, "with the record": true} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(s *scene) {
				for range 100 {
					s.ledger.block()
				}
				var at address
				at.Store(s.node)
				cfg := s.config()
				cfg.ValidFor = 48 * time.Hour
				cfg.Nodes[0].Ledger = &at
				_, end := s.keep(cfg)
				defer end()
				id := s.id()
				time.Sleep(time.Hour)
				anew := newLedger(s.t, "anew")
				if known {
					other := s.config()
					other.Nodes[0].Ledger = &node{ledger: anew, key: key(2)}
					k, err := agent.New(other)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := k.Once(s.t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				at.Store(&node{ledger: anew, key: key(1)})
				time.Sleep(6 * time.Minute)
				v, err := anew.view(id)
				if err != nil || v.State != record.Active || v.Expires.Time().Sub(anew.now().Time()) < 47*time.Hour {
					s.t.Fatalf("%v %+v: %+v", err, v, s.all())
				}
				time.Sleep(time.Hour)
				var forgotten int
				for _, r := range s.all(agent.Recorded) {
					if r.Reason == agent.Forgotten {
						forgotten++
					}
				}
				if forgotten != 1 {
					t.Errorf("%d rounds since the ledger was founded anew", forgotten)
				}
			})
		})
	}
}
