// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// wants fails the test unless an answer is a problem of a status and kind.
func (r reply) wants(t testing.TB, status int, kind rats.Kind) client.Problem {
	t.Helper()
	if ct := r.header.Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("%d %s %.300s, want a problem", r.status, ct, r.body)
	}
	p := as[client.Problem](t, r.body)
	if r.status != status || p.Status != status || p.Kind != kind || p.Type != "urn:attesteer:kind:"+kind.String() || p.Title == "" {
		t.Fatalf("%d %.300s, want %d %s", r.status, r.body, status, kind)
	}
	if kind != rats.Internal && p.Detail == "" {
		t.Errorf("no detail: %s", r.body)
	}
	return p
}

// evidenceJSON returns the body of a submission with some fields set.
func evidenceJSON(raw []byte, fields ...string) string {
	body := map[string]string{"evidence": base64.StdEncoding.EncodeToString(raw)}
	for i := 0; i+1 < len(fields); i += 2 {
		body[fields[i]] = fields[i+1]
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestBadEvidenceIsRefusedByItsKind(t *testing.T) {
	h := open(t, "dev", nil)
	raw := quote(t, 1, simtee.Enclave{})
	changed := func(at int, to byte) []byte {
		b := bytes.Clone(raw)
		b[at] = to
		return b
	}
	for _, c := range []struct {
		name   string
		body   string
		status int
		kind   rats.Kind
		words  string
	}{
		{"nothing", ``, 400, rats.Malformed, ""},
		{"no JSON", `hello`, 400, rats.Malformed, ""},
		{"half a JSON", `{"evidence":"`, 400, rats.Malformed, ""},
		{"not UTF-8", `{"evidence":"AA==","url":"` + "\xff" + `"}`, 400, rats.Malformed, "UTF-8"},
		{"a list", `[]`, 400, rats.Malformed, ""},
		{"no evidence", `{}`, 400, rats.Malformed, "evidence"},
		{"null evidence", `{"evidence":null}`, 400, rats.Malformed, "evidence"},
		{"a number", `{"evidence":1}`, 400, rats.Malformed, "evidence"},
		{"an unknown field", `{"evidence":"AA==","evidense":1}`, 400, rats.Malformed, "evidense"},
		{"a field in capitals", `{"Evidence":"AA=="}`, 400, rats.Malformed, ""},
		{"empty evidence", `{"evidence":""}`, 400, rats.Malformed, "empty"},
		{"no base64", `{"evidence":"@@@@"}`, 400, rats.Malformed, "base64"},
		{"hex that is no base64", `{"evidence":"abc"}`, 400, rats.Malformed, "base64"},
		{"one byte", evidenceJSON([]byte{3}), 400, rats.Malformed, ""},
		{"random bytes", evidenceJSON(bytes.Repeat([]byte{0x5a}, 5000)), 400, rats.Malformed, ""},
		{"zeros", evidenceJSON(make([]byte, 5000)), 400, rats.Malformed, ""},
		{"another version", evidenceJSON(changed(0, 9)), 422, rats.Unsupported, ""},
		{"a flipped bit of what is signed", evidenceJSON(changed(60, raw[60]^1)), 422, rats.BadSignature, ""},
		{"another format than it says", evidenceJSON(raw, "format", "tdx-quote-v4"), 400, rats.Malformed, "sgx-quote-v3"},
		{"evidence over the bound", evidenceJSON(make([]byte, 21<<10)), 413, rats.TooLarge, ""},
		{"a url of 300 bytes", evidenceJSON(raw, "url", "https://"+strings.Repeat("u", 292)), 400, rats.Malformed, "URL"},
		{"a url with a control character", evidenceJSON(raw, "url", "https://a\x07b"), 400, rats.Malformed, "URL"},
		{"a url with an end of line", evidenceJSON(raw, "url", "https://a\nb"), 400, rats.Malformed, "URL"},
		{"a url that runs script", evidenceJSON(raw, "url", "javascript:alert(1)"), 400, rats.Malformed, "URL"},
		{"no duration", evidenceJSON(raw, "valid_for", "soon"), 400, rats.Malformed, "valid_for"},
		{"a negative duration", evidenceJSON(raw, "valid_for", "-48h"), 400, rats.Malformed, "valid_for"},
		{"runtime data that are no base64", evidenceJSON(raw, "runtime_data", "@"), 400, rats.Malformed, "runtime_data"},
		{"runtime data of another enclave", evidenceJSON(raw, "runtime_data", "AAAA"), 422, rats.BindingMismatch, ""},
		{"a platform of no known level", evidenceJSON(quote(t, 2, simtee.Enclave{TCB: rats.NotSupported})), 422, rats.TCBRejected, ""},
		{"a revoked platform", evidenceJSON(quote(t, 3, simtee.Enclave{TCB: rats.TCBRevoked})), 422, rats.Revoked, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := h.post(t, "/v1/evidence", "any", c.body).wants(t, c.status, c.kind)
			if !strings.Contains(p.Detail, c.words) {
				t.Errorf("detail %q does not say %q", p.Detail, c.words)
			}
		})
	}
	t.Run("null is as good as nothing", func(t *testing.T) {
		body := strings.TrimSuffix(evidenceJSON(quote(t, 4, simtee.Enclave{})), "}") + `,"format":null,"url":null,"valid_for":null,"runtime_data":null}`
		if r := h.post(t, "/v1/evidence", "any", body); r.status != http.StatusCreated {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	h.lives(t, 5)
}

func TestEvidenceThatIsCutShortIsMalformed(t *testing.T) {
	h := open(t, "dev", nil)
	raw := quote(t, 1, simtee.Enclave{})
	for n := 1; n < len(raw); n += 64 {
		h.post(t, "/v1/evidence", "any", evidenceJSON(raw[:n])).wants(t, 400, rats.Malformed)
	}
	h.post(t, "/v1/evidence", "any", evidenceJSON(raw[:len(raw)-1])).wants(t, 400, rats.Malformed)
	h.lives(t, 2)
}

func TestPaddingIsTakenAndSaid(t *testing.T) {
	h := open(t, "dev", nil)
	got, err := h.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: append(quote(t, 1, simtee.Enclave{}), make([]byte, 100)...)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got.Result.Checks {
		if strings.Contains(c.Detail, "100") && c.Outcome == rats.Pass {
			return
		}
	}
	t.Errorf("no check tells of the padding: %+v", got.Result.Checks)
}

// counting counts what is read of it.
type counting struct {
	from io.Reader
	n    atomic.Int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.n.Add(int64(n))
	return n, err
}

func TestABodyOf25MBIsRefusedBeforeItIsRead(t *testing.T) {
	h := open(t, "dev", nil)
	const size = 25 << 20
	for _, path := range []string{"/v1/evidence", "/v1/endorsements", "/"} {
		t.Run("announced "+path, func(t *testing.T) {
			// Not a byte of the body is sent: what is announced is enough.
			conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			_, err = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer any\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(size)+"\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 1000)
			n, err := io.ReadAtLeast(conn, answer, 20)
			if err != nil || !bytes.Contains(answer[:n], []byte(" 413 ")) {
				t.Errorf("%v %s", err, answer[:n])
			}
		})
		t.Run("not announced "+path, func(t *testing.T) {
			var body *counting
			var resp *http.Response
			// Half a second after its answer the server hangs up: a client that is not
			// awake until then may hear of that alone.
			for tries := 0; resp == nil; tries++ {
				body = &counting{from: io.LimitReader(endless{}, size)}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+path, body)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer any")
				if resp, err = http.DefaultClient.Do(req); err != nil && tries == 5 {
					t.Fatal(err)
				}
			}
			defer func() { _ = resp.Body.Close() }()
			b, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 413 || !bytes.Contains(b, []byte(`"too_large"`)) {
				t.Errorf("%d %s", resp.StatusCode, b)
			}
			if n := body.n.Load(); n > size/2 {
				t.Errorf("%d bytes were taken", n)
			}
		})
	}
	h.lives(t, 1)
}

// endless is white space without end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestWhatIsNotThereIsSaidToBe(t *testing.T) {
	h := open(t, "dev", nil)
	none := strings.Repeat("0f", 32)
	for _, path := range []string{"/v1/enclaves/" + none, "/v1/enclaves/" + none + "/history", "/v1/enclaves/" + none + "/evidence"} {
		h.get(t, path).wants(t, 404, rats.NotFound)
	}
	for _, path := range []string{"/v1", "/v1/", "/v1/nothing", "/v1/enclaves/" + none + "/nothing", "/v1/attesteer/nothing", "/v1/enclaves/"} {
		h.get(t, path).wants(t, 404, rats.NotFound)
	}
	for _, id := range []string{"x", "abc", none + "00", none[2:], "..%2f..", "%00"} {
		for _, part := range []string{"", "/history", "/evidence", "/proof"} {
			h.get(t, "/v1/enclaves/"+id+part).wants(t, 400, rats.Malformed)
		}
	}
	for path, allow := range map[string]string{"/v1/evidence": "POST", "/v1/enclaves": "", "/v1/ledger": "GET, HEAD", "/": "GET, HEAD, POST"} {
		r := h.call(t, http.MethodDelete, path, "any", nil)
		r.wants(t, 405, rats.Unsupported)
		if !strings.Contains(r.header.Get("Allow"), allow) || r.header.Get("Allow") == "" {
			t.Errorf("%s: Allow %q", path, r.header.Get("Allow"))
		}
	}
}

func TestFiltersThatCannotBeReadAreMalformed(t *testing.T) {
	h := open(t, "dev", nil)
	for _, query := range []string{
		"limit=0", "limit=201", "limit=-1", "limit=many", "cursor=x", "fingerprint=xyz", "colour=red",
	} {
		h.get(t, "/v1/enclaves?"+query).wants(t, 400, rats.Malformed)
	}
	for _, query := range []string{"kind=poem", "fmspc=xyz", "evaluation_data_number=-1", "body=perhaps", "sha256=00", "colour=red"} {
		h.get(t, "/v1/endorsements?"+query).wants(t, 400, rats.Malformed)
	}
}

func TestATokenIsAskedForWhereItIsNeeded(t *testing.T) {
	test, dev := open(t, "test", nil), open(t, "dev", nil)
	body := evidenceJSON(quote(t, 1, simtee.Enclave{}))
	for _, c := range []struct {
		name, header string
		h            *house
		allowed      bool
	}{
		{"none on dev", "", dev, false},
		{"any word on dev", "Bearer anything", dev, true},
		{"in small letters on dev", "bearer anything", dev, true},
		{"no word on dev", "Bearer ", dev, false},
		{"another scheme on dev", "Basic YTpi", dev, false},
		{"none on test", "", test, false},
		{"a wrong one on test", "Bearer anything", test, false},
		{"a known one on test", "Bearer secret-word", test, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var header []string
			if c.header != "" {
				header = []string{"Authorization", c.header}
			}
			r := c.h.post(t, "/v1/evidence", "", body, header...)
			if c.allowed {
				if r.status == 401 {
					t.Errorf("%d %s", r.status, r.body)
				}
				return
			}
			r.wants(t, 401, rats.Unauthorized)
			want := `Bearer error="invalid_token"`
			if c.header == "" {
				want = `Bearer realm="attesteer"`
			}
			if r.header.Get("WWW-Authenticate") != want {
				t.Errorf("%s", r.header)
			}
		})
	}
	// A caller without a token is not even read.
	h := test
	h.post(t, "/v1/evidence", "", "no JSON").wants(t, 401, rats.Unauthorized)
	// Reads need none, and pushing vendors' statements neither.
	for _, path := range []string{"/v1/enclaves", "/v1/endorsements", "/v1/ledger", "/openapi.json", "/healthz", "/readyz", "/"} {
		if r := h.get(t, path); r.status != 200 {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	h.post(t, "/v1/endorsements", "", `{"endorsements":[]}`).wants(t, 400, rats.Malformed)
}

func TestABodyIsReadAsJSONWhateverItIsLabelled(t *testing.T) {
	h := open(t, "dev", nil)
	h.post(t, "/v1/evidence", "any", "evidence=1", "Content-Type", "application/x-www-form-urlencoded").wants(t, 400, rats.Malformed)
	raw := quote(t, 1, simtee.Enclave{})
	if r := h.post(t, "/v1/evidence", "any", evidenceJSON(raw), "Content-Type", "application/json; charset=utf-8"); r.status != 201 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestAPageOfAnotherSiteCannotSubmit(t *testing.T) {
	h := open(t, "dev", nil)
	raw := quote(t, 1, simtee.Enclave{})
	for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		h.post(t, "/v1/evidence", "any", evidenceJSON(raw), header...).wants(t, 403, rats.Unauthorized)
		h.post(t, "/", "", `{"jsonrpc":"2.0","id":1,"method":"system_name"}`, header...).wants(t, 403, rats.Unauthorized)
	}
	if r := h.post(t, "/v1/evidence", "any", evidenceJSON(raw), "Origin", h.url); r.status != 201 {
		t.Errorf("its own page: %d %s", r.status, r.body)
	}
}

func TestCallersWithoutATokenAreLimitedByAddress(t *testing.T) {
	h := open(t, "test", func(_ *ledger.Config, gc *gateway.Config) {
		gc.Rate = gateway.Rate{PerSecond: 0.001, Burst: 3}
	})
	for range 3 {
		if r := h.get(t, "/v1/ledger"); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	h.get(t, "/v1/ledger").wants(t, 429, rats.QuotaExceeded)
	h.call(t, http.MethodGet, "/v1/ledger", "wrong-word", nil).wants(t, 429, rats.QuotaExceeded)
	if got := as[envelope](t, h.get(t, "/v1/attesteer/get_methods").body); got.Code != 1 || !strings.HasPrefix(got.Message, "quota_exceeded: ") {
		t.Errorf("%+v", got)
	}
	if r := h.call(t, http.MethodGet, "/v1/ledger", "secret-word", nil); r.status != 200 {
		t.Errorf("with a token: %d %s", r.status, r.body)
	}
}
