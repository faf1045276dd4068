// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// happened follows a node until it has n events.
func (h *house) happened(t testing.TB, f client.Follow, n int) []client.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out []client.Event
	for e, err := range h.client("").Events(ctx, f) {
		if err != nil {
			t.Error(err)
			break
		}
		if out = append(out, *e); len(out) == n {
			break
		}
	}
	return out
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAStreamTellsWhatTheHistoriesTell(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("secret-word")
	var want []client.Event
	for n := range 3 {
		got, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, uint64(n), simtee.Enclave{}), URL: "https://e.example/?<&>"})
		if err != nil {
			t.Fatal(err)
		}
		past, err := c.History(t.Context(), got.Record.ID)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, past.Events...)
	}
	got := h.happened(t, client.Follow{After: client.FromStart}, len(want))
	if asJSON(t, got) != asJSON(t, want) {
		t.Errorf("the stream tells\n%s\nand the histories\n%s", asJSON(t, got), asJSON(t, want))
	}
	one := h.happened(t, client.Follow{After: "0", Filters: url.Values{"id": {want[2].Record.ID}}}, 1)
	if asJSON(t, one) != asJSON(t, want[2:]) {
		t.Errorf("of one record it tells %s", asJSON(t, one))
	}
}

func TestHoweverManyStreamsThereAreEachTellsEverythingOnce(t *testing.T) {
	const streams, events = 60, 8
	h := open(t, "dev", func(_ *ledger.Config, g *gateway.Config) { g.Streams.PerAddress = streams })
	var all sync.WaitGroup
	for range streams {
		all.Go(func() {
			for i, e := range h.happened(t, client.Follow{After: client.FromStart}, events) {
				if e.Sequence != uint64(i) {
					t.Errorf("event %d at place %d", e.Sequence, i)
				}
			}
		})
	}
	for n := range events {
		h.lives(t, uint64(n))
	}
	all.Wait()
}

// chosen returns the records of the events, up to one of them, that a filter
// selects.
func (h *house) chosen(t testing.TB, filters url.Values, last uint64) (ids []string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/v1/events?"+filters.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", client.FromStart)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is left to lose
	id, lines := "", bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "id":
			id = value
		case name == "data":
			ids = append(ids, as[client.Event](t, []byte(value)).Record.ID)
		case name == "" && id == strconv.FormatUint(last, 10):
			return ids
		}
	}
	t.Fatalf("%v: the stream ended: %v", filters, lines.Err())
	return nil
}

// TestTheStreamChoosesAsTheListingDoes holds the two readings of one filter
// against each other, on records of which each has one event.
func TestTheStreamChoosesAsTheListingDoes(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("secret-word")
	td, err := simtee.TD{}.Quote()
	if err != nil {
		t.Fatal(err)
	}
	var all []record.View
	for n, s := range []client.Submission{
		{Evidence: quote(t, 1, simtee.Enclave{}), URL: "https://One.example/a"},
		{Evidence: quote(t, 2, simtee.Enclave{Debug: true})},
		{Evidence: quote(t, 3, simtee.Enclave{MRSigner: [32]byte{7}}), URL: "https://two.example"},
		{Evidence: td, URL: "https://one.example"},
	} {
		got, err := c.SubmitEvidence(t.Context(), s)
		if err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		all = append(all, got.Record)
	}
	first, third := all[0], all[2]
	for _, query := range []string{
		"", "tee=sgx", "tee=TDX", "fingerprint=" + first.Fingerprint, "fingerprint=0x" + first.Fingerprint, "fingerprint=00", "mr_signer=" + third.MRSigner,
		"signer=" + first.Signer.Opaque, "url=https://one.example", "url=HTTPS://ONE.example/A", "url=one", "status=uptodate", "status=OutOfDate",
		"tier=affirming", "tier=contraindicated", "state=active", "state=withdrawn", "registrar=" + *first.Registrar, "registrar=00",
		"q=one.example", "q=" + first.ID[:7], "q=0x" + third.Fingerprint[:9], "q=" + first.Signer.Opaque[:20], "q=%25", "q=_", "q=zzz", "q=" + (*first.Registrar)[:5],
		"tee=sgx&q=one", "tee=tdx&tier=affirming&url=https://one.example", "tee=sgx&state=expired",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		page, err := c.List(t.Context(), values)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var listed []string
		for _, v := range page.Enclaves {
			listed = append(listed, v.ID)
		}
		slices.Reverse(listed) // the newest is listed first
		if told := h.chosen(t, values, uint64(len(all)-1)); !slices.Equal(listed, told) {
			t.Errorf("%s: listed are\n%s, and the stream tells of\n%s", query, listed, told)
		}
	}
	for _, query := range []string{"tee=toaster", "status=x", "tier=x", "state=x", "fingerprint=0", "signer=x", "registrar=x"} {
		values, _ := url.ParseQuery(query)
		_, listing := c.List(t.Context(), values)
		for _, err := range c.Events(t.Context(), client.Follow{Filters: values}) {
			if rats.KindOf(listing) != rats.Malformed || rats.KindOf(err) != rats.Malformed {
				t.Errorf("%s: the listing says %v, the stream %v", query, listing, err)
			}
			break
		}
	}
}
