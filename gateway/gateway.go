// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/rats"
)

// Gateway is the handler of a node's one port. It is safe for concurrent use.
type Gateway struct {
	cfg       Config
	log       *slog.Logger
	mux       *http.ServeMux
	api       huma.API
	schemas   huma.Registry
	rpc       *rpc
	limiter   *limiter
	turns     *turns
	listings  listings
	supplied  *supplied
	appraiser *appraiser
	csrf      *http.CrossOriginProtection
	farewell  *farewell
	// began is when it was made.
	began   time.Time
	feed    *feed
	streams *streams
	// attempts are the calls that came with an Idempotency-Key.
	attempts *attempts
	receipts *receipts
	fetches  *fetches
}

var _ http.Handler = (*Gateway)(nil)

// New returns the handler of everything that a node serves.
func New(cfg Config) (*Gateway, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		cfg: cfg, log: slog.New(named{cfg.Logger.Handler()}), mux: http.NewServeMux(), began: cfg.Now(),
		limiter: newLimiter(cfg.Rate, cfg.Now), turns: newTurns(), supplied: newSupplied(cfg.Now),
		appraiser: newAppraiser(cfg.Registry), csrf: http.NewCrossOriginProtection(), farewell: newFarewell(),
		feed: newFeed(cfg.Registry), streams: newStreams(cfg.Streams),
		fetches: newFetches(cfg.Now),
	}
	if g.attempts, err = openAttempts(cfg.Answers, cfg.Now, g.log); err != nil {
		return nil, err
	}
	g.rpc, g.schemas = newRPC(g), newSchemas()
	g.api = g.describe()
	if g.receipts, err = openReceipts(g); err != nil {
		return nil, err
	}
	return g, nil
}

// Close ends what goes on when nobody is served any more, and has nothing to do
// with who is. What waits for a block then goes on where the file of receipts is
// read the next time.
func (g *Gateway) Close() error { return errors.Join(g.receipts.shut(), g.attempts.shut()) }

// ServeHTTP implements [http.Handler].
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, r := g.enter(w, r)
	defer func() { p.leave(r, recover()) }()
	out := p.out
	preflight := g.share(out, r)
	if refused := g.admit(r); refused != nil {
		if refused.Status == http.StatusRequestEntityTooLarge {
			w.Header().Set("Connection", "close") // what is still coming is not read
		}
		g.refuse(out, r, refused)
		return
	}
	if preflight {
		out.WriteHeader(http.StatusNoContent)
		return
	}
	g.route(out, r)
}

// refuse answers a call that was not admitted, in the form of its kind.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, p *problem) {
	if strings.HasPrefix(r.URL.Path, compatiblePrefix) {
		writeEnvelope(w, p)
		return
	}
	writeProblem(w, p)
}

// admit holds a request against what does not depend on what it asks: its size,
// the rate of its address, and whether a browser sent it for another site.
func (g *Gateway) admit(r *http.Request) *problem {
	if r.ContentLength > g.cfg.MaxBody {
		return problemOf(rats.Errorf(rats.TooLarge, "body: %d bytes, at most %d", r.ContentLength, g.cfg.MaxBody))
	}
	if err := g.throttle(callerIn(r.Context())); err != nil {
		return problemOf(err)
	}
	if !g.cfg.Origins.allow(r.Header.Get("Origin")) && g.csrf.Check(r) != nil {
		return statusProblem(rats.Unauthorized, http.StatusForbidden, "sent by a page of another site")
	}
	return nil
}

func (g *Gateway) route(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/" && isUpgrade(r):
		g.rpc.serveSocket(w, r)
	case path == "/" && r.Method == http.MethodPost:
		g.rpc.servePost(w, r)
	case isAPI(path):
		g.serveAPI(w, r)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		g.servePage(w, r)
	default:
		allow := "GET, HEAD"
		if path == "/" {
			allow += ", POST"
		}
		w.Header().Set("Allow", allow)
		writeProblem(w, notAllowed(r.Method))
	}
}

// servePage serves what is for people. A token counts there only where reads
// need one.
func (g *Gateway) servePage(w http.ResponseWriter, r *http.Request) {
	if g.cfg.ReadsNeedToken {
		if err := g.permit(r.Context(), g.reading()); err != nil {
			writeProblem(w, problemOf(err))
			return
		}
	}
	if isAsset(r.URL.Path) {
		g.cfg.Pages.ServeHTTP(w, r) // it costs nothing to make
		return
	}
	done, err := g.turn(r.Context())
	if err != nil {
		writeProblem(w, problemOf(err))
		return
	}
	page := &page{header: w.Header()}
	func() {
		defer done()
		g.cfg.Pages.ServeHTTP(page, r)
	}()
	page.write(w)
}

// page keeps an answer until it is whole.
type page struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (p *page) Header() http.Header         { return p.header }
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }

// WriteHeader implements [http.ResponseWriter].
func (p *page) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
	}
}

func (p *page) write(w http.ResponseWriter) {
	if p.status != 0 {
		w.WriteHeader(p.status)
	}
	_, _ = w.Write(p.body.Bytes()) // a caller that went away needs no answer
}

// isAPI reports whether a path is the REST API's, known or not.
func isAPI(path string) bool {
	switch path {
	case "/openapi.json", "/healthz", "/readyz", keySetPath, "/v1", azureKeysPath, azureConfigurationPath:
		return true
	}
	return strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, azurePrefix)
}

// serveAPI serves REST; what no call is registered for gets a problem, where
// the multiplexer would answer in plain text.
func (g *Gateway) serveAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodPost {
		// Every body is JSON here, whatever the caller labels it: curl's -d says
		// that it is a form. What is not JSON is malformed, which says more.
		r.Header.Set("Content-Type", jsonType)
	}
	if wishes := r.Header[preferHeader]; len(wishes) > 1 {
		r.Header.Set(preferHeader, strings.Join(wishes, ", ")) // RFC 9110 section 5.3
	}
	h, pattern := g.mux.Handler(r)
	if pattern != "" {
		g.mux.ServeHTTP(w, r)
		return
	}
	plain := &unanswered{header: http.Header{}}
	h.ServeHTTP(plain, r)
	if plain.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", plain.header.Get("Allow"))
		writeProblem(w, notAllowed(r.Method))
		return
	}
	writeProblem(w, problemOf(rats.Errorf(rats.NotFound, "the API has no such path")))
}

func notAllowed(method string) *problem {
	return statusProblem(rats.Unsupported, http.StatusMethodNotAllowed, method+" is not allowed here")
}

// unanswered keeps the head of an answer that nobody gets.
type unanswered struct {
	header http.Header
	status int
}

func (u *unanswered) Header() http.Header         { return u.header }
func (u *unanswered) Write(b []byte) (int, error) { return len(b), nil }
func (u *unanswered) WriteHeader(status int)      { u.status = status }

// observed remembers the status that was answered.
type observed struct {
	http.ResponseWriter
	status int
	// vary is added to what the answer says that it varies by.
	vary string
}

// WriteHeader implements [http.ResponseWriter].
func (o *observed) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
		if o.vary != "" {
			o.Header().Add("Vary", o.vary)
		}
	}
	o.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (o *observed) Write(b []byte) (int, error) {
	if o.status == 0 {
		o.WriteHeader(http.StatusOK)
	}
	return o.ResponseWriter.Write(b)
}

// Unwrap lets [http.ResponseController] find what the server gave.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// attrError shortens log calls.
func attrError(err error) slog.Attr { return slog.Any("error", err) }
