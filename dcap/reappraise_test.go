// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// moments are the times at which a verdict may change, and those beside them.
func moments(statements []*dcap.Statement, in *dcap.Inputs, also time.Time) []time.Time {
	out := []time.Time{also}
	edge := func(from, until time.Time) {
		for _, t := range []time.Time{from, until} {
			out = append(out, t.Add(-time.Second), t, t.Add(time.Second))
		}
	}
	for _, s := range statements {
		edge(s.Window())
	}
	edge(in.PCK.Window())
	edge(in.Issuer.Window())
	return out
}

// noted is what [dcap.Reappraise] may go by: none of what evidence holds besides.
func noted(in *dcap.Inputs) *dcap.Inputs {
	return &dcap.Inputs{
		TEE: in.TEE, Root: in.Root, CA: in.CA, FMSPC: in.FMSPC, PCEID: in.PCEID, Components: in.Components,
		PCESVN: in.PCESVN, PCK: in.PCK, Issuer: in.Issuer, QE: in.QE, TD: in.TD,
	}
}

// differs says how a judgement of the inputs differs from one of the evidence.
func differs(whole, again *dcap.Appraisal) string {
	switch {
	case rats.KindOf(errOf(whole)) != rats.KindOf(errOf(again)):
		return "kind"
	case whole.Err != nil && whole.Err.Check != again.Err.Check:
		return "check"
	case !reflect.DeepEqual(whole.TCB, again.TCB):
		return "TCB"
	case !reflect.DeepEqual(whole.Used, again.Used):
		return "endorsements"
	case !whole.ValidFrom.Equal(again.ValidFrom) || !whole.ValidUntil.Equal(again.ValidUntil):
		return "window"
	case !reflect.DeepEqual(whole.Forecast, again.Forecast):
		return "forecast"
	case whole.Root != again.Root:
		return "root"
	}
	own := true
	for i, c := range whole.Checks {
		own = own && c.Name != "endorsement_signatures"
		if !own && c.Outcome != again.Checks[i].Outcome {
			return c.Name
		}
		if own && again.Checks[i].Outcome != rats.Skipped {
			return c.Name + " is judged without evidence"
		}
	}
	return ""
}

func errOf(a *dcap.Appraisal) error {
	if a.Err == nil {
		return nil
	}
	return a.Err
}

// TestInputsAreJudgedAsTheirEvidenceIs: every real quote with its endorsements,
// with each of them missing, at every time at which a verdict may change.
func TestInputsAreJudgedAsTheirEvidenceIs(t *testing.T) {
	dir := vectors(t)
	facts := dcap.NewFacts(1 << 12)
	ran, decided, states := 0, 0, map[rats.Kind]int{}
	for _, r := range table(t, filepath.Join(dir, "cases.tsv")) {
		at, err := time.Parse(time.RFC3339, r["time"])
		if err != nil {
			t.Fatal(err)
		}
		q, err := quote.Parse(read(t, filepath.Join(dir, r["quote"])))
		if err != nil {
			t.Fatal(err)
		}
		all := statementsOf(t, dir, r)
		opt := dcap.Options{Facts: facts}
		in := dcap.Appraise(q, nil, opt, at).Inputs
		if in == nil {
			t.Fatalf("%s: no inputs", r["quote"])
		}
		for without := -1; without < len(all); without++ {
			var some []*dcap.Statement
			for i, s := range all {
				if i != without {
					some = append(some, s)
				}
			}
			set := dcap.NewSet(some...)
			for _, when := range moments(all, in, at) {
				ran++
				whole, again := dcap.Appraise(q, set, opt, when), dcap.Reappraise(noted(in), set, opt, when)
				if d := differs(whole, again); d != "" {
					t.Fatalf("%s at %s without statement %d: %s: %v and %v", r["quote"], when, without, d, whole.Err, again.Err)
				}
				states[rats.KindOf(errOf(whole))]++
				if whole.TCB != nil {
					decided++
				}
			}
		}
	}
	if ran < 10_000 || decided < 1000 || states[rats.EndorsementExpired] == 0 || states[rats.EndorsementUnavailable] == 0 || states[rats.Expired] == 0 {
		t.Errorf("%d ran, %d decided, %v", ran, decided, states)
	}
}

func TestInputsWhoseRootIsNotTrustedAnyMoreAreRefused(t *testing.T) {
	a := dcap.Reappraise(&dcap.Inputs{Root: "another"}, nil, dcap.Options{}, time.Now())
	if a.Err == nil || a.Err.Kind != rats.UntrustedRoot {
		t.Errorf("%v", a.Err)
	}
}
