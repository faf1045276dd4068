// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"crypto/sha512"
	"slices"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

func tdQuoteOf(t testing.TB, d simtee.TD) []byte {
	t.Helper()
	q, err := d.Quote()
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestATDIsNamedByMRTDAndAllItsRTMRs(t *testing.T) {
	c := endorsed(t)
	d := simtee.TD{MRTD: [48]byte{1}, RTMR: [4][48]byte{{2}, {3}, {4}, {5}}, ReportData: [64]byte{6}}
	h := sha512.New384()
	h.Write(d.MRTD[:])
	for i := range d.RTMR {
		h.Write(d.RTMR[i][:])
	}
	want := record.NewID(rats.TDX, h.Sum(nil), d.ReportData[:])
	if got := c.ok(c.submit(key(1), tdQuoteOf(t, d))).RecordID; got != want {
		t.Errorf("id %x, want %x", got, want)
	}
	seen := map[record.ID]bool{want: true}
	for i := range d.RTMR {
		other := d
		other.RTMR[i][47] ^= 1
		seen[c.ok(c.submit(key(1), tdQuoteOf(t, other))).RecordID] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d records of 5 different systems", len(seen))
	}
	if again := c.ok(c.submit(key(1), tdQuoteOf(t, simtee.TD{
		MRTD: d.MRTD, RTMR: d.RTMR, ReportData: d.ReportData, AttestationKey: 1,
	}))).RecordID; again != want {
		t.Error("the same system with another attestation key has another record")
	}
}

func TestAnEnclaveAndATDThatSayTheSameAreTwo(t *testing.T) {
	c := endorsed(t)
	enclave := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}))).RecordID
	domain := c.ok(c.submit(key(1), tdQuoteOf(t, simtee.TD{}))).RecordID
	for id, tee := range map[record.ID]rats.TEE{enclave: rats.SGX, domain: rats.TDX} {
		rec, err := c.reg.Record(id)
		if err != nil || rec.TEE != tee || rec.TrustRoot != rats.SimulatedRoot || len(rec.AppraisedWith) != 4 {
			t.Errorf("%+v, %v", rec, err)
		}
	}
}

func TestATDBoundToARecentBlockIsFreshAndItsHalfIsNotTheSubject(t *testing.T) {
	c := endorsed(t)
	hash, height, _, ok := c.reg.Challenge()
	if !ok {
		t.Fatal("no challenge")
	}
	d := simtee.TD{ReportData: [64]byte{9}}
	copy(d.ReportData[32:], hash[:])
	rec, err := c.reg.Record(c.ok(c.submit(key(1), tdQuoteOf(t, d))).RecordID)
	if err != nil {
		t.Fatal(err)
	}
	subject := make([]byte, 64)
	subject[0] = 9
	if rec.Freshness != (record.Freshness{Kind: record.FreshnessBlock, Height: height}) || !slices.Equal(rec.Subject, subject) {
		t.Errorf("freshness %+v, subject %x", rec.Freshness, rec.Subject)
	}
}

func TestATDIsRecordedWithItsStatus(t *testing.T) {
	for _, tt := range []struct {
		status rats.TCBStatus
		debug  bool
		want   rats.Kind
		tier   rats.Tier
	}{
		{rats.UpToDate, false, rats.None, rats.Affirming},
		{rats.UpToDate, true, rats.None, rats.Contraindicated},
		{rats.OutOfDate, false, rats.None, rats.Warning},
		{rats.TDRelaunchAdvised, false, rats.None, rats.Warning},
		{rats.TDRelaunchAdvisedConfigurationNeeded, false, rats.None, rats.Warning},
		{rats.TCBRevoked, false, rats.Revoked, ""},
	} {
		c := endorsed(t)
		tx := c.submit(key(1), tdQuoteOf(t, simtee.TD{TCB: tt.status, Debug: tt.debug}))
		if tt.want != rats.None {
			c.refused(tx, tt.want)
			continue
		}
		rec, err := c.reg.Record(c.ok(tx).RecordID)
		if err != nil || rec.Status != tt.status || rec.Tier != tt.tier || (rec.BuildMode == rats.Debug) != tt.debug {
			t.Errorf("%s: %+v, %v", tt.status, rec, err)
		}
	}
}
