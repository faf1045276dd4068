// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// /healthz says whether the process answers: whoever hears nothing starts it
// again. /readyz says whether callers should be sent here, and why not, as far
// as this node can know; a restart mends none of it.

const (
	// behindAfter is how old ledger time may be. An idle ledger renews it every
	// half minute.
	behindAfter = 2 * time.Minute
	// settling is how long after its start a node's ledger may be behind: the
	// first block of a network that stood still takes a heartbeat.
	settling = time.Minute
	// probeTime bounds what one look at the node takes.
	probeTime = 2 * time.Second
)

// Condition is something that is the matter with a node.
type Condition struct {
	// Code is a word that programs go by.
	Code string `json:"code" doc:"a word that does not change" example:"catching_up"`
	// Detail is for people. It holds nothing secret: anyone may read it.
	Detail string `json:"detail"`
	// Blocking: callers should be sent elsewhere.
	Blocking bool `json:"blocking" doc:"callers should be sent elsewhere until it is over"`
}

// Readiness is what /readyz answers.
type Readiness struct {
	Status  string      `json:"status" enum:"ok,degraded,unready" doc:"degraded: takes calls, and reasons say what is the matter"`
	Reasons []Condition `json:"reasons" nullable:"false"`
}

// Ready reports whether callers may be sent here.
func (r Readiness) Ready() bool { return r.Status != statusUnready }

const (
	statusOK       = "ok"
	statusDegraded = "degraded"
	statusUnready  = "unready"
)

type alive struct {
	Status string `json:"status" enum:"ok"`
}

type aliveOutput struct{ Body alive }

type readyOutput struct {
	Status int
	Body   Readiness
}

// probeEntries are what those ask who watch the process.
func (g *Gateway) probeEntries() []entry {
	alive := forProbes(g.operation(http.MethodGet, "/healthz", "healthz", "process", "Whether the process answers"))
	op := forProbes(g.operation(http.MethodGet, "/readyz", "readyz", "process", "Whether callers should be sent to this node"))
	op.Description = "200 while the node takes calls, also where something is the matter that hinders few of them: the status is degraded then. 503 while callers should be sent elsewhere. The reasons say why."
	return []entry{serve("", alive, getAlive), serve("", op, g.getReady)}
}

func getAlive(context.Context, *nothing) (*aliveOutput, error) {
	return &aliveOutput{Body: alive{statusOK}}, nil
}

func (g *Gateway) getReady(ctx context.Context, _ *nothing) (*readyOutput, error) {
	out := &readyOutput{Status: http.StatusOK, Body: g.Readiness(ctx)}
	if !out.Body.Ready() {
		out.Status = http.StatusServiceUnavailable
	}
	return out, nil
}

// Readiness says whether the node takes calls now, and what is the matter.
func (g *Gateway) Readiness(ctx context.Context) Readiness {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	out := Readiness{Status: statusOK, Reasons: []Condition{}}
	add := func(found ...Condition) {
		for _, c := range found {
			if c.Code == "" {
				continue
			}
			out.Reasons = append(out.Reasons, c)
			switch {
			case c.Blocking:
				out.Status = statusUnready
			case out.Status == statusOK:
				out.Status = statusDegraded
			}
		}
	}
	if g.leaving() {
		add(Condition{"stopping", "the node is about to stop", true})
	}
	add(g.ledgerCondition(ctx), g.versionCondition(), g.stateCondition(), g.indexCondition(ctx), g.endorsementCondition())
	if g.cfg.Watch != nil {
		add(g.cfg.Watch(ctx)...)
	}
	return out
}

// ledgerCondition says what keeps the node from taking part in its ledger.
func (g *Gateway) ledgerCondition(ctx context.Context) Condition {
	s, err := g.cfg.Ledger.Status(ctx)
	if err != nil {
		return Condition{"starting", "the ledger does not answer", true}
	}
	if s.CatchingUp {
		return Condition{"catching_up", fmt.Sprintf("at height %d, the node copies blocks that others have", s.Height), true}
	}
	if lag := g.Lag(); lag > behindAfter {
		return Condition{
			"ledger_behind", fmt.Sprintf("the ledger's time is %s behind: no block is made", lag.Round(time.Second)),
			g.cfg.Now().Sub(g.began) > settling,
		}
	}
	return Condition{}
}

// versionCondition warns of a height at which this program has to stop.
func (g *Gateway) versionCondition() Condition {
	next, known := g.cfg.Registry.Planned()
	if next == nil || known {
		return Condition{}
	}
	return Condition{"version_unknown", fmt.Sprintf(
		"the validators decided that from block %d on the ledger is of version %d of the state machine: this program does not know it, and stops there", next.Height, next.Version), false}
}

// Lag is how far ledger time is behind this node's clock, zero at least.
func (g *Gateway) Lag() time.Duration {
	offset := time.Duration(g.cfg.Registry.Genesis().ClockOffset) * time.Millisecond
	return max(g.cfg.Now().Add(offset).Sub(g.cfg.Registry.Time().Time()), 0)
}

// stateCondition reads from the store under the registry.
func (g *Gateway) stateCondition() Condition {
	_, err := g.cfg.Registry.Record(record.ID{})
	if err != nil && rats.KindOf(err) != rats.NotFound {
		return Condition{"registry_unreadable", "what the ledger holds cannot be read", true}
	}
	return Condition{}
}

// indexCondition lists a record, which has the index catch up first.
func (g *Gateway) indexCondition(ctx context.Context) Condition {
	_, err := g.cfg.Index.List(ctx, record.Filter{Limit: 1})
	switch {
	case err == nil:
		return Condition{}
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		return Condition{"index_behind", "the search index takes up what the ledger holds", true}
	default:
		return Condition{"index_behind", "the search index cannot be read", true}
	}
}
