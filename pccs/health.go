// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// healthTime bounds how long the store may take to answer.
const healthTime = 3 * time.Second

// Leave has /readyz say that no more callers should be sent here, while those who
// come are served.
func (s *Server) Leave() { s.leaving.Store(true) }

// Ready reports whether the store answers.
func (s *Server) Ready(ctx context.Context) bool {
	_, err := s.service.store.Generation(ctx)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the store does not answer", slog.Any("error", err))
	}
	return err == nil
}

// Up says of each upstream by its name whether it is asked: one that failed
// several times in a row is left alone for a while.
func (s *Service) Up() map[string]bool {
	out := make(map[string]bool, len(s.upstreams))
	for _, u := range s.upstreams {
		u.mu.Lock()
		out[u.Name()] = !u.now().Before(u.until)
		u.mu.Unlock()
	}
	return out
}

// healthz says that the process answers.
func (c *call) healthz() { c.state(http.StatusOK, `{"status":"ok"}`) }

// readyz says whether calls should be sent here: the store answers, and the end
// is not near. That something in it is stale is no reason to send callers
// elsewhere: it would be so there too.
func (c *call) readyz() {
	if c.leaving.Load() {
		c.state(http.StatusServiceUnavailable, `{"status":"stopping"}`)
		return
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), healthTime)
	defer cancel()
	if !c.Ready(ctx) {
		c.state(http.StatusServiceUnavailable, `{"status":"store_unreadable"}`)
		return
	}
	c.state(http.StatusOK, `{"status":"ok"}`)
}

func (c *call) state(status int, body string) {
	c.counts.add(c.route, status)
	c.w.Header()["Cache-Control"] = []string{"no-store"}
	c.head(typePCS, status)
	_, _ = c.w.Write([]byte(body)) // a caller that went away needs no answer
}
