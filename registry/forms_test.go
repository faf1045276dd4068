// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// claimsBehind is Open Enclave evidence with custom claims behind its quote.
func claimsBehind(t testing.TB, claims ...openenclave.Claim) []byte {
	t.Helper()
	buffer, err := openenclave.AppendClaims(nil, claims...)
	if err != nil {
		t.Fatal(err)
	}
	e := simtee.Enclave{MREnclave: [32]byte{0xc1}}
	sum := sha256.Sum256(buffer)
	copy(e.ReportData[:], sum[:])
	return slices.Concat(quoteOf(t, e), buffer)
}

// bound is a claim that names a block.
func bound(height uint64) openenclave.Claim {
	hash := hashOf(height)
	return openenclave.Claim{Name: attesteer.BlockClaim, Value: hash[:]}
}

func TestEvidenceBoundByAClaimIsFreshAndOfTheSameEnclave(t *testing.T) {
	c := endorsed(t)
	event := openenclave.Claim{Name: "event", Value: []byte("start")}
	without := c.ok(c.submit(key(1), claimsBehind(t, event)))
	c.block()
	at := c.reg.Height()
	fresh := c.ok(c.submit(key(1), claimsBehind(t, event, bound(at))))
	if fresh.RecordID != without.RecordID {
		t.Error("the claim that names a block made it another enclave")
	}
	rec, err := c.reg.Record(fresh.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Freshness != (record.Freshness{Kind: record.FreshnessBlock, Height: at}) || rec.Attestations != 2 {
		t.Errorf("%+v after %d attestations", rec.Freshness, rec.Attestations)
	}
	if len(rec.Claims) != 2 || rec.Claims[0].Name != "event" || !slices.Equal(rec.Envelope, []rats.Format{rats.OEEvidence, rats.SGXQuoteV3}) {
		t.Errorf("claims %+v in %v", rec.Claims, rec.Envelope)
	}
	view := rec.View(c.now)
	if len(view.CustomClaims) != 2 || *view.CustomClaims[0].Text != "start" || view.CustomClaims[1].Text != nil || len(view.Envelope) != 2 {
		t.Errorf("shown as %+v", view.CustomClaims)
	}
	other := c.ok(c.submit(key(1), claimsBehind(t, openenclave.Claim{Name: "event", Value: []byte("end")}, bound(at))))
	if other.RecordID == fresh.RecordID {
		t.Error("an enclave that claims something else is the same one")
	}
}

func TestAClaimOfABlockThatNobodyRemembersBindsNothing(t *testing.T) {
	c := endorsed(t)
	for _, claim := range []openenclave.Claim{bound(c.reg.Height() + 1000), {Name: attesteer.BlockClaim, Value: []byte("short")}} {
		rec, err := c.reg.Record(c.ok(c.submit(key(1), claimsBehind(t, claim))).RecordID)
		if err != nil || rec.Freshness.Kind != record.FreshnessNone {
			t.Errorf("%+v (%v)", rec, err)
		}
	}
}

func TestClaimsOfARecordAreBounded(t *testing.T) {
	c := endorsed(t)
	large := openenclave.Claim{Name: "large", Value: make([]byte, record.MaxClaimBytes)}
	c.refused(c.submit(key(1), claimsBehind(t, large)), rats.TooLarge, "custom claims")
}

// TestTheRealDocumentIsRecordedWithItsKey, on every network that takes debug
// builds, and withdrawn by nobody else.
func TestTheRealDocumentIsRecordedWithItsKey(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("..", "testdata", "seed", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	document, held := read("quote_generation.json"), read("enclave_held_data.bin")
	c := realChain(t, registry.Dev)
	for _, e := range realEndorsements(t) {
		c.block(c.publish(e))
	}
	rec, err := c.reg.Record(c.ok(c.submit(key(1), document)).RecordID)
	if err != nil {
		t.Fatal(err)
	}
	key1 := rec.View(c.now).Signer.Key
	if key1 == nil || key1.Algorithm != record.RSA || key1.Bits != 2048 || len(key1.SHA256) != 64 || !bytes.Equal(key1.RuntimeData, held) {
		t.Errorf("signer %+v", key1)
	}
	if !slices.Equal(rec.Envelope, []rats.Format{rats.QuoteJSON, rats.OEReport, rats.SGXQuoteV3}) {
		t.Errorf("%v", rec.Envelope)
	}
	c.refused(c.submit(key(1), read("quote.bin")), rats.Replayed)
	again := c.ok(c.submit(key(2), read("oe_report.bin")))
	if again.RecordID != rec.ID {
		t.Error("the quote in the document is another enclave")
	}
}

// TestAReportIsOfAnEnclaveFromVersionSixOn: the ones before took a trust domain's.
func TestAReportIsOfAnEnclaveFromVersionSixOn(t *testing.T) {
	td := asReport(tdQuoteOf(t, simtee.TD{ReportData: [64]byte{1}}))
	items, err := simtee.EndorsementsFor(rats.TDX, start())
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[uint64][]rats.Format{4: nil, 5: {rats.OEReport, rats.TDXQuoteV4}} {
		g := governedGenesis(10)
		g.Version, g.Parameters.MaxReportAge = version, 0
		c := newChain(t, g)
		c.ok(c.publish(items...))
		id := c.ok(c.submit(key(1), td)).RecordID
		if rec := c.record(id); !slices.Equal(rec.Envelope, want) || rec.TEE != rats.TDX {
			t.Errorf("version %d: %s in %v", version, rec.TEE, rec.Envelope)
		}
		at := c.reg.Height() + 4
		c.ok(c.propose(0, record.Proposal{Activation: &record.Activation{Version: 6, Height: at}}))
		for c.reg.Height() < at {
			c.block()
		}
		c.refused(c.submit(key(2), td), rats.Malformed, "does not hold tdx-quote-v4")
	}
}

// TestAnOlderVersionReadsEvidenceAsItDid: claims behind a quote are padding, and
// padded keys no keys, until the version begins that reads them.
func TestAnOlderVersionReadsEvidenceAsItDid(t *testing.T) {
	g := governedGenesis(10)
	g.Version, g.Parameters.MaxReportAge = 4, 0
	c := newChain(t, g)
	items, err := simtee.EndorsementsFor(rats.SGX, start())
	if err != nil {
		t.Fatal(err)
	}
	c.ok(c.publish(items...))
	event := openenclave.Claim{Name: "event", Value: []byte("start")}
	rec, err := c.reg.Record(c.ok(c.submit(key(1), claimsBehind(t, event))).RecordID)
	if err != nil || rec.Envelope != nil || rec.Claims != nil {
		t.Fatalf("%+v (%v)", rec, err)
	}
	held, err := os.ReadFile(filepath.Join("..", "testdata", "seed", "enclave_held_data.bin"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(held)
	e := simtee.Enclave{MREnclave: [32]byte{0xc2}}
	copy(e.ReportData[:], sum[:])
	withKey := func(s *record.Submission) { s.RuntimeData = held }
	quote := quoteOf(t, e)
	document, err := attesteer.QuoteJSON(attesteer.Evidence{Raw: quote}, held)
	if err != nil {
		t.Fatal(err)
	}
	c.refused(c.submit(key(1), document), rats.Malformed, "does not know")
	padded := c.ok(c.submit(key(1), quote, withKey)).RecordID
	if rec, err := c.reg.Record(padded); err != nil || rec.Key != nil {
		t.Errorf("a key in %+v (%v)", rec, err)
	}
	at := c.reg.Height() + 4
	c.ok(c.propose(0, record.Proposal{Activation: &record.Activation{Version: 5, Height: at}}))
	for c.reg.Height() < at-1 {
		c.block()
	}
	// Another registrar lists the same evidence, now with its key.
	c.ok(c.submit(key(2), document))
	if rec, err := c.reg.Record(padded); err != nil || !bytes.Equal(rec.Key, held) {
		t.Errorf("no key in %+v (%v)", rec, err)
	}
}
