// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/ear"
)

// signedResult has a node appraise the seed's quote, and returns the token.
func signedResult(t testing.TB, p *process, nonce string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(seed(t), "quote.bin"))
	if err != nil {
		t.Fatal(err)
	}
	body := `{"evidence":"` + base64.StdEncoding.EncodeToString(raw) + `","profile":"ietf-2026","nonce":"` + nonce + `"}`
	status, answer := call(t, http.MethodPost, p.url+"/v1/appraisals", "", body)
	token := string(answer)
	if status != http.StatusOK || strings.Count(token, ".") != 2 {
		t.Fatalf("%d %s", status, token)
	}
	return token
}

// TestASignedResultIsVerifiedFromTheCommandLine beside a node that runs, whose
// keys are rotated meanwhile.
func TestASignedResultIsVerifiedFromTheCommandLine(t *testing.T) {
	home := t.TempDir()
	p := startNode(t, home, "--ear-lifetime", "2m")
	token := signedResult(t, p, "0001020304050607")
	file, set := filepath.Join(t.TempDir(), "token.jwt"), filepath.Join(t.TempDir(), "jwks.json")
	code, keys, errs := command(t, "ear", "keys", "--home", home)
	if code != 0 {
		t.Fatalf("exit %d %s", code, errs)
	}
	for name, text := range map[string]string{file: token + "\n", set: keys} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	end := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	spoilt := token[:len(token)-9] + "AAAAAAAAA"
	for _, c := range []struct {
		name string
		args []string
		code int
	}{
		{"by the node's address", []string{file, "--jwks", p.url}, 0},
		{"by the address of its keys", []string{file, "--jwks", p.url + "/.well-known/jwks.json"}, 0},
		{"by a file, as it is", []string{token, "--jwks", set, "--nonce", "AAECAwQFBgc="}, 0},
		{"another nonce", []string{file, "--jwks", set, "--nonce", "0001020304050608"}, 10},
		{"after its end", []string{file, "--jwks", set, "--at", end(121 * time.Second)}, 10},
		{"before its end", []string{file, "--jwks", set, "--at", end(time.Minute)}, 0},
		{"spoilt", []string{spoilt, "--jwks", set}, 10},
		{"no token", []string{"eyJ.eyJ.", "--jwks", set}, 14},
		{"alg none", []string{"eyJhbGciOiJub25lIn0.e30.", "--jwks", set}, 13},
		{"no keys", []string{file, "--jwks", file}, 14},
		{"keys that are not there", []string{file, "--jwks", p.url + "/v1/keys"}, 1},
		{"keys on an open line", []string{file, "--jwks", "http://192.0.2.1"}, 2},
		{"keys of nobody", []string{file}, 2},
		{"a nonce that is none", []string{file, "--jwks", set, "--nonce", "00"}, 2},
	} {
		if code, out, errs := command(t, append([]string{"ear", "verify"}, c.args...)...); code != c.code || (out != "") != (code == 0) {
			t.Errorf("%s: exit %d, want %d: %s%s", c.name, code, c.code, out, errs)
		}
	}
	rotates(t, home, p, file, token)
}

func rotates(t *testing.T, home string, p *process, file, token string) {
	t.Helper()
	code, kid, errs := command(t, "ear", "rotate", "--home", home)
	if code != 0 {
		t.Fatalf("exit %d %s", code, errs)
	}
	next := signedResult(t, p, "0001020304050607")
	for _, one := range []string{token, next} {
		code, out, errs := command(t, "ear", "verify", one, "--jwks", p.url, "--json")
		var got ear.Token
		if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil {
			t.Fatalf("exit %d %v %s", code, err, errs)
		}
		if fresh := got.KeyID == strings.TrimSpace(kid); fresh != (one == next) {
			t.Errorf("signed by %s", got.KeyID)
		}
		var result attesteer.Result
		if err := json.Unmarshal(got.Submods["sgx"].Result, &result); err != nil || result.Schema != attesteer.ResultSchema {
			t.Errorf("%v %+v", err, result)
		}
	}
	if code, out, errs := command(t, "ear", "rotate", "--home", home, "--alg", "EdDSA", "--withdraw", "--json"); code != 0 || !strings.Contains(out, `"alg":"EdDSA"`) {
		t.Errorf("exit %d %s %s", code, out, errs)
	}
	if code, _, errs := command(t, "ear", "verify", file, "--jwks", p.url); code != 10 {
		t.Errorf("by a key that was withdrawn: exit %d %s", code, errs)
	}
	if code, _, errs := command(t, "ear", "verify", signedResult(t, p, "0001020304050607"), "--jwks", p.url); code != 0 {
		t.Errorf("exit %d %s", code, errs)
	}
}

func TestKeysOfSignedResultsAreKeptFromOthers(t *testing.T) {
	home := t.TempDir()
	if code, _, errs := command(t, "ear", "keys", "--home", home); code != 1 || !strings.Contains(errs, "hint:") {
		t.Errorf("exit %d %s", code, errs)
	}
	if code, _, errs := command(t, "ear", "rotate", "--home", home, "--alg", "none"); code != 2 {
		t.Errorf("exit %d %s", code, errs)
	}
	elsewhere := filepath.Join(home, "elsewhere")
	if code, _, errs := command(t, "ear", "rotate", "--home", elsewhere); code != 1 || !strings.Contains(errs, "--home") {
		t.Errorf("exit %d %s", code, errs)
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("a folder was made for a node that is not there")
	}
	code, kid, errs := command(t, "ear", "rotate", "--home", home)
	if code != 0 {
		t.Fatalf("exit %d %s", code, errs)
	}
	file := filepath.Join(home, "config", "ear", strings.TrimSpace(kid)+".jwk")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"ear", "keys"}, {"ear", "rotate"}, {"serve", "--listen", "127.0.0.1:0"}} {
		if code, _, errs := command(t, append(args, "--home", home)...); code != exitUsage || !strings.Contains(errs, "chmod 600") {
			t.Errorf("%v: exit %d %s", args, code, errs)
		}
	}
	if code, _, errs := command(t, "serve", "--home", home, "--ear-lifetime", "2h"); code != 2 {
		t.Errorf("exit %d %s", code, errs)
	}
}

// TestKeysAreNotTakenFromWhereverAnAddressLeads: a redirection may not leave
// what is authentic.
func TestKeysAreNotTakenFromWhereverAnAddressLeads(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("http://192.0.2.1/jwks.json", http.StatusFound))
	defer s.Close()
	if code, _, errs := command(t, "ear", "verify", "eyJhbGciOiJub25lIn0.e30.", "--jwks", s.URL); code == 0 || !strings.Contains(errs, "could be anyone's") {
		t.Errorf("exit %d %s", code, errs)
	}
}
