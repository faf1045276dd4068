// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strconv"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Cache is what a PCCS does, and what it keeps.
type Cache struct {
	Routes []Route
	// StaleServed counts the answers that were past their next update.
	StaleServed uint64
	Artefacts   []Artefact
	// Push is nil where nothing is published on a ledger.
	Push *Push
}

// Push is how a cache stands that publishes on a ledger what it fetches.
type Push struct {
	// Taken counts what the ledger took or knew, Refused what it will never take,
	// Pending what waits for it.
	Taken, Refused, Pending int
}

// Route is how often calls of one path were answered. Its name comes from a
// closed list.
type Route struct {
	Name string
	// Status counts them by class of status.
	Status map[string]uint64
	// Held counts reads answered from memory, Made the others.
	Held, Made uint64
}

// Artefact is one that is kept, with how long it holds; negative once it ended.
type Artefact struct {
	Kind          string
	TEE           rats.TEE
	Scope, Update string
	Version       int
	Left          time.Duration
}

// maxArtefacts bounds those that are shown; a cache for every platform that there
// is keeps a few hundred.
const maxArtefacts = 2000

func (s sink) cache(c Cache) {
	for i := range c.Routes {
		r := &c.Routes[i]
		for class, n := range r.Status {
			s.put(cacheRequests, float64(n), r.Name, class)
		}
		if r.Held+r.Made > 0 {
			s.put(cacheReads, float64(r.Held), r.Name, "memory")
			s.put(cacheReads, float64(r.Made), r.Name, "store")
		}
	}
	s.put(cacheStale, float64(c.StaleServed))
	if p := c.Push; p != nil {
		s.put(cachePushed, float64(p.Taken), "taken")
		s.put(cachePushed, float64(p.Refused), "refused")
		s.put(cachePending, float64(p.Pending))
	}
	for i := range c.Artefacts {
		if i == maxArtefacts {
			return
		}
		a := &c.Artefacts[i]
		s.put(cacheDays, a.Left.Hours()/24, a.Kind, string(a.TEE), a.Scope, a.Update, "v"+strconv.Itoa(a.Version))
	}
}
