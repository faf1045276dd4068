// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// signing opens a node that signs results, with its vendor's endorsements on
// the ledger, and returns the folder of its keys.
func signing(t testing.TB) (h *house, keys string) {
	t.Helper()
	keys = t.TempDir()
	h = open(t, "dev", func(_ *ledger.Config, gc *gateway.Config) {
		var err error
		if gc.EAR, err = ear.OpenRing(keys, time.Now()); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := h.client("any").PushEndorsements(t.Context(), endorsements(t, time.Now())); err != nil {
		t.Fatal(err)
	}
	return h, keys
}

// token asks for a signed result.
func (h *house) token(t testing.TB, raw []byte, members, accept string) reply {
	t.Helper()
	body := strings.TrimSuffix(evidenceJSON(raw), "}") + members + "}"
	return h.post(t, "/v1/appraisals", "", body, "Accept", accept)
}

// stranger verifies a token by a library that knows nothing of ours, with the
// keys that the node serves over HTTP.
func (h *house) stranger(t testing.TB, token string, options ...jwt.ParserOption) (jwt.MapClaims, error) {
	t.Helper()
	got := h.get(t, "/.well-known/jwks.json")
	if got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(got.body, &set); err != nil {
		t.Fatal(err)
	}
	find := func(token *jwt.Token) (any, error) {
		for _, k := range set.Keys {
			if k["kid"] != token.Header["kid"] || k["alg"] != "ES256" || k["use"] != "sig" || k["kty"] != "EC" || k["crv"] != "P-256" {
				continue
			}
			x, errX := base64.RawURLEncoding.DecodeString(k["x"])
			y, errY := base64.RawURLEncoding.DecodeString(k["y"])
			if err := errors.Join(errX, errY); err != nil {
				return nil, err
			}
			return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		}
		return nil, errors.New("no such key")
	}
	c := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, c, find, append(options, jwt.WithValidMethods([]string{"ES256"}), jwt.WithExpirationRequired())...)
	return c, err
}

func TestAStrangerVerifiesASignedResultByTheKeysOfTheNode(t *testing.T) {
	h, _ := signing(t)
	raw := quote(t, 1, simtee.Enclave{})
	got := h.token(t, raw, `,"nonce":"0x000102030405060708"`, "application/eat+jwt")
	if want := `application/eat+jwt; eat_profile="tag:ietf.org,2026:rats/ear#03"`; got.status != http.StatusOK || got.header.Get("Content-Type") != want {
		t.Fatalf("%d %s %s", got.status, got.header.Get("Content-Type"), got.body)
	}
	c, err := h.stranger(t, string(got.body))
	if err != nil {
		t.Fatal(err)
	}
	begin, errBegin := c.GetIssuedAt()
	end, errEnd := c.GetExpirationTime()
	if errBegin != nil || errEnd != nil || end.Sub(begin.Time) != ear.DefaultLifetime || time.Since(begin.Time) > time.Minute {
		t.Errorf("from %v to %v", begin, end)
	}
	if c["eat_nonce"] != "AAECAwQFBgcI" || c["ear_status"] != "affirming" || fmt.Sprint(c["ear_verifier_id"]) != "map[build:attesteer test developer:https://github.com/attesteer/attesteer]" {
		t.Errorf("%v", c)
	}
	submods, _ := c["submods"].(map[string]any)
	if got := slices.Collect(maps.Keys(submods)); !slices.Equal(got, []string{"sgx"}) {
		t.Fatalf("%v", got)
	}
	// What is signed is what the call without a token answers.
	sgx, _ := submods["sgx"].(map[string]any)
	b, err := json.Marshal(sgx[ear.ResultClaim])
	if err != nil {
		t.Fatal(err)
	}
	inside, bare := as[attesteer.Result](t, b), as[attesteer.Result](t, h.appraise(t, raw, "").body)
	if !inside.Accepted || inside.Fingerprint.String() != bare.Fingerprint.String() || len(inside.Checks) != len(bare.Checks) {
		t.Errorf("%+v", inside)
	}
}

func TestAStrangerRefusesWhatTheNodeDidNotSignNow(t *testing.T) {
	h, _ := signing(t)
	token := string(h.token(t, quote(t, 1, simtee.Enclave{}), "", "application/eat+jwt").body)
	later := func(d time.Duration) jwt.ParserOption {
		return jwt.WithTimeFunc(func() time.Time { return time.Now().Add(d) })
	}
	if _, err := h.stranger(t, token, later(ear.DefaultLifetime-time.Minute)); err != nil {
		t.Error(err)
	}
	if _, err := h.stranger(t, token, later(ear.DefaultLifetime+time.Second)); !errors.Is(err, jwt.ErrTokenExpired) {
		t.Errorf("expired: %v", err)
	}
	parts := strings.Split(token, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	changed := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), `"ear_status":"affirming"`, `"ear_status":"none"`, 1)))
	if _, err := h.stranger(t, parts[0]+"."+changed+"."+parts[2]); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		t.Errorf("tampered: %v", err)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"eat+jwt"}`))
	if _, err := h.stranger(t, none+"."+parts[1]+"."); err == nil {
		t.Error("alg none is taken")
	}
	other, _ := signing(t)
	if _, err := other.stranger(t, token); !errors.Is(err, jwt.ErrTokenUnverifiable) {
		t.Errorf("by another node's keys: %v", err)
	}
}

func TestARejectionIsSignedTooAndSaysSo(t *testing.T) {
	h, _ := signing(t)
	for name, c := range map[string]struct {
		enclave simtee.Enclave
		members string
		status  string
		kind    rats.Kind
	}{
		"out of date":      {simtee.Enclave{TCB: rats.OutOfDate}, "", "warning", rats.TCBRejected},
		"debug":            {simtee.Enclave{Debug: true}, `,"policy":{}`, "contraindicated", rats.DebugForbidden},
		"accepted debug":   {simtee.Enclave{Debug: true}, `,"policy":{"allow_debug":true}`, "contraindicated", rats.None},
		"other data bound": {simtee.Enclave{}, `,"runtime_data":"YSBrZXk="`, "contraindicated", rats.BindingMismatch},
	} {
		got := h.token(t, quote(t, 3, c.enclave), c.members, "application/eat+jwt")
		if got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, got.status, got.body)
		}
		set, err := ear.ParseKeySet(h.get(t, "/.well-known/jwks.json").body)
		if err != nil {
			t.Fatal(err)
		}
		token, err := ear.Verify(string(got.body), set, time.Now())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sgx := token.Submods["sgx"]
		result := as[attesteer.Result](t, sgx.Result)
		if string(sgx.Status) != c.status || result.Kind != c.kind || result.Accepted != (c.kind == rats.None) || token.Nonce != "" {
			t.Errorf("%s: %s %v %q", name, sgx.Status, result.Kind, token.Nonce)
		}
		var p attesteer.Policy
		p.AllowDebug = name == "accepted debug"
		if id, err := ear.PolicyID(p); err != nil || !slices.Equal(sgx.Policies, []string{id}) {
			t.Errorf("%s: %v, want %s (%v)", name, sgx.Policies, id, err)
		}
	}
}

func TestTheFormOfAResultIsTheCallersChoice(t *testing.T) {
	h, _ := signing(t)
	raw := quote(t, 1, simtee.Enclave{})
	const (
		old     = `"tag:github.com,2023:veraison/ear"`
		oldType = `application/eat+jwt; eat_profile=` + old
		newType = `application/eat+jwt; eat_profile="tag:ietf.org,2026:rats/ear#03"`
		bare    = "application/json"
	)
	for _, c := range []struct{ accept, members, want string }{
		{"", "", bare},
		{"*/*", "", bare},
		{"application/json", "", bare},
		{"text/html, application/eat+jwt;q=0, */*;q=0.1", "", bare},
		{"application/json, application/eat+jwt;q=0.5", "", bare},
		{"application/eat+jwt", "", newType},
		{"application/json;q=0.5, APPLICATION/EAT+JWT", "", newType},
		{"application/eat-jwt; eat_profile=\"tag:ietf.org,2026:rats/ear#03\", */*;q=0.1", "", newType},
		{"application/eat+jwt;eat_profile=" + old, "", oldType},
		{"application/eat+jwt; profile=veraison-2023", "", oldType},
		{"application/eat+jwt; profile=veraison-2023", `,"profile":` + old, oldType},
		{"application/eat+jwt", `,"profile":"veraison-2023"`, oldType},
		{"*/*", `,"profile":"ietf-2026"`, newType},
		{"application/*", `,"profile":"ietf-2026"`, newType},
		{"application/eat+jwt", `,"profile":null,"nonce":null`, newType},
	} {
		r := h.token(t, raw, c.members, c.accept)
		if got := r.header.Get("Content-Type"); r.status != http.StatusOK || got != c.want || r.header.Get("Vary") != "Accept" {
			t.Errorf("%q %s: %d %s %.200s", c.accept, c.members, r.status, got, r.body)
		}
	}
	r := h.post(t, "/v1/appraisals?profile=veraison-2023", "", evidenceJSON(raw))
	c, err := h.stranger(t, string(r.body))
	if err != nil || c["eat_profile"] != "tag:github.com,2023:veraison/ear" || c["ear.verifier-id"] == nil || c["ear_verifier_id"] != nil {
		t.Errorf("%v %v", c, err)
	}
	for _, c := range []struct {
		accept, members string
		status          int
		kind            rats.Kind
	}{
		{"application/eat+jwt; eat_profile=\"tag:ietf.org,2025-07:ear\"", "", 422, rats.Unsupported},
		{"*/*", `,"profile":"latest"`, 422, rats.Unsupported},
		{"application/eat+jwt; profile=veraison-2023", `,"profile":"ietf-2026"`, 400, rats.Malformed},
		{"application/json", `,"profile":"ietf-2026"`, 400, rats.Malformed},
		{"*/*", `,"nonce":"AAECAwQFBgc"`, 400, rats.Malformed},
		{"application/eat+jwt", `,"nonce":""`, 400, rats.Malformed},
		{"application/eat+jwt", `,"nonce":"AAECAwQFBg"`, 400, rats.Malformed},
		{"application/eat+jwt", `,"nonce":"` + strings.Repeat("ff", 65) + `"`, 400, rats.Malformed},
		{"application/eat+jwt;profile=veraison-2023", `,"nonce":"` + strings.Repeat("ff", 55) + `"`, 400, rats.Malformed},
	} {
		h.token(t, raw, c.members, c.accept).wants(t, c.status, c.kind)
	}
}

func TestARunningNodeSignsByAKeyThatAnotherProcessMade(t *testing.T) {
	h, keys := signing(t)
	raw := quote(t, 1, simtee.Enclave{})
	before := string(h.token(t, raw, "", "application/eat+jwt").body)
	ring, err := ear.OpenRing(keys, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	k, err := ring.Rotate(ear.ES256, time.Now(), false)
	if err != nil {
		t.Fatal(err)
	}
	after := string(h.token(t, raw, "", "application/eat+jwt").body)
	for _, token := range []string{before, after} {
		if _, err := h.stranger(t, token); err != nil {
			t.Error(err)
		}
	}
	got := h.get(t, "/.well-known/jwks.json")
	set := as[ear.KeySet](t, got.body)
	if len(set.Keys) != 2 || set.Keys[0] != k.Public() || strings.Contains(string(got.body), `"d"`) {
		t.Errorf("%s", got.body)
	}
	if got.header.Get("Content-Type") != "application/jwk-set+json" || got.header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%v", got.header)
	}
	if _, err := ring.Rotate(ear.ES256, time.Now().Add(time.Second), true); err != nil {
		t.Fatal(err)
	}
	if _, err := h.stranger(t, after); !errors.Is(err, jwt.ErrTokenUnverifiable) {
		t.Errorf("by a key that was withdrawn: %v", err)
	}
}

func TestANodeWithoutKeysSignsNothingAndPublishesNone(t *testing.T) {
	h := empty(t)
	h.token(t, quote(t, 1, simtee.Enclave{}), "", "application/eat+jwt").wants(t, http.StatusUnprocessableEntity, rats.Unsupported)
	if got := h.get(t, "/.well-known/jwks.json"); string(got.body) != `{"keys":[]}` {
		t.Errorf("%d %s", got.status, got.body)
	}
}
