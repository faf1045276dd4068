// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// evaluation is what the vendor endorses under an evaluation number, at which
// SGX platforms that were up to date have a status.
func evaluation(number int, status rats.TCBStatus) simtee.Faults {
	f := demoted(rats.SGX, status)
	demote := f.TCBInfo
	f.TCBInfo = func(i *simtee.TCBInfo) {
		demote(i)
		i.EvaluationDataNumber = number
	}
	f.Identity = func(i *simtee.Identity) { i.EvaluationDataNumber = number }
	return f
}

// evaluated publishes an evaluation as of a day.
func (c *chain) evaluated(number int, status rats.TCBStatus, days int) {
	c.t.Helper()
	items, err := vendor(c.t, evaluation(number, status)).Endorsements(start().AddDate(0, 0, days))
	if err != nil {
		c.t.Fatal(err)
	}
	c.ok(c.publish(items[:2]...))
	c.settle()
}

// numbered publishes a list of evaluation numbers as of a day: each number with
// the day at which it binds, a year after its recovery.
func (c *chain) numbered(days int, binds map[int]int) {
	c.t.Helper()
	f := simtee.Faults{Numbers: func(l *simtee.EvaluationNumbers) {
		l.Numbers = nil
		for n := 30; n > 0; n-- {
			if at, ok := binds[n]; ok {
				recovery := start().AddDate(0, 0, at).Add(-365 * 24 * time.Hour).Format(time.RFC3339)
				l.Numbers = append(l.Numbers, simtee.EvaluationNumber{Number: n, RecoveryEvent: recovery, Date: recovery})
			}
		}
	}}
	e, err := vendor(c.t, f).EvaluationNumbers(rats.SGX, start().AddDate(0, 0, days))
	if err != nil {
		c.t.Fatal(err)
	}
	c.ok(c.publish(e))
	c.settle()
}

func TestAnEvaluationBindsAYearAfterItsRecovery(t *testing.T) {
	c := endorsed(t) // evaluation 20
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}), forDays(25))).RecordID
	binds := record.MillisOf(start()) + 10*day
	c.numbered(0, map[int]int{20: -1, 21: 10})
	c.later(day)
	c.evaluated(21, rats.OutOfDate, 1)

	rec, e := c.record(id), c.lastEvent(id)
	if rec.Status != rats.UpToDate || rec.StatusReason != record.ReasonAttested || e.Kind != record.Announced {
		t.Errorf("before it binds: %s, %s, %s", rec.Status, rec.StatusReason, e.Kind)
	}
	if w := rec.View(c.now).WillChange; w == nil || *w != (record.WillChange{At: binds, To: rats.OutOfDate, Reason: record.ReasonRecovery}) {
		t.Errorf("will change %+v", w)
	}
	c.blockAt(binds - 1)
	if got := c.record(id).Status; got != rats.UpToDate {
		t.Fatalf("%s a moment before it binds", got)
	}
	c.blockAt(binds)
	c.settle()
	rec, e = c.record(id), c.lastEvent(id)
	if rec.Status != rats.OutOfDate || rec.WillChange != nil || rec.StatusReason != record.ReasonEndorsements || e.Kind != record.Reappraised {
		t.Errorf("once it binds: %s, %+v, %s", rec.Status, rec.WillChange, e.Kind)
	}
}

func TestEvidenceIsJudgedByTheBindingEvaluationAndToldOfTheNext(t *testing.T) {
	c := endorsed(t)
	c.numbered(0, map[int]int{20: -1, 21: 10})
	c.evaluated(21, rats.OutOfDate, 0)
	r := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}), forDays(25)))
	rec := c.record(r.RecordID)
	if r.Result.TCB.EvaluationDataNumber != 20 || rec.Status != rats.UpToDate || rec.WillChange == nil || rec.WillChange.To != rats.OutOfDate {
		t.Errorf("by evaluation %d: %s, %+v", r.Result.TCB.EvaluationDataNumber, rec.Status, rec.WillChange)
	}
	c.later(11 * day)
	r = c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{MREnclave: [32]byte{1}}), forDays(5)))
	if r.Result.TCB.EvaluationDataNumber != 21 || c.record(r.RecordID).Status != rats.OutOfDate {
		t.Errorf("by evaluation %d", r.Result.TCB.EvaluationDataNumber)
	}
}

func TestAnUnlistedEvaluationBindsAtOnce(t *testing.T) {
	c := endorsed(t)
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}), forDays(25))).RecordID
	c.numbered(0, map[int]int{20: -1, 21: 10})
	c.evaluated(22, rats.OutOfDate, 0)
	if rec := c.record(id); rec.Status != rats.OutOfDate || rec.WillChange != nil {
		t.Errorf("%s, %+v", rec.Status, rec.WillChange)
	}
}

func TestWhileNoEvaluationBindsTheLowestIsUsed(t *testing.T) {
	c := endorsed(t)
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}), forDays(25))).RecordID
	c.numbered(0, map[int]int{20: 5, 21: 10, 22: 12})
	c.evaluated(22, rats.OutOfDate, 0)
	c.evaluated(21, rats.SWHardeningNeeded, 0)
	rec := c.record(id)
	if rec.Status != rats.UpToDate || rec.WillChange == nil || rec.WillChange.To != rats.SWHardeningNeeded {
		t.Errorf("%s, %+v: the next fall comes first", rec.Status, rec.WillChange)
	}
	c.later(11 * day)
	if rec := c.record(id); rec.Status != rats.SWHardeningNeeded || rec.WillChange == nil || rec.WillChange.To != rats.OutOfDate {
		t.Errorf("%s, %+v", rec.Status, rec.WillChange)
	}
}

func TestANewerListOfNumbersMovesWhatBinds(t *testing.T) {
	c := endorsed(t)
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}), forDays(25))).RecordID
	c.evaluated(21, rats.OutOfDate, 0)
	if got := c.record(id).Status; got != rats.OutOfDate {
		t.Fatalf("%s without a list", got)
	}
	c.numbered(0, map[int]int{20: -1, 21: 10})
	if rec := c.record(id); rec.Status != rats.UpToDate || rec.WillChange == nil {
		t.Errorf("with a list: %s, %+v", rec.Status, rec.WillChange)
	}
	c.later(day)
	c.numbered(1, map[int]int{20: -1, 21: 20})
	if rec := c.record(id); rec.WillChange == nil || rec.WillChange.At != record.MillisOf(start())+20*day {
		t.Errorf("with a newer list: %+v", rec.WillChange)
	}
	c.later(day)
	c.numbered(2, map[int]int{20: -1, 21: -1})
	if rec := c.record(id); rec.Status != rats.OutOfDate {
		t.Errorf("with one by which it binds: %s", rec.Status)
	}
}

func TestAnEvaluationToComeThatChangesNothingIsNotAnnounced(t *testing.T) {
	c := endorsed(t)
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{TCB: rats.OutOfDate}), forDays(25))).RecordID
	c.numbered(0, map[int]int{20: -1, 21: 10})
	c.evaluated(21, rats.OutOfDate, 0)
	if rec := c.record(id); rec.WillChange != nil || c.lastEvent(id).Kind != record.Recorded {
		t.Errorf("%+v", rec.WillChange)
	}
	before := c.reg.EventCount()
	c.later(11 * day) // another evaluation decides, and says the same
	if c.reg.EventCount() != before || c.record(id).Status != rats.OutOfDate {
		t.Error("the record was written")
	}
}

func TestTheDelayUntilAnEvaluationBindsIsTheLedgers(t *testing.T) {
	g := devGenesis()
	g.Parameters.EvaluationDelay = 0
	c := newChain(t, g)
	c.ok(c.publish(endorsementsAt(t, vendor(t, simtee.Faults{}), 0)...))
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}), forDays(25))).RecordID
	c.numbered(0, map[int]int{20: -1, 21: 365 - 1}) // its recovery was yesterday
	c.evaluated(21, rats.OutOfDate, 0)
	if got := c.record(id).Status; got != rats.OutOfDate {
		t.Errorf("%s", got)
	}
}
