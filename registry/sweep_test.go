// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// perBlock is how many records one block looks at by itself.
const perBlock = 500

// crowd records many enclaves of one machine.
func crowd(t testing.TB, c *chain, n int, change ...func(*record.Submission)) []record.ID {
	t.Helper()
	m, err := simtee.NewPlatform(1, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	var ids []record.ID
	for len(ids) < n {
		var txs [][]byte
		for range min(200, n-len(ids)-len(txs)) {
			e := simtee.Enclave{Platform: 1}
			binary.BigEndian.PutUint32(e.MREnclave[:], uint32(len(ids)+len(txs)+1))
			q, err := m.Quote(e)
			if err != nil {
				t.Fatal(err)
			}
			txs = append(txs, c.submit(key(1), q, change...))
		}
		for _, r := range c.block(txs...) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			ids = append(ids, r.RecordID)
		}
	}
	return ids
}

// copied returns another registry with the same state.
func (c *chain) copied() *chain {
	out := *c
	out.store = c.store.clone()
	out.reopen()
	return &out
}

func (c *chain) count(ids []record.ID, is func(record.Record) bool) (n int) {
	for _, id := range ids {
		if is(c.record(id)) {
			n++
		}
	}
	return n
}

func TestManyRecordsThatEndTogetherEndABoundedNumberABlock(t *testing.T) {
	c := endorsed(t)
	ids := crowd(t, c, perBlock+100)
	ended := func(r record.Record) bool { return r.State == record.Expired }
	c.blockAt(c.now + 3*day)
	if n := c.count(ids, ended); n != perBlock {
		t.Errorf("one block ended %d records", n)
	}
	if rec := c.record(ids[0]); rec.StateAt(c.now) != record.Expired {
		t.Error("a record whose turn has not come looks alive")
	}
	c.reopen()
	if !c.busy() {
		t.Fatal("what is left is forgotten by a restart")
	}
	c.blockAt(c.now + 1)
	if n := c.count(ids, ended); n != len(ids) || c.busy() {
		t.Errorf("%d of %d are over", n, len(ids))
	}
}

func TestReappraisalGoesOnWhereItStoodAfterARestart(t *testing.T) {
	c := endorsed(t)
	ids := crowd(t, c, perBlock+100, forDays(10))
	c.later(day)
	c.ok(c.publish(endorsementsAt(t, vendor(t, demoted(rats.SGX, rats.OutOfDate)), 1)...))
	fallen := func(r record.Record) bool { return r.Status == rats.OutOfDate }
	if n := c.count(ids, fallen); n != 0 {
		t.Fatalf("%d fell in the block itself", n)
	}
	other := c.copied()
	for blocks := 1; c.busy(); blocks++ {
		c.blockAt(c.now + 1)
		other.reopen()
		other.blockAt(c.now)
		if c.reg.AppHash() != other.reg.AppHash() {
			t.Fatalf("block %d: a registry that is restarted goes another way", blocks)
		}
		if n := c.count(ids, fallen); n != min(len(ids), blocks*perBlock) {
			t.Errorf("after %d blocks %d fell", blocks, n)
		}
	}
	if n := c.count(ids, fallen); n != len(ids) {
		t.Errorf("%d of %d fell", n, len(ids))
	}
}

// Were a sweep begun anew at its beginning whenever something new comes, whoever
// publishes often enough could keep the last records from ever being judged.
func TestEndorsementsThatKeepComingDoNotKeepAnyRecordFromBeingJudged(t *testing.T) {
	c := endorsed(t)
	ids := crowd(t, c, 2*perBlock+100, forDays(60))
	c.later(day)
	touched := map[record.ID]bool{}
	for n := range 12 {
		status := []rats.TCBStatus{rats.OutOfDate, rats.SWHardeningNeeded, rats.ConfigurationNeeded}[n%3]
		from := c.reg.EventCount()
		c.now += day
		c.blockAt(c.now, c.publish(endorsementsAt(t, vendor(t, demoted(rats.SGX, status)), 2+n)...))
		events, err := c.reg.Events(from, registry.MaxEvents)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			touched[e.Record.ID] = true
		}
	}
	if len(touched) != len(ids) {
		t.Errorf("%d of %d records were judged while endorsements kept coming", len(touched), len(ids))
	}
	c.settle()
	last := c.record(ids[0]).Status
	if n := c.count(ids, func(r record.Record) bool { return r.Status == last }); n != len(ids) {
		t.Errorf("%d of %d records stand alike", n, len(ids))
	}
}

// verdicts holds each watched record against a verification of its evidence by
// what is in state.
func verdicts(t rapid.TB, c *chain, ids []record.ID) map[record.ID]string {
	out := map[record.ID]string{}
	var items []rats.Endorsement
	for _, entry := range c.reg.Endorsements() {
		e, err := c.reg.Endorsement(entry.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, e)
	}
	en, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		t.Fatal(err)
	}
	policy := attesteer.Policy{AllowDebug: true, AcceptTCB: rats.TCBStatuses(), Roots: append(attesteer.Roots(), simtee.Root())}
	delay := time.Duration(c.reg.Genesis().Parameters.EvaluationDelay) * time.Millisecond
	for _, id := range ids {
		rec, err := c.reg.Record(id)
		if err != nil {
			continue
		}
		out[id] = string(rec.State) + " " + string(rec.Status) + " " + string(rec.Tier)
		if c.store.m["mw"+string(id[:])] == nil {
			out[id] = string(rec.State)
			continue
		}
		raw, err := c.reg.Evidence(rec.EvidenceSHA256)
		if err != nil {
			t.Fatal(err)
		}
		r, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, en.WithBinding(delay), policy, c.now.Time())
		want := record.Active
		switch {
		case rats.KindOf(err) == rats.EndorsementExpired || rats.KindOf(err) == rats.EndorsementUnavailable:
			want = record.Undecided
		case err != nil, r.TCB.Status == rats.TCBRevoked, r.TCB.Status == rats.NotSupported:
			want = record.Revoked
		}
		if rec.State != want {
			t.Fatalf("record %x is %s, its evidence %s: %v", id[:4], rec.State, want, err)
		}
		if want == record.Active && (rec.Status != r.TCB.Status || rec.Tier != r.Tier || !slices.Equal(rec.Advisories, r.TCB.Advisories) ||
			rec.ValidUntil != record.MillisOf(*r.ValidUntil)) {
			t.Fatalf("record %x: %s %v until %v, its evidence %s %v until %v", id[:4],
				rec.Status, rec.Advisories, rec.ValidUntil.Time(), r.TCB.Status, r.TCB.Advisories, r.ValidUntil)
		}
	}
	return out
}

// publications is what vendors may publish on several days.
func publications(t testing.TB) [][]rats.Endorsement {
	t.Helper()
	var out [][]rats.Endorsement
	for i, f := range []simtee.Faults{
		{}, demoted(rats.SGX, rats.OutOfDate), demoted(rats.TDX, rats.TCBRevoked), {RevokedPlatforms: []uint32{1}},
		{Identity: func(i *simtee.Identity) { i.Levels[0].TCB.ISVSVN = 40 }}, {},
		{TCBInfo: func(i *simtee.TCBInfo) { i.EvaluationDataNumber = 21; i.Levels[0].Status = rats.SWHardeningNeeded }},
		{Identity: func(i *simtee.Identity) { i.EvaluationDataNumber = 21 }},
	} {
		out = append(out, endorsementsAt(t, vendor(t, f), 5*i))
	}
	for i, binds := range []int{10, 45} {
		recovery := start().AddDate(0, 0, binds).Add(-365 * 24 * time.Hour).Format(time.RFC3339)
		pki := vendor(t, simtee.Faults{Numbers: func(l *simtee.EvaluationNumbers) {
			l.Numbers = append([]simtee.EvaluationNumber{{Number: 21, RecoveryEvent: recovery, Date: recovery}}, l.Numbers...)
		}})
		e, err := pki.EvaluationNumbers(rats.SGX, start().AddDate(0, 0, i))
		if err != nil {
			t.Fatal(err)
		}
		out[i] = append(out[i], e)
	}
	return out
}

// subjects are enclaves of several kinds and platforms.
func subjects(t testing.TB) (quotes [][]byte) {
	t.Helper()
	for i, status := range []rats.TCBStatus{rats.UpToDate, rats.OutOfDate, rats.SWHardeningNeeded} {
		quotes = append(quotes,
			quoteOf(t, simtee.Enclave{Platform: uint32(i), TCB: status, MREnclave: [32]byte{byte(i)}}),
			tdQuoteOf(t, simtee.TD{Platform: uint32(i), TCB: status, MRTD: [48]byte{byte(i)}}))
	}
	return quotes
}

// TestWhateverHappensRecordsSayWhatTheirEvidenceSays once all work is done, and
// two registries of which one is restarted at drawn heights agree at each.
func TestWhateverHappensRecordsSayWhatTheirEvidenceSays(t *testing.T) {
	pool, quotes := publications(t), subjects(t)
	base := endorsed(t)
	rapid.Check(t, func(rt *rapid.T) {
		a := base.copied()
		b := a.copied()
		seen := map[record.ID]bool{}
		var ids []record.ID
		both := func(at record.Millis, txs ...[]byte) {
			results := a.blockAt(at, txs...)
			if rapid.Bool().Draw(rt, "restart") {
				b.reopen()
			}
			b.blockAt(at, txs...)
			if a.reg.AppHash() != b.reg.AppHash() {
				rt.Fatalf("height %d: %x and %x", a.reg.Height(), a.reg.AppHash(), b.reg.AppHash())
			}
			for _, r := range results {
				if r.Recorded && !seen[r.RecordID] {
					seen[r.RecordID] = true
					ids = append(ids, r.RecordID)
				}
			}
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			var txs [][]byte
			for range rapid.IntRange(0, 3).Draw(rt, "size") {
				if rapid.Bool().Draw(rt, "publish") {
					items := pool[rapid.IntRange(0, len(pool)-1).Draw(rt, "day")]
					if rapid.Bool().Draw(rt, "part") {
						items = items[:rapid.IntRange(1, len(items)).Draw(rt, "items")]
					}
					txs = append(txs, a.publish(items...))
				} else {
					q := quotes[rapid.IntRange(0, len(quotes)-1).Draw(rt, "quote")]
					txs = append(txs, a.submit(key(1), q, forDays(rapid.IntRange(1, 60).Draw(rt, "days"))))
				}
			}
			pause := record.Millis(rapid.Int64Range(1, 40).Draw(rt, "hours")) * hour
			// What was signed for now has to count then.
			both(a.now+1, txs...)
			both(a.now + pause)
		}
		for n := 0; a.busy(); n++ {
			if n > 20 {
				rt.Fatal("there is no end of work")
			}
			both(a.now + 1)
		}
		verdicts(rt, a, ids)
	})
}

func TestTheOrderOfEndorsementsDoesNotMatterForWhatRecordsSayInTheEnd(t *testing.T) {
	pool, quotes := publications(t), subjects(t)
	var items []rats.Endorsement
	for _, more := range pool {
		items = append(items, more...)
	}
	base := endorsed(t)
	var ids []record.ID
	for _, q := range quotes {
		ids = append(ids, base.ok(base.submit(key(1), q, forDays(90))).RecordID)
	}
	base.later(40 * day)
	var want map[record.ID]string
	rapid.Check(t, func(rt *rapid.T) {
		c := base.copied()
		order := rapid.Permutation(items).Draw(rt, "order")
		for len(order) > 0 {
			n := min(len(order), rapid.IntRange(1, 8).Draw(rt, "size"))
			c.block(c.publish(order[:n]...))
			order = order[n:]
			if rapid.Bool().Draw(rt, "idle") {
				c.settle()
			}
		}
		// All come to the same ledger time: some data lapse on the way.
		c.blockAt(base.now + day)
		c.settle()
		got := verdicts(rt, c, ids)
		if want == nil {
			want = got
		}
		for id, v := range got {
			if want[id] != v {
				rt.Fatalf("record %x: %s, want %s", id[:4], v, want[id])
			}
		}
	})
}

// BenchmarkReappraisal judges records again by endorsements that change each of
// them, a full block at a time.
func BenchmarkReappraisal(b *testing.B) {
	c := endorsed(b)
	ids := crowd(b, c, perBlock, forDays(80))
	var published [][]rats.Endorsement
	for i := range 25 {
		status := []rats.TCBStatus{rats.OutOfDate, rats.SWHardeningNeeded}[i%2]
		published = append(published, endorsementsAt(b, vendor(b, demoted(rats.SGX, status)), i+1))
	}
	n := 0
	for b.Loop() {
		b.StopTimer()
		if n == len(published) {
			b.Skip("no more data")
		}
		c.now += day
		c.blockAt(c.now, c.publish(published[n]...))
		n++
		b.StartTimer()
		c.blockAt(c.now + 1)
	}
	b.ReportMetric(float64(len(c.store.m["mw"+string(ids[0][:])])), "B/watch")
	b.ReportMetric(float64(b.N*perBlock)/b.Elapsed().Seconds(), "records/s")
}
