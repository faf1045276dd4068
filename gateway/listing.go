// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"sync"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/record"
)

// maxListings bounds the pages that are remembered: the few that most ask for.
const maxListings = 64

// listings are the pages that were asked for since the last block. Ledger time
// changes with every block that changes anything, and records look different at
// another time, so a page is good for one ledger time alone.
type listings struct {
	mu    sync.Mutex // guards what follows
	at    record.Millis
	pages map[record.Filter]*client.Page
}

// get returns the page of a filter at a ledger time, or nil.
func (l *listings) get(at record.Millis, f record.Filter) *client.Page {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at != at {
		return nil
	}
	return l.pages[f]
}

// put remembers a page, which must not be changed any more.
func (l *listings) put(at record.Millis, f record.Filter, p *client.Page) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case at < l.at:
		return // a block came meanwhile
	case at > l.at || len(l.pages) >= maxListings:
		l.at, l.pages = at, make(map[record.Filter]*client.Page)
	}
	l.pages[f] = p
}

// list answers a listing; what it returns is shared.
func (g *Gateway) list(ctx context.Context, in *listInput) (*client.Page, error) {
	filter := record.Filter{
		Query: in.Query, TEE: in.TEE, Fingerprint: in.Fingerprint, MRSigner: in.MRSigner,
		Signer: in.Signer, URL: in.URL, Status: in.Status, Tier: in.Tier, State: in.State,
		Registrar: in.Registrar, Cursor: in.Cursor, Limit: in.Limit,
	}
	at := g.cfg.Registry.Time()
	if known := g.listings.get(at, filter); known != nil {
		return known, nil
	}
	page, err := g.cfg.Index.List(ctx, filter)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	out := &client.Page{Enclaves: make([]record.View, 0, len(page.Records))}
	for i := range page.Records {
		out.Enclaves = append(out.Enclaves, page.Records[i].View(at))
	}
	if page.NextCursor != "" {
		out.NextCursor = &page.NextCursor
	}
	g.listings.put(at, filter, out)
	return out, nil
}
