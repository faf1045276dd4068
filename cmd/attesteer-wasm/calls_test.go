// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// clock is a module's time in these tests.
func clock() time.Time { return time.Date(2025, 6, 20, 15, 0, 0, 7, time.FixedZone("", 3600)) }

func TestOptionsAreReadStrictly(t *testing.T) {
	for _, tt := range []struct {
		text string
		ok   bool
	}{
		{``, true},
		{`{}`, true},
		{`null`, true},
		{`{"policy":{}}`, true},
		{`{"policy":null,"roots":null,"runtime_data":null}`, true},
		{`{"policy":{"allow_debug":true,"accept_tcb":["OutOfDate","Revoked"],"evaluation_number":"17"}}`, true},
		{`{"policy":{"evaluation_number":"standard"},"runtime_data":"","roots":[]}`, true},
		{`[]`, false},
		{`{`, false},
		{`{}{}`, false},
		{`{"time":"2025-06-20T12:00:00Z"}`, false},
		{`{"runtime_data":"@"}`, false},
		{`{"policy":{"allow_debg":true}}`, false},
		{`{"policy":{"allow_debug":1}}`, false},
		{`{"policy":{"accept_tcb":["Fine"]}}`, false},
		{`{"policy":{"evaluation_number":"many"}}`, false},
		{`{"policy":{"evaluation_number":"-1"}}`, false},
		{`{"roots":[{"name":"mine","key":"MA=="}]}`, false},
	} {
		o, err := parseOptions([]byte(tt.text))
		if (err == nil) != tt.ok || err != nil && rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: %+v, %v", tt.text, o, err)
		}
	}
}

// TestOptionsSayWhatTheyDemand: what is empty is not what is left out.
func TestOptionsSayWhatTheyDemand(t *testing.T) {
	o, err := parseOptions([]byte(`{"roots":[],"runtime_data":"","policy":{"allow_debug":true,"accept_tcb":["OutOfDate"],"evaluation_number":"17"}}`))
	if err != nil {
		t.Fatal(err)
	}
	p := o.policy
	if p.Roots == nil || p.RuntimeData == nil || !p.AllowDebug || fmt.Sprint(p.AcceptTCB) != "[OutOfDate]" || p.EvaluationNumber != "17" {
		t.Errorf("%+v", p)
	}
	if o, err = parseOptions([]byte(`{"at":"x"}`)); err != nil || o.policy.Roots != nil || o.policy.RuntimeData != nil {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestWithoutATimeEvidenceIsJudgedNow, by the module's clock, in UTC.
func TestWithoutATimeEvidenceIsJudgedNow(t *testing.T) {
	raw, items := simulated(t, simtee.Enclave{})
	options, err := json.Marshal(map[string]any{"roots": []rats.TrustRoot{simtee.Root()}})
	if err != nil {
		t.Fatal(err)
	}
	m := newModule(clock)
	first, err := m.verify(raw, items, options)
	if err != nil || !strings.Contains(first, `"verified_at":"2025-06-20T14:00:00.000000007Z"`) {
		t.Errorf("%v, %s", err, first)
	}
	if again, err := m.verify(raw, items, options); err != nil || again != first {
		t.Errorf("with what it remembers: %v, %s", err, again)
	}
	bundle, genesis, _ := provenGenesis(t)
	proven, err := m.verifyProof(bundle, genesis, "")
	if err != nil || !strings.Contains(proven, `"judged_at":"2025-06-20T14:00:00.000000007Z"`) {
		t.Errorf("%v, %s", err, proven)
	}
}

func TestInputsAreBounded(t *testing.T) {
	m, large := newModule(clock), make([]byte, maxInput+1)
	large[0] = 3
	_, genesis, _ := provenGenesis(t)
	calls := map[string]func([]byte) (string, error){
		"inspect":     m.inspect,
		"verify":      func(b []byte) (string, error) { return m.verify(b, nil, nil) },
		"verifyProof": func(b []byte) (string, error) { return m.verifyProof(b, genesis, "") },
	}
	for name, call := range calls {
		if out, err := call(large); rats.KindOf(err) != rats.TooLarge || out != "" {
			t.Errorf("%s: %v, %s", name, err, out)
		}
		if out, err := call(large[:maxInput]); rats.KindOf(err) == rats.TooLarge || err == nil || out != "" {
			t.Errorf("%s, one byte less: %v, %s", name, err, out)
		}
	}
}

// TestResultsAreWrittenAsTheCommandWritesThem: no HTML escapes, no line end.
func TestResultsAreWrittenAsTheCommandWritesThem(t *testing.T) {
	out, err := encode(attesteer.Result{TEE: "<&>"})
	if err != nil || !strings.Contains(out, `"tee":"<&>"`) || strings.HasSuffix(out, "\n") {
		t.Errorf("%v, %q", err, out)
	}
	if _, err := encode(func() {}); rats.KindOf(err) != rats.Internal {
		t.Errorf("a function: %v", err)
	}
}

func TestAPanicEndsTheCallAndNotTheProgram(t *testing.T) {
	explain := func(p any) error { return rats.Errorf(rats.Internal, "%v", p) }
	out, err := guard(func() (string, error) { panic("slipped") }, explain)
	if out != "" || rats.KindOf(err) != rats.Internal || rats.AsError(err).Detail != "slipped" {
		t.Errorf("%q, %v", out, err)
	}
	out, err = guard(func() (string, error) { return "a result", rats.NotFound }, explain)
	if out != "a result" || rats.KindOf(err) != rats.NotFound {
		t.Errorf("%q, %v", out, err)
	}
}
