// SPDX-License-Identifier: Apache-2.0

package maa_test

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/maa"
	"github.com/attesteer/attesteer/rats"
)

// TestATokenCountsForAsLongAsItsResultHolds, and never ends before it begins:
// the clock by which evidence was judged need not be the reader's.
func TestATokenCountsForAsLongAsItsResultHolds(t *testing.T) {
	s, err := maa.Open(filepath.Join(t.TempDir(), "key.pem"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	judged := time.Date(2025, time.June, 20, 11, 0, 0, 0, time.UTC)
	for holds, want := range map[time.Duration]time.Duration{time.Hour: time.Hour, 30 * 24 * time.Hour: maa.Lifetime} {
		until := judged.Add(holds)
		r := &attesteer.Result{
			VerifiedAt: judged, ValidUntil: &until,
			Measurement: attesteer.Measurement{SGXMeasurement: &attesteer.SGXMeasurement{}}, TCB: &attesteer.TCB{Status: rats.UpToDate},
		}
		token, err := s.Sign(maa.Statement{Issuer: "http://node.example", Result: r, At: judged.AddDate(1, 0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		body, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var c struct{ Iat, Nbf, Exp int64 }
		if err := json.Unmarshal(body, &c); err != nil {
			t.Fatal(err)
		}
		if c.Iat != judged.AddDate(1, 0, 0).Unix() || c.Nbf != c.Iat || c.Exp-c.Iat != int64(want/time.Second) {
			t.Errorf("holds for %v: %+v", holds, c)
		}
	}
}
