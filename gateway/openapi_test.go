// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/rats"
)

var update = flag.Bool("update", false, "write the golden files anew")

// described returns a gateway that can say what it serves.
func described(t testing.TB) *Gateway {
	t.Helper()
	type (
		ledger   struct{ Ledger }
		registry struct{ Registry }
		index    struct{ Index }
		tokens   struct{ Tokens }
	)
	g, err := New(Config{
		Ledger: ledger{}, Registry: registry{}, Index: index{}, Tokens: tokens{},
		Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Network: "dev", Version: "golden",
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestTheDescriptionIsTheOneThatWasReviewed makes a change of the API show.
func TestTheDescriptionIsTheOneThatWasReviewed(t *testing.T) {
	w := httptest.NewRecorder()
	described(t).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, w.Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	golden := filepath.Join("testdata", "openapi.json")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the API is not what %s says: go test ./gateway -update, and look at the difference", golden)
	}
}

func TestTheDescriptionNamesEveryCallAndItsErrors(t *testing.T) {
	spec := described(t).api.OpenAPI()
	if spec.OpenAPI != "3.1.0" {
		t.Errorf("OpenAPI %s", spec.OpenAPI)
	}
	calls := 0
	for path, item := range spec.Paths {
		for _, op := range []any{item.Get, item.Post, item.Delete} {
			b, err := json.Marshal(op)
			if err != nil {
				t.Fatal(err)
			}
			if string(b) == "null" {
				continue
			}
			calls++
			compatible := strings.HasPrefix(path, compatiblePrefix)
			if problems := bytes.Contains(b, []byte("problem+json")); problems == compatible {
				t.Errorf("%s describes errors as problems: %v", path, problems)
			}
		}
	}
	if calls != 28 {
		t.Errorf("%d calls are described", calls)
	}
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("ErrorModel")) {
		t.Error("huma's own form of errors is described")
	}
}

func TestAGatewayIsNotBuiltOnNothing(t *testing.T) {
	whole := described(t).cfg
	for name, spoil := range map[string]func(*Config){
		"ledger":   func(c *Config) { c.Ledger = nil },
		"registry": func(c *Config) { c.Registry = nil },
		"index":    func(c *Config) { c.Index = nil },
		"tokens":   func(c *Config) { c.Tokens = nil },
		"key":      func(c *Config) { c.Key = nil },
		"network":  func(c *Config) { c.Network = "production" },
		"lifetime": func(c *Config) { c.EARLifetime = ear.MaxLifetime + 1 },
	} {
		cfg := whole
		spoil(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// panicking is an index with a fault.
type panicking struct{ Index }

func TestAPanicCostsOneCallItsAnswer(t *testing.T) {
	cfg := described(t).cfg
	cfg.Index = panicking{} // its List is nil
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/enclaves", nil))
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"kind":"internal"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	// A method's panic would take the process along: no server stands around it.
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"system_health"}`))
	g.ServeHTTP(w, r)
	if want := `"result":"` + returnedError(rats.Internal) + `"`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("%d %s, want %s", w.Code, w.Body, want)
	}
}
