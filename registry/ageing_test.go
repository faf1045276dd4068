// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

const (
	hour = record.Millis(3_600_000)
	day  = 24 * hour
)

// vendor returns the simulated vendor with faults.
func vendor(t testing.TB, f simtee.Faults) *simtee.PKI {
	t.Helper()
	pki, err := simtee.NewPKI(f)
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

// endorsementsAt is what a vendor endorses for both TEEs a number of days after
// the start.
func endorsementsAt(t testing.TB, pki *simtee.PKI, days int) []rats.Endorsement {
	t.Helper()
	var out []rats.Endorsement
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		items, err := pki.EndorsementsFor(tee, start().AddDate(0, 0, days))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, items...)
	}
	return out
}

// demoted is the vendor after a TCB recovery: what was up to date no longer is.
func demoted(tee rats.TEE, status rats.TCBStatus) simtee.Faults {
	return simtee.Faults{TCBInfo: func(info *simtee.TCBInfo) {
		if (info.ID == "TDX") == (tee == rats.TDX) {
			info.Levels[0].Status, info.Levels[0].Advisories = status, []string{"SIM-SA-00009"}
		}
	}}
}

// busy reports whether records wait to be changed or judged again: only then is
// a block proposed a moment after the last.
func (c *chain) busy() bool {
	return len(c.reg.Propose(c.now+1-record.Millis(c.reg.Genesis().ClockOffset), nil, false, 1<<20)) > 0
}

// settle commits blocks until no record waits any more, and returns how many.
func (c *chain) settle() (blocks int) {
	c.t.Helper()
	for c.busy() {
		if blocks++; blocks > 100 {
			c.t.Fatal("there is no end of work")
		}
		c.blockAt(c.now + 1)
	}
	return blocks
}

// later lets a time pass, and what comes of it.
func (c *chain) later(d record.Millis) {
	c.t.Helper()
	c.blockAt(c.now + d)
	c.settle()
}

// reopen starts the registry anew on its store.
func (c *chain) reopen() {
	c.t.Helper()
	reg, err := registry.Open(c.store)
	if err != nil {
		c.t.Fatal(err)
	}
	c.reg = reg
}

func forDays(n int) func(*record.Submission) {
	return func(s *record.Submission) { s.ValidFor = int64(n) * int64(day) }
}

func TestARecordExpiresByItselfWhenLedgerTimePassesItsEnd(t *testing.T) {
	c := endorsed(t)
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}))).RecordID
	end := c.record(id).Expires
	c.blockAt(end - 1)
	if c.lastEvent(id).Kind != record.Recorded {
		t.Fatal("it ended before its time")
	}
	c.blockAt(end)
	rec, e := c.record(id), c.lastEvent(id)
	if rec.State != record.Expired || rec.StatusSince != end || rec.StatusReason != record.ReasonExpired || rec.Status != rats.UpToDate {
		t.Errorf("%+v", rec)
	}
	if e.Kind != record.RanOut || e.Tx != (record.TxHash{}) || e.Time != end || e.Record.State != record.Expired {
		t.Errorf("%+v", e)
	}
	if c.busy() {
		t.Error("there is work left")
	}
	// Further evidence brings it back.
	c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{AttestationKey: 1})))
	if got := state(c, id); got != record.Active {
		t.Errorf("attested again it is %s", got)
	}
}

func TestWorkThatIsDueIsReasonEnoughForABlock(t *testing.T) {
	c := endorsed(t)
	c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}), func(s *record.Submission) { s.ValidFor = 60_000 }))
	for range 4 {
		c.blockAt(c.now + 14_000)
	}
	c.settle()
	if c.busy() {
		t.Fatal("a block for nothing")
	}
	proposed := c.reg.Propose(c.now+5_000, nil, false, 1<<20)
	if len(proposed) != 1 {
		t.Fatalf("%d transactions are proposed when a record ends", len(proposed))
	}
	if err := c.reg.Judge(c.now+5_000, proposed, false, false); err != nil {
		t.Errorf("others refuse the block: %v", err)
	}
}

func TestALongerListingMovesTheEnd(t *testing.T) {
	c := endorsed(t)
	q := quoteOf(t, simtee.Enclave{})
	id := c.ok(c.submit(key(1), q)).RecordID
	c.ok(c.submit(key(2), q, forDays(5)))
	c.later(3 * day)
	if got := c.record(id); got.State != record.Active {
		t.Fatalf("%s though somebody lists it", got.State)
	}
	c.ok(c.withdrawal(key(2), id, nil))
	c.settle()
	if got := c.record(id); got.State != record.Expired {
		t.Errorf("%s", got.State)
	}
}

func TestNewEndorsementsReappraiseTheRecordsThatTheyTouchAndNoOther(t *testing.T) {
	c := endorsed(t)
	sgx := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}), forDays(20))).RecordID
	behind := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{TCB: rats.OutOfDate, MREnclave: [32]byte{1}}), forDays(20))).RecordID
	td := c.ok(c.submit(key(1), tdQuoteOf(t, simtee.TD{}), forDays(20))).RecordID
	c.later(day)
	before := c.record(sgx)
	c.ok(c.publish(endorsementsAt(t, vendor(t, demoted(rats.SGX, rats.OutOfDate)), 1)...))
	c.settle()
	rec, e := c.record(sgx), c.lastEvent(sgx)
	if rec.Status != rats.OutOfDate || rec.Tier != rats.Warning || rec.State != record.Active || len(rec.Advisories) != 1 ||
		rec.StatusReason != record.ReasonEndorsements || rec.StatusSince != e.Time || rec.Tx != before.Tx || rec.Attestations != 1 {
		t.Errorf("%+v", rec)
	}
	if e.Kind != record.Reappraised || e.Tx != (record.TxHash{}) || e.Record.Status != rats.OutOfDate {
		t.Errorf("%+v", e)
	}
	// It says by which data: they are the ledger's present ones.
	for _, digest := range rec.AppraisedWith {
		found := false
		for _, entry := range c.reg.Endorsements() {
			found = found || entry.SHA256 == digest
		}
		if !found {
			t.Errorf("appraised with %x, which is not in state", digest)
		}
	}
	for _, id := range []record.ID{behind, td} {
		if got := c.lastEvent(id); got.Kind != record.Recorded {
			t.Errorf("a record that nothing new touches has event %s", got.Kind)
		}
	}
	// And back.
	c.later(day)
	c.ok(c.publish(endorsementsAt(t, vendor(t, simtee.Faults{}), 2)...))
	c.settle()
	if rec := c.record(sgx); rec.Status != rats.UpToDate || len(rec.Advisories) != 0 || rec.Tier != rats.Affirming {
		t.Errorf("%+v", rec)
	}
}

func TestARefreshThatChangesNoStatusWritesNoRecord(t *testing.T) {
	c := endorsed(t)
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}), forDays(60))).RecordID
	c.later(10 * day)
	stored := func() []byte { return c.store.m["mr"+string(id[:])] }
	before, events, until := bytes.Clone(stored()), c.reg.EventCount(), c.record(id).ValidUntil
	if r := c.ok(c.publish(endorsementsAt(t, vendor(t, simtee.Faults{}), 10)...)); r.Taken != 8-2 { // the lists of both TEEs are the same
		t.Fatalf("%d taken", r.Taken)
	}
	if n := c.settle(); n != 0 {
		t.Errorf("%d blocks of work", n)
	}
	if !bytes.Equal(before, stored()) || c.reg.EventCount() != events {
		t.Error("the record was written")
	}
	if got := c.record(id).ValidUntil; got != until+10*day {
		t.Errorf("valid until %v, before %v", got.Time(), until.Time())
	}
	// What was written says less than what holds: past its end the record lives on.
	c.later(25 * day)
	if got := state(c, id); got != record.Active || c.reg.EventCount() != events {
		t.Errorf("%s, %d events more", got, c.reg.EventCount()-events)
	}
}

func TestARecordThatIsWrittenAfterARefreshSaysUntilWhenItHoldsNow(t *testing.T) {
	c := endorsed(t)
	q := quoteOf(t, simtee.Enclave{})
	id := c.ok(c.submit(key(1), q, forDays(60))).RecordID
	c.later(20 * day)
	c.ok(c.publish(endorsementsAt(t, vendor(t, simtee.Faults{}), 20)...))
	c.later(15 * day) // past the end of what it was appraised with
	c.ok(c.submit(key(2), q, forDays(60)))
	e := c.lastEvent(id)
	if got := e.Record.StateAt(e.Time); e.Kind != record.Listed || got != record.Active {
		t.Errorf("%s: the record of the event is %s, until %v", e.Kind, got, e.Record.ValidUntil.Time())
	}
}

func TestLapsedEndorsementsTurnARecordToUndecidedAndRefreshedOnesBack(t *testing.T) {
	c := endorsed(t)
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}), forDays(80))).RecordID
	end := c.record(id).ValidUntil
	c.blockAt(end)
	if state(c, id) != record.Active || c.record(id).State != record.Active {
		t.Fatal("undecided at the last instant of its data")
	}
	c.blockAt(end + 1)
	// At once for readers, and by an event in the next block.
	if rec := c.record(id); rec.StateAt(c.now) != record.Undecided || rec.State != record.Active {
		t.Errorf("%s, stored %s", rec.StateAt(c.now), rec.State)
	}
	c.settle()
	rec, e := c.record(id), c.lastEvent(id)
	if rec.State != record.Undecided || rec.StatusReason != record.ReasonLapsed || rec.ValidUntil != end || e.Kind != record.Lapsed {
		t.Errorf("%+v, %s", rec, e.Kind)
	}
	c.refused(c.submit(key(1), quoteOf(t, simtee.Enclave{AttestationKey: 9})), rats.EndorsementExpired)
	fresh := int((c.now-record.MillisOf(start()))/day) + 1
	c.blockAt(c.now + day)
	c.ok(c.publish(endorsementsAt(t, vendor(t, simtee.Faults{}), fresh)...))
	c.settle()
	rec, e = c.record(id), c.lastEvent(id)
	if rec.State != record.Active || rec.Status != rats.UpToDate || rec.StatusReason != record.ReasonEndorsements || rec.ValidUntil <= c.now || e.Kind != record.Reappraised {
		t.Errorf("%+v, %s", rec, e.Kind)
	}
}

func TestWhatIsRevokedOrNotSupportedLaterIsARevokedRecord(t *testing.T) {
	level := demoted(rats.SGX, rats.TCBRevoked)
	for name, tt := range map[string]struct {
		faults simtee.Faults
		reason record.Reason
		status rats.TCBStatus
	}{
		"its platform's certificate": {simtee.Faults{RevokedPlatforms: []uint32{7}}, record.ReasonRevoked, rats.UpToDate},
		"its TCB level":              {level, record.ReasonRevoked, rats.TCBRevoked},
		"no level that fits": {simtee.Faults{TCBInfo: func(i *simtee.TCBInfo) {
			for n := range i.Levels {
				i.Levels[n].TCB.PCESVN = 60000
			}
		}}, record.ReasonNotSupported, rats.NotSupported},
		"another quoting enclave": {simtee.Faults{Identity: func(i *simtee.Identity) { i.ISVProdID = 99 }}, record.ReasonMismatch, rats.UpToDate},
	} {
		c := endorsed(t)
		id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{Platform: 7}), forDays(10))).RecordID
		c.later(day)
		c.ok(c.publish(endorsementsAt(t, vendor(t, tt.faults), 1)...))
		c.settle()
		rec := c.record(id)
		if rec.StateAt(c.now) != record.Revoked || rec.StatusReason != tt.reason || rec.Status != tt.status || rec.Tier != rats.Contraindicated {
			t.Errorf("%s: %s, %s, %s, %s", name, rec.StateAt(c.now), rec.StatusReason, rec.Status, rec.Tier)
		}
		if e := c.lastEvent(id); e.Kind != record.Reappraised {
			t.Errorf("%s: %s", name, e.Kind)
		}
		// It stays so past its end, and is not looked at any more.
		c.later(15 * day)
		if got := state(c, id); got != record.Revoked || c.store.m["mw"+string(id[:])] != nil {
			t.Errorf("%s: after its end %s", name, got)
		}
	}
}

func TestARecordEndsWithTheCertificateOfItsDevice(t *testing.T) {
	c := endorsed(t)
	end := start().AddDate(0, 0, 3)
	m, err := vendor(t, simtee.Faults{PCKNotAfter: end}).NewPlatform(3, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	q, err := m.Quote(simtee.Enclave{Platform: 3})
	if err != nil {
		t.Fatal(err)
	}
	id := c.ok(c.submit(key(1), q, forDays(10))).RecordID
	c.blockAt(record.MillisOf(end))
	if state(c, id) != record.Active {
		t.Fatal("over at the last instant of its certificate")
	}
	c.blockAt(c.now + 1)
	rec, e := c.record(id), c.lastEvent(id)
	if rec.State != record.Expired || rec.StatusReason != record.ReasonCertificate || e.Kind != record.RanOut {
		t.Errorf("%+v, %s", rec, e.Kind)
	}
}

func TestAnEndedRecordThatIsListedAgainAgesAgain(t *testing.T) {
	c := endorsed(t)
	q := quoteOf(t, simtee.Enclave{})
	id := c.ok(c.submit(key(1), q)).RecordID
	c.later(3 * day)
	c.ok(c.publish(endorsementsAt(t, vendor(t, demoted(rats.SGX, rats.OutOfDate)), 3)...))
	c.settle()
	if rec := c.record(id); rec.State != record.Expired || rec.Status != rats.UpToDate {
		t.Fatalf("an ended record was judged again: %s, %s", rec.State, rec.Status)
	}
	c.ok(c.submit(key(2), q, forDays(10)))
	if rec := c.record(id); rec.State != record.Active || rec.Status != rats.OutOfDate || rec.Attestations != 1 {
		t.Errorf("listed again: %+v", rec)
	}
	c.later(10 * day)
	if got := c.record(id).State; got != record.Expired {
		t.Errorf("%s", got)
	}
}

func TestRecordsOfOlderEvidenceAreJudgedByTheirNewest(t *testing.T) {
	c := endorsed(t)
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{Platform: 1}), forDays(10))).RecordID
	c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{Platform: 2}), forDays(10)))
	c.later(day)
	c.ok(c.publish(endorsementsAt(t, vendor(t, simtee.Faults{RevokedPlatforms: []uint32{1}}), 1)...))
	c.settle()
	if got := state(c, id); got != record.Active {
		t.Errorf("%s for a platform that it left", got)
	}
	c.later(day)
	c.ok(c.publish(endorsementsAt(t, vendor(t, simtee.Faults{RevokedPlatforms: []uint32{1, 2}}), 2)...))
	c.settle()
	if got := state(c, id); got != record.Revoked {
		t.Errorf("%s", got)
	}
}

func TestADebugBuildStaysContraindicatedWhenItIsJudgedAgain(t *testing.T) {
	c := endorsed(t)
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{Debug: true}), forDays(10))).RecordID
	c.later(day)
	c.ok(c.publish(endorsementsAt(t, vendor(t, demoted(rats.SGX, rats.OutOfDate)), 1)...))
	c.settle()
	if rec := c.record(id); rec.Status != rats.OutOfDate || rec.Tier != rats.Contraindicated || rec.BuildMode != rats.Debug {
		t.Errorf("%+v", rec)
	}
}
