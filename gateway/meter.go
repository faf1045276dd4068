// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

// Meter counts what a gateway does. It is safe for concurrent use.
type Meter interface {
	// Request counts an answered request by the pattern of its route. Status is
	// zero where nobody was answered; stream says that it lasted as long as its
	// caller liked.
	Request(route, method string, status int, took time.Duration, stream bool)
	// InFlight adds to the requests that are being served.
	InFlight(change int)
	// Call counts a JSON-RPC call, [rats.None] being success.
	Call(method string, kind rats.Kind, took time.Duration)
	// Stream adds to the open streams of a kind: websocket, subscription or
	// event_stream.
	Stream(kind string, change int)
	// Refused counts a call that asked too much, by whose bound it went over:
	// address, token, registrar, pool or stream.
	Refused(what string)
	// Verdict counts a verdict of a call that records, or appraises: "record",
	// "appraise". TEE and tier are empty where there is no result.
	Verdict(call string, tee rats.TEE, tier rats.Tier, kind rats.Kind)
	// Appraised measures an appraisal without a record.
	Appraised(took time.Duration)
	// Submitted measures a submission that was recorded, refused or failed, from
	// evidence at hand to a committed block.
	Submitted(outcome string, took time.Duration)
}

// eventsPath is that of event streams, which last as long as their readers like.
const eventsPath = "/v1/events"

// Kinds of streams.
const (
	streamSocket       = "websocket"
	streamSubscription = "subscription"
	streamEvents       = "event_stream"
)

// unmeasured counts nothing.
type unmeasured struct{}

var _ Meter = unmeasured{}

func (unmeasured) Request(string, string, int, time.Duration, bool) {}
func (unmeasured) InFlight(int)                                     {}
func (unmeasured) Call(string, rats.Kind, time.Duration)            {}
func (unmeasured) Stream(string, int)                               {}
func (unmeasured) Refused(string)                                   {}
func (unmeasured) Verdict(string, rats.TEE, rats.Tier, rats.Kind)   {}
func (unmeasured) Appraised(time.Duration)                          {}
func (unmeasured) Submitted(outcome string, took time.Duration)     {}

// meter returns where things are counted.
func (g *Gateway) meter() Meter {
	if g.cfg.Meter == nil {
		return unmeasured{}
	}
	return g.cfg.Meter
}

// opened counts a stream of a kind until the function that it returns is called.
func (g *Gateway) opened(kind string) (closed func()) {
	g.meter().Stream(kind, 1)
	return func() { g.meter().Stream(kind, -1) }
}

// meterSubmission counts what became of evidence that began on its way to the
// ledger at a time.
func (g *Gateway) meterSubmission(began time.Time, out *submitted, err error) {
	took := g.cfg.Now().Sub(began)
	if err == nil {
		g.meter().Submitted("recorded", took)
		g.meterVerdict("record", out.result.Result, rats.None)
		return
	}
	kind := rats.KindOf(err)
	var refused *refusedTx
	switch ours := errors.As(err, &refused); {
	case kind == rats.QuotaExceeded && ours:
		g.meter().Refused("registrar")
	case kind == rats.QuotaExceeded:
		g.meter().Refused("pool")
	}
	if kind == rats.Internal || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		g.meter().Submitted("failed", took)
		return
	}
	g.meter().Submitted("refused", took)
	if kind == rats.QuotaExceeded {
		return // that is no verdict
	}
	var result *attesteer.Result
	if refused != nil {
		result = refused.result.Result
	}
	g.meterVerdict("record", result, kind)
}

func (g *Gateway) meterVerdict(call string, r *attesteer.Result, kind rats.Kind) {
	if r == nil {
		g.meter().Verdict(call, "", rats.TierNone, kind)
		return
	}
	g.meter().Verdict(call, r.TEE, r.Tier, kind)
}

// meterRefusal counts a refusal to a caller: at its address, or by its token.
func (g *Gateway) meterRefusal(err error, what string) error {
	var over *token.QuotaError
	if errors.As(err, &over) {
		g.meter().Refused(what)
	}
	return err
}

// Methods returns the names of all JSON-RPC methods.
func (g *Gateway) Methods() []string {
	out := make([]string, 0, len(g.rpc.assign))
	for name := range g.rpc.assign {
		out = append(out, name)
	}
	return out
}

// routeOf returns the pattern of the route that served a request, and whether
// what it serves lasts as long as its caller likes.
func routeOf(r *http.Request) (route string, stream bool) {
	switch {
	case r.URL.Path == "/" && isUpgrade(r):
		return "/ websocket", true
	case r.URL.Path == "/" && r.Method == http.MethodPost:
		return "/ json-rpc", false
	case r.Pattern == "" || r.Pattern == "/":
		return "none", false
	}
	route = r.Pattern
	if _, path, ok := strings.Cut(route, " "); ok {
		route = path
	}
	return route, route == eventsPath
}
