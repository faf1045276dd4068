// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"slices"
	"strings"
	"sync/atomic"
)

// classes are those of a status, from 2xx.
const classes = 4

// counts are how many calls were answered, and how.
type counts struct {
	labels []string
	// answered is by route, and the last for what is no route, then by class.
	answered [][classes]atomic.Uint64
	// held and made are reads answered from memory, and those that were not.
	held, made []atomic.Uint64
	stale      atomic.Uint64
}

func newCounts(routes map[string]*route) *counts {
	n := len(routes)
	c := &counts{
		labels: make([]string, n+1), answered: make([][classes]atomic.Uint64, n+1),
		held: make([]atomic.Uint64, n+1), made: make([]atomic.Uint64, n+1),
	}
	for _, rt := range routes {
		c.labels[rt.number] = rt.label
	}
	c.labels[n] = "other"
	return c
}

func (c *counts) add(rt *route, status int) {
	c.answered[rt.number][min(max(status/100-2, 0), classes-1)].Add(1)
}

func (c *counts) other(status int) {
	c.answered[len(c.answered)-1][min(max(status/100-2, 0), classes-1)].Add(1)
}

// Count is how often calls of one route were answered.
type Count struct {
	// Route names it, such as "sgx/v4/tcb"; "other" is what there is not.
	Route string
	// Status is how often, by the class of the status: "2xx" to "5xx".
	Status map[string]uint64
	// Held counts the reads that were answered from memory, and Made those for
	// which the store or an upstream was asked.
	Held, Made uint64
}

// Counts returns what was answered since the start, and how many of those reads
// were of something stale, by the names of the routes.
func (s *Server) Counts() (all []Count, stale uint64) {
	for i, label := range s.counts.labels {
		c := Count{Route: label, Status: make(map[string]uint64), Held: s.counts.held[i].Load(), Made: s.counts.made[i].Load()}
		for class := range classes {
			c.Status[string(rune('2'+class))+"xx"] = s.counts.answered[i][class].Load()
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Count) int { return strings.Compare(a.Route, b.Route) })
	return all, s.counts.stale.Load()
}
