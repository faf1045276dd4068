// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"net/http"
	"sync"
	"time"
)

// ask is what a read asks for, in its one canonical form: the endpoint, and its
// parameters as that endpoint orders them.
type ask struct {
	of   *route
	args [4]string
}

// header is one header of an answer, ready to be put into a [http.Header].
type header struct {
	name   string
	values []string
}

// answer is a whole answer to a read, ready to be sent. It is not changed once it
// is made.
type answer struct {
	headers []header
	body    []byte
	etag    string
	// until is when it has to be made anew: when it becomes stale. Zero is never.
	until time.Time
	// stale: it is past its next update.
	stale bool
}

// entryBytes is about what an entry takes beside its texts.
const entryBytes = 512

func (a *answer) size() int {
	n := entryBytes + len(a.body)
	for _, h := range a.headers {
		n += len(h.values[0])
	}
	return n
}

// write sends it. Everything but the identifier of the request is there already.
func (a *answer) write(w http.ResponseWriter, r *http.Request, id string) {
	to := w.Header()
	for _, h := range a.headers {
		to[h.name] = h.values
	}
	to[headerRequestID] = []string{id}
	// RFC 9110 section 13.1.2; the comparison is the weak one.
	if match := r.Header["If-None-Match"]; len(match) == 1 && (match[0] == a.etag || match[0] == "W/"+a.etag) {
		delete(to, "Content-Length")
		delete(to, "Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(a.body) // a caller that went away needs no answer
}

// answers holds answers in memory, by what they answer. Over its bound it
// forgets those that nobody asked for lately: it has two halves, and when the
// young one is full, the old one is dropped and the young one grows old.
type answers struct {
	limit int

	mu         sync.RWMutex // guards what follows
	young, old map[ask]*answer
	bytes      int
	// epoch counts how often everything was forgotten, so that what was read from
	// the store before is not kept after.
	epoch uint64
}

// newAnswers returns an empty memory of at most about limit bytes.
func newAnswers(limit int) *answers {
	return &answers{limit: limit, young: make(map[ask]*answer)}
}

// get returns what is held, if it is still good at now.
func (c *answers) get(what ask, now time.Time) *answer {
	c.mu.RLock()
	a, young := c.young[what]
	if a == nil {
		a = c.old[what]
	}
	epoch := c.epoch
	c.mu.RUnlock()
	if a == nil || !a.until.IsZero() && !now.Before(a.until) {
		return nil
	}
	if !young {
		c.put(what, a, epoch)
	}
	return a
}

// now returns the epoch, which who makes an answer takes before it reads.
func (c *answers) now() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.epoch
}

// put keeps an answer that was made from what stood in that epoch.
func (c *answers) put(what ask, a *answer, epoch uint64) {
	size := a.size()
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.epoch || size > c.limit/2 {
		return
	}
	if before := c.young[what]; before != nil {
		c.bytes -= before.size()
	}
	if c.bytes+size > c.limit/2 {
		c.young, c.old, c.bytes = make(map[ask]*answer), c.young, 0
	}
	c.young[what] = a
	c.bytes += size
}

// forget drops everything: the store has changed.
func (c *answers) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old, c.bytes = make(map[ask]*answer), nil, 0
	c.epoch++
}
