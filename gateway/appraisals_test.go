// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// appraise posts evidence with a policy, which is JSON or nothing.
func (h *house) appraise(t testing.TB, raw []byte, policy string) reply {
	t.Helper()
	body := evidenceJSON(raw)
	if policy != "" {
		body = strings.TrimSuffix(body, "}") + `,"policy":` + policy + `}`
	}
	return h.post(t, "/v1/appraisals", "", body)
}

func TestAnAppraisalFollowsThePolicyAndRecordsNothing(t *testing.T) {
	h := empty(t)
	up := quote(t, 1, simtee.Enclave{})
	old := quote(t, 2, simtee.Enclave{TCB: rats.OutOfDate, Debug: true})
	result := func(raw []byte, policy string) attesteer.Result {
		t.Helper()
		r := h.appraise(t, raw, policy)
		if r.status != http.StatusOK {
			t.Fatalf("%d %s", r.status, r.body)
		}
		return as[attesteer.Result](t, r.body)
	}
	if r := result(up, ""); r.Accepted || r.Kind != rats.EndorsementUnavailable || r.Tier != rats.TierNone {
		t.Errorf("without endorsements: %+v", r)
	}
	if _, err := h.client("").PushEndorsements(t.Context(), endorsements(t, time.Now())); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		raw    []byte
		policy string
		kind   rats.Kind
	}{
		{"up to date", up, "", rats.None},
		{"up to date, in hex with a comment", []byte("# of today\n" + hex.EncodeToString(up) + "\n"), "", rats.None},
		{"up to date, the empty policy", up, "{}", rats.None},
		{"out of date", old, "", rats.TCBRejected},
		{"out of date is accepted", old, `{"accept_tcb":["OutOfDate"]}`, rats.DebugForbidden},
		{"debug is accepted", old, `{"allow_debug":true}`, rats.TCBRejected},
		{"both are accepted", old, `{"allow_debug":true,"accept_tcb":["OutOfDate","SWHardeningNeeded"]}`, rats.None},
		{"a number that the ledger has not", up, `{"evaluation_number":"7"}`, rats.EndorsementUnavailable},
		{"the highest number", up, `{"evaluation_number":"highest"}`, rats.None},
		{"out of date, within its grace period", old, `{"allow_debug":true,"grace_period":"36500d"}`, rats.None},
		{"out of date, after it", old, `{"allow_debug":true,"grace_period":"1s"}`, rats.TCBRejected},
		{"no advisory is accepted", old, `{"allow_debug":true,"accept_tcb":["OutOfDate"],"accept_advisories":[]}`, rats.TCBRejected},
		{"its advisories are accepted", old, `{"allow_debug":true,"accept_tcb":["OutOfDate"],"accept_advisories":["SIM-SA-00001","SIM-SA-00002"]}`, rats.None},
		{"a later date", up, `{"min_tcb_date":"2024-11-14"}`, rats.TCBRejected},
		{"a higher number", up, `{"min_evaluation_number":21}`, rats.TCBRejected},
		{"other report data", up, `{"report_data":"01"}`, rats.BindingMismatch},
		{"other runtime data", up, `{"runtime_data":"AAAA"}`, rats.BindingMismatch},
		{"other code", up, `{"reference_values":[]}`, rats.MeasurementUnknown},
		{"other attributes", up, `{"misc_select":{"value":"00000001","mask":"0x00000001"}}`, rats.PolicyRejected},
		{"other platforms", up, `{"platform":{"accept_fmspc":["90C06F000000"]}}`, rats.PolicyRejected},
	} {
		if r := result(c.raw, c.policy); r.Kind != c.kind || r.Accepted != (c.kind == rats.None) || len(r.Checks) == 0 {
			t.Errorf("%s: %v %+v, want %v", c.name, r.Kind, r, c.kind)
		}
	}
	if n := h.node.Registry().EventCount(); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestAPolicyThatCannotBeReadIsMalformed(t *testing.T) {
	h := open(t, "dev", nil)
	raw := quote(t, 1, simtee.Enclave{})
	for _, policy := range []string{
		`1`, `[]`, `{"allow_debug":"yes"}`, `{"accept_tcb":["Fine"]}`, `{"accept_tcb":"OutOfDate"}`, `{"accept_tcb":null}`,
		`{"evaluation_number":"x"}`, `{"evaluation_number":7}`, `{"evaluation_number":"4294967296"}`, `{"allow_all":true}`,
		`{"allow_debug":true,"allow_debug":false}`, `{"reference_values":[{}]}`, `{"reference_values":[{"mr_enclave":"00"}]}`,
		`{"xfam":{"value":"00"}}`, `{"grace_period":"soon"}`, `{"platform":{"smt_enabled":null}}`, `{"schema":"attesteer/policy/v2"}`,
	} {
		h.appraise(t, raw, policy).wants(t, 400, rats.Malformed)
	}
	h.appraise(t, raw[:100], "").wants(t, 400, rats.Malformed)
	h.appraise(t, nil, "").wants(t, 400, rats.Malformed)
	h.appraise(t, make([]byte, 21<<10), "").wants(t, 413, rats.TooLarge)
}

// TestAPolicyOverHTTPNamesNoRoots: whose word counts is the network's to say,
// since the result speaks of roots by name.
func TestAPolicyOverHTTPNamesNoRoots(t *testing.T) {
	h := open(t, "dev", nil)
	raw := quote(t, 1, simtee.Enclave{})
	for _, policy := range []string{`{"roots":[]}`, string(completePolicy(t))} {
		h.appraise(t, raw, policy).wants(t, 422, rats.Unsupported)
	}
}

// TestRuntimeDataMayBeGivenInOnePlaceOrInBoth, as long as they are the same.
func TestRuntimeDataMayBeGivenInOnePlaceOrInBoth(t *testing.T) {
	h := open(t, "dev", nil)
	body := func(policy string) string {
		return strings.TrimSuffix(evidenceJSON(quote(t, 1, simtee.Enclave{}), "runtime_data", "AAAA"), "}") + `,"policy":` + policy + `}`
	}
	if r := h.post(t, "/v1/appraisals", "", body(`{"runtime_data":"AAAA"}`)); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.body)
	}
	h.post(t, "/v1/appraisals", "", body(`{"runtime_data":"AAAB"}`)).wants(t, 400, rats.Malformed)
}

// TestTheBodyOfASubmissionIsAppraisedToo: who would first see what becomes of it
// sends the same.
func TestTheBodyOfASubmissionIsAppraisedToo(t *testing.T) {
	h := open(t, "dev", nil)
	whole := strings.TrimSuffix(evidenceJSON(quote(t, 1, simtee.Enclave{})), "}")
	for _, rest := range []string{
		`,"format":null,"url":null,"valid_for":null,"runtime_data":null,"policy":null}`,
		`,"format":"sgx-quote-v3","url":"https://my.enclave.example","valid_for":"48h"}`,
	} {
		if r := h.post(t, "/v1/appraisals", "", whole+rest); r.status != http.StatusOK {
			t.Errorf("%s: %d %s", rest, r.status, r.body)
		}
	}
	h.post(t, "/v1/appraisals", "", whole+`,"valid_for":"soon"}`).wants(t, 400, rats.Malformed)
}

// completePolicy is a policy with all members.
func completePolicy(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", "golden", "policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNoMemberOfAMeasurementIsSaidToBeAlwaysThere, since a TD has other ones than
// an enclave.
func TestNoMemberOfAMeasurementIsSaidToBeAlwaysThere(t *testing.T) {
	h := open(t, "dev", nil)
	var api struct {
		Components struct {
			Schemas map[string]struct {
				Required   []string
				Properties map[string]any
			}
		}
	}
	if err := json.Unmarshal(h.get(t, "/openapi.json").body, &api); err != nil {
		t.Fatal(err)
	}
	m := api.Components.Schemas["Measurement"]
	if m.Properties["mr_enclave"] == nil || m.Properties["mr_td"] == nil || len(m.Required) > 0 {
		t.Errorf("%+v", m)
	}
}

// TestTheDescriptionHasTheMembersOfAPolicy, all of them and no others.
func TestTheDescriptionHasTheMembersOfAPolicy(t *testing.T) {
	h := open(t, "dev", nil)
	var api struct {
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(h.get(t, "/openapi.json").body, &api); err != nil {
		t.Fatal(err)
	}
	var described, written []string
	var walk func(prefix string, schema any)
	walk = func(prefix string, schema any) {
		s, ok := schema.(map[string]any)
		if !ok {
			return
		}
		if s["type"] == "object" && s["additionalProperties"] != false {
			t.Errorf("%q takes any member", prefix)
		}
		walk(prefix, s["items"])
		members, _ := s["properties"].(map[string]any)
		for name, member := range members {
			described = append(described, prefix+"."+name)
			walk(prefix+"."+name, member)
		}
	}
	walk("", api.Components.Schemas["PolicyBody"])
	var list func(prefix string, value any)
	list = func(prefix string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for name, member := range v {
				written = append(written, prefix+"."+name)
				list(prefix+"."+name, member)
			}
		case []any:
			for _, element := range v {
				list(prefix, element)
			}
		}
	}
	var policy any
	if err := json.Unmarshal(completePolicy(t), &policy); err != nil {
		t.Fatal(err)
	}
	list("", policy)
	slices.Sort(described)
	slices.Sort(written)
	if written = slices.Compact(written); !slices.Equal(described, written) || len(written) < 40 {
		t.Errorf("described\n%s\nwritten\n%s", described, written)
	}
}
