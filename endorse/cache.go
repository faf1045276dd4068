// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"sync"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

const (
	// rememberedFor is how long it counts that a service does not have a
	// document, or gave one that is of no use, before it is asked again.
	rememberedFor = time.Minute
	// maxRemembered bounds the documents that are kept. Intel has some hundred
	// FMSPCs.
	maxRemembered = 4096
)

// Fetched is one answer of a [PCS], checked up to a trusted root.
type Fetched struct {
	Document    Document
	Endorsement rats.Endorsement
	Info        *attesteer.EndorsementInfo
	// At is when the service last said it.
	At time.Time
}

// Stale reports whether the vendor's date for the next update, or the window of
// the certificate that vouches for it, lies behind a time.
func (f *Fetched) Stale(at time.Time) bool {
	return at.After(f.Info.NextUpdate) || at.After(f.Info.ValidUntil)
}

// memory keeps answers for as long as they are new enough, and makes one call
// serve all who ask for the same at the same time. It is safe for concurrent use.
type memory struct {
	mu      sync.Mutex // guards what follows
	closed  bool
	entries map[Document]*remembered
	flights map[Document]*flight
	// authorities maps the scope of a PCK CRL to the name of its CA.
	authorities map[string]string
	// standard is the number of the evaluation that was served as standard.
	standard map[rats.TEE]uint32
	// underway counts the flights' goroutines.
	underway sync.WaitGroup
}

// remembered is what is known of one document. At least one of got and err is set.
type remembered struct {
	got *Fetched
	// err is why there is none, or none that is newer.
	err error
	// again is when to ask again.
	again time.Time
}

// flight is a call that is under way. What it brought is read after done.
type flight struct {
	done chan struct{}
	got  *Fetched
	err  error
}

func newMemory() *memory {
	return &memory{
		entries: make(map[Document]*remembered), flights: make(map[Document]*flight),
		authorities: make(map[string]string), standard: make(map[rats.TEE]uint32),
	}
}

// look returns what is known of a document, and nil where nothing is.
func (m *memory) look(d Document) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[d]; e != nil {
		c := *e
		return &c
	}
	return nil
}

// join returns what is known of a document if enough says that it will do, and
// beside it, where it will not, the flight for the document that is under way
// or else one that it starts and that does work. There is neither when nothing
// is known after close.
func (m *memory) join(
	d Document, enough func(*remembered) bool, work func() (*Fetched, error),
) (known *remembered, f *flight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[d]; e != nil {
		c := *e
		if known = &c; enough(known) {
			return known, nil
		}
	}
	if f := m.flights[d]; f != nil || m.closed {
		return known, f
	}
	f = &flight{done: make(chan struct{})}
	m.flights[d] = f
	m.underway.Go(func() {
		f.got, f.err = work()
		m.mu.Lock()
		delete(m.flights, d)
		m.mu.Unlock()
		close(f.done)
	})
	return known, f
}

// keep remembers an answer until again, and returns what now stands: an answer
// that is older than the one that is known, as a cache on the way may give it,
// replaces nothing.
func (m *memory) keep(f *Fetched, again time.Time) (stands *Fetched, changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := f.Document
	if f.Info.Key.Kind == rats.PCKCRL {
		m.authorities[f.Info.Key.Scope] = d.CA
	}
	stands, changed = f, true
	if e := m.entries[d]; e != nil && e.got != nil {
		known := *e.got
		changed = known.Info.SHA256 != f.Info.SHA256
		if known.Info.Key == f.Info.Key && f.Info.Issued.Before(known.Info.Issued) {
			known.At = f.At
			stands, changed = &known, false
		}
	}
	if d.Kind == rats.TCBInfo && d.Evaluation == standard {
		m.standard[d.TEE] = stands.Info.Key.EvaluationDataNumber
	}
	m.put(d, &remembered{got: stands, again: again})
	return stands, changed
}

// keepFault remembers until again that a document was not to be had. What was
// had before stays.
func (m *memory) keepFault(d Document, err error, again time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := &remembered{err: err, again: again}
	if known := m.entries[d]; known != nil {
		e.got = known.got
	}
	m.put(d, e)
}

// put makes room by dropping any entry. The caller holds mu.
func (m *memory) put(d Document, e *remembered) {
	if _, ok := m.entries[d]; !ok && len(m.entries) >= maxRemembered {
		for other := range m.entries {
			delete(m.entries, other)
			break
		}
	}
	m.entries[d] = e
}

// authority returns the name of the CA whose CRLs have a scope.
func (m *memory) authority(scope string) (name string, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name, known = m.authorities[scope]
	return name, known
}

func (m *memory) standardOf(tee rats.TEE) (uint32, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.standard[tee]
	return n, ok
}

func (m *memory) all() []Fetched {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Fetched, 0, len(m.entries))
	for _, e := range m.entries {
		if e.got != nil {
			out = append(out, *e.got)
		}
	}
	return out
}

// close lets no flight begin any more, and waits for those under way.
func (m *memory) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.underway.Wait()
}
