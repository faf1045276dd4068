// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/maa"
	wire "github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// azureNode opens a node that signs tokens in Azure's shape.
func azureNode(t testing.TB, change func(*gateway.Config)) *house {
	t.Helper()
	h := open(t, "dev", func(_ *ledger.Config, gc *gateway.Config) {
		var err error
		if gc.MAA, err = maa.Open(filepath.Join(t.TempDir(), "key.pem"), time.Now); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(gc)
		}
	})
	if _, err := h.client("any").PushEndorsements(t.Context(), endorsements(t, time.Now())); err != nil {
		t.Fatal(err)
	}
	return h
}

// oeReport wraps a quote as Open Enclave does.
func oeReport(raw []byte) []byte {
	n := len(raw)
	return append([]byte{1, 0, 0, 0, 2, 0, 0, 0, byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), 0, 0, 0, 0}, raw...)
}

// halves puts a hash before zeros.
func halves(sum [32]byte) (out [64]byte) {
	copy(out[:], sum[:])
	return out
}

// madeBy returns a quote with the report data that e has.
func madeBy(t testing.TB, e simtee.Enclave) []byte {
	t.Helper()
	e.MREnclave, e.ISVSVN = sha256.Sum256([]byte("azure")), 1
	q, err := e.Quote()
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// azureClaims goes the way of a client that was written for the other service: it
// finds the keys by the configuration, takes the one that the token's header
// names, out of its certificate, and demands issuer and algorithm.
func azureClaims(t testing.TB, h *house, token string) jwt.MapClaims {
	t.Helper()
	conf := as[struct {
		Issuer string   `json:"issuer"`
		Keys   string   `json:"jwks_uri"`
		Algs   []string `json:"id_token_signing_alg_values_supported"`
		Claims []string `json:"claims_supported"`
		Types  []string `json:"response_types_supported"`
	}](t, h.get(t, "/.well-known/openid-configuration?api-version=2025-06-01").body)
	if conf.Issuer != h.url || conf.Keys != h.url+"/certs" || !slices.Equal(conf.Algs, []string{"RS256"}) {
		t.Fatalf("%+v", conf)
	}
	keys := as[struct {
		Keys []struct {
			maa.SigningKey
		} `json:"keys"`
	}](t, h.get(t, strings.TrimPrefix(conf.Keys, h.url)).body).Keys
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(jwt.WithValidMethods(conf.Algs), jwt.WithIssuer(conf.Issuer), jwt.WithExpirationRequired(), jwt.WithIssuedAt()).
		ParseWithClaims(token, claims, func(parsed *jwt.Token) (any, error) {
			if parsed.Header["jku"] != conf.Keys || parsed.Header["typ"] != "JWT" {
				return nil, fmt.Errorf("header %v", parsed.Header)
			}
			for _, k := range keys {
				if k.KeyID != parsed.Header["kid"] {
					continue
				}
				der, err := base64.StdEncoding.DecodeString(k.X5C[0])
				if err != nil {
					return nil, err
				}
				cert, err := x509.ParseCertificate(der)
				if err != nil {
					return nil, err
				}
				return cert.PublicKey, nil
			}
			return nil, fmt.Errorf("no key %v", parsed.Header["kid"])
		})
	if err != nil {
		t.Fatalf("%v: %s", err, token)
	}
	for name := range claims {
		if !slices.Contains(conf.Claims, name) && !slices.Contains([]string{"jti", "iss", "iat", "nbf", "exp"}, name) {
			t.Errorf("the configuration does not name the claim %s", name)
		}
	}
	return claims
}

func TestAClientOfAzuresServiceGetsATokenThatItUnderstands(t *testing.T) {
	h := azureNode(t, nil)
	held := []byte("what the enclave holds")
	sum := sha256.Sum256(held)
	raw := madeBy(t, simtee.Enclave{ReportData: halves(sum), Debug: true})
	url := base64.RawURLEncoding.EncodeToString
	q, err := wire.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, member, data string }{
		{"/attest/SgxEnclave?api-version=2022-08-01", "quote", url(raw)},
		{"/attest/OpenEnclave?api-version=2025-06-01", "report", url(oeReport(raw))},
		{"/attest/OpenEnclave", "report", base64.StdEncoding.EncodeToString(oeReport(raw))},
	} {
		body := fmt.Sprintf(`{%q:%q,"runtimeData":{"data":%q,"dataType":"Binary"},"initTimeData":null,"draftPolicyForAttestation":null,"nonce":"n-1"}`,
			c.member, c.data, url(held))
		got := h.call(t, http.MethodPost, c.path, "", strings.NewReader(body), "Content-Type", "application/json")
		if got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", c.path, got.status, got.body)
		}
		claims := azureClaims(t, h, as[struct{ Token string }](t, got.body).Token)
		for name, want := range map[string]any{
			"x-ms-ver": "1.0", "x-ms-attestation-type": "sgx", "tee": "sgx", "nonce": "n-1",
			"x-ms-sgx-is-debuggable": true, "is-debuggable": true,
			"x-ms-sgx-mrenclave": hex.EncodeToString(q.SGX.MREnclave[:]), "sgx-mrenclave": hex.EncodeToString(q.SGX.MREnclave[:]),
			"x-ms-sgx-mrsigner": hex.EncodeToString(q.SGX.MRSigner[:]), "sgx-mrsigner": hex.EncodeToString(q.SGX.MRSigner[:]),
			"x-ms-sgx-product-id": float64(q.SGX.ISVProdID), "product-id": float64(q.SGX.ISVProdID),
			"x-ms-sgx-svn": float64(q.SGX.ISVSVN), "svn": float64(q.SGX.ISVSVN),
			"x-ms-sgx-ehd": url(held), "maa-ehd": url(held), "aas-ehd": url(held),
			"attesteer-tcb-status": "UpToDate",
		} {
			if claims[name] != want {
				t.Errorf("%s: %s is %v, want %v", c.path, name, claims[name], want)
			}
		}
		collateral, _ := claims["x-ms-sgx-collateral"].(map[string]any)
		for _, name := range []string{"quotehash", "qeidhash", "tcbinfohash", "qeidcertshash", "tcbinfocertshash", "qeidcrlhash", "tcbinfocrlhash"} {
			if text, _ := collateral[name].(string); len(text) != 64 {
				t.Errorf("%s: %s is %v", c.path, name, collateral[name])
			}
		}
	}
	if n := h.node.Registry().EventCount(); n != 0 {
		t.Errorf("%d events: something was recorded", n)
	}
}

func TestRuntimeDataThatAreJSONComeBackAsJSON(t *testing.T) {
	h := azureNode(t, func(gc *gateway.Config) { gc.PublicURL = "wss://attest.example/" })
	held := []byte(`{"key":{"kty":"EC"},"n":1}`)
	sum := sha256.Sum256(held)
	raw := madeBy(t, simtee.Enclave{ReportData: halves(sum)})
	body := fmt.Sprintf(`{"quote":%q,"runtimeData":{"data":%q,"dataType":"JSON"}}`,
		base64.RawURLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(held))
	got := h.post(t, "/attest/SgxEnclave", "", body)
	token := as[struct{ Token string }](t, got.body).Token
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(claims["x-ms-runtime"]); err != nil || string(back) != string(held) || claims["x-ms-sgx-ehd"] != nil {
		t.Errorf("%v %s", err, back)
	}
	if claims["iss"] != "https://attest.example" {
		t.Errorf("issuer %v", claims["iss"])
	}
}

// TestAzuresPathsTakeTheBodiesOfItsSamples: those in C# write names with a capital,
// others the type in capitals, and the oldest the members of the preview of 2018.
func TestAzuresPathsTakeTheBodiesOfItsSamples(t *testing.T) {
	h := azureNode(t, nil)
	held := []byte("what the enclave holds")
	raw := madeBy(t, simtee.Enclave{ReportData: halves(sha256.Sum256(held))})
	q, r, d := base64.RawURLEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(oeReport(raw)), base64.StdEncoding.EncodeToString(held)
	for name, c := range map[string]struct{ path, body string }{
		"C#, a quote":              {"SgxEnclave", `{"Quote":"` + q + `","RuntimeData":{"Data":"` + d + `","DataType":"Binary"},"InittimeData":null,"DraftPolicyForAttestation":null}`},
		"C#, a report":             {"OpenEnclave", `{"Report":"` + r + `","RuntimeData":{"Data":"` + d + `","DataType":"Binary"},"InittimeData":null,"DraftPolicyForAttestation":null}`},
		"capitals":                 {"SgxEnclave", ` {"QUOTE":"` + q + `", "runtimedata":{"dataType":"BINARY","data":"` + d + `"}} `},
		"the preview's, a quote":   {"SgxEnclave?api-version=2018-09-01-preview", `{"Quote":"` + q + `","EnclaveHeldData":"` + d + `"}`},
		"the preview's, a report":  {"OpenEnclave", `{"Quote":"` + r + `","EnclaveHeldData":"` + d + `"}`},
		"a quote and nothing else": {"SgxEnclave", `{"Quote":"` + q + `"}`},
		"a quote and empty data":   {"SgxEnclave", `{"quote":"` + q + `","runtimeData":{"data":"","dataType":"Binary"}}`},
	} {
		got := h.post(t, "/attest/"+c.path, "", c.body)
		if got.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, got.status, got.body)
			continue
		}
		claims := azureClaims(t, h, as[struct{ Token string }](t, got.body).Token)
		if want, _ := claims["x-ms-sgx-ehd"].(string); (want == base64.RawURLEncoding.EncodeToString(held)) != strings.Contains(c.body, d) {
			t.Errorf("%s: the enclave holds %v", name, claims["x-ms-sgx-ehd"])
		}
	}
}

func TestWhatAzuresPathsRefuseSaysSoInTheirWayToo(t *testing.T) {
	h := azureNode(t, nil)
	raw := madeBy(t, simtee.Enclave{})
	broken := slices.Clone(raw)
	broken[200] ^= 1
	url := base64.RawURLEncoding.EncodeToString
	for name, c := range map[string]struct {
		path, body string
		kind       rats.Kind
		code       string
	}{
		"a flipped bit":       {"SgxEnclave", `{"quote":"` + url(broken) + `"}`, rats.BadSignature, "AttestationFailed"},
		"other runtime data":  {"SgxEnclave", `{"quote":"` + url(raw) + `","runtimeData":{"data":"AAAA"}}`, rats.BindingMismatch, "AttestationFailed"},
		"a report as a quote": {"SgxEnclave", `{"quote":"` + url(oeReport(raw)) + `"}`, rats.Malformed, "InvalidParameter"},
		"a quote as a report": {"OpenEnclave", `{"report":"` + url(raw) + `"}`, rats.Malformed, "InvalidParameter"},
		"no base64":           {"SgxEnclave", `{"quote":"%%"}`, rats.Malformed, "InvalidParameter"},
		"no JSON":             {"SgxEnclave", `{"quote":"` + url(raw) + `","runtimeData":{"data":"AAAA","dataType":"JSON"}}`, rats.Malformed, "InvalidParameter"},
		"a policy":            {"SgxEnclave", `{"quote":"` + url(raw) + `","draftPolicyForAttestation":"version= 1.0;"}`, rats.Unsupported, "InvalidParameter"},
		"init time data":      {"SgxEnclave", `{"quote":"` + url(raw) + `","initTimeData":{"data":"AAAA"}}`, rats.Unsupported, "InvalidParameter"},
		"no quote":            {"SgxEnclave", `{"report":"` + url(raw) + `"}`, rats.Malformed, "InvalidParameter"},
		"quote and Quote":     {"SgxEnclave", `{"quote":"` + url(raw) + `","Quote":"` + url(raw) + `"}`, rats.Malformed, "InvalidParameter"},
		"held data twice":     {"SgxEnclave", `{"Quote":"` + url(raw) + `","EnclaveHeldData":"AAAA","runtimeData":null}`, rats.Malformed, "InvalidParameter"},
		"other held data":     {"OpenEnclave", `{"Quote":"` + url(oeReport(raw)) + `","EnclaveHeldData":"AAAA"}`, rats.BindingMismatch, "AttestationFailed"},
		"an unknown name":     {"SgxEnclave", `{"quote":"` + url(raw) + `","Policy":""}`, rats.Malformed, "InvalidParameter"},
		"no JSON at all":      {"OpenEnclave", `quote`, rats.Malformed, "InvalidParameter"},
		"revoked": {
			"SgxEnclave", `{"quote":"` + url(madeBy(t, simtee.Enclave{TCB: rats.TCBRevoked})) + `"}`, rats.Revoked, "AttestationFailed",
		},
	} {
		got := h.post(t, "/attest/"+c.path, "", c.body)
		var p struct {
			Kind  rats.Kind
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal(got.body, &p); err != nil {
			t.Fatal(err)
		}
		if got.status != http.StatusBadRequest || p.Kind != c.kind || p.Error.Code != c.code || !strings.HasPrefix(p.Error.Message, c.kind.String()) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := h.post(t, "/v1/attesteer/forward_dcap_quote", "any", `{"Quote":"AA"}`); got.status != http.StatusBadRequest {
		t.Errorf("a name in Azure's case where it is ours: %d %s", got.status, got.body)
	}
	if got := h.post(t, "/attest/SgxEnclave", "", `{"Quote":"`+strings.Repeat("A", 4<<20)+`"}`); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the bound: %d %.200s", got.status, got.body)
	}
	if got := open(t, "dev", nil).post(t, "/attest/SgxEnclave", "", `{"quote":"`+url(raw)+`"}`); got.status != http.StatusBadRequest {
		t.Errorf("a node without a key: %d %s", got.status, got.body)
	}
}

func TestTheKeyOfAzuresTokensStaysAndIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	jwk := func() maa.SigningKey {
		t.Helper()
		s, err := maa.Open(path, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		k, err := s.SigningKey()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if first := jwk(); first.KeyID != jwk().KeyID {
		t.Error("another key after a restart")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := maa.Open(path, time.Now); err == nil {
		t.Error("a key that others may read was taken")
	}
	if err := os.WriteFile(path, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := maa.Open(path, time.Now); err == nil {
		t.Error("a file without a key was taken")
	}
}
