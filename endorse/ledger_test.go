// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// shelfOf lists items as a node does, by the filters of its API.
func shelfOf(t testing.TB, items []rats.Endorsement, asked *[]url.Values) endorse.Lister {
	return func(_ context.Context, filters url.Values) ([]rats.Endorsement, error) {
		*asked = append(*asked, filters)
		var out []rats.Endorsement
		for _, e := range items {
			key := keyOf(t, e)
			if string(e.Kind) == filters.Get("kind") && (filters.Get("tee") == "" || string(key.TEE) == filters.Get("tee")) &&
				(filters.Get("fmspc") == "" || key.Scope == filters.Get("fmspc")) {
				out = append(out, e)
			}
		}
		return out, nil
	}
}

func newLedger(list endorse.Lister, report func(endorse.Event)) *endorse.Ledger {
	return endorse.NewLedger("node.example", list, []rats.TrustRoot{simtee.Root()}, at, report)
}

func TestALedgerGivesWhatAnAppraisalNeeds(t *testing.T) {
	var asked []url.Values
	held := vendor(t, at(), 20, simtee.Faults{})
	order := inOrder(never, newLedger(shelfOf(t, held, &asked), nil))
	got := order.Ask(t.Context(), simulatedNeeds(t), at())
	if got.Short != nil || len(got.From) < 4 {
		t.Errorf("%d, %v", len(got.From), got.Short)
	}
	for _, filters := range asked {
		if filters.Get("body") != "true" || filters.Get("kind") == string(rats.TCBInfo) && filters.Get("fmspc") != "00a51e000000" {
			t.Errorf("asked %v", filters)
		}
	}
	var keys []rats.EndorsementKey
	for _, e := range held {
		keys = append(keys, keyOf(t, e))
	}
	if items, err := order.Renew(t.Context(), keys); err != nil || len(items) == 0 {
		t.Errorf("renewal: %d, %v", len(items), err)
	}
}

// A node is nobody to be believed: what it lists has to verify.
func TestWhatALedgersNodeForgesCountsForNothing(t *testing.T) {
	fresh, older := daysAgo(t, 1, 20), daysAgo(t, 5, 20)
	var outcomes []endorse.Outcome
	forger := newLedger(func(_ context.Context, filters url.Values) ([]rats.Endorsement, error) {
		var out []rats.Endorsement
		for _, e := range fresh {
			if string(e.Kind) == filters.Get("kind") {
				out = append(out, forged(e))
			}
		}
		return append(out, rats.Endorsement{Kind: rats.TCBInfo, Body: []byte("{}")}), nil
	}, func(e endorse.Event) { outcomes = append(outcomes, e.Outcome) })
	got := inOrder(never, forger, &fake{items: older}).Ask(t.Context(), simulatedNeeds(t), at())
	if got.Short != nil || len(got.Items) != 4 {
		t.Errorf("%d, %v", len(got.Items), got.Short)
	}
	for _, g := range got.From {
		if g.Source != "B" {
			t.Errorf("%s is from the forger", g.Info.Key.Kind)
		}
	}
	if !slices.Contains(outcomes, endorse.Refused) || slices.Contains(outcomes, endorse.Got) {
		t.Errorf("reported %v", outcomes)
	}
}

func TestANodeThatIsDownIsLeftAlone(t *testing.T) {
	calls := 0
	list := func(context.Context, url.Values) ([]rats.Endorsement, error) {
		calls++
		return nil, io.ErrUnexpectedEOF
	}
	ledger := newLedger(list, nil)
	_, err := ledger.Endorsements(t.Context(), simulatedNeeds(t), at())
	if rats.KindOf(err) != rats.EndorsementUnavailable || !strings.Contains(err.Error(), "node.example") || calls != 3 {
		t.Errorf("%v after %d calls", err, calls)
	}
	up := make(map[string]bool)
	if ledger.Ups(up); up["node.example"] {
		t.Error("it counts as up")
	}
	refusing := newLedger(func(context.Context, url.Values) ([]rats.Endorsement, error) {
		return nil, rats.Errorf(rats.Unauthorized, "no token")
	}, nil)
	if _, err := refusing.Endorsements(t.Context(), simulatedNeeds(t), at()); err == nil || !strings.Contains(err.Error(), "no token") {
		t.Errorf("a refusal: %v", err)
	}
	if _, err := newLedger(func(context.Context, url.Values) ([]rats.Endorsement, error) { return nil, errors.New("strange") }, nil).
		Endorsements(t.Context(), simulatedNeeds(t), at()); rats.KindOf(err) != rats.EndorsementUnavailable {
		t.Errorf("anything else: %v", err)
	}
}

func TestADocumentOfALedgerIsTheOneIssuedLast(t *testing.T) {
	var asked []url.Values
	items := append(append(daysAgo(t, 9, 19), daysAgo(t, 3, 20)...), daysAgo(t, 6, 20)...)
	ledger := newLedger(shelfOf(t, items, &asked), nil)
	tcb := endorse.Document{Kind: rats.TCBInfo, TEE: rats.SGX, FMSPC: [6]byte{0x00, 0xa5, 0x1e}}
	for number, days := range map[dcap.EvaluationNumber]int{"standard": 3, "19": 9, "20": 3} {
		tcb.Evaluation = number
		got, err := ledger.Fetch(t.Context(), tcb)
		if err != nil || !got.Info.Issued.Equal(at().AddDate(0, 0, -days).Truncate(24*time.Hour)) {
			t.Errorf("%s: %+v, %v", number, got, err)
		}
	}
	if _, err := ledger.Fetch(t.Context(), endorse.Document{Kind: rats.PCKCRL, CA: endorse.ProcessorCA}); rats.KindOf(err) != rats.EndorsementUnavailable {
		t.Errorf("the list of a CA that there is not: %v", err)
	}
	if got, err := ledger.Fetch(t.Context(), endorse.Document{Kind: rats.PCKCRL, CA: endorse.PlatformCA}); err != nil || got == nil {
		t.Errorf("the list of the CA that there is: %v", err)
	}
}
