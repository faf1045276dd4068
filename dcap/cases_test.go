// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// TestRealQuotesComeOutAsIntelsLibraryJudgesThem runs every combination of
// real quotes and real endorsements.
func TestRealQuotesComeOutAsIntelsLibraryJudgesThem(t *testing.T) {
	dir := vectors(t)
	facts := dcap.NewFacts(1 << 12)
	ran := 0
	for i, r := range table(t, filepath.Join(dir, "cases.tsv")) {
		ran++
		t.Run(fmt.Sprintf("row %d %s", i+2, filepath.Base(r["quote"])), func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, r["time"])
			if err != nil {
				t.Fatal(err)
			}
			q, err := quote.Parse(read(t, filepath.Join(dir, r["quote"])))
			if err != nil {
				t.Fatal(err)
			}
			a := dcap.Appraise(q, dcap.NewSet(statementsOf(t, dir, r)...), dcap.Options{Facts: facts}, at)
			if a.Err != nil {
				t.Fatalf("%v\n%v", a.Err, a.Checks)
			}
			advisories := strings.Join(a.TCB.Advisories, ",")
			if r["advisories"] == "-" {
				advisories = "-" // the row does not say
			}
			for name, got := range map[string]string{
				"converged": string(a.TCB.Status), "tcb_status": string(a.TCB.Platform), "qe_status": string(a.TCB.QE),
				"tcb_date": a.TCB.Date.Format(time.RFC3339), "advisories": advisories,
				"window_from": a.ValidFrom.Format(time.RFC3339), "window_to": a.ValidUntil.Format(time.RFC3339),
				"tdx_module":             strings.TrimPrefix(a.TCB.ModuleID+":"+string(a.TCB.Module), ":"),
				"evaluation_data_number": strconv.Itoa(int(a.TCB.EvaluationDataNumber)),
			} {
				if want := r[name]; want != "" && got != want || want == "" && name == "converged" {
					t.Errorf("%s: %q, want %q", name, got, r[name])
				}
			}
		})
	}
	if ran < 171 {
		t.Errorf("only %d cases ran", ran)
	}
}

// TestBadQuotesAreRefused by the kind that the index names.
func TestBadQuotesAreRefused(t *testing.T) {
	dir := vectors(t)
	for _, r := range table(t, filepath.Join(dir, "INDEX.tsv")) {
		if !strings.HasPrefix(r["file"], "quotes/sgx/bad/") {
			continue
		}
		t.Run(filepath.Base(r["file"]), func(t *testing.T) {
			raw := read(t, filepath.Join(dir, r["file"]))
			kind := kindOf(raw)
			if code := kind.ExitCode(); code != 10 && code != 13 && code != 14 {
				t.Errorf("%v, exit code %d", kind, code)
			}
			if want := r["expected"]; !strings.Contains(want, "exit") && kind.String() != want {
				t.Errorf("%v, want %s", kind, want)
			}
		})
	}
}

func kindOf(raw []byte) rats.Kind {
	if openenclave.IsReport(raw) {
		inner, err := openenclave.ParseReport(raw)
		if err != nil {
			return rats.KindOf(err)
		}
		raw = inner
	}
	q, err := quote.Parse(raw)
	if err != nil {
		return rats.KindOf(err)
	}
	if a := dcap.Appraise(q, nil, dcap.Options{}, time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)); a.Err != nil {
		return a.Err.Kind
	}
	return rats.None
}
