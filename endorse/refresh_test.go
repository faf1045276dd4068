// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// shelf keeps endorsements as a ledger does: of each key the latest.
type shelf struct {
	t         *testing.T
	held      map[rats.EndorsementKey]attesteer.EndorsementInfo
	published []rats.Endorsement
	err       error
}

var _ endorse.Shelf = (*shelf)(nil)

func (s *shelf) Held() []attesteer.EndorsementInfo {
	var out []attesteer.EndorsementInfo
	for _, info := range s.held {
		out = append(out, info)
	}
	return out
}

func (s *shelf) Publish(_ context.Context, items []rats.Endorsement) error {
	if s.err != nil {
		return s.err
	}
	s.published = append(s.published, items...)
	s.put(items)
	return nil
}

func (s *shelf) put(items []rats.Endorsement) {
	for _, e := range items {
		info, err := attesteer.CheckEndorsement(e, []rats.TrustRoot{simtee.Root()})
		if err != nil {
			s.t.Fatal(err)
		}
		if have, ok := s.held[info.Key]; !ok || info.Issued.After(have.Issued) {
			s.held[info.Key] = *info
		}
	}
}

// kinds returns of what kinds the items are that were published since the last
// call.
func (s *shelf) kinds() []rats.EndorsementKind {
	var out []rats.EndorsementKind
	for _, e := range s.published {
		out = append(out, e.Kind)
	}
	slices.Sort(out)
	s.published = nil
	return out
}

// renewing is a refresher of a shelf from a stand-in.
type renewing struct {
	*service
	*endorse.Refresher
	shelf *shelf
	errs  []error
}

// renew returns one whose shelf holds what an enclave needs, as of the start of
// the day of at.
func renew(t *testing.T) *renewing {
	t.Helper()
	r := &renewing{service: serve(t, usual(t), nil)}
	r.shelf = &shelf{t: t, held: make(map[rats.EndorsementKey]attesteer.EndorsementInfo)}
	items, err := r.client.Endorsements(t.Context(), simulatedNeeds(t), at())
	if err != nil {
		t.Fatal(err)
	}
	r.shelf.put(items)
	r.Refresher = &endorse.Refresher{
		Source: r.client, Shelf: r.shelf, Now: r.clock.Now, Random: func() float64 { return 0 },
		Report: func(_ []rats.Endorsement, err error) { r.errs = append(r.errs, err) },
	}
	return r
}

// vendorIssues makes the service have what the vendor issues now.
func (r *renewing) vendorIssues(t *testing.T, number int) {
	t.Helper()
	if err := r.Set(vendor(t, r.clock.Now(), number, simtee.Faults{})...); err != nil {
		t.Fatal(err)
	}
}

// pass lets time pass, with a round each hour.
func (r *renewing) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for ; d > 0; d -= time.Hour {
		r.clock.advance(time.Hour)
		r.Round(t.Context())
	}
}

func TestWhatTheShelfHoldsIsReplacedBeforeItEnds(t *testing.T) {
	r := renew(t)
	r.Round(t.Context())
	r.pass(t, 19*24*time.Hour) // at() is noon, the day began twelve hours before
	if kinds := r.shelf.kinds(); len(kinds) != 0 {
		t.Fatalf("published %v, of which the service has nothing newer", kinds)
	}
	r.vendorIssues(t, 20)
	r.pass(t, 2*24*time.Hour)
	want := []rats.EndorsementKind{rats.PCKCRL, rats.QEIdentity, rats.RootCACRL, rats.TCBInfo}
	if kinds := r.shelf.kinds(); !slices.Equal(kinds, want) {
		t.Errorf("published %v, want %v once each", kinds, want)
	}
	calls := len(r.Calls(""))
	r.pass(t, 12*time.Hour)
	if kinds := r.shelf.kinds(); len(kinds) != 0 || len(r.Calls("")) != calls {
		t.Errorf("published %v in %d calls right after", kinds, len(r.Calls(""))-calls)
	}
}

func TestANewCopyOfWhatHoldsForLongIsNotPublishedButANewListIs(t *testing.T) {
	r := renew(t)
	r.Round(t.Context())
	r.clock.advance(5 * 24 * time.Hour)
	r.vendorIssues(t, 20)
	r.Round(t.Context())
	if kinds := r.shelf.kinds(); !slices.Equal(kinds, []rats.EndorsementKind{rats.PCKCRL, rats.RootCACRL}) {
		t.Errorf("published %v, want the revocation lists", kinds)
	}
}

func TestANewEvaluationIsPublishedWithinADay(t *testing.T) {
	r := renew(t)
	r.Round(t.Context())
	r.pass(t, 24*time.Hour)
	r.vendorIssues(t, 21)
	r.shelf.kinds()
	r.pass(t, 24*time.Hour)
	kinds := r.shelf.kinds()
	if !slices.Contains(kinds, rats.TCBInfo) || !slices.Contains(kinds, rats.QEIdentity) {
		t.Errorf("published %v", kinds)
	}
}

func TestAServiceThatIsDownIsAskedAgainUntilItIsUp(t *testing.T) {
	r := renew(t)
	r.Round(t.Context())
	r.Break("", pcstest.Down())
	r.pass(t, 25*24*time.Hour)
	if kinds := r.shelf.kinds(); len(kinds) != 0 {
		t.Fatalf("published %v", kinds)
	}
	if len(r.errs) == 0 || rats.KindOf(r.errs[len(r.errs)-1]) != rats.EndorsementUnavailable {
		t.Errorf("reported %v", r.errs)
	}
	r.Mend()
	r.vendorIssues(t, 20)
	r.pass(t, 24*time.Hour)
	if kinds := r.shelf.kinds(); len(kinds) != 4 {
		t.Errorf("published %v, want all four before their end", kinds)
	}
}

func TestWhatTheLedgerRefusesIsTriedAgain(t *testing.T) {
	r := renew(t)
	r.Round(t.Context())
	r.clock.advance(21 * 24 * time.Hour)
	r.vendorIssues(t, 20)
	r.shelf.err = errors.New("no")
	r.Round(t.Context())
	if len(r.errs) != 1 || !errors.Is(r.errs[0], r.shelf.err) {
		t.Errorf("reported %v", r.errs)
	}
	r.shelf.err = nil
	r.pass(t, time.Hour)
	if kinds := r.shelf.kinds(); len(kinds) != 4 {
		t.Errorf("published %v", kinds)
	}
}

func TestManyNodesDoNotAskAtOnce(t *testing.T) {
	first := make(map[float64]time.Time)
	for _, random := range []float64{0, 0.5, 0.999} {
		r := renew(t)
		r.Random = func() float64 { return random }
		r.Round(t.Context())
		r.clock.advance(12 * 24 * time.Hour)
		r.Round(t.Context())
		r.shelf.kinds()
		r.vendorIssues(t, 20)
		r.shelf.held = only(r.shelf.held, rats.TCBInfo)
		for len(r.shelf.published) == 0 && first[random].IsZero() {
			r.pass(t, time.Hour)
			if r.clock.Now().After(at().Add(30 * 24 * time.Hour)) {
				t.Fatalf("random %v: not renewed in time", random)
			}
		}
		first[random] = r.clock.Now()
	}
	if !first[0.999].Before(first[0.5]) || !first[0.5].Before(first[0]) {
		t.Errorf("renewed at %v", first)
	}
	start := at().Truncate(24 * time.Hour)
	if early, late := first[0.999].Sub(start), first[0].Sub(start); early < 16*24*time.Hour || late > 21*24*time.Hour {
		t.Errorf("renewed after %s at the earliest, %s at the latest", early, late)
	}
}

// only keeps what is of a kind.
func only(held map[rats.EndorsementKey]attesteer.EndorsementInfo, kind rats.EndorsementKind) map[rats.EndorsementKey]attesteer.EndorsementInfo {
	out := make(map[rats.EndorsementKey]attesteer.EndorsementInfo)
	for key, info := range held {
		if key.Kind == kind {
			out[key] = info
		}
	}
	return out
}

func TestWhatNobodyNeedsAnyMoreIsLetGo(t *testing.T) {
	r := renew(t)
	r.clock.advance(100 * 24 * time.Hour) // over a life after its end
	calls := len(r.Calls(""))
	r.pass(t, 48*time.Hour)
	if n := len(r.Calls("")) - calls; n != 0 {
		t.Errorf("%d calls for what ended long ago", n)
	}
}

func TestOneRoundAsksForABoundedNumber(t *testing.T) {
	r := renew(t)
	for i := range 200 {
		info := attesteer.EndorsementInfo{Issued: at().AddDate(0, 0, -29), NextUpdate: at().AddDate(0, 0, 1)}
		info.Key = rats.EndorsementKey{Kind: rats.TCBInfo, TEE: rats.SGX, Scope: hexOf(i), Version: 3}
		r.shelf.held[info.Key] = info
	}
	calls := len(r.Calls(""))
	r.Round(t.Context())
	if n := len(r.Calls("")) - calls; n == 0 || n > 32 {
		t.Errorf("%d calls in one round", n)
	}
	for range 7 {
		r.clock.advance(time.Minute)
		r.Round(t.Context())
	}
	if n := len(r.Calls("")) - calls; n < 200 {
		t.Errorf("%d calls in all, want one for each platform", n)
	}
}

func hexOf(i int) string {
	const digits = "0123456789abcdef"
	return "0000000000" + string([]byte{digits[i>>4], digits[i&15]})
}

func TestARefresherEndsWithItsContext(t *testing.T) {
	r := renew(t)
	ctx, cancel := context.WithCancel(t.Context())
	rounds := 0
	r.SetWait(func(ctx context.Context, d time.Duration) error {
		if rounds++; rounds == 3 {
			cancel()
		}
		r.clock.advance(d)
		return ctx.Err()
	})
	r.Run(ctx) // returns
	if rounds != 3 {
		t.Errorf("%d rounds", rounds)
	}
}
