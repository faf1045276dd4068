// SPDX-License-Identifier: Apache-2.0

package ear_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/rats"
)

// stranger reads tokens by a library that knows nothing of this package, with
// keys read from a JWK Set by its own means.
func stranger(t testing.TB, set []byte, at time.Time) func(token string) (jwt.MapClaims, error) {
	t.Helper()
	var s struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(set, &s); err != nil {
		t.Fatal(err)
	}
	find := func(token *jwt.Token) (any, error) {
		for _, k := range s.Keys {
			if k["kid"] == token.Header["kid"] && k["alg"] == token.Method.Alg() && k["use"] == "sig" {
				return publicKey(k)
			}
		}
		return nil, errors.New("no such key")
	}
	return func(token string) (jwt.MapClaims, error) {
		c := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(token, c, find, jwt.WithTimeFunc(func() time.Time { return at }),
			jwt.WithValidMethods([]string{"ES256", "EdDSA"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding())
		return c, err
	}
}

// publicKey reads a JWK by RFC 7518 section 6.2 and RFC 8037 section 2.
func publicKey(k map[string]string) (any, error) {
	x, err := base64.RawURLEncoding.DecodeString(k["x"])
	if err != nil {
		return nil, err
	}
	if k["kty"] == "OKP" {
		return ed25519.PublicKey(x), nil
	}
	y, err := base64.RawURLEncoding.DecodeString(k["y"])
	if err != nil {
		return nil, err
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
}

func TestAStrangerReadsTokensByAStockLibrary(t *testing.T) {
	k, ed := key(t, keyES256), key(t, keyEdDSA)
	set, err := json.Marshal(setOf(k, ed))
	if err != nil {
		t.Fatal(err)
	}
	read := stranger(t, set, issued)
	for _, signer := range []*ear.Key{k, ed} {
		c, err := read(sign(t, signer, genuine(t), claims(ear.IETF2026)))
		if err != nil {
			t.Fatal(err)
		}
		if c["eat_profile"] != "tag:ietf.org,2026:rats/ear#03" || c["ear_status"] != "contraindicated" || c["eat_nonce"] != "-_8gbm9uY2U=" {
			t.Errorf("%v", c)
		}
	}
	c, err := read(sign(t, k, genuine(t), claims(ear.Veraison2023)))
	if err != nil || c["ear.verifier-id"] == nil {
		t.Errorf("%v %v", c, err)
	}
	late := stranger(t, set, issued.Add(5*time.Minute))
	if _, err := late(sign(t, k, genuine(t), claims(ear.IETF2026))); !errors.Is(err, jwt.ErrTokenExpired) {
		t.Errorf("%v", err)
	}
}

// forge signs any header and claims by the library.
func forge(t testing.TB, method jwt.SigningMethod, private any, header map[string]any, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	for name, v := range header {
		if token.Header[name] = v; v == nil {
			delete(token.Header, name)
		}
	}
	s, err := token.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// foreign are the claims of a token that another verifier could have made.
func foreign(change func(jwt.MapClaims)) jwt.MapClaims {
	c := jwt.MapClaims{
		"eat_profile": ear.IETF2026, "iat": issued.Unix(), "exp": issued.Unix() + 60, "ear_status": "affirming",
		"ear_verifier_id": map[string]any{"developer": "https://other.example", "build": "1"}, "unknown": true,
		"submods": map[string]any{"PSA": map[string]any{
			"ear_status": "affirming", "ear_trustworthiness_vector": map[string]any{"hardware": 2, "sourced-data": -2},
		}},
	}
	if change != nil {
		change(c)
	}
	return c
}

func psa(c jwt.MapClaims) map[string]any {
	s, _ := c["submods"].(map[string]any)
	m, _ := s["PSA"].(map[string]any)
	return m
}

func TestVerifyRefusesWhatAStrangerMustNotTake(t *testing.T) {
	private := signer(t, keyES256)
	kid := key(t, keyES256).Public().ID
	set := setOf(key(t, keyES256), key(t, keyEdDSA))
	ours := func(header map[string]any, change func(jwt.MapClaims)) string {
		if header == nil {
			header = map[string]any{"kid": kid}
		}
		return forge(t, jwt.SigningMethodES256, private, header, foreign(change))
	}
	if got, err := ear.Verify(ours(nil, nil), set, issued); err != nil || got.Submods["PSA"].Status != rats.Affirming || got.Submods["PSA"].Result != nil {
		t.Fatalf("%+v %v", got, err)
	}
	public, err := json.Marshal(key(t, keyES256).Public())
	if err != nil {
		t.Fatal(err)
	}
	other, err := ear.NewKey(ear.ES256, issued)
	if err != nil {
		t.Fatal(err)
	}
	stray, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := ours(nil, nil)
	for name, c := range map[string]struct {
		token string
		kind  rats.Kind
	}{
		"nothing":                {"", rats.Malformed},
		"two parts":              {good[:strings.LastIndex(good, ".")], rats.Malformed},
		"four parts":             {good + ".AA", rats.Malformed},
		"a line break":           {good[:10] + "\n" + good[10:], rats.Malformed},
		"padding":                {good + "==", rats.Malformed},
		"a megabyte":             {strings.Repeat("A", 1<<20+1), rats.Malformed},
		"no signature":           {good[:strings.LastIndex(good, ".")+1], rats.BadSignature},
		"alg none":               {forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, map[string]any{"kid": kid}, foreign(nil)), rats.Unsupported},
		"the public key as HMAC": {forge(t, jwt.SigningMethodHS256, public, map[string]any{"kid": kid}, foreign(nil)), rats.Unsupported},
		"another key's alg":      {forge(t, jwt.SigningMethodEdDSA, signer(t, keyEdDSA), map[string]any{"kid": kid}, foreign(nil)), rats.BadSignature},
		"the kid of another key": {forge(t, jwt.SigningMethodES256, stray, map[string]any{"kid": kid}, foreign(nil)), rats.BadSignature},
		"a key that is not ours": {sign(t, other, genuine(t), claims("")), rats.UntrustedRoot},
		"no kid":                 {ours(map[string]any{"kid": nil}, nil), rats.UntrustedRoot},
		"crit":                   {ours(map[string]any{"kid": kid, "crit": []string{"exp"}}, nil), rats.Unsupported},
		"an access token":        {ours(map[string]any{"kid": kid, "typ": "at+jwt"}, nil), rats.Unsupported},
		"ended":                  {ours(nil, func(c jwt.MapClaims) { c["exp"] = issued.Unix() }), rats.Expired},
		"not begun":              {ours(nil, func(c jwt.MapClaims) { c["iat"], c["exp"] = issued.Unix()+61, issued.Unix()+99 }), rats.Expired},
		"no end":                 {ours(nil, func(c jwt.MapClaims) { delete(c, "exp") }), rats.Malformed},
		"an end in fractions":    {ours(nil, func(c jwt.MapClaims) { c["exp"] = 1800000000.5 }), rats.Malformed},
		"an end beyond years":    {ours(nil, func(c jwt.MapClaims) { c["exp"] = int64(1) << 60 }), rats.Malformed},
		"no verifier":            {ours(nil, func(c jwt.MapClaims) { delete(c, "ear_verifier_id") }), rats.Malformed},
		"no submodule":           {ours(nil, func(c jwt.MapClaims) { c["submods"] = map[string]any{} }), rats.Malformed},
		"an old draft":           {ours(nil, func(c jwt.MapClaims) { c["eat_profile"] = "tag:ietf.org,2025-07:ear" }), rats.Unsupported},
		"a short nonce":          {ours(nil, func(c jwt.MapClaims) { c["eat_nonce"] = "AAECAwQFBg==" }), rats.Malformed},
		"a status unknown":       {ours(nil, func(c jwt.MapClaims) { psa(c)["ear_status"] = "fine" }), rats.Malformed},
		"a status over its vector": {ours(nil, func(c jwt.MapClaims) {
			psa(c)["ear_trustworthiness_vector"] = map[string]any{"executables": 33}
		}), rats.Malformed},
		"a status over its submodules": {ours(nil, func(c jwt.MapClaims) { psa(c)["ear_status"] = "contraindicated" }), rats.Malformed},
		"a claim beyond a byte": {ours(nil, func(c jwt.MapClaims) {
			psa(c)["ear_trustworthiness_vector"] = map[string]any{"hardware": 200}
		}), rats.Malformed},
	} {
		if got, err := ear.Verify(c.token, set, issued); rats.KindOf(err) != c.kind || (got == nil) != (err != nil) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
}

// TestNoFlippedBitOfATokenIsTaken, in any of its three parts.
func TestNoFlippedBitOfATokenIsTaken(t *testing.T) {
	k := key(t, keyES256)
	token := sign(t, k, genuine(t), claims(ear.IETF2026))
	for i := range token {
		middle := i > 400 && i < len(token)-100
		for bit := range 8 {
			if middle && bit != i%8 {
				continue // one of each character of the claims: it is all one hash
			}
			b := []byte(token)
			b[i] ^= 1 << bit
			if _, err := ear.Verify(string(b), setOf(k), issued); err == nil {
				t.Fatalf("byte %d, bit %d", i, bit)
			} else if code := rats.KindOf(err).ExitCode(); code != 10 && code != 13 && code != 14 {
				t.Fatalf("byte %d, bit %d: %v", i, bit, err)
			}
		}
		if middle {
			continue
		}
		if _, err := ear.Verify(token[:i], setOf(k), issued); err == nil {
			t.Fatalf("the first %d bytes are taken", i)
		}
	}
}

func FuzzVerify(f *testing.F) {
	k := key(f, keyES256)
	token := sign(f, k, genuine(f), claims(ear.IETF2026))
	f.Add(token, false)
	for i := range 2 {
		f.Add(string(part(f, token, i)), true)
	}
	f.Add(string(part(f, sign(f, k, genuine(f), claims(ear.Veraison2023)), 1)), true)
	private := signer(f, keyES256)
	f.Fuzz(func(t *testing.T, text string, payload bool) {
		if payload { // beyond the signature
			head := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"ES256","kid":%q}`, k.Public().ID))
			input := head + "." + base64.RawURLEncoding.EncodeToString([]byte(text))
			sig, err := jwt.SigningMethodES256.Sign(input, private)
			if err != nil {
				t.Fatal(err)
			}
			text = input + "." + base64.RawURLEncoding.EncodeToString(sig)
		}
		got, err := ear.Verify(text, setOf(k), issued)
		if (got == nil) == (err == nil) {
			t.Fatalf("%v %v", got, err)
		}
		if err == nil {
			if _, err := json.Marshal(got); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// signer returns a private key of these tests for the library.
func signer(t testing.TB, text string) crypto.Signer {
	t.Helper()
	var k map[string]any
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		t.Fatal(err)
	}
	d, err := base64.RawURLEncoding.DecodeString(fmt.Sprint(k["d"]))
	if err != nil {
		t.Fatal(err)
	}
	if k["kty"] == "OKP" {
		return ed25519.NewKeyFromSeed(d)
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	return private
}
