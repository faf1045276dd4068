// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// empty opens a node whose ledger gets no endorsement but what is pushed.
func empty(t testing.TB) *house {
	return open(t, "dev", func(_ *ledger.Config, gc *gateway.Config) { gc.Source = nil })
}

func endorsements(t testing.TB, at time.Time) []rats.Endorsement {
	t.Helper()
	items, err := simtee.Endorsements(at)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func TestEndorsementsArePushedByAnyoneAndListed(t *testing.T) {
	h := empty(t)
	c := h.client("") // no token is needed
	items := endorsements(t, time.Now())
	pushed, err := c.PushEndorsements(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	if len(pushed.Taken) != len(items) || len(pushed.Known) != 0 || len(pushed.Refused) != 0 || pushed.Tx == nil || *pushed.Height == 0 {
		t.Errorf("%+v", pushed)
	}
	height := h.node.Registry().Height()
	again, err := c.PushEndorsements(t.Context(), items)
	if err != nil || len(again.Known) != len(items) || len(again.Taken) != 0 || again.Tx != nil {
		t.Errorf("%+v, %v", again, err)
	}
	if h.node.Registry().Height() > height+1 { // the block that proves the last
		t.Error("a block was made for what was known")
	}
	list, err := c.ListEndorsements(t.Context(), nil)
	if err != nil || len(list.Endorsements) != len(items) {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, e := range list.Endorsements {
		if e.Stale || e.Issued.IsZero() || e.NextUpdate.Before(time.Now()) || e.Body != nil || len(e.SHA256) != 64 || e.Scope == "" {
			t.Errorf("%+v", e)
		}
		if (e.Kind == rats.TCBInfo) != (e.FMSPC != "") {
			t.Errorf("%s has FMSPC %q", e.Kind, e.FMSPC)
		}
	}
	tcb := items[0]
	if tcb.Kind != rats.TCBInfo {
		t.Fatalf("the first endorsement is a %s", tcb.Kind)
	}
	digest := tcb.Digest()
	for name, query := range map[string]url.Values{
		"by kind":   {"kind": {"tcb_info"}, "tee": {"sgx"}, "body": {"true"}},
		"by fmspc":  {"fmspc": {"00A51E000000"}, "tee": {"sgx"}, "body": {"true"}},
		"by digest": {"sha256": {hex.EncodeToString(digest[:])}},
	} {
		list, err := c.ListEndorsements(t.Context(), query)
		if err != nil || len(list.Endorsements) != 1 {
			t.Errorf("%s: %+v, %v", name, list, err)
			continue
		}
		if e := list.Endorsements[0]; !bytes.Equal(e.Body, tcb.Body) || len(e.Issuers) != len(tcb.Issuers) {
			t.Errorf("%s: another body", name)
		}
	}
	for name, query := range map[string]url.Values{"another number": {"evaluation_data_number": {"7"}}, "another fmspc": {"fmspc": {"000000000000"}}} {
		if list, err := c.ListEndorsements(t.Context(), query); err != nil || list.Endorsements == nil || len(list.Endorsements) != 0 {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
}

func TestEndorsementsThatAreRefusedAreRefusedByTheirKind(t *testing.T) {
	h := empty(t)
	c := h.client("")
	now := time.Now()
	items := endorsements(t, now)
	forged := items[0]
	forged.Body = bytes.Replace(forged.Body, []byte(`"version":`), []byte(`"version" :`), 1)
	if forged.Kind != rats.TCBInfo || bytes.Equal(forged.Body, items[0].Body) {
		t.Fatalf("nothing was forged: %s", forged.Kind)
	}
	refused := func(name string, kind rats.Kind, status int, items ...rats.Endorsement) {
		t.Helper()
		_, err := c.PushEndorsements(t.Context(), items)
		var refusal *client.Refusal
		if !errors.As(err, &refusal) || !errors.Is(err, kind) || refusal.Status != status || refusal.Err.Detail == "" {
			t.Errorf("%s: %v, want %s", name, err, kind)
		}
	}
	refused("a broken signature", rats.BadSignature, 422, forged)
	refused("of the future", rats.EndorsementExpired, 424, endorsements(t, now.AddDate(0, 0, 3))...)
	refused("no endorsement", rats.Malformed, 400, rats.Endorsement{Kind: rats.TCBInfo, Body: []byte("{}")})

	t.Run("and what is beside them is taken", func(t *testing.T) {
		out, err := c.PushEndorsements(t.Context(), []rats.Endorsement{forged, items[0], items[1]})
		if err != nil {
			t.Fatal(err)
		}
		digest := forged.Digest()
		if len(out.Taken) != 2 || len(out.Refused) != 1 || out.Refused[0].Kind != rats.BadSignature || out.Refused[0].SHA256 != hex.EncodeToString(digest[:]) {
			t.Errorf("%+v", out)
		}
	})
	t.Run("and older ones than those in state", func(t *testing.T) {
		refused("older", rats.EndorsementExpired, 424, endorsements(t, now.AddDate(0, 0, -3))[0])
	})
	t.Run("and stale ones are taken and marked", func(t *testing.T) {
		h := empty(t)
		old := endorsements(t, now.AddDate(0, -3, 0))
		out, err := h.client("").PushEndorsements(t.Context(), old)
		if err != nil || len(out.Taken) != len(old) {
			t.Fatalf("%+v, %v", out, err)
		}
		list, err := h.client("").ListEndorsements(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Endorsements {
			if !e.Stale {
				t.Errorf("%+v", e)
			}
		}
	})
	h.client("any")
	if _, err := c.PushEndorsements(t.Context(), items); err != nil {
		t.Errorf("the node does not go on: %v", err)
	}
}

func TestEndorsementsAreTakenWithoutTheirKind(t *testing.T) {
	h := empty(t)
	type item struct {
		Kind    *string  `json:"kind"`
		Body    string   `json:"body"`
		Issuers []string `json:"issuers"`
	}
	var body struct {
		Endorsements []item `json:"endorsements"`
	}
	for _, e := range endorsements(t, time.Now()) {
		one := item{Body: base64.StdEncoding.EncodeToString(e.Body)}
		for _, cert := range e.Issuers {
			one.Issuers = append(one.Issuers, base64.StdEncoding.EncodeToString(cert))
		}
		body.Endorsements = append(body.Endorsements, one) // kind is null, and issuers where there are none
	}
	count := len(body.Endorsements)
	body.Endorsements = append(body.Endorsements, item{Body: "e30="}) // what is none keeps no other out
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := h.post(t, "/v1/endorsements", "", string(b))
	if r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if out := as[client.Pushed](t, r.body); len(out.Taken) != count || len(out.Refused) != 1 || out.Refused[0].Kind != rats.Malformed {
		t.Errorf("%s", r.body)
	}
}

func TestBadPushesAreMalformed(t *testing.T) {
	h := empty(t)
	for name, body := range map[string]string{
		"nothing":                 ``,
		"no list":                 `{"endorsements":1}`,
		"an empty list":           `{"endorsements":[]}`,
		"null":                    `{"endorsements":null}`,
		"no body":                 `{"endorsements":[{}]}`,
		"no base64":               `{"endorsements":[{"body":"@"}]}`,
		"an unknown kind":         `{"endorsements":[{"kind":"poem","body":"AA=="}]}`,
		"issuers that are none":   `{"endorsements":[{"body":"e30=","issuers":["@"]}]}`,
		"an unknown field":        `{"endorsements":[{"body":"e30=","signature":"00"}]}`,
		"nothing to recognise":    `{"endorsements":[{"body":"e30="}]}`,
		"an unknown field beside": `{"endorsements":[{"body":"e30="}],"token":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			h.post(t, "/v1/endorsements", "", body).wants(t, 400, rats.Malformed)
		})
	}
}

func TestEndorsementsAreFoundByEachOfTheirMarks(t *testing.T) {
	h := open(t, "dev", nil)
	h.lives(t, 1) // which publishes those of simulated enclaves
	all := as[client.EndorsementList](t, h.get(t, "/v1/endorsements").body).Endorsements
	find := func(query string) []client.Endorsement {
		r := h.get(t, "/v1/endorsements?"+query)
		if r.status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, r.status, r.body)
		}
		return as[client.EndorsementList](t, r.body).Endorsements
	}
	count := func(marked func(client.Endorsement) bool) (n int) {
		for _, e := range all {
			if marked(e) {
				n++
			}
		}
		return n
	}
	for query, marked := range map[string]func(client.Endorsement) bool{
		"":                                           func(client.Endorsement) bool { return true },
		"kind=&tee=&sha256=&fmspc=":                  func(client.Endorsement) bool { return true },
		"evaluation_data_number=":                    func(client.Endorsement) bool { return true },
		"evaluation_data_number=0":                   func(e client.Endorsement) bool { return e.EvaluationDataNumber == 0 },
		"evaluation_data_number=20":                  func(e client.Endorsement) bool { return e.EvaluationDataNumber == 20 },
		"evaluation_data_number=19":                  func(client.Endorsement) bool { return false },
		"tee=TDX":                                    func(e client.Endorsement) bool { return e.TEE == rats.TDX },
		"tee=sgx&kind=qe_identity":                   func(e client.Endorsement) bool { return e.TEE == rats.SGX && e.Kind == rats.QEIdentity },
		"fmspc=0x00A51E%20000000":                    func(e client.Endorsement) bool { return e.Kind == rats.TCBInfo && e.Scope == "00a51e000000" },
		"fmspc=00a51e000000&kind=pck_crl":            func(client.Endorsement) bool { return false },
		"sha256=" + strings.Repeat("00", 32):         func(client.Endorsement) bool { return false },
		"sha256=0X" + strings.ToUpper(all[0].SHA256): func(e client.Endorsement) bool { return e.SHA256 == all[0].SHA256 },
	} {
		got, want := find(query), count(marked)
		if len(got) != want {
			t.Errorf("%q: %d, want %d of %d", query, len(got), want, len(all))
		}
		for _, e := range got {
			if !marked(e) {
				t.Errorf("%q: %+v", query, e)
			}
		}
	}
	if count(func(e client.Endorsement) bool { return e.EvaluationDataNumber == 0 }) == 0 || len(all) < 4 {
		t.Errorf("there is too little to tell apart: %d", len(all))
	}
	h.get(t, "/v1/endorsements?tee=zz").wants(t, http.StatusBadRequest, rats.Malformed)
}
