// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// ServerConfig says what a [Server] serves. Fields that may be empty say so.
type ServerConfig struct {
	Service *Service
	// User and Admin are the tokens that are taken for registering platforms, and
	// for what changes or lists what is kept. Without any, nobody may.
	User, Admin TokenHashes
	// MaxBody bounds what is sent, in bytes: 2 MiB if it is zero.
	MaxBody int64
	// Memory is about how many bytes of answers are held ready: 8 MiB if it is
	// zero.
	Memory int
	// Misses bounds how many reads at once wait for the store or an upstream: 128
	// if it is zero. Whoever comes then is asked to come again.
	Misses int
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// Log may be nil.
	Log *slog.Logger
}

// Times that no one had reason to change.
const (
	// bodyTime is how long a caller may take to send a body, and a second more for
	// each bodyRate bytes that one may have. answerTime is for an answer to be sent.
	bodyTime   = 15 * time.Second
	bodyRate   = 256 << 10
	answerTime = 30 * time.Second
	// adminTime bounds an import or a refresh.
	adminTime = 10 * time.Minute
	// readTime bounds a read that has to ask upstream; Intel's own service gives up
	// a call after 120 seconds.
	readTime = 2 * time.Minute
)

// maxQuery bounds a query; the longest that is meant has about 2,100 bytes.
const maxQuery = 8 << 10

// Server answers the calls of Intel's clients from a [Service]. It is safe for
// concurrent use. [Server.Watch] keeps what it holds in memory in step with the
// store.
type Server struct {
	cfg     ServerConfig
	service *Service
	now     func() time.Time
	log     *slog.Logger
	routes  map[string]*route
	held    *answers
	chains  chains
	stales  stales
	misses  chan struct{}
	counts  *counts
	leaving atomic.Bool
}

// NewServer returns a server of what cfg says.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.Service == nil {
		return nil, rats.Errorf(rats.Malformed, "a server needs a service")
	}
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 2<<20)
	cfg.Memory = cmp.Or(cfg.Memory, 8<<20)
	cfg.Misses = cmp.Or(cfg.Misses, 128)
	s := &Server{
		cfg: cfg, service: cfg.Service, now: cfg.Now, log: cfg.Log,
		held: newAnswers(cfg.Memory), misses: make(chan struct{}, cfg.Misses),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.routes = s.allRoutes()
	s.counts = newCounts(s.routes)
	return s, nil
}

// call is one request that is being answered.
type call struct {
	*Server
	w     http.ResponseWriter
	r     *http.Request
	route *route
	id    string
	query query
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt := s.routes[r.URL.Path]
	if rt == nil {
		// Express, which Intel's service stands on, tells neither cases apart nor
		// minds a slash at the end.
		rt = s.routes[strings.TrimSuffix(strings.ToLower(r.URL.Path), "/")]
	}
	c := call{Server: s, w: w, r: r, route: rt, id: requestID(r)}
	var handle func(*call)
	if rt != nil {
		handle = rt.methods[r.Method]
	}
	if hasV3(r.URL.Path) {
		w.Header()[headerWarning] = []string{endOfV3}
	}
	if handle == nil {
		s.counts.other(http.StatusNotFound)
		c.unknown()
		return
	}
	if len(r.URL.RawQuery) > maxQuery {
		c.refuse(refuse(http.StatusBadRequest, rats.TooLarge, "query: over %d bytes", maxQuery))
		return
	}
	c.query.read(r.URL.RawQuery)
	handle(&c)
}

// pathOfV3 begins the paths of version 3, known or not.
const pathOfV3 = "/sgx/certification/v3/"

func hasV3(path string) bool {
	return len(path) >= len(pathOfV3) && strings.EqualFold(path[:len(pathOfV3)], pathOfV3)
}

// unknown answers for a path, or a method on one, that there is not; by Intel's
// service that is 404 too, and never 405.
func (c *call) unknown() {
	c.answerEarly()
	defer c.leave()
	c.sentence(http.StatusNotFound, "There is nothing here.")
}

// head begins an answer that is not held in memory.
func (c *call) head(contentType string, status int) {
	h := c.w.Header()
	h[headerRequestID] = []string{c.id}
	if contentType != "" {
		h["Content-Type"] = []string{contentType}
	}
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(answerTime)) // one that knows no deadlines is a test's
	c.w.WriteHeader(status)
}

// say answers with a status and the sentence that belongs to it.
func (c *call) say(status int) {
	c.counts.add(c.route, status)
	text := sentence(status)
	if status == http.StatusGone && c.route.version != 3 {
		text = sentenceRetired
	}
	c.sentence(status, text)
}

// sentence answers with words.
func (c *call) sentence(status int, text string) {
	c.w.Header()["Content-Length"] = []string{strconv.Itoa(len(text))}
	c.head(typeSentence, status)
	_, _ = c.w.Write([]byte(text)) // a caller that went away needs no answer
}

// refuse answers with what became of a call that failed. QCNL does not empty its
// buffer between two tries after 503: whatever stands in the body is taken for
// the beginning of the next answer's. So 503 has none, on whatever QCNL reads.
func (c *call) refuse(err error) {
	refusal := refusalOf(err)
	c.note(refusal)
	c.answerEarly()
	defer c.leave()
	if refusal.Status == http.StatusServiceUnavailable && c.route.read {
		c.counts.add(c.route, refusal.Status)
		h := c.w.Header()
		h["Content-Length"] = []string{"0"}
		c.head("", refusal.Status)
		return
	}
	if why := messageOf(refusal, c.route.read); why != "" {
		c.w.Header()[headerMessage] = []string{why}
	}
	c.say(refusal.Status)
}

// note writes a refusal into the log.
func (c *call) note(refusal *Refusal) {
	level := slog.LevelDebug
	switch {
	case refusal.Status >= http.StatusInternalServerError, refusal.Status == StatusIntegrity:
		level = slog.LevelWarn
	case refusal.Status == http.StatusUnauthorized:
		level = slog.LevelInfo
	case c.r.Context().Err() != nil:
		return // nobody waits any more
	}
	c.log.LogAttrs(c.r.Context(), level, "a call was refused", slog.String("route", c.route.label),
		slog.Int("status", refusal.Status), slog.Any("error", refusal.Err), slog.String("request", c.id))
}

// maxMessage bounds what a caller is told about a refusal.
const maxMessage = 300

// messageOf returns what a caller may know of why it was refused: nothing of what
// went wrong within, and of an upstream's faults only what a holder of a token
// shall know, who can do something about them.
func messageOf(r *Refusal, read bool) string {
	var e *rats.Error
	if r.Status == http.StatusInternalServerError || rats.KindOf(r.Err) == rats.Internal || read && r.Status > http.StatusInternalServerError || !errors.As(r.Err, &e) {
		return ""
	}
	text := []byte(e.Error())
	text = text[:min(len(text), maxMessage)]
	for i, b := range text {
		if b < ' ' || b > '~' {
			text[i] = '?'
		}
	}
	return string(text)
}

// requestID returns what names a request in logs on both sides: the caller's own
// name where it is a sane one, else 32 random hex digits.
func requestID(r *http.Request) string {
	if given := r.Header["Request-Id"]; len(given) == 1 && isName(given[0]) {
		return given[0]
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it would end the process
	var text [32]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
}

func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// Forget drops what is held in memory, as [Server.Watch] does when the store has
// changed.
func (s *Server) Forget() { s.held.forget() }

// watchEvery is how often the store is asked whether it has changed.
const watchEvery = time.Second

// Watch drops what is held in memory when the store has changed, by this process
// or another, until ctx ends.
func (s *Server) Watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last int64
	failing := false
	for {
		n, err := s.service.store.Generation(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			// What is in memory is served on: it is as good as it was.
			if !failing {
				s.log.LogAttrs(ctx, slog.LevelError, "the store does not answer", slog.Any("error", err))
			}
		case n != last:
			s.held.forget()
			last = n
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
