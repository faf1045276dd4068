// SPDX-License-Identifier: Apache-2.0

package token_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/token"
)

// noon is when the tests take place.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, home string) *token.Store {
	t.Helper()
	s, err := token.Open(home, noon)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t testing.TB, s *token.Store, r token.Request) token.Made {
	t.Helper()
	if r.Scopes == nil {
		r.Scopes = token.Scopes{token.Read, token.Submit}
	}
	m, err := s.Create(r, noon)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func listFile(home string) string { return filepath.Join(home, "config", "tokens.json") }

func TestATokenIsTakenUntilItEnds(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	m := create(t, s, token.Request{
		Name: "a client", Scopes: token.Scopes{token.Submit, token.Read, token.Submit}, Expires: noon.Add(time.Hour),
		Submissions: token.Quota{PerMinute: 1, PerDay: 2}, Reads: token.Quota{PerMinute: 3, PerDay: 4},
	})
	if !slices.Equal(m.Scopes, token.Scopes{token.Read, token.Submit}) || m.State != token.Active || !m.Created.Equal(noon) {
		t.Errorf("%+v", m)
	}
	for name, s := range map[string]*token.Store{"the store that made it": s, "one that is opened later": open(t, home)} {
		e, err := s.Verify(m.Token, noon.Add(time.Hour-1))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e.ID != m.ID || e.Name != "a client" || e.Submissions != *m.Submissions || e.Reads != *m.Reads || !e.Expires.Equal(noon.Add(time.Hour)) {
			t.Errorf("%s: %+v", name, e)
		}
		if _, err := s.Verify(m.Token, noon.Add(time.Hour)); !errors.Is(err, rats.Unauthorized) || errors.Is(err, token.ErrUnknown) || !strings.Contains(err.Error(), "expired") {
			t.Errorf("%s: expired: %v", name, err)
		}
	}
}

func TestOnlyTheHashOfATokenIsKept(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	m := create(t, s, token.Request{Registrar: token.NewRegistrar})
	if err := s.Use(m.ID, token.Submit, noon); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(noon); err != nil {
		t.Fatal(err)
	}
	secret := m.Token[len("att_")+12+1:]
	files := 0
	err := filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != home && st.Mode().Perm() != 0o700 {
				t.Errorf("%s has mode %o", path, st.Mode().Perm())
			}
			return nil
		}
		files++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(b), secret[:20]) || strings.Contains(path, secret[:20]) {
			t.Errorf("%s holds the secret", path)
		}
		if st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", path, st.Mode().Perm())
		}
		return nil
	})
	if err != nil || files != 4 { // list, lock, registrar, use
		t.Errorf("%d files, %v", files, err)
	}
	b, err := os.ReadFile(listFile(home))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(m.Token))
	if !strings.Contains(string(b), hex.EncodeToString(sum[:])) {
		t.Errorf("%s", b)
	}
	views, err := s.List(noon)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(views)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(shown), hex.EncodeToString(sum[:])) || strings.Contains(string(shown), secret) {
		t.Errorf("what is shown: %s", shown)
	}
}

func TestATokenIsRecognisableAndATypoIsFound(t *testing.T) {
	s := open(t, t.TempDir())
	form := regexp.MustCompile(`^att_[0-9a-f]{12}_[0-9A-Za-z]{49}$`)
	rapid.Check(t, func(rt *rapid.T) {
		m := create(t, s, token.Request{})
		if !form.MatchString(m.Token) || !strings.HasPrefix(m.Token, "att_"+m.ID+"_") {
			rt.Fatalf("%s", m.Token)
		}
		i := rapid.IntRange(0, len(m.Token)-1).Draw(rt, "place")
		c := rapid.SampledFrom([]byte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-")).Draw(rt, "character")
		typo := m.Token[:i] + string(c) + m.Token[i+1:]
		_, err := s.Verify(typo, noon)
		if typo == m.Token {
			if err != nil {
				rt.Fatal(err)
			}
			return
		}
		if !errors.Is(err, token.ErrUnknown) || !errors.Is(err, rats.Unauthorized) {
			rt.Fatalf("%s: %v", typo, err)
		}
		if i >= len("att_") && !strings.Contains(err.Error(), "mistyped") {
			rt.Fatalf("character %d of %s: %v", i, typo, err)
		}
		for _, cut := range []string{m.Token[:i], m.Token + string(c), string(c) + m.Token} {
			if _, err := s.Verify(cut, noon); !errors.Is(err, token.ErrUnknown) {
				rt.Fatalf("%s: %v", cut, err)
			}
		}
	})
}

func TestATokenOfAnotherNodeIsUnknown(t *testing.T) {
	here, there := open(t, t.TempDir()), open(t, t.TempDir())
	foreign := create(t, there, token.Request{}).Token
	for _, text := range []string{foreign, "", "att_", "dev", "secret-word", strings.Repeat("x", 1<<16)} {
		if _, err := here.Verify(text, noon); !errors.Is(err, token.ErrUnknown) || !errors.Is(err, rats.Unauthorized) {
			t.Errorf("%.20s: %v", text, err)
		}
	}
	if _, err := there.Verify(foreign, noon); err != nil {
		t.Error(err)
	}
}

func TestWhatAnotherProcessChangesShowsAtTheNextCall(t *testing.T) {
	home := t.TempDir()
	node, command := open(t, home), open(t, home)
	m := create(t, command, token.Request{})
	if _, err := node.Verify(m.Token, noon); err != nil {
		t.Fatalf("created: %v", err)
	}
	v, err := command.Revoke(m.ID, noon)
	if err != nil || v.State != token.Revoked || !v.Revoked.Equal(noon) {
		t.Fatalf("%+v, %v", v, err)
	}
	if _, err := node.Verify(m.Token, noon); !errors.Is(err, rats.Unauthorized) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("revoked: %v", err)
	}
	if err := node.Use(m.ID, token.Read, noon); !errors.Is(err, rats.Unauthorized) {
		t.Errorf("a connection that was open before: %v", err)
	}
	// To revoke again changes nothing.
	if v, err := node.Revoke(m.ID, noon.Add(time.Hour)); err != nil || !v.Revoked.Equal(noon) {
		t.Errorf("again: %+v, %v", v, err)
	}
	if _, err := node.Revoke("ffffffffffff", noon); !errors.Is(err, rats.NotFound) {
		t.Errorf("an unknown id: %v", err)
	}
}

func TestChangesOfSeveralProcessesAllCount(t *testing.T) {
	home := t.TempDir()
	const processes, each = 4, 8
	made := make(chan string, processes*each)
	var all sync.WaitGroup
	for p := range processes {
		s := open(t, home) // a store locks as a process does
		all.Go(func() {
			for i := range each {
				m, err := s.Create(token.Request{Name: fmt.Sprint(p, i), Scopes: token.Scopes{token.Read}}, noon)
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 1 {
					if _, err := s.Revoke(m.ID, noon); err != nil {
						t.Error(err)
					}
				}
				made <- m.Token
			}
		})
	}
	all.Wait()
	close(made)
	s := open(t, home)
	good := 0
	for text := range made {
		if _, err := s.Verify(text, noon); err == nil {
			good++
		}
	}
	list, err := s.List(noon)
	if err != nil || len(list) != processes*each || good != processes*each/2 {
		t.Errorf("%d tokens of which %d are good, %v", len(list), good, err)
	}
	left, err := filepath.Glob(filepath.Join(home, "config", ".tokens.json.*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestAFileThatIsNotToBeTrustedStopsEverything(t *testing.T) {
	good := func(home string) token.Made {
		return create(t, open(t, home), token.Request{Registrar: token.NewRegistrar})
	}
	registrar := func(home string, m token.Made) string {
		return filepath.Join(home, "config", "registrars", m.Registrar)
	}
	for name, spoil := range map[string]func(home string, m token.Made) (file string, err error){
		"a list that others may read": func(home string, _ token.Made) (string, error) {
			return listFile(home), os.Chmod(listFile(home), 0o640)
		},
		"a list that is cut short": func(home string, _ token.Made) (string, error) {
			return listFile(home), os.Truncate(listFile(home), 100)
		},
		"an empty list": func(home string, _ token.Made) (string, error) { return listFile(home), os.Truncate(listFile(home), 0) },
		"a seed that others may read": func(home string, m token.Made) (string, error) {
			return registrar(home, m), os.Chmod(registrar(home, m), 0o604)
		},
		"another's seed": func(home string, m token.Made) (string, error) {
			return registrar(home, m), os.WriteFile(registrar(home, m), []byte(strings.Repeat("00", 32)), 0o600)
		},
		"a seed that is none": func(home string, m token.Made) (string, error) {
			return registrar(home, m), os.WriteFile(registrar(home, m), []byte("hello"), 0o600)
		},
		"a seed that is gone": func(home string, m token.Made) (string, error) { return listFile(home), os.Remove(registrar(home, m)) },
		"counts that are none": func(home string, _ token.Made) (string, error) {
			file := filepath.Join(home, "data", "token_use.json")
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				return file, err
			}
			return file, os.WriteFile(file, []byte("{"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			file, err := spoil(home, good(home))
			if err != nil {
				t.Fatal(err)
			}
			_, err = token.Open(home, noon)
			var fault *token.FileError
			if !errors.As(err, &fault) || fault.Path != file || !strings.HasPrefix(err.Error(), file+": ") || strings.Count(err.Error(), file) != 1 {
				t.Errorf("%v", err)
			}
			if strings.Contains(name, "may read") != errors.Is(err, token.ErrMode) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAListThatIsSpoiltWhileItIsInUseLetsNobodyInUntilItIsMended(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	m := create(t, s, token.Request{})
	b, err := os.ReadFile(listFile(home))
	if err != nil {
		t.Fatal(err)
	}
	for name, step := range map[string]func() error{
		"cut": func() error { return os.WriteFile(listFile(home), b[:len(b)/2], 0o600) },
		"bad mode": func() error {
			return errors.Join(os.WriteFile(listFile(home), b, 0o600), os.Chmod(listFile(home), 0o644))
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		var fault *token.FileError
		if _, err := s.Verify(m.Token, noon); !errors.As(err, &fault) {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Use(m.ID, token.Read, noon); !errors.As(err, &fault) {
			t.Errorf("%s: use: %v", name, err)
		}
		if _, err := s.List(noon); !errors.As(err, &fault) {
			t.Errorf("%s: list: %v", name, err)
		}
		if _, err := s.Create(token.Request{Scopes: token.Scopes{token.Read}}, noon); !errors.As(err, &fault) {
			t.Errorf("%s: create: %v", name, err)
		}
	}
	if err := errors.Join(os.Chmod(listFile(home), 0o600), os.WriteFile(listFile(home), b, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(m.Token, noon); err != nil {
		t.Errorf("mended: %v", err)
	}
	if err := os.Remove(listFile(home)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(m.Token, noon); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("without a list: %v", err)
	}
}

func TestAListIsReadToTheLetter(t *testing.T) {
	entry := func(change string) string {
		fields := map[string]any{
			"id": "0123456789ab", "sha256": strings.Repeat("ab", 32), "scopes": []string{"read"}, "created": "2026-03-14T12:00:00Z",
		}
		var more map[string]any
		if err := json.Unmarshal([]byte(change), &more); err != nil {
			t.Fatal(err)
		}
		for k, v := range more {
			fields[k] = v
		}
		b, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	list := func(entries ...string) string {
		return `{"version":1,"tokens":[` + strings.Join(entries, ",") + `]}`
	}
	for name, c := range map[string]struct {
		text string
		want rats.Kind
	}{
		"a good one":            {list(entry(`{}`)), rats.None},
		"none":                  {list(), rats.None},
		"a later version":       {`{"version":2,"tokens":[]}`, rats.Unsupported},
		"an unknown field":      {`{"version":1,"tokens":[],"more":1}`, rats.Malformed},
		"an unknown token's":    {list(entry(`{"more":1}`)), rats.Malformed},
		"something after it":    {list() + "x", rats.Malformed},
		"no object":             {`1`, rats.Malformed},
		"null":                  {`null`, rats.Unsupported},
		"no version":            {`{"tokens":[]}`, rats.Unsupported},
		"an id that is a path":  {list(entry(`{"id":"../../../../"}`)), rats.Malformed},
		"a short hash":          {list(entry(`{"sha256":"ab"}`)), rats.Malformed},
		"a hash in capitals":    {list(entry(`{"sha256":"` + strings.Repeat("AB", 32) + `"}`)), rats.Malformed},
		"no scope":              {list(entry(`{"scopes":[]}`)), rats.Malformed},
		"an unknown scope":      {list(entry(`{"scopes":["write"]}`)), rats.Malformed},
		"scopes out of order":   {list(entry(`{"scopes":["submit","read"]}`)), rats.Malformed},
		"no time":               {list(entry(`{"created":"0001-01-01T00:00:00Z"}`)), rats.Malformed},
		"a negative quota":      {list(entry(`{"reads":{"per_day":-1}}`)), rats.Malformed},
		"a registrar of a path": {list(entry(`{"registrar":"../registrar_key"}`)), rats.Malformed},
		"a name with a line":    {list(entry(`{"name":"a\nb"}`)), rats.Malformed},
		"one id twice":          {list(entry(`{}`), entry(`{}`)), rats.Malformed},
	} {
		home := t.TempDir()
		if err := os.MkdirAll(filepath.Dir(listFile(home)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(listFile(home), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := token.Open(home, noon); rats.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestTokensOfTheFormerFormGoOn(t *testing.T) {
	home := t.TempDir()
	text := "att_" + strings.Repeat("Zz-_", 10) + "abc" // 32 bytes in base64url
	sum := sha256.Sum256([]byte(text))
	former := fmt.Sprintf(`[{"id":"%x","name":"old","sha256":"%x","created":"2026-01-01T00:00:00Z"}]`, sum[:4], sum)
	if err := errors.Join(os.MkdirAll(filepath.Dir(listFile(home)), 0o700), os.WriteFile(listFile(home), []byte(former), 0o600)); err != nil {
		t.Fatal(err)
	}
	s := open(t, home)
	if e, err := s.Verify(text, noon); err != nil || e.Name != "old" || !slices.Equal(e.Scopes, token.Scopes{token.Read, token.Submit}) {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := s.Verify(text[:len(text)-1]+"d", noon); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("%v", err)
	}
	create(t, s, token.Request{}) // writes the list in its new form
	if _, err := open(t, home).Verify(text, noon); err != nil {
		t.Error(err)
	}
	if _, err := s.Revoke(hex.EncodeToString(sum[:4]), noon); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(text, noon); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("%v", err)
	}
}

func TestARequestThatCannotBeMetMakesNoToken(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	read := token.Scopes{token.Read}
	for name, c := range map[string]struct {
		r    token.Request
		want rats.Kind
	}{
		"no scope":                {token.Request{}, rats.Malformed},
		"an unknown scope":        {token.Request{Scopes: token.Scopes{"root"}}, rats.Malformed},
		"an end in the past":      {token.Request{Scopes: read, Expires: noon}, rats.Malformed},
		"a long name":             {token.Request{Scopes: read, Name: strings.Repeat("x", 101)}, rats.Malformed},
		"a name with an escape":   {token.Request{Scopes: read, Name: "\x1b[2J"}, rats.Malformed},
		"a registrar that is not": {token.Request{Scopes: read, Registrar: strings.Repeat("ab", 32)}, rats.NotFound},
		"no registrar at all":     {token.Request{Scopes: read, Registrar: "../../x"}, rats.Malformed},
	} {
		if m, err := s.Create(c.r, noon); rats.KindOf(err) != c.want || m.Token != "" {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if list, err := s.List(noon); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestTokensMayShareARegistrar(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	first := create(t, s, token.Request{Registrar: token.NewRegistrar})
	if len(first.Registrar) != 64 {
		t.Fatalf("%+v", first)
	}
	for _, spelled := range []string{
		first.Registrar, strings.ToUpper(first.Registrar), "0x" + first.Registrar, " 0X" + first.Registrar[:8] + " " + strings.ToUpper(first.Registrar[8:]) + "\n",
	} {
		next := create(t, open(t, home), token.Request{Registrar: spelled})
		if next.Registrar != first.Registrar {
			t.Errorf("%q: %s, want %s", spelled, next.Registrar, first.Registrar)
		}
		if v, err := s.Revoke("0x"+strings.ToUpper(next.ID), noon); err != nil || v.ID != next.ID || v.State != token.Revoked {
			t.Errorf("%+v, %v", v, err)
		}
	}
	key, err := s.Key(first.Registrar)
	if err != nil {
		t.Fatal(err)
	}
	again, err := open(t, home).Key(first.Registrar)
	if err != nil || !key.Equal(again) || hex.EncodeToString(key[ed25519.SeedSize:]) != first.Registrar {
		t.Errorf("another key: %v", err)
	}
	if third := create(t, s, token.Request{Registrar: token.NewRegistrar}); third.Registrar == first.Registrar {
		t.Error("a new registrar is an old one")
	}
	if e := create(t, s, token.Request{}); e.Registrar != "" {
		t.Errorf("%+v", e)
	}
}

func TestWhatEndedLongAgoIsForgotten(t *testing.T) {
	s := open(t, t.TempDir())
	expired := create(t, s, token.Request{Expires: noon.Add(time.Hour)})
	revoked := create(t, s, token.Request{})
	kept := create(t, s, token.Request{})
	if _, err := s.Revoke(revoked.ID, noon); err != nil {
		t.Fatal(err)
	}
	ids := func(after time.Duration) (out []string) {
		if _, err := s.Create(token.Request{Name: "new", Scopes: token.Scopes{token.Read}}, noon.Add(after)); err != nil {
			t.Fatal(err)
		}
		list, err := s.List(noon.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			if v.Name != "new" {
				out = append(out, v.ID)
			}
		}
		return out
	}
	const year = 365 * 24 * time.Hour
	if got := ids(year); len(got) != 3 {
		t.Errorf("after a year: %v", got)
	}
	if got := ids(year + time.Second); len(got) != 2 || slices.Contains(got, revoked.ID) {
		t.Errorf("later: %v", got)
	}
	if got := ids(year + 2*time.Hour); !slices.Equal(got, []string{kept.ID}) || slices.Contains(got, expired.ID) {
		t.Errorf("later still: %v", got)
	}
}

func TestScopesAreOrderedAndAdminImpliesAll(t *testing.T) {
	got, err := token.ParseScopes([]string{"admin", "read", "read"})
	if err != nil || !slices.Equal(got, token.Scopes{token.Read, token.Admin}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, c := range []struct {
		have token.Scopes
		want token.Scope
		ok   bool
	}{
		{token.Scopes{token.Read}, token.Read, true},
		{token.Scopes{token.Read}, token.Submit, false},
		{token.Scopes{token.Submit}, token.Read, false},
		{token.Scopes{token.Read, token.Submit}, token.Admin, false},
		{token.Scopes{token.Admin}, token.Submit, true},
		{token.Scopes{token.Admin}, token.Read, true},
		{nil, token.Read, false},
	} {
		if c.have.Allow(c.want) != c.ok {
			t.Errorf("%v allow %s: %v", c.have, c.want, !c.ok)
		}
	}
}
