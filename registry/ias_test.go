// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// reported is a report of the simulated attestation service about an enclave.
func reported(t testing.TB, made record.Millis, s simtee.IAS) simtee.IASReport {
	t.Helper()
	s.Time = made.Time()
	r, err := vendor(t, simtee.Faults{}).IASReport(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// behind is a report of a platform that is out of date.
func behind(t testing.TB, made record.Millis) simtee.IASReport {
	return reported(t, made, simtee.IAS{
		Enclave: simtee.Enclave{MREnclave: [32]byte{1}, MRSigner: [32]byte{2}, ISVSVN: 3, ReportData: [64]byte{4}},
		Status:  epid.GroupOutOfDate, Advisories: []string{"SIM-SA-00002"}, PlatformInfo: []byte{4, 0, 1},
	})
}

func TestAnIASReportIsRecordedWithoutAnyEndorsement(t *testing.T) {
	c := newChain(t, devGenesis())
	r := behind(t, c.now)
	result := c.ok(c.submit(key(1), r.JSON()))
	rec, err := c.reg.Record(result.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if rec.TEE != rats.EPID || rec.Status != rats.OutOfDate || rec.Tier != rats.Warning || rec.TrustRoot != rats.SimulatedRoot ||
		rec.State != record.Active || rec.MRSigner[0] != 2 || rec.ISVSVN != 3 || rec.Subject[0] != 4 || len(rec.AppraisedWith) != 0 ||
		len(rec.Advisories) != 1 || rec.FMSPC != nil || rec.ID != record.NewID(rats.EPID, rec.Fingerprint, rec.Subject) {
		t.Errorf("%+v", rec)
	}
	if result.Result.EPID == nil || result.Result.EPID.PlatformInfo.Flags[0] != "epid_group_out_of_date" {
		t.Errorf("%+v", result.Result.EPID)
	}
}

func TestTheSameReportInAnotherFormIsAReplay(t *testing.T) {
	c := newChain(t, devGenesis())
	r := behind(t, c.now)
	first := c.ok(c.submit(key(1), r.JSON()))
	carried, err := r.Carried("an enclave")
	if err != nil {
		t.Fatal(err)
	}
	again := c.refused(c.submit(key(1), carried), rats.Replayed)
	if again.RecordID != first.RecordID || again.Earlier != first.Tx {
		t.Errorf("%x of %x", again.RecordID, again.Earlier)
	}
	if other := c.ok(c.submit(key(2), carried)); other.RecordID != first.RecordID {
		t.Error("another registrar's listing is of another record")
	}
	rec, err := c.reg.Record(first.RecordID)
	if err != nil || len(rec.Listings) != 2 || rec.Attestations != 1 {
		t.Errorf("%d listings, %d attestations (%v)", len(rec.Listings), rec.Attestations, err)
	}
}

func TestReportsAreRecordedForADay(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit int64
		age   record.Millis
		want  rats.Kind
	}{
		{"a day old", 0, day, rats.None},
		{"older", 0, day + 1, rats.Expired},
		{"from the future", 0, -1, rats.Expired},
		{"as old as the ledger takes them", int64(7 * day), 7 * day, rats.None},
		{"older than the ledger takes them", int64(hour), hour + 1, rats.Expired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := devGenesis()
			g.Parameters.MaxReportAge = tt.limit
			c := newChain(t, g)
			tx := c.submit(key(1), behind(t, c.now+1000-tt.age).JSON())
			if r := c.block(tx)[0]; tt.want == rats.None && r.Err != nil || tt.want != rats.None && (r.Err == nil || r.Err.Kind != tt.want) {
				t.Error(r.Err)
			}
		})
	}
	if g := registry.NewGenesis(registry.Main); g.Parameters.MaxReportAge != int64(day) {
		t.Errorf("a network begins with %d", g.Parameters.MaxReportAge)
	}
}

// TestWhatAReportSaidNeverChangesButEnds: whatever is published, however late.
func TestWhatAReportSaidNeverChangesButEnds(t *testing.T) {
	c := newChain(t, devGenesis())
	good := c.ok(c.submit(key(1), reported(t, c.now, simtee.IAS{}).JSON(), func(s *record.Submission) { s.ValidFor = int64(30 * day) })).RecordID
	bad := c.ok(c.submit(key(1), behind(t, c.now).JSON(), func(s *record.Submission) { s.ValidFor = int64(30 * day) })).RecordID
	events := c.reg.EventCount()
	c.ok(c.publish(endorsementsAt(t, vendor(t, demoted(rats.SGX, rats.TCBRevoked)), 0)...))
	c.settle()
	c.reopen()
	c.later(29 * day)
	for id, want := range map[record.ID]rats.TCBStatus{good: rats.UpToDate, bad: rats.OutOfDate} {
		rec, err := c.reg.Record(id)
		if err != nil || rec.State != record.Active || rec.Status != want {
			t.Errorf("%+v (%v)", rec, err)
		}
	}
	if n := c.reg.EventCount(); n != events {
		t.Errorf("%d events came of it", n-events)
	}
	c.later(2 * day)
	for _, id := range []record.ID{good, bad} {
		if rec, err := c.reg.Record(id); err != nil || rec.State != record.Expired || rec.StatusReason != record.ReasonExpired {
			t.Errorf("after its time: %+v (%v)", rec, err)
		}
	}
}

func TestARefusalOfIntelsIsNotRecorded(t *testing.T) {
	c := newChain(t, devGenesis())
	for word, want := range map[epid.QuoteStatus]rats.Kind{
		epid.SignatureInvalid: rats.BadSignature, epid.GroupRevoked: rats.Revoked, epid.KeyRevoked: rats.Revoked,
		epid.SignatureRevoked: rats.Revoked, epid.SigRLVersionMismatch: rats.EndorsementExpired,
	} {
		c.refused(c.submit(key(1), reported(t, c.now, simtee.IAS{Status: word}).JSON()), want, string(word))
	}
	public := newChain(t, registry.NewGenesis(registry.Test))
	public.refused(public.submit(key(1), behind(t, public.now).JSON()), rats.UntrustedRoot)
}

func TestAReportMayBeBoundToABlock(t *testing.T) {
	c := newChain(t, devGenesis())
	c.block()
	var e simtee.Enclave
	e.ReportData[0] = 9
	hash := hashOf(c.reg.Height())
	copy(e.ReportData[32:], hash[:])
	rec, err := c.reg.Record(c.ok(c.submit(key(1), reported(t, c.now, simtee.IAS{Enclave: e}).JSON())).RecordID)
	if err != nil || rec.Freshness.Kind != record.FreshnessBlock || rec.Subject[32] != 0 {
		t.Errorf("%+v (%v)", rec, err)
	}
}

// TestAnOlderVersionTakesNoReports: it refuses them as it refused what it could
// not read, and takes them from the height at which the next one begins.
func TestAnOlderVersionTakesNoReports(t *testing.T) {
	g := governedGenesis(10)
	g.Version, g.Parameters.MaxReportAge = 4, 0
	c := newChain(t, g)
	c.refused(c.submit(key(1), behind(t, c.now).JSON()), rats.Malformed)
	set := c.reg.Governance().Parameters
	set.MaxReportAge = int64(hour)
	c.refused(c.propose(0, record.Proposal{Parameters: &set}), rats.Malformed, "knows no greatest age")
	at := c.reg.Height() + 4
	c.ok(c.propose(0, record.Proposal{Activation: &record.Activation{Version: 5, Height: at}}))
	for c.reg.Height() < at-1 {
		c.block()
	}
	c.ok(c.submit(key(1), behind(t, c.now).JSON()))
	if now := c.reg.Governance(); now.Version != 5 {
		t.Errorf("version %d", now.Version)
	}
}
