// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// rpcAnswer is a response of JSON-RPC, about an operation of the API.
type rpcAnswer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *rpcFault       `json:"error"`
}

// rpcFault is an error of JSON-RPC.
type rpcFault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		Kind       rats.Kind       `json:"kind"`
		Check      string          `json:"check"`
		Detail     string          `json:"detail"`
		Record     string          `json:"record"`
		Tx         string          `json:"tx"`
		Result     json.RawMessage `json:"result"`
		RetryAfter int             `json:"retry_after"`
	} `json:"data"`
}

// message returns a call of a method.
func message(id, method, params string) string {
	if params == "" {
		return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `"}`
	}
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":` + params + `}`
}

// ask makes one call by POST.
func (h *house) ask(t testing.TB, method, params string) rpcAnswer {
	t.Helper()
	r := h.post(t, "/", "", message("1", method, params))
	if r.status != http.StatusOK {
		t.Fatalf("%s %.200s: %d %.300s", method, params, r.status, r.body)
	}
	return as[rpcAnswer](t, r.body)
}

// twin is one question, over JSON-RPC and over REST.
type twin struct {
	method, params string
	verb, path     string
	body           string
}

// rest asks it over REST, with a word as a token, as the submitting calls need.
func (w twin) rest(t testing.TB, h *house) reply {
	t.Helper()
	if w.body == "" {
		return h.call(t, w.verb, w.path, "any", nil)
	}
	return h.call(t, w.verb, w.path, "any", strings.NewReader(w.body))
}

// same fails the test unless an answer over JSON-RPC says what REST says.
func same(t testing.TB, w twin, got rpcAnswer, want reply) {
	t.Helper()
	if want.status < 400 {
		if got.Error != nil || string(got.Result) != string(want.body) {
			t.Errorf("%s %.200s: %.600s %+v\nwant %.600s", w.method, w.params, got.Result, got.Error, want.body)
		}
		return
	}
	p := as[client.Problem](t, want.body)
	if got.Result != nil || got.Error == nil {
		t.Fatalf("%s %.200s: %.300s, want an error: %.300s", w.method, w.params, got.Result, want.body)
	}
	code := -32000 - int(p.Kind)
	switch p.Kind {
	case rats.Malformed:
		code = -32602
	case rats.Internal:
		code = -32603
	}
	d := got.Error.Data
	if got.Error.Code != code || d.Kind != p.Kind || d.Check != p.Check || d.Record != p.Record || d.Tx != p.Tx || (d.Result != nil) != (p.Result != nil) {
		t.Errorf("%s %.200s: %+v\nwant %.600s", w.method, w.params, got.Error, want.body)
	}
	for _, place := range []string{"path.", "query.", "body."} {
		p.Detail = strings.TrimPrefix(p.Detail, place)
	}
	if after, ok := strings.CutPrefix(p.Detail, "body: "); ok {
		p.Detail = "parameters: " + after
	}
	if d.Detail != p.Detail || got.Error.Message != p.Kind.String()+": "+p.Detail {
		t.Errorf("%s %.200s: %q, %q, want %q", w.method, w.params, got.Error.Message, d.Detail, p.Detail)
	}
}

// recorded opens a node with a record, whose evidence it returns too.
func recorded(t *testing.T) (h *house, raw []byte, id string) {
	t.Helper()
	h, _ = signing(t)
	raw = quote(t, 1, simtee.Enclave{})
	got, err := h.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: raw, URL: "https://my.enclave.example/?a=1&b=<c>"})
	if err != nil {
		t.Fatal(err)
	}
	return h, raw, got.Record.ID
}

// pushBody returns what publishes the vendor's endorsements.
func pushBody(t testing.TB, all []rats.Endorsement) string {
	t.Helper()
	type item struct {
		Body    []byte   `json:"body"`
		Issuers [][]byte `json:"issuers"`
	}
	var items []item
	for _, e := range all {
		items = append(items, item{e.Body, e.Issuers})
	}
	b, err := json.Marshal(map[string]any{"endorsements": items})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// twins are questions with answers, at least one for each operation that a
// method and a call have in common and that answers the same twice.
func twins(t *testing.T, h *house, raw []byte, id string) []twin {
	none := strings.Repeat("0f", 32)
	appraise := strings.TrimSuffix(evidenceJSON(raw, "format", "sgx-quote-v3"), "}") + `,"policy":{"allow_debug":true}}`
	b64 := base64.StdEncoding.EncodeToString(raw)
	known := h.get(t, "/v1/endorsements").body
	sha := as[client.EndorsementList](t, known).Endorsements[0].SHA256
	push := pushBody(t, h.published(t))
	tx := as[record.View](t, h.get(t, "/v1/enclaves/"+id).body).Tx
	ballot, err := record.SignMotion(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), record.Motion{
		Version: 1, ChainID: h.node.Registry().ChainID(), NotAfter: h.node.Registry().Time() + 600_000, Ballot: &record.Ballot{Number: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	stranger := base64.StdEncoding.EncodeToString(ballot)
	return []twin{
		{"registry.list", ``, "GET", "/v1/enclaves", ""},
		{"registry.list", `null`, "GET", "/v1/enclaves", ""},
		{"registry.list", `{}`, "GET", "/v1/enclaves", ""},
		{"registry.list", `[]`, "GET", "/v1/enclaves", ""},
		{"registry.list", `{"limit":1,"tee":"sgx"}`, "GET", "/v1/enclaves?limit=1&tee=sgx", ""},
		{"registry.list", `{"tee":"tdx","q":null}`, "GET", "/v1/enclaves?tee=tdx&q=", ""},
		{"registry.list", `["my.encl",null,""]`, "GET", "/v1/enclaves?q=my.encl", ""},
		{"registry.get", `{"id":"` + id + `"}`, "GET", "/v1/enclaves/" + id, ""},
		{"registry.get", ` [ "0x` + strings.ToUpper(id) + `" ] `, "GET", "/v1/enclaves/" + id, ""},
		{"registry.get", `["` + none + `"]`, "GET", "/v1/enclaves/" + none, ""},
		{"registry.history", `["` + id + `"]`, "GET", "/v1/enclaves/" + id + "/history", ""},
		{"registry.evidence", `{"\u0069d":"` + id + `"}`, "GET", "/v1/enclaves/" + id + "/evidence", ""},
		{"registry.receipt", `["` + none + `"]`, "GET", "/v1/receipts/" + none, ""},
		{"registry.proof", `{"id":"` + id + `"}`, "GET", "/v1/enclaves/" + id + "/proof", ""},
		{"registry.proof", `["` + none + `"]`, "GET", "/v1/enclaves/" + none + "/proof", ""},
		{"registry.receipt", `["` + tx + `"]`, "GET", "/v1/receipts/" + tx, ""},
		{"registry.submit", evidenceJSON(raw), "POST", "/v1/evidence", evidenceJSON(raw)}, // replayed
		{"registry.submit", `["` + b64 + `",null,"https://a.example"]`, "POST", "/v1/evidence", evidenceJSON(raw, "url", "https://a.example")},
		{"registry.withdraw", `["` + none + `"]`, "DELETE", "/v1/enclaves/" + none, ""},
		{"registry.withdraw", `["` + id + `","AAAA"]`, "DELETE", "/v1/enclaves/" + id, `{"signature":"AAAA"}`},
		{"registry.endorsements", ``, "GET", "/v1/endorsements", ""},
		{"registry.endorsements", `{"sha256":"` + sha + `","body":true}`, "GET", "/v1/endorsements?sha256=" + sha + "&body=true", ""},
		{"registry.endorsements", `["tcb_info","sgx"]`, "GET", "/v1/endorsements?kind=tcb_info&tee=sgx", ""},
		{"registry.publish", push, "POST", "/v1/endorsements", push}, // all known
		{"registry.challenge", ``, "GET", "/v1/challenge", ""},
		{"registry.ledger", `[]`, "GET", "/v1/ledger", ""},
		{"registry.block", `["1"]`, "GET", "/v1/ledger/blocks/1", ""},
		{"registry.block", `{"height":1}`, "GET", "/v1/ledger/blocks/1", ""},
		{"registry.proposals", ``, "GET", "/v1/ledger/proposals", ""},
		{"registry.govern", `["AAAA"]`, "POST", "/v1/ledger/transactions", `{"transaction":"AAAA"}`},
		{"registry.govern", `["` + stranger + `"]`, "POST", "/v1/ledger/transactions", `{"transaction":"` + stranger + `"}`},
		{"registry.consistency", `{"from":1,"to":1}`, "GET", "/v1/ledger/consistency?from=1&to=1", ""},
		{"verifier.appraise", evidenceJSON(raw), "POST", "/v1/appraisals", evidenceJSON(raw)},
		{"verifier.appraise", appraise, "POST", "/v1/appraisals", appraise},
		{"verifier.appraise", `["` + b64 + `",null,null,{"min_tcb_date":"2099-01-01"}]`, "POST", "/v1/appraisals",
			strings.TrimSuffix(evidenceJSON(raw), "}") + `,"policy":{"min_tcb_date":"2099-01-01"}}`},
		{"verifier.keys", ``, "GET", "/.well-known/jwks.json", ""},
	}
}

// published returns the endorsements on the ledger.
func (h *house) published(t testing.TB) []rats.Endorsement {
	t.Helper()
	var out []rats.Endorsement
	for _, e := range as[client.EndorsementList](t, h.get(t, "/v1/endorsements?body=true").body).Endorsements {
		out = append(out, rats.Endorsement{Kind: e.Kind, Body: e.Body, Issuers: e.Issuers})
	}
	return out
}

// timed is what has the time of the question in its answer.
func timed(method string) bool {
	return method == "verifier.appraise" || method == "registry.checkpoint"
}

func TestEveryOperationAnswersOverRPCWhatItAnswersOverREST(t *testing.T) {
	h, raw, id := recorded(t)
	conn := h.dial(t, http.Header{"Authorization": {"Bearer any"}})
	tried := map[string]bool{"registry.subscribe": true, "registry.unsubscribe": true, "registry.checkpoint": true, "rpc.discover": true} // have no twin
	for _, w := range twins(t, h, raw, id) {
		tried[w.method] = true
		for way, ask := range map[string]func() []byte{
			"POST":      func() []byte { return h.post(t, "/", "any", message("1", w.method, w.params)).body },
			"WebSocket": func() []byte { return talk(t, conn, message("1", w.method, w.params)) },
		} {
			var got rpcAnswer
			var want reply
			// Blocks and seconds pass between the two questions.
			for range 5 {
				want = w.rest(t, h)
				if got = as[rpcAnswer](t, ask()); timed(w.method) {
					got.Result, want.body = untimed(t, got.Result), untimed(t, want.body)
				}
				if string(got.Result) == string(want.body) || want.status >= 400 {
					break
				}
			}
			t.Run(w.method+" by "+way, func(t *testing.T) { same(t, w, got, want) })
		}
	}
	for _, name := range h.gateway.Methods() {
		if strings.Contains(name, ".") && !tried[name] {
			t.Errorf("%s has no question", name)
		}
	}
}

// untimed returns a result without its time.
func untimed(t testing.TB, result []byte) []byte {
	t.Helper()
	before, rest, _ := strings.Cut(string(result), `"verified_at":"`)
	_, rest, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no time in %.300s", result)
	}
	return []byte(before + rest)
}

func TestBadParametersAreRefusedAsTheyAreOverREST(t *testing.T) {
	h, raw, id := recorded(t)
	evidence := func(fields ...string) string { return evidenceJSON(raw, fields...) }
	post := func(method, path, body string) twin { return twin{method, body, "POST", path, body} }
	for _, w := range []twin{
		{"registry.list", `{"limit":0}`, "GET", "/v1/enclaves?limit=0", ""},
		{"registry.list", `{"limit":201}`, "GET", "/v1/enclaves?limit=201", ""},
		{"registry.list", `{"limit":1.5}`, "GET", "/v1/enclaves?limit=1.5", ""},
		{"registry.list", `{"limit":99999999999999999999}`, "GET", "/v1/enclaves?limit=99999999999999999999", ""},
		{"registry.list", `{"cursor":"x"}`, "GET", "/v1/enclaves?cursor=x", ""},
		{"registry.list", `{"tee":"abacus"}`, "GET", "/v1/enclaves?tee=abacus", ""},
		{"registry.get", `["xyz"]`, "GET", "/v1/enclaves/xyz", ""},
		{"registry.get", `["00"]`, "GET", "/v1/enclaves/00", ""},
		{"registry.history", `{"id":"0"}`, "GET", "/v1/enclaves/0/history", ""},
		{"registry.evidence", `{"id":"0"}`, "GET", "/v1/enclaves/0/evidence", ""},
		{"registry.proof", `{"id":"0"}`, "GET", "/v1/enclaves/0/proof", ""},
		{"registry.withdraw", `{"id":"0"}`, "DELETE", "/v1/enclaves/0", ""},
		{"registry.withdraw", `{"id":"` + id + `","signature":""}`, "DELETE", "/v1/enclaves/" + id, `{"signature":""}`},
		{"registry.withdraw", `{"id":"` + id + `","signature":"@"}`, "DELETE", "/v1/enclaves/" + id, `{"signature":"@"}`},
		{"registry.withdraw", `{"id":"` + id + `","signature":7}`, "DELETE", "/v1/enclaves/" + id, `{"signature":7}`},
		{"registry.endorsements", `{"kind":"pancake"}`, "GET", "/v1/endorsements?kind=pancake", ""},
		{"registry.endorsements", `{"sha256":"00"}`, "GET", "/v1/endorsements?sha256=00", ""},
		{"registry.endorsements", `{"evaluation_data_number":-1}`, "GET", "/v1/endorsements?evaluation_data_number=-1", ""},
		{"registry.block", `["first"]`, "GET", "/v1/ledger/blocks/first", ""},
		post("registry.submit", "/v1/evidence", `{}`),
		post("registry.submit", "/v1/evidence", `{"evidence":null}`),
		post("registry.submit", "/v1/evidence", `{"evidence":1}`),
		post("registry.submit", "/v1/evidence", `{"evidence":"@@@@"}`),
		post("registry.submit", "/v1/evidence", evidenceJSON([]byte{3})),
		post("registry.submit", "/v1/evidence", evidence("valid_for", "soon")),
		post("registry.submit", "/v1/evidence", evidence("url", "javascript:alert(1)")),
		post("registry.submit", "/v1/evidence", evidence("format", "tdx-quote-v4")),
		post("registry.submit", "/v1/evidence", evidenceJSON(quote(t, 2, simtee.Enclave{TCB: rats.TCBRevoked}))),
		post("registry.publish", "/v1/endorsements", `{}`),
		post("registry.publish", "/v1/endorsements", `{"endorsements":[]}`),
		post("registry.publish", "/v1/endorsements", `{"endorsements":[{"body":1}]}`),
		post("registry.publish", "/v1/endorsements", `{"endorsements":[{"body":"AAAA","extra":1}]}`),
		post("verifier.appraise", "/v1/appraisals", `{"evidence":""}`),
		post("verifier.appraise", "/v1/appraisals", `{"evidence":"AA==","policy":{"accept_tcb":["Fine"]}}`),
		post("verifier.appraise", "/v1/appraisals", `{"evidence":"AA==","policy":[]}`),
		post("verifier.appraise", "/v1/appraisals", `{"evidence":"AA==","policy":{"allow_debug":true,"allow_debug":false}}`),
		post("verifier.appraise", "/v1/appraisals", strings.TrimSuffix(evidence(), "}")+`,"profile":"mine"}`),
		post("verifier.appraise", "/v1/appraisals", strings.TrimSuffix(evidence(), "}")+`,"nonce":"00112233445566778899"}`),
	} {
		want := w.rest(t, h)
		if want.status < 400 {
			t.Errorf("%s %s: REST takes it: %d %.300s", w.path, w.body, want.status, want.body)
			continue
		}
		same(t, w, as[rpcAnswer](t, h.post(t, "/", "any", message("1", w.method, w.params)).body), want)
	}
	h.lives(t, 3)
}

func TestParametersAreTakenByTheNamesAndTypesThatTheyHave(t *testing.T) {
	h, _, id := recorded(t)
	for _, c := range []struct{ method, params, detail string }{
		{"registry.get", ``, "id: required path parameter is missing"},
		{"registry.get", `[]`, "id: required path parameter is missing"},
		{"registry.get", `{"id":null}`, "id: required path parameter is missing"},
		{"registry.get", `{"id":""}`, "id: required path parameter is missing"},
		{"registry.get", `{"id":7}`, "id: a number, want string"},
		{"registry.get", `{"id":["` + id + `"]}`, "id: a list, want string"},
		{"registry.get", `{"id":{}}`, "id: an object, want string"},
		{"registry.get", `{"id":true}`, "id: a boolean, want string"},
		{"registry.get", `{"ID":"` + id + `"}`, "ID: no such parameter"},
		{"registry.get", `{"id":"` + id + `","extra":1}`, "extra: no such parameter"},
		{"registry.get", `{"id":"` + id + `","accept":"application/cbor"}`, "accept: no such parameter"},
		{"registry.proof", `{"id":"` + id + `","Accept":"application/cbor"}`, "Accept: no such parameter"},
		{"registry.get", `{"id":"` + id + `","id":"` + id + `"}`, "id: given twice"},
		{"registry.get", `{"id":"` + id + `","\u0069d":"` + id + `"}`, "id: given twice"},
		{"registry.get", `["` + id + `",1]`, "wrong number of parameters: 2, at most 1"},
		{"registry.list", `{"limit":"5"}`, "limit: a string, want integer"},
		{"registry.endorsements", `{"body":1}`, "body: a number, want boolean"},
		{"registry.endorsements", `{"body":"true"}`, "body: a string, want boolean"},
		{"registry.ledger", `[null]`, "wrong number of parameters: 1, at most 0"},
		{"registry.submit", `[null]`, "evidence: expected string"},
		{"registry.subscribe", `{"after":true}`, "after: a boolean, want integer or string"},
		{"registry.unsubscribe", `{}`, "subscription: required query parameter is missing"},
	} {
		got := as[rpcAnswer](t, h.post(t, "/", "any", message("1", c.method, c.params)).body)
		if got.Error == nil || got.Error.Code != -32602 || got.Error.Data.Kind != rats.Malformed || got.Error.Data.Detail != c.detail {
			t.Errorf("%s %s: %+v %s, want %q", c.method, c.params, got.Error, got.Result, c.detail)
		}
	}
	for _, params := range []string{`"x"`, `1`, `true`} {
		if got := h.ask(t, "registry.list", params); got.Error == nil || got.Error.Code != -32600 {
			t.Errorf("params %s: %+v", params, got)
		}
	}
}

func TestEvidenceIsRecordedOverRPC(t *testing.T) {
	h, _, _ := recorded(t)
	conn := h.dial(t, http.Header{"Authorization": {"Bearer any"}})
	for i, ask := range []func(msg string) []byte{
		func(msg string) []byte { return h.post(t, "/", "any", msg).body },
		func(msg string) []byte { return talk(t, conn, msg) },
	} {
		raw := quote(t, uint64(10+i), simtee.Enclave{})
		sum := sha256.Sum256(raw)
		got := as[client.Recorded](t, as[rpcAnswer](t, ask(message("1", "registry.submit", evidenceJSON(raw, "valid_for", "48h")))).Result)
		if !got.Result.Accepted || got.Record.Tx != got.Tx || got.Record.EvidenceSHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%+v", got)
		}
		gone := as[record.View](t, as[rpcAnswer](t, ask(message("1", "registry.withdraw", `["`+got.Record.ID+`"]`))).Result)
		if gone.ID != got.Record.ID || len(gone.Listings) != 0 || len(got.Record.Listings) != 1 {
			t.Errorf("%+v", gone)
		}
	}
}

func TestAMethodsDescriptionIsForGenerators(t *testing.T) {
	h := open(t, "dev", nil)
	answer := h.ask(t, "rpc.discover", "")
	var got struct {
		OpenRPC string `json:"openrpc"`
		Methods []struct {
			Name   string `json:"name"`
			Params []struct {
				Name     string          `json:"name"`
				Required bool            `json:"required"`
				Schema   json.RawMessage `json:"schema"`
			} `json:"params"`
			Result struct{ Schema json.RawMessage } `json:"result"`
		} `json:"methods"`
		Components struct{ Schemas map[string]json.RawMessage }
	}
	if err := json.Unmarshal(answer.Result, &got); err != nil || got.OpenRPC == "" {
		t.Fatalf("%v %+v", err, answer.Error)
	}
	described := []string{"rpc.discover"}
	for _, m := range got.Methods {
		described = append(described, m.Name)
		if m.Name == "registry.get" && (len(m.Params) != 1 || m.Params[0].Name != "id" || !m.Params[0].Required || string(m.Result.Schema) != `{"$ref":"#/components/schemas/Enclave"}`) {
			t.Errorf("%+v", m)
		}
	}
	for _, name := range h.gateway.Methods() {
		if strings.Contains(name, ".") && !slices.Contains(described, name) {
			t.Errorf("%s is not described", name)
		}
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"([^"]*)"`).FindAllSubmatch(answer.Result, -1) {
		name, ok := strings.CutPrefix(string(ref[1]), "#/components/schemas/")
		if !ok || got.Components.Schemas[name] == nil {
			t.Errorf("%s leads nowhere", ref[1])
		}
	}
}

func TestNamesInAnotherCaseAreUnknownOverREST(t *testing.T) {
	h := open(t, "dev", nil)
	for path, body := range map[string]string{
		"/v1/evidence":   `{"Evidence":"AA=="}`,
		"/v1/appraisals": `{"evidence":"AA==","policy":{"Schema":"attesteer/policy/v1"}}`,
		// U+017F folds to s, so encoding/json takes this for endorsements.
		"/v1/endorsements": `{"endor\u017fements":[]}`,
	} {
		if p := h.post(t, path, "any", body).wants(t, 400, rats.Malformed); !strings.Contains(p.Detail, "unexpected property") {
			t.Errorf("%s: %+v", path, p)
		}
	}
	h.post(t, "/v1/evidence", "any", `{"evidence":"AA==","EVIDENCE":"AQ=="}`).wants(t, 400, rats.Malformed)
}

func TestWhatIsGivenTwiceOverRESTIsMalformed(t *testing.T) {
	h := open(t, "dev", nil)
	if p := h.get(t, "/v1/enclaves?limit=1&limit=2").wants(t, 400, rats.Malformed); p.Detail != "query.limit: given twice" {
		t.Errorf("%+v", p)
	}
	if p := h.post(t, "/v1/evidence", "any", `{"evidence":"AA==","evidence":"AQ=="}`).wants(t, 400, rats.Malformed); !strings.Contains(p.Detail, "twice") {
		t.Errorf("%+v", p)
	}
	r := h.post(t, "/v1/attesteer/forward_dcap_quote", "any", `{"quote":"00","quote":"01"}`)
	if got := as[envelope](t, r.body); r.status != 400 || got.Code != 14 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestASignedResultOverRPCIsAStringThatAStrangerVerifies(t *testing.T) {
	h, raw, _ := recorded(t)
	params := strings.TrimSuffix(evidenceJSON(raw), "}") + `,"profile":"ietf-2026","nonce":"00112233445566778899aabb"}`
	var token string
	if err := json.Unmarshal(h.ask(t, "verifier.appraise", params).Result, &token); err != nil {
		t.Fatal(err)
	}
	if claims, err := h.stranger(t, token); err != nil || claims["eat_nonce"] == nil {
		t.Errorf("%v, %v", claims, err)
	}
}

func TestSubscriptionsAreBegunAndEndedOverRPC(t *testing.T) {
	h, _, id := recorded(t)
	conn := h.dial(t, nil)
	var subscription string
	answer := as[rpcAnswer](t, talk(t, conn, message("1", "registry.subscribe", `{"after":"start","tee":"sgx"}`)))
	if err := json.Unmarshal(answer.Result, &subscription); err != nil || subscription == "" {
		t.Fatalf("%+v", answer)
	}
	_, b, err := conn.Read(t.Context())
	want := fmt.Sprintf(`{"jsonrpc":"2.0","method":"registry.event","params":{"subscription":"%s","result":{"sequence":0,`, subscription)
	if err != nil || !strings.HasPrefix(string(b), want) || !strings.Contains(string(b), id) {
		t.Fatalf("%v %s", err, b)
	}
	if got := as[rpcAnswer](t, talk(t, conn, message("2", "registry.unsubscribe", `["`+subscription+`"]`))); string(got.Result) != "true" {
		t.Errorf("%+v", got)
	}
	if got := as[rpcAnswer](t, talk(t, conn, message("3", "registry.unsubscribe", `["`+subscription+`"]`))); got.Error == nil || got.Error.Data.Kind != rats.NotFound {
		t.Errorf("%+v", got)
	}
	if got := h.ask(t, "registry.subscribe", `{}`); got.Error == nil || got.Error.Data.Kind != rats.Unsupported || got.Error.Code != -32002 {
		t.Errorf("by POST: %+v", got)
	}
}
