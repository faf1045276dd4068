// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// fake is a source that has what it is given.
type fake struct {
	items []rats.Endorsement
	err   error
	// slow: it answers when it is no longer waited for.
	slow bool

	mu    sync.Mutex // guards what follows
	asked int
}

func (f *fake) Endorsements(ctx context.Context, _ []attesteer.Need, _ time.Time) ([]rats.Endorsement, error) {
	f.mu.Lock()
	f.asked++
	f.mu.Unlock()
	if f.slow {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return f.items, f.err
}

func (f *fake) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// inOrder returns sources as one under the simulated root.
func inOrder(hedge time.Duration, sources ...endorse.Source) *endorse.Order {
	var all []endorse.Named
	for i, s := range sources {
		all = append(all, endorse.Named{Name: string(rune('A' + i)), Source: s})
	}
	return endorse.InOrder(endorse.OrderConfig{Roots: []rats.TrustRoot{simtee.Root()}, Hedge: hedge, Now: at}, all...)
}

// never is a hedge that no test waits for.
const never = time.Hour

// daysAgo returns what the simulated vendor issued some days ago for SGX.
func daysAgo(t testing.TB, days, number int) []rats.Endorsement {
	t.Helper()
	var out []rats.Endorsement
	seen := make(map[rats.EndorsementKind]bool)
	for _, e := range vendor(t, at().AddDate(0, 0, -days), number, simtee.Faults{}) {
		if key := keyOf(t, e); key.TEE != rats.TDX && e.Kind != rats.EvaluationNumbers && !seen[e.Kind] {
			seen[e.Kind] = true
			out = append(out, e)
		}
	}
	return out
}

func keyOf(t testing.TB, e rats.Endorsement) rats.EndorsementKey {
	t.Helper()
	info, err := attesteer.CheckEndorsement(e, []rats.TrustRoot{simtee.Root()})
	if err != nil {
		t.Fatal(err)
	}
	return info.Key
}

// forged returns an endorsement whose signature does not hold any more.
func forged(e rats.Endorsement) rats.Endorsement {
	body := bytes.Clone(e.Body)
	switch i := bytes.Index(body, []byte(`"tcbEvaluationDataNumber":`)); {
	case i >= 0:
		body[i+len(`"tcbEvaluationDataNumber":`)] ^= 1
	default:
		body[len(body)-1] ^= 1
	}
	return rats.Endorsement{Kind: e.Kind, Body: body, Issuers: e.Issuers}
}

func without(items []rats.Endorsement, kind rats.EndorsementKind) []rats.Endorsement {
	return slices.DeleteFunc(slices.Clone(items), func(e rats.Endorsement) bool { return e.Kind == kind })
}

func allForged(items []rats.Endorsement) []rats.Endorsement {
	out := make([]rats.Endorsement, 0, len(items))
	for _, e := range items {
		out = append(out, forged(e))
	}
	return out
}

func TestTheNextSourceIsAskedForWhatTheFirstDoesNotHaveThatHolds(t *testing.T) {
	fresh, older, stale, ended := daysAgo(t, 1, 20), daysAgo(t, 10, 20), daysAgo(t, 60, 20), daysAgo(t, 90, 20)
	future := daysAgo(t, -5, 20)
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		sources []*fake
		// asked says how many of the sources are asked.
		asked int
		// from names the source of the TCB info.
		from  string
		stale bool
		want  []rats.Endorsement
		short string
	}{
		"the first has all":                             {[]*fake{{items: older}, {items: fresh}}, 1, "A", false, older, ""},
		"the first lacks one":                           {[]*fake{{items: without(older, rats.TCBInfo)}, {items: fresh}}, 2, "B", false, fresh, ""},
		"the first lacks one that the second has older": {[]*fake{{items: without(fresh, rats.QEIdentity)}, {items: older}}, 2, "A", false, fresh, ""},
		"the first is stale":                            {[]*fake{{items: stale}, {items: older}, {items: fresh}}, 2, "B", false, older, ""},
		"the first is from the future":                  {[]*fake{{items: future}, {items: older}}, 2, "B", false, older, ""},
		"the first is forged":                           {[]*fake{{items: allForged(fresh)}, {items: older}}, 2, "B", false, older, ""},
		"the first is down":                             {[]*fake{{err: broken}, {items: older}}, 2, "B", false, older, ""},
		"the first has all and an error":                {[]*fake{{items: older, err: broken}, {items: fresh}}, 1, "A", false, older, ""},
		"all are stale":                                 {[]*fake{{items: ended}, {items: stale}, {items: ended}}, 3, "B", true, stale, ""},
		"a stale one and a forged one":                  {[]*fake{{items: stale}, {items: allForged(fresh)}}, 2, "A", true, stale, ""},
		"none has anything":                             {[]*fake{{}, {}}, 2, "", false, nil, "no source has it"},
		"all are down":                                  {[]*fake{{err: broken}, {err: errors.New("gone")}}, 2, "", false, nil, "broken; gone"},
	} {
		t.Run(name, func(t *testing.T) {
			var sources []endorse.Source
			for _, s := range test.sources {
				sources = append(sources, s)
			}
			got := inOrder(never, sources...).Ask(t.Context(), simulatedNeeds(t), at())
			asked := 0
			for _, s := range test.sources {
				asked += s.calls()
			}
			if asked != test.asked {
				t.Errorf("%d sources were asked, want %d", asked, test.asked)
			}
			if test.short == "" && got.Short != nil || test.short != "" && (got.Short == nil || !strings.Contains(got.Short.Error(), test.short)) {
				t.Errorf("short: %v, want %q", got.Short, test.short)
			}
			info := func(items []rats.Endorsement) []byte {
				for _, e := range items {
					if e.Kind == rats.TCBInfo {
						return e.Body
					}
				}
				return nil
			}
			if !bytes.Equal(info(got.Items), info(test.want)) || len(got.Items) != len(test.want) {
				t.Errorf("%d items, want the %d of %s", len(got.Items), len(test.want), test.from)
			}
			for _, g := range got.From {
				if g.Info.Key.Kind == rats.TCBInfo && (g.Source != test.from || g.Stale != test.stale || g.First != (test.from == "A")) {
					t.Errorf("TCB info: %+v, want it from %s, stale %t", g, test.from, test.stale)
				}
			}
			if asked > 1 && len(got.Complaints) == 0 && test.short != "no source has it" && !strings.Contains(name, "lacks") {
				t.Error("nothing is said of the first")
			}
		})
	}
}

func TestWhatIsAtHandIsAlwaysLookedAtAndTheFreshestCounts(t *testing.T) {
	service, folder := &fake{items: daysAgo(t, 10, 20)}, &fake{items: daysAgo(t, 1, 20)}
	order := endorse.InOrder(endorse.OrderConfig{Roots: []rats.TrustRoot{simtee.Root()}, Hedge: never},
		endorse.Named{Name: "service", Source: service}, endorse.Named{Name: "folder", Source: folder, Held: true})
	got := order.Ask(t.Context(), simulatedNeeds(t), at())
	if service.calls() != 1 || folder.calls() != 1 || len(got.From) != 4 || got.From[0].Source != "folder" {
		t.Errorf("service asked %d times, folder %d: %+v", service.calls(), folder.calls(), got.From)
	}
	// The other way round nobody needs to be asked.
	held := endorse.InOrder(endorse.OrderConfig{Roots: []rats.TrustRoot{simtee.Root()}, Hedge: never},
		endorse.Named{Name: "folder", Source: folder, Held: true}, endorse.Named{Name: "service", Source: service})
	if got := held.Ask(t.Context(), simulatedNeeds(t), at()); got.Short != nil || service.calls() != 1 {
		t.Errorf("the service was asked %d times for what the folder has", service.calls())
	}
	folder.items = without(daysAgo(t, 20, 20), rats.PCKCRL)
	for _, g := range order.Ask(t.Context(), simulatedNeeds(t), at()).From {
		if g.Source != "service" {
			t.Errorf("%s is from the %s, which has an older one", g.Info.Key.Kind, g.Source)
		}
	}
}

// A cloud that goes on serving an evaluation that has ended must not have a
// verdict rest on it where another source knows better.
func TestAnEvaluationThatEndedGivesWayToANewerOne(t *testing.T) {
	old, current := &fake{items: daysAgo(t, 90, 17)}, &fake{items: daysAgo(t, 2, 20)}
	got := inOrder(never, old, current).Ask(t.Context(), simulatedNeeds(t), at())
	for _, g := range got.From {
		if g.Info.Key.EvaluationDataNumber == 17 {
			t.Errorf("%s of the evaluation that ended is given", g.Info.Key.Kind)
		}
	}
	// What is asked for by number is not replaced by another, and not asked for once it is there.
	named := func(number string, sources ...*fake) []endorse.Given {
		cfg := endorse.OrderConfig{Roots: []rats.TrustRoot{simtee.Root()}, Hedge: never}
		cfg.Evaluation = "17"
		var all []endorse.Named
		for _, s := range sources {
			all = append(all, endorse.Named{Name: number, Source: s})
		}
		return endorse.InOrder(cfg, all...).Ask(t.Context(), simulatedNeeds(t), at()).From
	}
	numbers := func(all []endorse.Given) (n []uint32) {
		for _, g := range all {
			if g.Info.Key.Kind == rats.TCBInfo {
				n = append(n, g.Info.Key.EvaluationDataNumber)
			}
		}
		return n
	}
	if n := numbers(named("17", current, old)); !slices.Equal(n, []uint32{17, 20}) {
		t.Errorf("evaluations %v, want the stale 17 beside 20", n)
	}
	// TCB info and identity of one evaluation are looked for.
	mixed := append(without(daysAgo(t, 2, 19), rats.QEIdentity), without(daysAgo(t, 2, 20), rats.TCBInfo)...)
	second := &fake{items: daysAgo(t, 3, 20)}
	inOrder(never, &fake{items: mixed}, second).Ask(t.Context(), simulatedNeeds(t), at())
	if second.calls() != 1 {
		t.Error("TCB info and identity of different evaluations were enough")
	}
}

func TestASlowSourceHoldsNobodyUp(t *testing.T) {
	slow, second, third := &fake{slow: true}, &fake{items: without(daysAgo(t, 1, 20), rats.RootCACRL)}, &fake{items: daysAgo(t, 2, 20)}
	got := inOrder(time.Millisecond, slow, second, third).Ask(t.Context(), simulatedNeeds(t), at())
	if got.Short != nil || len(got.Items) != 4 || slow.calls() != 1 {
		t.Errorf("%d items, %v", len(got.Items), got.Short)
	}
	// That it was asked and not heard is said, and what came was not from the first.
	said := slices.ContainsFunc(got.Complaints, func(c endorse.Complaint) bool {
		return c.Source == "A" && strings.Contains(c.Err.Error(), "A has not answered yet")
	})
	if !said || slices.ContainsFunc(got.From, func(g endorse.Given) bool { return g.First }) {
		t.Errorf("complaints %v, from %v", got.Complaints, got.From)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if got := inOrder(never, slow).Ask(ctx, simulatedNeeds(t), at()); rats.KindOf(got.Short) != rats.EndorsementUnavailable {
		t.Errorf("the slow one alone: %v", got.Short)
	}
}

func TestRenewalAsksTheNextSourceForWhatIsNotRenewed(t *testing.T) {
	first, second := serve(t, usual(t)[1:], nil), serve(t, usual(t), nil) // all but TCB info for SGX
	var keys []rats.EndorsementKey
	for _, e := range daysAgo(t, 0, 20) {
		if e.Kind == rats.TCBInfo || e.Kind == rats.RootCACRL {
			keys = append(keys, keyOf(t, e))
		}
	}
	order := inOrder(never, first.client, second.client, &fake{})
	items, err := order.Renew(t.Context(), keys)
	if err != nil || len(items) != 2 || len(second.Calls("")) != 1 {
		t.Errorf("%d items, %v; the second was asked %v", len(items), err, second.Calls(""))
	}
	if up := order.Up(); len(up) != 2 || !up[first.client.Name()] {
		t.Errorf("up: %v", up)
	}
	if items, err = inOrder(never, first.client).Renew(t.Context(), keys); len(items) != 1 || rats.KindOf(err) != rats.EndorsementUnavailable {
		t.Errorf("the first alone: %d items, %v", len(items), err)
	}
}

// TestTheFreshestThatHoldsIsChosen draws sources with whatever copies and faults,
// in whatever order, and holds the choice against what those that answered gave.
func TestTheFreshestThatHoldsIsChosen(t *testing.T) {
	roots := []rats.TrustRoot{simtee.Root()}
	ages := []int{-5, 0, 3, 10, 20, 45, 60, 90}
	copies := make(map[int][]rats.Endorsement)
	for _, age := range ages {
		copies[age] = daysAgo(t, age, 20)
	}
	needs := simulatedNeeds(t)
	whole := t
	rapid.Check(t, func(t *rapid.T) {
		var sources []endorse.Named
		var fakes []*fake
		anySlow := false
		for i := range rapid.IntRange(1, 5).Draw(t, "sources") {
			f := &fake{slow: rapid.IntRange(0, 5).Draw(t, "slow") == 0}
			held := !f.slow && rapid.Bool().Draw(t, "held")
			for kind := range 4 {
				age := rapid.SampledFrom(ages).Draw(t, "age")
				switch e := copies[age][kind]; rapid.IntRange(0, 4).Draw(t, "fate") {
				case 0:
				case 1:
					f.items = append(f.items, forged(e))
				default:
					f.items = append(f.items, e)
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "error") == 0 {
				f.err = errors.New("not well")
			}
			anySlow = anySlow || f.slow
			fakes = append(fakes, f)
			sources = append(sources, endorse.Named{Name: string(rune('A' + i)), Source: f, Held: held})
		}
		hedge := never
		if anySlow {
			hedge = time.Millisecond
		}
		var got *endorse.Answer
		synctest.Test(whole, func(*testing.T) { // nobody is late but those that are slow
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			got = endorse.InOrder(endorse.OrderConfig{Roots: roots, Hedge: hedge}, sources...).Ask(ctx, needs, at())
		})

		for _, kind := range []rats.EndorsementKind{rats.TCBInfo, rats.QEIdentity, rats.PCKCRL, rats.RootCACRL} {
			var want *attesteer.EndorsementInfo
			holds := func(i *attesteer.EndorsementInfo) bool { return !at().Before(i.Issued) && !at().After(i.NextUpdate) }
			for _, f := range fakes {
				if f.slow || f.calls() == 0 {
					continue
				}
				for _, e := range f.items {
					info, err := attesteer.CheckEndorsement(e, roots)
					if err != nil || e.Kind != kind {
						continue
					}
					if want == nil || holds(info) && !holds(want) || holds(info) == holds(want) && info.Issued.After(want.Issued) {
						want = info
					}
				}
			}
			var chosen []endorse.Given
			for _, g := range got.From {
				if g.Info.Key.Kind == kind {
					chosen = append(chosen, g)
				}
			}
			switch {
			case want == nil && len(chosen) > 0:
				t.Fatalf("%s: %+v from nowhere", kind, chosen)
			case want == nil && got.Short == nil:
				t.Fatalf("%s: nobody has it, and nothing is short", kind)
			case want == nil:
			case anySlow && len(chosen) == 1 && holds(&chosen[0].Info):
				// Sources that were asked beside a slow one may have come too late.
			case len(chosen) != 1 || chosen[0].Info.SHA256 != want.SHA256 || chosen[0].Stale == holds(want):
				t.Fatalf("%s: chosen %+v, want the one of %s", kind, chosen, want.Issued)
			}
		}
	})
}
