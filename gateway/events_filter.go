// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// EventQuery says which events to follow: those that match all that is given.
// What the listing of enclaves has too means the same, of the record as it
// stood after the event.
type EventQuery struct {
	ID          string `query:"id" doc:"of a record, 64 hex digits"`
	Event       string `query:"event" doc:"kinds of events, with commas between" example:"recorded,withdrawn"`
	Query       string `query:"q" doc:"a part of a url, or how an id, measurement or key begins"`
	TEE         string `query:"tee" doc:"kind of enclave" example:"sgx"`
	Fingerprint string `query:"fingerprint" doc:"measurement of the code: MRENCLAVE, of a TD the SHA-384 of MRTD and RTMRs"`
	MRSigner    string `query:"mr_signer" doc:"vendor of the code"`
	Signer      string `query:"signer" doc:"report data"`
	URL         string `query:"url" doc:"of any of the listings, and of one that the event withdrew"`
	Status      string `query:"status" doc:"TCB status" example:"UpToDate"`
	Tier        string `query:"tier" doc:"affirming, warning or contraindicated"`
	State       string `query:"state" doc:"active, expired, undecided, withdrawn or revoked"`
	Registrar   string `query:"registrar" doc:"of any of the listings, and of one that the event withdrew"`
}

// eventFilter is an [EventQuery] that was read. All of its demands have to be met.
type eventFilter struct {
	demands []func(*happening) bool
}

func (f eventFilter) matches(h *happening) bool {
	for _, met := range f.demands {
		if !met(h) {
			return false
		}
	}
	return true
}

func (f *eventFilter) demand(met func(*happening) bool) { f.demands = append(f.demands, met) }

// Longest texts that a filter takes, in bytes.
const (
	maxFilterText = 512
	maxFilterHex  = 256
)

// filter reads q; what cannot match for its form is [rats.Malformed].
func (q EventQuery) filter() (eventFilter, error) {
	var f eventFilter
	for _, read := range []func(*eventFilter) error{q.byRecord, q.byBytes, q.byWords, q.byListing, q.byText} {
		if err := read(&f); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (q EventQuery) byRecord(f *eventFilter) error {
	if q.ID != "" {
		id, err := (&idInput{ID: q.ID}).parse()
		if err != nil {
			return err
		}
		f.demand(func(h *happening) bool { return h.Record.ID == id })
	}
	if q.Event != "" {
		var kinds []record.EventKind
		for word := range strings.SplitSeq(q.Event, ",") {
			kind, err := filterWord("event", word, record.EventKinds())
			if err != nil {
				return err
			}
			kinds = append(kinds, kind)
		}
		f.demand(func(h *happening) bool { return slices.Contains(kinds, h.Kind) })
	}
	return nil
}

func (q EventQuery) byBytes(f *eventFilter) error {
	for _, field := range []struct {
		name, text string
		of         func(*record.Record) []byte
	}{
		{"fingerprint", q.Fingerprint, func(r *record.Record) []byte { return r.Fingerprint }},
		{"mr_signer", q.MRSigner, func(r *record.Record) []byte { return r.MRSigner }},
		{"signer", q.Signer, func(r *record.Record) []byte { return r.Subject }},
	} {
		if strings.TrimSpace(field.text) == "" {
			continue
		}
		want, err := filterHex(field.name, field.text)
		if err != nil {
			return err
		}
		f.demand(func(h *happening) bool { return bytes.Equal(field.of(&h.Record), want) })
	}
	return nil
}

// teeWords are the kinds of enclaves that filters take.
func teeWords() []rats.TEE {
	return []rats.TEE{rats.SGX, rats.TDX, rats.EPID, rats.SNP, rats.Nitro, rats.Keystone, rats.Sanctum, rats.CCA}
}

func (q EventQuery) byWords(f *eventFilter) error {
	tiers := []rats.Tier{rats.Affirming, rats.Warning, rats.Contraindicated, rats.TierNone}
	states := []record.State{record.Active, record.Expired, record.Undecided, record.Withdrawn, record.Revoked}
	for _, err := range []error{
		demandWord(f, "tee", q.TEE, teeWords(), func(h *happening) rats.TEE { return h.Record.TEE }),
		demandWord(f, "status", q.Status, rats.TCBStatuses(), func(h *happening) rats.TCBStatus { return h.Record.Status }),
		demandWord(f, "tier", q.Tier, tiers, func(h *happening) rats.Tier { return h.Record.Tier }),
		demandWord(f, "state", q.State, states, func(h *happening) record.State { return h.Record.StateAt(h.Time) }),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// listed reports whether any listing matches that the record has or, where the
// event is that one was withdrawn, had.
func (h *happening) listed(match func(*record.Listing) bool) bool {
	for _, r := range []*record.Record{&h.Record, h.before} {
		if r == nil {
			continue
		}
		for i := range r.Listings {
			if match(&r.Listings[i]) {
				return true
			}
		}
	}
	return false
}

func (q EventQuery) byListing(f *eventFilter) error {
	if strings.TrimSpace(q.Registrar) != "" {
		want, err := filterHex("registrar", q.Registrar)
		if err != nil {
			return err
		}
		f.demand(func(h *happening) bool {
			return h.listed(func(l *record.Listing) bool { return bytes.Equal(l.Registrar[:], want) })
		})
	}
	if url := strings.TrimSpace(q.URL); url != "" {
		if len(url) > record.MaxURL {
			return rats.Errorf(rats.Malformed, "url: longer than %d bytes", record.MaxURL)
		}
		f.demand(func(h *happening) bool {
			return h.listed(func(l *record.Listing) bool { return strings.EqualFold(l.URL, url) })
		})
	}
	return nil
}

// byText is the free text: the start of something in hex, or a part of a URL.
func (q EventQuery) byText(f *eventFilter) error {
	text := strings.ToLower(strings.TrimSpace(q.Query))
	if text == "" {
		return nil
	}
	if len(text) > maxFilterText {
		return rats.Errorf(rats.Malformed, "q: longer than %d bytes", maxFilterText)
	}
	digits := strings.TrimPrefix(strings.Join(strings.Fields(text), ""), "0x")
	begins := func(b []byte) bool { return digits != "" && strings.HasPrefix(hex.EncodeToString(b), digits) }
	f.demand(func(h *happening) bool {
		r := &h.Record
		return begins(r.ID[:]) || begins(r.Fingerprint) || begins(r.MRSigner) || begins(r.Subject) ||
			h.listed(func(l *record.Listing) bool {
				return begins(l.Registrar[:]) || strings.Contains(strings.ToLower(l.URL), text)
			})
	})
	return nil
}

// demandWord adds a field that takes one word of a list.
func demandWord[W ~string](f *eventFilter, name, text string, words []W, of func(*happening) W) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	want, err := filterWord(name, text, words)
	if err == nil {
		f.demand(func(h *happening) bool { return of(h) == want })
	}
	return err
}

// filterWord returns the word of a list that text spells in any case.
func filterWord[W ~string](name, text string, words []W) (W, error) {
	text = strings.TrimSpace(text)
	names := make([]string, len(words))
	for i, w := range words {
		if strings.EqualFold(string(w), text) {
			return w, nil
		}
		names[i] = string(w)
	}
	return "", rats.Errorf(rats.Malformed, "%s: want one of %s", name, strings.Join(names, ", "))
}

func filterHex(name, text string) ([]byte, error) {
	if len(text) > maxFilterHex {
		return nil, rats.Errorf(rats.Malformed, "%s: longer than %d digits", name, maxFilterHex)
	}
	return decodeHex(name, text)
}

// fromTheStart is the place before the first event: what the id of the last one
// is to who has seen none.
const fromTheStart = "start"

// follow returns a follower of what q asks for. Its place is after the event
// that after names, or now where that is empty. A place that the log does not
// have is [rats.Malformed].
func (g *Gateway) follow(ctx context.Context, q EventQuery, after string) (*follower, error) {
	filter, err := q.filter()
	if err != nil {
		return nil, err
	}
	f := &follower{feed: g.feed, filter: filter, next: g.cfg.Registry.EventCount()}
	switch after = strings.TrimSpace(after); after {
	case "":
		return f, nil
	case fromTheStart:
		f.next = 0
		return f, nil
	}
	last, err := strconv.ParseUint(after, 10, 64)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "after: not the number of an event, nor the word %s", fromTheStart)
	}
	if last < f.next {
		f.next = last + 1
		return f, nil
	}
	if s, err := g.cfg.Ledger.Status(ctx); err == nil && s.CatchingUp {
		f.next = last + 1 // others have it, and the node will
		return f, nil
	}
	return nil, rats.Errorf(rats.Malformed, "after: there is no event %d; the next will be %d", last, f.next)
}

// place names where a follower stands, for it to go on from.
func (f *follower) place() string {
	if f.next == 0 {
		return fromTheStart
	}
	return strconv.FormatUint(f.next-1, 10)
}
