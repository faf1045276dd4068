// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// realTD is a real quote of a production TD, version 4, up to date in mid-2025.
const realTD = "td10_v4_B0C06F000000_plat_prod_f1c85033.bin"

// realTDFingerprint is SHA-384 over its MRTD and RTMR0 to RTMR3.
const realTDFingerprint = "fa13bff786ec94614334ea98d2b49c80d3d029670e86b5615c02afcf50ad9d7a3b02f453567bb20d598b5acf7014d598"

func realTDQuote(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(vectors(t, "quotes", "tdx", realTD))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// endorsementsOf sorts real endorsements by the TEE that they are about, which
// is none for CRLs.
func endorsementsOf(t *testing.T) map[rats.TEE][]rats.Endorsement {
	t.Helper()
	out := map[rats.TEE][]rats.Endorsement{}
	for _, e := range realEndorsements(t) {
		info, err := attesteer.CheckEndorsement(e, nil)
		if err != nil {
			t.Fatal(err)
		}
		out[info.Key.TEE] = append(out[info.Key.TEE], e)
	}
	return out
}

// publishBest publishes the best of each key.
func (c *chain) publishBest(items ...[]rats.Endorsement) {
	c.t.Helper()
	for part := range slices.Chunk(c.reg.Lacks(slices.Concat(items...)), 8) {
		c.ok(c.publish(part...))
	}
}

func TestARealTDBecomesARecordOnEveryNetwork(t *testing.T) {
	sorted := endorsementsOf(t)
	quote := realTDQuote(t)
	parsed, err := attesteer.Inspect(attesteer.Evidence{Raw: quote})
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{registry.Dev, registry.Test, registry.Main} {
		t.Run(network, func(t *testing.T) {
			c := realChain(t, network)
			c.publishBest(sorted[""], sorted[rats.TDX])
			r := c.ok(c.submit(key(1), quote))
			rec, err := c.reg.Record(r.RecordID)
			if err != nil {
				t.Fatal(err)
			}
			if rec.TEE != rats.TDX || rec.Status != rats.UpToDate || rec.BuildMode != rats.Production ||
				rec.Tier != rats.Affirming || rec.TrustRoot != rats.IntelRoot || rec.MRSigner != nil || rec.ISVProdID != 0 || rec.ISVSVN != 0 {
				t.Errorf("%+v", rec)
			}
			if got := attesteer.Hex(rec.Fingerprint).String(); got != realTDFingerprint {
				t.Errorf("fingerprint %s", got)
			}
			if rec.ID != record.NewID(rats.TDX, rec.Fingerprint, parsed.ReportData) {
				t.Error("the id is not that of TEE, fingerprint and report data")
			}
			if view := rec.View(c.now); view.Fingerprint != realTDFingerprint || view.MRSigner != "" || view.TEE != rats.TDX {
				t.Errorf("%+v", view)
			}
			if len(rec.AppraisedWith) != 4 {
				t.Errorf("appraised with %d endorsements", len(rec.AppraisedWith))
			}
			for _, sha := range rec.AppraisedWith {
				if e, err := c.reg.Endorsement(sha); err != nil || e.Digest() != sha {
					t.Errorf("endorsement %x is not kept: %v", sha, err)
				}
			}
		})
	}
}

func TestATDsEvidenceCountsOnceWhateverItsEnvelope(t *testing.T) {
	sorted := endorsementsOf(t)
	quote := realTDQuote(t)
	c := realChain(t, registry.Main)
	c.publishBest(sorted[""], sorted[rats.TDX])
	first := c.ok(c.submit(key(1), quote))
	for name, again := range map[string][]byte{
		"the same bytes":           quote,
		"with padding":             append(slices.Clone(quote), make([]byte, 8000-len(quote))...),
		"with the other signature": mirrored(t, quote),
	} {
		r := c.refused(c.submit(key(1), again), rats.Replayed)
		if r.RecordID != first.RecordID || r.Earlier != first.Tx {
			t.Errorf("%s: record %x, transaction %x", name, r.RecordID, r.Earlier)
		}
	}
	c.ok(c.submit(key(2), quote))
	rec, err := c.reg.Record(first.RecordID)
	if err != nil || len(rec.Listings) != 2 || rec.Attestations != 1 {
		t.Errorf("another registrar's listing: %+v, %v", rec, err)
	}
}

func TestEndorsementsOfOneTEEDoNotServeAnother(t *testing.T) {
	sorted := endorsementsOf(t)
	quote := realTDQuote(t)
	c := realChain(t, registry.Main)
	c.publishBest(sorted[""], sorted[rats.SGX])
	c.refused(c.submit(key(1), quote), rats.EndorsementUnavailable, "TDX")
	before := c.reg.Endorsements()
	c.publishBest(sorted[rats.TDX])
	c.ok(c.submit(key(1), quote))
	kept := map[string]record.EndorsementEntry{}
	for _, e := range c.reg.Endorsements() {
		kept[keyText(e.Key)] = e
	}
	for _, e := range before {
		if kept[keyText(e.Key)] != e {
			t.Errorf("%+v was replaced by one for TDX", e.Key)
		}
	}
}

// keyText spells a key of an endorsement.
func keyText(k rats.EndorsementKey) string {
	b, err := record.EndorsementEntryKey(k)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestWhatATDNeedsIsLackedOnce(t *testing.T) {
	sorted := endorsementsOf(t)
	c := realChain(t, registry.Dev)
	items := slices.Concat(sorted[""], sorted[rats.TDX])
	lacks := c.reg.Lacks(items)
	count := map[rats.EndorsementKind]int{}
	for _, e := range lacks {
		info, err := attesteer.CheckEndorsement(e, nil)
		if err != nil {
			t.Fatal(err)
		}
		if info.Key.Kind == rats.QEIdentity && info.Key.Scope != "TD_QE" {
			t.Errorf("identity %s for TDX", info.Key.Scope)
		}
		count[info.Key.Kind]++
	}
	for _, kind := range []rats.EndorsementKind{rats.TCBInfo, rats.QEIdentity, rats.RootCACRL, rats.PCKCRL} {
		if count[kind] == 0 {
			t.Errorf("nothing of kind %s is lacked", kind)
		}
	}
	c.publishBest(lacks)
	if again := c.reg.Lacks(items); len(again) != 0 {
		t.Errorf("%d are lacked after all were taken", len(again))
	}
}

func TestOneMachinesQuotaCountsItsTDs(t *testing.T) {
	sorted := endorsementsOf(t)
	g := registry.NewGenesis(registry.Dev)
	g.Parameters.PlatformQuota = 1
	c := chainAt(t, realChain(t, registry.Dev).now.Time(), g)
	c.publishBest(sorted[""], sorted[rats.TDX])
	out := c.block(c.submit(key(1), realTDQuote(t)), c.submit(key(2), realTDQuote(t)))
	if out[0].Err != nil || out[1].Err == nil || out[1].Err.Kind != rats.QuotaExceeded {
		t.Errorf("first %v, second %v", out[0].Err, out[1].Err)
	}
}

func TestTheNewestListOfNumbersStands(t *testing.T) {
	var lists []rats.Endorsement
	for _, e := range endorsementsOf(t)[rats.SGX] {
		if e.Kind == rats.EvaluationNumbers {
			lists = append(lists, e)
		}
	}
	if len(lists) < 2 {
		t.Fatalf("%d lists", len(lists))
	}
	slices.SortFunc(lists, func(a, b rats.Endorsement) int { return strings.Compare(string(a.Body), string(b.Body)) })
	older, newer := lists[0], lists[len(lists)-1]
	for name, order := range map[string][]rats.Endorsement{"older first": {older, newer}, "newer first": {newer, older}, "together": nil} {
		t.Run(name, func(t *testing.T) {
			c := realChain(t, registry.Main)
			if order == nil {
				c.block(c.publish(older, newer))
			}
			for _, e := range order {
				c.block(c.publish(e))
			}
			entries := c.reg.Endorsements()
			want := rats.EndorsementKey{Kind: rats.EvaluationNumbers, TEE: rats.SGX, Version: 1}
			if len(entries) != 1 || entries[0].Key != want || entries[0].SHA256 != newer.Digest() {
				t.Fatalf("%+v", entries)
			}
			c.refused(c.publish(older), rats.EndorsementExpired, "older")
			place, err := record.EndorsementEntryKey(want)
			if err != nil {
				t.Fatal(err)
			}
			proof, err := c.reg.ProofAt(c.reg.Height(), place)
			if err != nil || len(proof.Entries) != 1 || proof.Entries[0].Value == nil {
				t.Errorf("not proven: %v", err)
			}
			if again, err := registry.Open(c.store.clone()); err != nil || again.AppHash() != c.reg.AppHash() || len(again.Endorsements()) != 1 {
				t.Errorf("opened again: %v", err)
			}
		})
	}
}
