// SPDX-License-Identifier: Apache-2.0

package ear_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/rats"
)

var update = flag.Bool("update", false, "write the golden files anew")

// issued is when the tokens of these tests begin, by a clock that differs from
// that of the appraisal.
var issued = time.Date(2026, 11, 21, 8, 0, 0, 500, time.UTC)

// The keys of RFC 7515 appendix A.3.1 and RFC 8037 appendix A.1.
const (
	keyES256 = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI","iat":1700000000}`
	keyEdDSA = `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","iat":1700000000}`
)

func key(t testing.TB, text string) *ear.Key {
	t.Helper()
	k, err := ear.ParseKey([]byte(text), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func setOf(keys ...*ear.Key) ear.KeySet {
	var s ear.KeySet
	for _, k := range keys {
		s.Keys = append(s.Keys, k.Public())
	}
	return s
}

// genuine is the result of a real quote.
func genuine(t testing.TB) *attesteer.Result {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r attesteer.Result
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

func claims(p ear.Profile) ear.Claims {
	return ear.Claims{
		Profile: p, IssuedAt: issued, Nonce: []byte("\xfb\xff nonce"), Policies: []string{"urn:example:policy"},
		Verifier: ear.Verifier{Developer: "https://developer.example", Build: "build 1"},
	}
}

func sign(t testing.TB, k *ear.Key, r *attesteer.Result, c ear.Claims) string {
	t.Helper()
	token, err := ear.Sign(k, r, c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// part decodes one part of a token.
func part(t testing.TB, token string, i int) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestATokenIsTheOneThatWasReviewed: the same key, result and time give the
// same bytes, of which the golden files show header, claims and signature.
func TestATokenIsTheOneThatWasReviewed(t *testing.T) {
	for name, c := range map[string]struct {
		profile ear.Profile
		key     string
	}{"ietf-2026": {ear.IETF2026, keyES256}, "veraison-2023": {ear.Veraison2023, keyEdDSA}} {
		token := sign(t, key(t, c.key), genuine(t), claims(c.profile))
		var got bytes.Buffer
		for i := range 2 {
			if err := json.Indent(&got, part(t, token, i), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
		}
		got.WriteString(strings.Split(token, ".")[2] + "\n")
		golden := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s: go test ./ear -update, and look at the difference\n%s", name, diff)
		}
	}
}

func TestATokenReadsBackAsWhatWasSigned(t *testing.T) {
	r := genuine(t)
	var whole bytes.Buffer
	e := json.NewEncoder(&whole)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		t.Fatal(err)
	}
	for _, p := range ear.Profiles() {
		for _, text := range []string{keyES256, keyEdDSA} {
			k := key(t, text)
			got, err := ear.Verify(sign(t, k, r, claims(p)), setOf(key(t, keyES256), key(t, keyEdDSA)), issued)
			if err != nil {
				t.Fatal(err)
			}
			start := issued.Truncate(time.Second)
			want := &ear.Token{
				Profile: p, IssuedAt: start, Expires: start.Add(5 * time.Minute), Nonce: "-_8gbm9uY2U=",
				Verifier: ear.Verifier{Developer: "https://developer.example", Build: "build 1"}, KeyID: k.Public().ID,
				Submods: map[string]ear.Appraisal{"sgx": {
					Status:   rats.Contraindicated,
					Vector:   ear.Vector{"configuration": 96, "executables": 0, "hardware": 32, "runtime-opaque": 96},
					Policies: []string{"urn:example:policy"}, Result: bytes.TrimSpace(whole.Bytes()),
				}},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s:\n%s", p, k.Public().Algorithm, diff)
			}
		}
	}
}

func TestATokenEndsWithWhatItsResultRestsOn(t *testing.T) {
	k := key(t, keyES256)
	for _, c := range []struct {
		life, left, want time.Duration
	}{
		{0, 24 * time.Hour, 5 * time.Minute},
		{time.Minute, 24 * time.Hour, time.Minute},
		{0, 90 * time.Second, 90 * time.Second},
		{0, time.Millisecond, time.Second},
		{ear.MaxLifetime, -time.Hour, ear.MaxLifetime}, // it ended before: the result says so
	} {
		r := genuine(t)
		end := r.VerifiedAt.Add(c.left)
		r.ValidUntil = &end
		with := claims(ear.IETF2026)
		with.Lifetime = c.life
		got, err := ear.Verify(sign(t, k, r, with), setOf(k), issued)
		if err != nil {
			t.Fatal(err)
		}
		if life := got.Expires.Sub(got.IssuedAt); life != c.want {
			t.Errorf("lifetime %v, %v left: %v, want %v", c.life, c.left, life, c.want)
		}
	}
	for _, life := range []time.Duration{-1, time.Millisecond, ear.MaxLifetime + 1} {
		with := claims(ear.IETF2026)
		with.Lifetime = life
		if _, err := ear.Sign(k, genuine(t), with); rats.KindOf(err) != rats.Malformed {
			t.Errorf("lifetime %v: %v", life, err)
		}
	}
}

func TestANonceIsReadInEachFormAndWrittenInOne(t *testing.T) {
	for text, want := range map[string]string{
		"0001020304050607":          "AAECAwQFBgc=",
		"0x000102030405060A":        "AAECAwQFBgo=",
		" 0X00 01 02 03\n04050607 ": "AAECAwQFBgc=",
		"AAECAwQFBgc":               "AAECAwQFBgc=",
		"AAECAwQFBgc=":              "AAECAwQFBgc=",
		"-_-_-_-_-_-_":              "-_-_-_-_-_-_",
		"+/+/+/+/+/+/":              "-_-_-_-_-_-_",
		strings.Repeat("ff", 64):    strings.Repeat("_", 85) + "w==",
	} {
		b, err := ear.ParseNonce(text)
		if err != nil || ear.FormatNonce(b) != want {
			t.Errorf("%s: %s %v, want %s", text, ear.FormatNonce(b), err, want)
		}
	}
	for _, text := range []string{
		"", "0x", "00010203040506", "AAECAwQFBg", strings.Repeat("ff", 65), strings.Repeat("A", 200),
		"AAECAwQFBgd", "not base64!!", "AAECAw\nQFBgc",
	} {
		if _, err := ear.ParseNonce(text); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%q: %v", text, err)
		}
	}
	// Veraison's reader takes 74 characters.
	c := claims(ear.Veraison2023)
	for size, ok := range map[int]bool{7: false, 8: true, 54: true, 55: false} {
		c.Nonce = make([]byte, size)
		if _, err := ear.Sign(key(t, keyES256), genuine(t), c); (err == nil) != ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestAProfileGoesByItsTagAndByAWord(t *testing.T) {
	for name, want := range map[string]ear.Profile{
		"": ear.IETF2026, "ietf-2026": ear.IETF2026, "tag:ietf.org,2026:rats/ear#03": ear.IETF2026,
		"veraison-2023": ear.Veraison2023, "tag:github.com,2023:veraison/ear": ear.Veraison2023,
	} {
		if got, err := ear.ParseProfile(name); err != nil || got != want {
			t.Errorf("%q: %s %v", name, got, err)
		}
	}
	if _, err := ear.ParseProfile("tag:ietf.org,2026:rats/ear#02"); rats.KindOf(err) != rats.Unsupported {
		t.Errorf("%v", err)
	}
	c := claims("tag:ietf.org,2026:rats/ear#02")
	if _, err := ear.Sign(key(t, keyES256), genuine(t), c); rats.KindOf(err) != rats.Malformed && rats.KindOf(err) != rats.Unsupported {
		t.Errorf("%v", err)
	}
}

func TestAPolicyIsNamedByItsContent(t *testing.T) {
	id := func(text string) string {
		t.Helper()
		p, err := attesteer.ParsePolicy([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		name, err := ear.PolicyID(p)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	// printf '{"schema":"attesteer/policy/v1"}' | sha256sum
	const strictest = "urn:attesteer:policy:sha256:c850f97b8d32718a8d248ae67fcdb66ac07c0e229b065ad03dbf8d9d9e7616b0"
	if got := id(`{}`); got != strictest {
		t.Errorf("%s", got)
	}
	a := id(`{"allow_debug":true,"accept_tcb":["OutOfDate"]}`)
	if b := id(`{ "accept_tcb": ["OutOfDate"], "schema":"attesteer/policy/v1", "allow_debug": true }`); a != b {
		t.Errorf("%s is not %s", a, b)
	}
	if b := id(`{"accept_tcb":["OutOfDate"]}`); a == b {
		t.Error("two policies have one name")
	}
	if _, err := ear.PolicyID(attesteer.Policy{AcceptTCB: []rats.TCBStatus{"Fine"}}); err == nil {
		t.Error("a policy that nothing meets has a name")
	}
}
