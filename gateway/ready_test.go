// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// patient is a registry, an index and a clock that something may be the matter
// with.
type patient struct {
	gateway.Registry
	unreadable, unlisted atomic.Bool
	planned              atomic.Pointer[record.Activation]
	ahead                atomic.Int64 // of the clock, in seconds
	held                 []record.EndorsementEntry
}

func (p *patient) Record(id record.ID) (record.Record, error) {
	if p.unreadable.Load() {
		return record.Record{}, rats.Errorf(rats.Internal, "the disk is gone: /secret/path")
	}
	return p.Registry.Record(id)
}

// Planned is a version that nobody knows.
func (p *patient) Planned() (*record.Activation, bool) {
	next := p.planned.Load()
	return next, next == nil
}

func (p *patient) Endorsements() []record.EndorsementEntry { return p.held }

func (p *patient) List(context.Context, record.Filter) (record.Page, error) {
	if p.unlisted.Load() {
		return record.Page{}, errors.New("the index is gone: /secret/path")
	}
	return record.Page{}, nil
}

func (p *patient) now() time.Time {
	return time.Now().Add(time.Duration(p.ahead.Load()) * time.Second)
}

// ward returns a gateway over a patient.
func ward(t *testing.T, p *patient, change func(*gateway.Config)) (*house, *gateway.Gateway) {
	t.Helper()
	h := open(t, "dev", nil)
	p.Registry = h.node.Registry()
	cfg := gateway.Config{
		Ledger: adapter{h.node}, Registry: p, Index: p, Key: registrarKey(t, h), Network: "dev", Tokens: words{}, Now: p.now,
	}
	if change != nil {
		change(&cfg)
	}
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &house{url: serve(t, gateway.Server(g))}, g
}

// wantReady demands a status of /readyz, and its codes, of which those that
// block have an exclamation mark.
func wantReady(t *testing.T, h *house, status int, word string, codes ...string) {
	t.Helper()
	r := h.get(t, "/readyz")
	got := as[gateway.Readiness](t, r.body)
	var found []string
	for _, c := range got.Reasons {
		code := c.Code
		if c.Blocking {
			code += "!"
		}
		if c.Detail == "" || strings.Contains(c.Detail, "secret") {
			t.Errorf("%s: says %q", code, c.Detail)
		}
		found = append(found, code)
	}
	if r.status != status || got.Status != word || !slices.Equal(found, codes) {
		t.Errorf("%d %s %v, want %d %s %v", r.status, got.Status, found, status, word, codes)
	}
	if alive := h.get(t, "/healthz"); alive.status != 200 || string(alive.body) != `{"status":"ok"}` {
		t.Errorf("/healthz: %d %s: it is alive all the same", alive.status, alive.body)
	}
}

func TestReadinessNamesWhatIsTheMatter(t *testing.T) {
	p := &patient{}
	var watched atomic.Pointer[[]gateway.Condition]
	h, g := ward(t, p, func(c *gateway.Config) {
		c.Watch = func(context.Context) []gateway.Condition {
			if found := watched.Load(); found != nil {
				return *found
			}
			return nil
		}
	})
	wantReady(t, h, 200, "ok")

	p.unreadable.Store(true)
	wantReady(t, h, 503, "unready", "registry_unreadable!")
	p.unreadable.Store(false)
	p.unlisted.Store(true)
	wantReady(t, h, 503, "unready", "index_behind!")
	p.unlisted.Store(false)

	watched.Store(&[]gateway.Condition{{Code: "disk_low", Detail: "900.0 MiB are free"}, {}})
	wantReady(t, h, 200, "degraded", "disk_low")
	p.unlisted.Store(true)
	watched.Store(&[]gateway.Condition{{Code: "disk_low", Detail: "900.0 MiB are free"}, {Code: "disk_full", Detail: "none is free", Blocking: true}})
	wantReady(t, h, 503, "unready", "index_behind!", "disk_low", "disk_full!")
	watched.Store(nil)
	p.unlisted.Store(false)
	wantReady(t, h, 200, "ok")

	g.Leave()
	wantReady(t, h, 503, "unready", "stopping!")
	if r := h.get(t, "/v1/ledger"); r.status != 200 {
		t.Errorf("a node that is about to stop refuses who comes: %d", r.status)
	}
}

func TestAPlannedVersionThatTheProgramDoesNotKnowIsNamedBeforeItsHeight(t *testing.T) {
	p := &patient{}
	h, _ := ward(t, p, nil)
	wantReady(t, h, 200, "ok")
	p.planned.Store(&record.Activation{Version: 99, Height: 250_000})
	wantReady(t, h, 200, "degraded", "version_unknown")
	if body := string(h.get(t, "/readyz").body); !strings.Contains(body, "block 250000") || !strings.Contains(body, "version 99") {
		t.Error(body)
	}
	p.planned.Store(nil)
	wantReady(t, h, 200, "ok")
}

// TestALedgerThatStandsStillIsNamedAtOnceAndBlocksOnceItsNodeSettled: after a
// start, the first block of a network that stood still takes a heartbeat.
func TestALedgerThatStandsStillIsNamedAtOnceAndBlocksOnceItsNodeSettled(t *testing.T) {
	p := &patient{}
	p.ahead.Store(600)
	h, g := ward(t, p, nil)
	wantReady(t, h, 200, "degraded", "ledger_behind")
	if lag := g.Lag(); lag < 9*time.Minute || lag > 11*time.Minute {
		t.Errorf("the lag is %v", lag)
	}
	p.ahead.Store(660 + 1)
	wantReady(t, h, 503, "unready", "ledger_behind!")
	p.ahead.Store(0)
	wantReady(t, h, 200, "ok")
	if lag := g.Lag(); lag < 0 {
		t.Errorf("a lag of %v", lag)
	}
}

func TestStaleEndorsementsDegradeANodeOrBlockItWhereTheOperatorWantsThat(t *testing.T) {
	ends := func(left time.Duration) record.Millis { return record.MillisOf(time.Now().Add(left)) }
	entry := func(kind rats.EndorsementKind, scope string, number uint32, left time.Duration) record.EndorsementEntry {
		return record.EndorsementEntry{
			Key:        rats.EndorsementKey{Kind: kind, TEE: rats.SGX, Scope: scope, EvaluationDataNumber: number},
			NextUpdate: ends(left), ValidUntil: ends(1000 * time.Hour),
		}
	}
	for name, c := range map[string]struct {
		held   []record.EndorsementEntry
		strict bool
		status int
		word   string
		codes  []string
	}{
		"none are held": {nil, true, 200, "ok", nil},
		"all hold":      {[]record.EndorsementEntry{entry(rats.TCBInfo, "a", 19, time.Hour)}, true, 200, "ok", nil},
		"one ended": {
			[]record.EndorsementEntry{entry(rats.TCBInfo, "a", 19, time.Hour), entry(rats.TCBInfo, "b", 19, -time.Hour)},
			false, 200, "degraded", []string{"endorsements_stale"},
		},
		"one ended, and that counts": {
			[]record.EndorsementEntry{entry(rats.TCBInfo, "b", 19, -time.Hour)}, true, 503, "unready", []string{"endorsements_stale!"},
		},
		"an older number ended": {
			[]record.EndorsementEntry{entry(rats.TCBInfo, "a", 18, -time.Hour), entry(rats.TCBInfo, "a", 19, time.Hour)}, true, 200, "ok", nil,
		},
		"one platform's certificate ended": {
			[]record.EndorsementEntry{entry(rats.PCKCertificate, "ppid", 0, -time.Hour)}, true, 200, "ok", nil,
		},
		"what no quote needs ended": {
			[]record.EndorsementEntry{entry(rats.QEIdentity, "QVE", 16, -time.Hour), entry(rats.EvaluationNumbers, "", 0, -time.Hour)}, true, 200, "ok", nil,
		},
		"an issuer's certificate ended": {
			[]record.EndorsementEntry{{Key: rats.EndorsementKey{Kind: rats.RootCACRL}, NextUpdate: ends(time.Hour), ValidUntil: ends(-time.Hour)}},
			false, 200, "degraded", []string{"endorsements_stale"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := ward(t, &patient{held: c.held}, func(cfg *gateway.Config) { cfg.ReadyNeedsEndorsements = c.strict })
			wantReady(t, h, c.status, c.word, c.codes...)
		})
	}
}
