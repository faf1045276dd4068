// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// methods is what the original's documentation shows.
const methods = "methods: [attesteer_forwardDcapQuote, attesteer_forwardIasAttestationReport, author_getShieldingKey, " +
	"author_getUntrustedUrl, author_pendingExtrinsics, author_pendingTrustedCallsFor, author_submitAndWatchExtrinsic, " +
	"author_submitExtrinsic, system_health, system_name, system_version]"

// envelope is the compatible REST answer.
type envelope struct {
	Data    string `json:"data"`
	Code    int    `json:"error_code"`
	Message string `json:"error_message"`
}

// inner is the JSON-RPC response, in an envelope or by itself.
type inner struct {
	Version string          `json:"jsonrpc"`
	Result  *string         `json:"result"`
	ID      json.RawMessage `json:"id"`
	Error   *struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

// compact reads a SCALE compact integer by hand.
func compact(t testing.TB, b []byte) (n int, rest []byte) {
	t.Helper()
	if len(b) == 0 {
		t.Fatal("no compact integer")
	}
	switch b[0] & 3 {
	case 0:
		return int(b[0] >> 2), b[1:]
	case 1:
		return (int(b[0]) | int(b[1])<<8) >> 2, b[2:]
	case 2:
		return (int(b[0]) | int(b[1])<<8 | int(b[2])<<16 | int(b[3])<<24) >> 2, b[4:]
	default:
		t.Fatal("a compact integer of more than four bytes")
		return 0, nil
	}
}

// vec reads a length and as many bytes.
func vec(t testing.TB, b []byte) (content, rest []byte) {
	t.Helper()
	n, b := compact(t, b)
	if n > len(b) {
		t.Fatalf("%d bytes are announced, %d are there", n, len(b))
	}
	return b[:n], b[n:]
}

// returned reads an RpcReturnValue: value, do_watch, status.
func returned(t testing.TB, result string) (value []byte, ok bool) {
	t.Helper()
	digits, prefixed := strings.CutPrefix(result, "0x")
	if !prefixed || digits != strings.ToLower(digits) {
		t.Fatalf("result %.40s is not 0x and lower-case hex", result)
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	value, rest := vec(t, b)
	if len(rest) != 2 || rest[0] != 0 || (rest[1] != 0 && rest[1] != 2) {
		t.Fatalf("watch and status are %x", rest)
	}
	return value, rest[1] == 0
}

// returnedText reads the String of a value of status error.
func returnedText(t testing.TB, result string) string {
	t.Helper()
	value, ok := returned(t, result)
	if ok {
		t.Fatalf("status ok: %s", result)
	}
	text, rest := vec(t, value)
	if len(rest) != 0 {
		t.Fatalf("%d bytes after the text", len(rest))
	}
	return string(text)
}

// returnedTx reads the extrinsic of a value of status ok: for us, a transaction.
func returnedTx(t testing.TB, result string) *record.Opened {
	t.Helper()
	value, ok := returned(t, result)
	if !ok {
		t.Fatalf("status error: %s", returnedText(t, result))
	}
	tx, rest := vec(t, value)
	if len(rest) != 0 {
		t.Fatalf("%d bytes after the transaction", len(rest))
	}
	o, err := record.Open(tx)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Verify(); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestTheListOfMethodsIsAnsweredToTheByte(t *testing.T) {
	h := open(t, "dev", nil)
	want := `{"data":"{\"jsonrpc\":\"2.0\",\"result\":\"` + methods + `\",\"id\":1}","error_code":0,"error_message":"null"}`
	for _, token := range []string{"", "anything"} { // it is a read: it needs none
		r := h.call(t, http.MethodGet, "/v1/attesteer/get_methods", token, nil)
		if r.status != 200 || string(r.body) != want || r.header.Get("Content-Type") != "application/json" {
			t.Errorf("token %q: %d %s\nwant %s", token, r.status, r.body, want)
		}
	}
}

func TestAForwardedQuoteIsAnsweredWithItsTransaction(t *testing.T) {
	h := open(t, "dev", nil)
	for i, body := range []string{
		`{"quote":"%s","url":"yourdomain.example"}`, `{"quote":"%s"}`, `{"quote":"0x%s","url":null}`, `{"quote":" 0X%s\n","url":""}`,
	} {
		raw := quote(t, uint64(i), simtee.Enclave{})
		r := h.post(t, "/v1/attesteer/forward_dcap_quote", "anything", fmt.Sprintf(body, hex.EncodeToString(raw)))
		got := as[envelope](t, r.body)
		if r.status != 200 || got.Code != 0 || got.Message != "null" {
			t.Fatalf("%s: %d %s", body, r.status, r.body)
		}
		in := as[inner](t, []byte(got.Data))
		if in.Version != "2.0" || string(in.ID) != "1" || in.Result == nil {
			t.Fatalf("data %s", got.Data)
		}
		tx := returnedTx(t, *in.Result)
		if tx.Tx == nil || string(tx.Tx.Submission.Evidence) != string(raw) {
			t.Fatalf("%s: the transaction is not the quote's", body)
		}
		// It is answered once the verdict is committed.
		page, err := h.client("").List(t.Context(), map[string][]string{"signer": {hex.EncodeToString(raw[48+320 : 48+384])}})
		if err != nil || len(page.Enclaves) != 1 || page.Enclaves[0].Tx != hex.EncodeToString(tx.Hash[:]) {
			t.Errorf("%s: %+v, %v", body, page, err)
		}
	}
}

func TestCompatibleErrorsKeepTheOriginalsWay(t *testing.T) {
	h := open(t, "dev", nil)
	raw := quote(t, 1, simtee.Enclave{})
	flipped := append([]byte{}, raw...)
	flipped[100] ^= 1
	dcap, ias := "/v1/attesteer/forward_dcap_quote", "/v1/attesteer/forward_ias_attestation_report"
	body := func(quote string) string {
		b, err := json.Marshal(map[string]string{"quote": quote})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct {
		name, path, token, body string
		status, code            int
		text                    string
	}{
		{"no token", dcap, "", body(hex.EncodeToString(raw)), 401, 1, "unauthorized: "},
		{"malformed JSON", dcap, "any", `{"quote":`, 400, 14, "malformed: "},
		{"an unknown field", dcap, "any", `{"quote":"00","more":1}`, 400, 14, "malformed: "},
		{"a quote that is a number", dcap, "any", `{"quote":1}`, 400, 14, "malformed: "},
		{"too large", dcap, "any", body(strings.Repeat("00", 1<<20)), 413, 1, "too_large: "},
		{"evidence that is too large", dcap, "any", body(strings.Repeat("00", 21<<10)), 413, 1, "too_large: evidence: "},
		{"a report that is too large", ias, "any", body(strings.Repeat("00", 21<<10)), 413, 1, "too_large: evidence: "},
		{"an empty quote", dcap, "any", body(""), 200, 14, "malformed: quote: empty"},
		{"not hex", dcap, "any", body("xyz!"), 200, 14, "malformed: quote: not hex"},
		{"odd", dcap, "any", body("abc"), 200, 14, "malformed: quote: an odd number"},
		{"one byte", dcap, "any", body("03"), 200, 14, "malformed: "},
		{"cut short", dcap, "any", body(hex.EncodeToString(raw[:1000])), 200, 14, "malformed: "},
		{"a flipped bit", dcap, "any", body(hex.EncodeToString(flipped)), 200, 10, "bad_signature: "},
		{"no IAS report", ias, "any", body("00"), 200, 14, "malformed: "},
		{"an IAS report without a token", ias, "", body("00"), 401, 1, "unauthorized: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := h.post(t, c.path, c.token, c.body)
			got := as[envelope](t, r.body)
			if r.status != c.status || got.Code != c.code || !strings.HasPrefix(got.Message, c.text) {
				t.Fatalf("%d %s; want %d, %d, %q", r.status, r.body, c.status, c.code, c.text)
			}
			if r.header.Get("Content-Type") != "application/json" {
				t.Errorf("content type %s", r.header.Get("Content-Type"))
			}
			in := as[inner](t, []byte(got.Data))
			if in.Error != nil || in.Result == nil || returnedText(t, *in.Result) != got.Message {
				t.Errorf("data %s", got.Data)
			}
		})
	}
	h.lives(t, 2)
}

// rpc posts one JSON-RPC message.
func (h *house) rpc(t testing.TB, token, msg string) inner {
	t.Helper()
	r := h.post(t, "/", token, msg)
	got, want := as[inner](t, r.body), http.StatusOK
	if got.Error != nil && got.Error.Code == -32700 {
		want = http.StatusBadRequest
	}
	if r.status != want || r.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s %s", r.status, r.header, r.body)
	}
	return got
}

func TestJSONRPCByPost(t *testing.T) {
	h := open(t, "dev", nil)
	checkRPC(t, h, func(t *testing.T, msg string) inner { return h.rpc(t, "", msg) })

	t.Run("a notification has no answer", func(t *testing.T) {
		if r := h.post(t, "/", "", `{"jsonrpc":"2.0","method":"system_name"}`); r.status != http.StatusNoContent || len(r.body) != 0 {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	t.Run("a batch is answered as one", func(t *testing.T) {
		r := h.post(t, "/", "", `[{"jsonrpc":"2.0","id":1,"method":"system_name"},{"jsonrpc":"2.0","id":2,"method":"system_version"}]`)
		got := as[[]inner](t, r.body)
		if len(got) != 2 || *got[0].Result != "attesteer" || *got[1].Result != "test" {
			t.Errorf("%s", r.body)
		}
	})
	t.Run("a body over the bound is refused", func(t *testing.T) {
		r := h.post(t, "/", "", `{"jsonrpc":"2.0","id":1,"method":"`+strings.Repeat("x", 1<<20)+`"}`)
		if r.status != 413 || !strings.Contains(string(r.body), `"too_large"`) {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

// checkRPC asks what every transport answers alike.
func checkRPC(t *testing.T, h *house, ask func(t *testing.T, msg string) inner) {
	for name, want := range map[string]string{"rpc_methods": methods, "system_name": "attesteer", "system_version": "test"} {
		for _, params := range []string{``, `,"params":[]`, `,"params":null`, `,"params":["ignored"]`} {
			got := ask(t, `{"jsonrpc":"2.0","id":1,"method":"`+name+`"`+params+`}`)
			if got.Result == nil || *got.Result != want {
				t.Errorf("%s%s: %+v", name, params, got)
			}
		}
	}
	t.Run("health is JSON in a string", func(t *testing.T) {
		got := ask(t, `{"jsonrpc":"2.0","id":1,"method":"system_health","params":[]}`)
		type health struct {
			Healthy bool          `json:"healthy"`
			ChainID string        `json:"chain_id"`
			Height  uint64        `json:"height"`
			Time    record.Millis `json:"time"`
		}
		if v := as[health](t, []byte(*got.Result)); !v.Healthy || v.ChainID != h.node.Registry().ChainID() {
			t.Errorf("%+v", v)
		}
	})
	t.Run("ids of each type come back", func(t *testing.T) {
		for _, id := range []string{`7`, `"seven"`, `null`} {
			if got := ask(t, `{"jsonrpc":"2.0","id":`+id+`,"method":"system_name"}`); string(got.ID) != id || got.Result == nil {
				t.Errorf("id %s: %+v", id, got)
			}
		}
	})
	t.Run("a quote is recorded", func(t *testing.T) {
		n := h.node.Registry().EventCount() + 1000
		for i, params := range []string{`["%x"]`, `["0x%X","yourdomain.example"]`, `["%x",null]`} {
			raw := quote(t, n+uint64(i), simtee.Enclave{})
			got := ask(t, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":`+params+`}`, raw))
			if got.Result == nil {
				t.Fatalf("%+v", got)
			}
			if tx := returnedTx(t, *got.Result); string(tx.Tx.Submission.Evidence) != string(raw) {
				t.Error("the transaction is not the quote's")
			}
		}
	})
	t.Run("methods without parameters pass over what comes as such", func(t *testing.T) {
		for _, params := range []string{`[]`, `{}`, `["a",1]`, `{"a":1}`, `null`} {
			got := ask(t, `{"jsonrpc":"2.0","id":1,"method":"system_name","params":`+params+`}`)
			if got.Error != nil || got.Result == nil || *got.Result != "attesteer" {
				t.Errorf("%s: %+v", params, got)
			}
		}
	})
	t.Run("what goes wrong in a method is a success of status error", func(t *testing.T) {
		for call, want := range map[string]string{
			`"attesteer_forwardDcapQuote"`:                                                    "malformed: wrong number of parameters: 0, expected 1 or 2",
			`"attesteer_forwardDcapQuote","params":[]`:                                        "malformed: wrong number of parameters: 0, expected 1 or 2",
			`"attesteer_forwardDcapQuote","params":["00","u",1]`:                              "malformed: wrong number of parameters: 3, expected 1 or 2",
			`"attesteer_forwardDcapQuote","params":{"quote":"00"}`:                            "malformed: parameters have to be a list",
			`"attesteer_forwardDcapQuote","params":[1]`:                                       "malformed: quote: not a string",
			`"attesteer_forwardDcapQuote","params":["00",1]`:                                  "malformed: url: not a string",
			`"attesteer_forwardDcapQuote","params":[""]`:                                      "malformed: quote: empty",
			`"attesteer_forwardDcapQuote","params":["0xabc"]`:                                 "malformed: quote: an odd number of hex digits",
			`"attesteer_forwardDcapQuote","params":["hello"]`:                                 "malformed: quote: not hex",
			`"attesteer_forwardDcapQuote","params":["0300"]`:                                  "malformed: ",
			`"attesteer_forwardDcapQuote","params":["00","` + strings.Repeat("u", 300) + `"]`: "malformed: ",
			`"attesteer_forwardDcapQuote","params":["00","a\u0007b"]`:                         "malformed: ",
			`"attesteer_forwardIasAttestationReport","params":["00"]`:                         "malformed: ",
		} {
			got := ask(t, `{"jsonrpc":"2.0","id":1,"method":`+call+`}`)
			if got.Error != nil || got.Result == nil {
				t.Errorf("%s: %+v", call, got)
				continue
			}
			if text := returnedText(t, *got.Result); !strings.HasPrefix(text, want) {
				t.Errorf("%s: %q, want %q", call, text, want)
			}
		}
	})
	t.Run("what is no call has the code of JSON-RPC", func(t *testing.T) {
		for msg, want := range map[string]int{
			`{"jsonrpc":"2.0","id":1,"method":"state_getStorage"}`:        -32601,
			`{"jsonrpc":"2.0","id":1,"method":"rpc.serverInfo"}`:          -32601,
			`{"jsonrpc":"2.0","id":1,"method":`:                           -32700,
			`hello`:                                                       -32700,
			`{"jsonrpc":"1.0","id":1,"method":"system_name"}`:             -32600,
			`{"jsonrpc":"2.0","id":1,"method":"system_name","token":"x"}`: -32600,
			`[]`: -32600,
			`5`:  -32600,
		} {
			if got := ask(t, msg); got.Error == nil || got.Error.Code != want {
				t.Errorf("%s: %+v, want %d", msg, got, want)
			}
		}
	})
}

func TestJSONRPCNeedsATokenToSubmitOutsideDevelopment(t *testing.T) {
	h := open(t, "test", nil)
	msg := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":["%x"]}`, quote(t, 1, simtee.Enclave{}))
	r := h.post(t, "/", "", msg)
	if got := returnedText(t, *as[inner](t, r.body).Result); r.status != 401 || !strings.HasPrefix(got, "unauthorized: ") {
		t.Errorf("without a token: %d %s", r.status, got)
	}
	if got := returnedText(t, *h.rpc(t, "secret-word", msg).Result); !strings.HasPrefix(got, "untrusted_root: ") {
		t.Errorf("with a token: %s", got)
	}
	if got := h.rpc(t, "", `{"jsonrpc":"2.0","id":1,"method":"system_name"}`); *got.Result != "attesteer" {
		t.Errorf("a read: %+v", got)
	}
	if r := h.post(t, "/", "wrong-word", msg); r.status != 401 || r.header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
		t.Errorf("with a wrong token: %d %s", r.status, r.body)
	}
}

func TestTheQuoteInBase64IsNotHex(t *testing.T) {
	h := open(t, "dev", nil)
	text := base64.StdEncoding.EncodeToString(quote(t, 1, simtee.Enclave{}))
	got := h.rpc(t, "", `{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":["`+text+`"]}`)
	if said := returnedText(t, *got.Result); !strings.HasPrefix(said, "malformed: quote: ") {
		t.Errorf("%s", said)
	}
}

func TestAQuotaOfTheLedgerHasItsStatusInTheCompatibleCallsToo(t *testing.T) {
	h, s := openSlow(t, nil)
	full := error(rats.Errorf(rats.QuotaExceeded, "the block is full"))
	s.err.Store(&full)
	r := h.post(t, "/v1/attesteer/forward_dcap_quote", "any", fmt.Sprintf(`{"quote":"%x"}`, quote(t, 2, simtee.Enclave{})))
	got := as[envelope](t, r.body)
	if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") != "1" || got.Code != 1 ||
		got.Message != "quota_exceeded: the block is full" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", r.status, r.header, r.body)
	}
}
