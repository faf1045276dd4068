// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// vectors returns a path in the folder of vectors.
func vectors(t *testing.T, elem ...string) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	dir = filepath.Join(append([]string{dir, "dcap"}, elem...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no vectors: %v; ATTESTEER_VECTORS names their folder", err)
	}
	return dir
}

// realEndorsements returns Intel's, from the folder of vectors.
func realEndorsements(t *testing.T) []rats.Endorsement {
	t.Helper()
	folder, err := endorse.ReadFolder(t.Context(), vectors(t, "collateral"), attesteer.Roots())
	if err != nil {
		t.Fatal(err)
	}
	return folder.All()
}

// realChain is a chain of a network at the time of the real quotes.
func realChain(t *testing.T, network string) *chain {
	t.Helper()
	return chainAt(t, time.Date(2025, 6, 20, 10, 54, 0, 0, time.UTC), registry.NewGenesis(network))
}

func TestARealQuoteBecomesARecordWithItsTierAndStatus(t *testing.T) {
	items := realEndorsements(t)
	quote, err := os.ReadFile(filepath.Join("..", "testdata", "seed", "quote.bin"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		network string
		want    rats.Kind
	}{{registry.Dev, rats.None}, {registry.Test, rats.None}, {registry.Main, rats.DebugForbidden}} {
		t.Run(tt.network, func(t *testing.T) {
			c := realChain(t, tt.network)
			for _, e := range items {
				c.block(c.publish(e)) // stale ones are taken, older and future ones are not
			}
			if tt.want != rats.None {
				c.refused(c.submit(key(1), quote), tt.want)
				return
			}
			rec, err := c.reg.Record(c.ok(c.submit(key(1), quote)).RecordID)
			if err != nil {
				t.Fatal(err)
			}
			if rec.Status != rats.OutOfDate || rec.BuildMode != rats.Debug || rec.Tier != rats.Contraindicated || rec.TrustRoot != rats.IntelRoot {
				t.Errorf("status %s, build mode %s, tier %s, root %s", rec.Status, rec.BuildMode, rec.Tier, rec.TrustRoot)
			}
			if got := attesteer.Hex(rec.Fingerprint).String(); got != "af3438654b544d7e94b6b538eaf58528a2136f6a107b95b4c442b0afc9c98d83" {
				t.Errorf("fingerprint %s", got)
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

// TestRealRecordsAgeAsTheirEvidenceDoes over a year, in which Intel's real data
// come, go and come anew.
func TestRealRecordsAgeAsTheirEvidenceDoes(t *testing.T) {
	items := realEndorsements(t)
	c := realChain(t, registry.Dev)
	publish := func() {
		for _, e := range c.reg.Lacks(items) {
			c.block(c.publish(e)) // what is from the future waits for its day
		}
		c.settle()
	}
	publish()
	var ids []record.ID
	for _, kind := range []string{"sgx", "tdx"} {
		files, err := filepath.Glob(filepath.Join(vectors(t, "quotes", kind), "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil || len(ids) > 25 {
				continue
			}
			if r := c.block(c.submit(key(1), raw, forDays(90)))[0]; r.Recorded {
				ids = append(ids, r.RecordID)
			}
		}
	}
	if len(ids) < 3 {
		t.Fatalf("%d real quotes were recorded", len(ids))
	}
	seen := map[string]int{}
	for range 12 {
		c.blockAt(c.now + 7*day)
		c.settle()
		for _, said := range verdicts(t, c, ids) {
			seen[said]++
		}
		publish()
		for _, said := range verdicts(t, c, ids) {
			seen[said]++
		}
	}
	if len(seen) < 3 {
		t.Errorf("all that was said: %v", seen)
	}
	t.Logf("%d records said %v", len(ids), seen)
}
