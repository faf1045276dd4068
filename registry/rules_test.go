// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

func TestEvidenceBecomesARecordKeyedByWhatItSays(t *testing.T) {
	c := endorsed(t)
	e := simtee.Enclave{MREnclave: [32]byte{1}, MRSigner: [32]byte{2}, ISVProdID: 3, ISVSVN: 4, ReportData: [64]byte{5}}
	q := quoteOf(t, e)
	r := c.ok(c.submit(key(1), q, func(s *record.Submission) { s.URL = "https://my.enclave.example" }))
	rec, err := c.reg.Record(r.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if rec.ID != record.NewID(rats.SGX, e.MREnclave[:], e.ReportData[:]) || rec.ID != r.RecordID {
		t.Error("the id is not that of TEE, fingerprint and subject")
	}
	view := rec.View(c.now)
	if view.State != record.Active || view.Tier != rats.Affirming || view.Status != rats.UpToDate || *view.URL != "https://my.enclave.example" ||
		view.MRSigner != hex.EncodeToString(e.MRSigner[:]) || view.Attestations != 1 || view.TrustRoot != rats.SimulatedRoot ||
		len(view.AppraisedWith) != 4 || view.FirstAttested != c.now || view.Expires != c.now+record.Millis((48*time.Hour).Milliseconds()) {
		t.Errorf("%+v", view)
	}
	evidence, err := c.reg.Evidence(rec.EvidenceSHA256)
	if err != nil || !slices.Equal(evidence, q) {
		t.Errorf("the evidence is not kept: %v", err)
	}
	for _, d := range rec.AppraisedWith {
		if _, err := c.reg.Endorsement(d); err != nil {
			t.Error(err)
		}
	}
	history, err := c.reg.History(rec.ID)
	if err != nil || len(history) != 1 || history[0].Kind != record.Recorded || history[0].Record.ID != rec.ID {
		t.Errorf("history %v, %v", history, err)
	}
}

func TestTheSameRegistrarSendingTheSameEvidenceGetsTheExistingRecord(t *testing.T) {
	c := endorsed(t)
	q := quoteOf(t, simtee.Enclave{})
	first := c.ok(c.submit(key(1), q))
	for name, again := range map[string][]byte{
		"the same bytes":           q,
		"with padding":             append(slices.Clone(q), make([]byte, 100)...),
		"with the other signature": mirrored(t, q),
	} {
		r := c.refused(c.submit(key(1), again), rats.Replayed)
		if r.RecordID != first.RecordID || r.Earlier != first.Tx {
			t.Errorf("%s: record %x, transaction %x", name, r.RecordID, r.Earlier)
		}
	}
}

// mirrored returns the quote with (r, n−s), which verifies as well as (r, s).
func mirrored(t testing.TB, raw []byte) []byte {
	t.Helper()
	q, err := quote.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	s := new(big.Int).SetBytes(q.Signature[32:])
	s.Sub(n, s).FillBytes(q.Signature[32:])
	return q.Marshal()
}

func TestAnotherRegistrarAddsItsListingAndNothingElse(t *testing.T) {
	c := endorsed(t)
	q := quoteOf(t, simtee.Enclave{})
	first := c.ok(c.submit(key(1), q, func(s *record.Submission) { s.URL = "one.example" }))
	recorded := c.now
	c.blockAt(c.now + record.Millis(time.Hour.Milliseconds()))
	c.ok(c.submit(key(2), q, func(s *record.Submission) { s.URL = "two.example"; s.ValidFor = (2 * time.Hour).Milliseconds() }))
	rec, err := c.reg.Record(first.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Listings) != 2 || rec.Attestations != 1 || rec.LastAttested != recorded {
		t.Fatalf("%+v", rec)
	}
	if got, want := rec.Listings[1].Expires, recorded+record.Millis((2*time.Hour).Milliseconds()); got != want {
		t.Errorf("the listing expires at %v, want %v: two hours after the evidence was first recorded", got.Time(), want.Time())
	}
	if *rec.View(c.now).URL != "one.example" {
		t.Error("a later stranger's URL stands first")
	}
	// A listing whose time would be over is no listing.
	c.blockAt(c.now + record.Millis(time.Hour.Milliseconds()))
	c.refused(c.submit(key(3), q, func(s *record.Submission) { s.ValidFor = time.Hour.Milliseconds() }), rats.Replayed, "too long ago")
}

func TestEvidenceBoundToARecentBlockIsFreshAndItsHalfIsNotTheSubject(t *testing.T) {
	c := endorsed(t)
	hash, height, _, ok := c.reg.Challenge()
	if !ok {
		t.Fatal("no challenge")
	}
	e := simtee.Enclave{ReportData: [64]byte{7}}
	plain := c.ok(c.submit(key(1), quoteOf(t, e)))
	copy(e.ReportData[32:], hash[:])
	fresh := c.ok(c.submit(key(1), quoteOf(t, e)))
	if plain.RecordID != fresh.RecordID {
		t.Error("the fresh evidence of one enclave is another's record")
	}
	rec, err := c.reg.Record(fresh.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Freshness != (record.Freshness{Kind: record.FreshnessBlock, Height: height}) || rec.Attestations != 2 {
		t.Errorf("freshness %v, %d attestations", rec.Freshness, rec.Attestations)
	}
	// Past the window the hash is only bytes.
	c.blockAt(c.now + 11*60_000)
	e.MREnclave[0] = 1
	r := c.ok(c.submit(key(1), quoteOf(t, e)))
	if rec, err = c.reg.Record(r.RecordID); err != nil || rec.Freshness.Kind != record.FreshnessNone || [64]byte(rec.Subject) != e.ReportData {
		t.Errorf("%v, %v", rec.Freshness, err)
	}
}

func TestUnfreshEvidenceCannotCarryARecordForEver(t *testing.T) {
	g := devGenesis()
	g.Parameters.MaxUnfresh = (3 * time.Hour).Milliseconds()
	c := newChain(t, g)
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	c.ok(c.publish(items...))
	r := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{})))
	rec, err := c.reg.Record(r.RecordID)
	if err != nil || rec.Expires != rec.FirstAttested+record.Millis(g.Parameters.MaxUnfresh) {
		t.Fatalf("expires %v, %v", rec.Expires.Time(), err)
	}
	c.blockAt(c.now + record.Millis((3 * time.Hour).Milliseconds()))
	c.refused(c.submit(key(1), quoteOf(t, simtee.Enclave{AttestationKey: 1})), rats.PolicyRejected, "recent block")
}

func TestARefusedTransactionChangesNothing(t *testing.T) {
	c := newChain(t, devGenesis())
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	bad := quoteOf(t, simtee.Enclave{})
	bad[100] ^= 1
	tx := c.tx(key(1), func(tx *record.Transaction) {
		tx.Endorsements, tx.Submission = items, &record.Submission{Evidence: bad}
	})
	c.refused(tx, rats.BadSignature)
	if n := len(c.reg.Endorsements()); n != 0 {
		t.Errorf("%d endorsements of a refused transaction are in state", n)
	}
}

func TestTransactionsAreForOneLedgerOneTimeAndOnce(t *testing.T) {
	c := endorsed(t)
	q := quoteOf(t, simtee.Enclave{})
	sub := func(change func(*record.Transaction)) []byte {
		return c.tx(key(1), func(tx *record.Transaction) {
			tx.Submission = &record.Submission{Evidence: q}
			change(tx)
		})
	}
	c.refused(sub(func(tx *record.Transaction) { tx.ChainID = "other" }), rats.BindingMismatch)
	c.refused(sub(func(tx *record.Transaction) { tx.NotAfter = c.now - 1 }), rats.Expired)
	c.refused(sub(func(tx *record.Transaction) { tx.NotAfter = c.now + 11*60_000 }), rats.PolicyRejected)
	c.refused(sub(func(tx *record.Transaction) { tx.Submission.ValidFor = 1 }), rats.Malformed)
	c.refused(sub(func(tx *record.Transaction) { tx.Submission.URL = "a b" }), rats.Malformed)
	c.refused(sub(func(tx *record.Transaction) { tx.Submission = nil }), rats.Malformed)
	c.refused(sub(func(tx *record.Transaction) { tx.Version = 2 }), rats.Unsupported)
	good := sub(func(*record.Transaction) {})
	forged := slices.Clone(good)
	forged[len(forged)-1] ^= 1
	c.refused(forged, rats.BadSignature)
	c.ok(good)
	c.refused(good, rats.Replayed, "nonce")
	tick, err := record.NewTick(c.now + 5)
	if err != nil {
		t.Fatal(err)
	}
	c.refused(tick, rats.Malformed)
}

func TestEachNetworkRefusesWhatItShould(t *testing.T) {
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{registry.Test, registry.Main} {
		c := newChain(t, registry.NewGenesis(network))
		c.refused(c.publish(items...), rats.UntrustedRoot)
		c.refused(c.submit(key(1), quoteOf(t, simtee.Enclave{})), rats.UntrustedRoot)
	}
	c := endorsed(t)
	for status, kind := range map[rats.TCBStatus]rats.Kind{rats.TCBRevoked: rats.Revoked, rats.NotSupported: rats.TCBRejected} {
		c.refused(c.submit(key(1), quoteOf(t, simtee.Enclave{TCB: status})), kind)
	}
	for _, status := range []rats.TCBStatus{
		rats.UpToDate, rats.SWHardeningNeeded, rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded, rats.OutOfDate, rats.OutOfDateConfigurationNeeded,
	} {
		r := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{TCB: status, MREnclave: sha256.Sum256([]byte(status))})))
		rec, err := c.reg.Record(r.RecordID)
		if err != nil || rec.Status != status {
			t.Errorf("%v, %v; want %v", rec.Status, err, status)
		}
	}
	r := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{Debug: true})))
	if rec, err := c.reg.Record(r.RecordID); err != nil || rec.Tier != rats.Contraindicated || rec.BuildMode != rats.Debug {
		t.Errorf("%v, %v", rec.Tier, err)
	}
}

func TestUndecidedIsNeverRecorded(t *testing.T) {
	c := newChain(t, devGenesis())
	q := quoteOf(t, simtee.Enclave{})
	c.refused(c.submit(key(1), q), rats.EndorsementUnavailable)
	old, err := simtee.Endorsements(start().AddDate(0, -2, 0))
	if err != nil {
		t.Fatal(err)
	}
	if r := c.ok(c.publish(old...)); r.Taken != len(old) {
		t.Errorf("stale endorsements are taken: %d of %d", r.Taken, len(old))
	}
	c.refused(c.submit(key(1), q), rats.EndorsementExpired)
}

func TestEndorsementsOfTheFutureAndRollBacksAreRefused(t *testing.T) {
	c := endorsed(t)
	future, err := simtee.Endorsements(start().AddDate(0, 0, 2))
	if err != nil {
		t.Fatal(err)
	}
	c.refused(c.publish(future...), rats.EndorsementExpired, "not yet valid")
	past, err := simtee.Endorsements(start().AddDate(0, 0, -2))
	if err != nil {
		t.Fatal(err)
	}
	before := c.reg.Endorsements()
	c.refused(c.publish(past...), rats.EndorsementExpired, "older")
	now, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	if r := c.ok(c.publish(now...)); r.Taken != 0 {
		t.Errorf("%d endorsements taken twice", r.Taken)
	}
	if !slices.Equal(before, c.reg.Endorsements()) {
		t.Error("what was refused changed the state")
	}
	forged := slices.Clone(now)
	forged[0].Body = slices.Clone(forged[0].Body)
	forged[0].Body[20] ^= 1
	r := c.reg.Check(c.publish(forged[0]))
	if r.Err == nil || r.Err.Kind.ExitCode() == 0 || r.Err.Kind.ExitCode() == 12 {
		t.Errorf("a forged endorsement: %v", r.Err)
	}
	if lacks := c.reg.Lacks(slices.Concat(past, now, future, forged[:1])); len(lacks) != 0 {
		t.Errorf("lacks %d, want nothing", len(lacks))
	}
}

func TestQuotasHoldInCheckAndInApply(t *testing.T) {
	g := devGenesis()
	g.Parameters.UnknownQuota, g.Parameters.RegistrarQuota, g.Parameters.PlatformQuota = 1, 2, 2
	admitted := registrar(key(1))
	g.Registrars = []string{hex.EncodeToString(admitted[:])}
	c := newChain(t, g)
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	c.ok(c.publish(items...))
	of := func(k byte, n uint32) []byte {
		return c.submit(key(k), quoteOf(t, simtee.Enclave{AttestationKey: n, MREnclave: [32]byte{byte(n)}}))
	}
	txs := [][]byte{of(2, 1), of(3, 2), of(1, 3), of(1, 4), of(1, 5)}
	want := []bool{true, false, true, false, false} // unknown pool, then platform, then registrar
	for i, tx := range txs {
		if r := c.reg.Check(tx); (r.Err == nil) != want[i] || r.Err != nil && r.Err.Kind != rats.QuotaExceeded {
			t.Errorf("check %d: %v", i, r.Err)
		}
	}
	for i, r := range c.block(txs...) {
		if (r.Err == nil) != want[i] {
			t.Errorf("apply %d: %v", i, r.Err)
		}
	}
	if r := c.reg.Check(of(3, 6)); r.Err != nil {
		t.Errorf("after the block the quota is new: %v", r.Err)
	}
}

func TestAFullRecordGivesUpAStrangersListingToAnAdmittedRegistrar(t *testing.T) {
	g := devGenesis()
	g.Parameters.MaxListings = 2
	admitted := registrar(key(9))
	g.Registrars = []string{hex.EncodeToString(admitted[:])}
	c := newChain(t, g)
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	c.ok(c.publish(items...))
	q := quoteOf(t, simtee.Enclave{})
	r := c.ok(c.submit(key(2), q))
	c.ok(c.submit(key(3), q))
	c.refused(c.submit(key(4), q), rats.QuotaExceeded)
	c.ok(c.submit(key(9), q))
	rec, err := c.reg.Record(r.RecordID)
	if err != nil || len(rec.Listings) != 2 || rec.TopListing(c.now).Registrar != admitted {
		t.Errorf("%+v, %v", rec.Listings, err)
	}
}
