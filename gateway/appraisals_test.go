// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"net/http"
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
		{"up to date, the empty policy", up, "{}", rats.None},
		{"out of date", old, "", rats.TCBRejected},
		{"out of date is accepted", old, `{"accept_tcb":["OutOfDate"]}`, rats.DebugForbidden},
		{"debug is accepted", old, `{"allow_debug":true}`, rats.TCBRejected},
		{"both are accepted", old, `{"allow_debug":true,"accept_tcb":["OutOfDate","SWHardeningNeeded"]}`, rats.None},
		{"a number that the ledger has not", up, `{"evaluation_number":"7"}`, rats.EndorsementUnavailable},
		{"the highest number", up, `{"evaluation_number":"highest"}`, rats.None},
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
	for _, policy := range []string{`1`, `[]`, `{"allow_debug":"yes"}`, `{"accept_tcb":["Fine"]}`, `{"accept_tcb":"OutOfDate"}`, `{"evaluation_number":"x"}`, `{"evaluation_number":7}`, `{"allow_all":true}`} {
		h.appraise(t, raw, policy).wants(t, 400, rats.Malformed)
	}
	h.appraise(t, raw[:100], "").wants(t, 400, rats.Malformed)
	h.appraise(t, nil, "").wants(t, 400, rats.Malformed)
	h.appraise(t, make([]byte, 21<<10), "").wants(t, 413, rats.TooLarge)
}
