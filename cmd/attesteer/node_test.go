// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// seedTime is a time at which the real endorsements of the example quote hold.
const seedTime = "2025-06-20T10:55:00Z"

// seedFingerprint is the MRENCLAVE of the example quote.
const seedFingerprint = "af3438654b544d7e94b6b538eaf58528a2136f6a107b95b4c442b0afc9c98d83"

// TestARealQuoteBecomesAPublicRecord follows the example quote through the
// whole house: over the API, onto the ledger, and back with a proof.
func TestARealQuoteBecomesAPublicRecord(t *testing.T) {
	dir := vectors()
	if dir == "" {
		t.Skip("no vectors: set ATTESTEER_VECTORS")
	}
	home := t.TempDir()
	p := startNode(t, home, "--network", "dev", "--clock", seedTime, "--endorsements", filepath.Join(dir, "dcap", "collateral"))
	quote := filepath.Join(seed(t), "quote.bin")

	code, out, errs := command(t, "submit", quote, "--url", "https://my.enclave.example", "--node", p.url, "--json")
	if code != 0 {
		t.Fatalf("submit: exit %d\n%s%s", code, out, errs)
	}
	type recorded struct {
		Record map[string]any `json:"record"`
		Result map[string]any `json:"result"`
		Tx     string         `json:"tx"`
		Height uint64         `json:"height"`
	}
	got := decode[recorded](t, []byte(out))
	for name, want := range map[string]any{
		"fingerprint": seedFingerprint, "tee": "sgx", "url": "https://my.enclave.example", "state": "active",
		"build_mode": "debug", "status": "OutOfDate", "tier": "contraindicated", "trust_root": "intel",
		"fmspc": "00606a000000", "mr_signer": "58272dd3db731d223107a2cd8a9522d84d25aaed904bf6b2345a8af9f9bfbf6d",
	} {
		if got.Record[name] != want {
			t.Errorf("record.%s = %v, want %v", name, got.Record[name], want)
		}
	}
	if got.Record["tx"] != got.Tx || got.Height == 0 {
		t.Errorf("transaction %v at height %d in the answer, %v in the record", got.Tx, got.Height, got.Record["tx"])
	}
	id, _ := got.Record["id"].(string)

	t.Run("and the record is found", func(t *testing.T) {
		for _, args := range [][]string{{"get", id}, {"list", "--fingerprint", seedFingerprint}, {"history", id}} {
			code, out, errs := command(t, append(append([]string{"enclaves"}, args...), "--node", p.url, "--json")...)
			if code != 0 || !strings.Contains(out, id) {
				t.Errorf("enclaves %v: exit %d\n%s%s", args, code, out, errs)
			}
		}
		status, page := call(t, http.MethodGet, p.url+"/enclaves/"+id, "", "")
		if status != http.StatusOK || !strings.Contains(string(page), "MRENCLAVE") {
			t.Errorf("page: %d", status)
		}
	})

	t.Run("and its evidence is what was submitted", func(t *testing.T) {
		want, err := os.ReadFile(quote)
		if err != nil {
			t.Fatal(err)
		}
		status, body := call(t, http.MethodGet, p.url+"/v1/enclaves/"+id+"/evidence", "", "")
		ev := decode[struct {
			Evidence     []byte            `json:"evidence"`
			Endorsements []json.RawMessage `json:"endorsements"`
		}](t, body)
		if status != http.StatusOK || string(ev.Evidence) != string(want) || len(ev.Endorsements) != 4 {
			t.Errorf("status %d, %d bytes of evidence, %d endorsements; want 200, %d, 4", status, len(ev.Evidence), len(ev.Endorsements), len(want))
		}
	})

	t.Run("and its proof holds without the node", func(t *testing.T) {
		bundle := filepath.Join(t.TempDir(), "bundle.json")
		genesis := filepath.Join(home, "config", "genesis.json")
		if code, _, errs := command(t, "enclaves", "proof", id, "--node", p.url, "-o", bundle); code != 0 {
			t.Fatalf("enclaves proof: exit %d %s", code, errs)
		}
		code, out, errs := command(t, "proof", "verify", bundle, "--trust", genesis, "--json")
		if code != 0 || !strings.Contains(out, seedFingerprint) {
			t.Errorf("proof verify: exit %d\n%s%s", code, out, errs)
		}
		b, err := os.ReadFile(bundle)
		if err != nil {
			t.Fatal(err)
		}
		forged := filepath.Join(t.TempDir(), "forged.json")
		flip := strings.Index(string(b), `"app_hash"`) + len(`"app_hash": "`) + 3
		b[flip] ^= 1
		if err := os.WriteFile(forged, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, errs := command(t, "proof", "verify", forged, "--trust", genesis); code != 10 && code != 14 {
			t.Errorf("a forged proof: exit %d\n%s%s", code, out, errs)
		}
		other := filepath.Join(t.TempDir(), "other")
		startNode(t, other, "--network", "dev")
		if code, _, errs := command(t, "proof", "verify", bundle, "--trust", filepath.Join(other, "config", "genesis.json")); code != 10 {
			t.Errorf("another ledger's genesis: exit %d %s", code, errs)
		}
	})

	t.Run("and what is not recorded is proven absent", func(t *testing.T) {
		bundle := filepath.Join(t.TempDir(), "absent.json")
		if code, _, errs := command(t, "enclaves", "proof", strings.Repeat("0f", 32), "--node", p.url, "-o", bundle); code != 0 {
			t.Fatalf("enclaves proof: exit %d %s", code, errs)
		}
		if code, out, errs := command(t, "proof", "verify", bundle, "--trust", filepath.Join(home, "config", "genesis.json")); code != 15 {
			t.Errorf("exit %d, want 15\n%s%s", code, out, errs)
		}
	})

	t.Run("and the same evidence again is a replay that names the record", func(t *testing.T) {
		q, err := os.ReadFile(quote)
		if err != nil {
			t.Fatal(err)
		}
		status, body := call(t, http.MethodPost, p.url+"/v1/evidence", "dev", `{"evidence":"`+base64.StdEncoding.EncodeToString(q)+`"}`)
		if status != http.StatusConflict || !strings.Contains(string(body), id) {
			t.Errorf("%d %s", status, body)
		}
		// Padding makes other bytes of it, not other evidence.
		status, body = call(t, http.MethodPost, p.url+"/v1/evidence", "dev", `{"evidence":"`+base64.StdEncoding.EncodeToString(append(q, 0, 0))+`"}`)
		if status != http.StatusConflict {
			t.Errorf("padded: %d %s", status, body)
		}
	})

	t.Run("and all of it is there after a restart", func(t *testing.T) {
		if err := p.stop(t); err != nil {
			t.Fatalf("stop: %v\n%s", err, p.stderr)
		}
		again := startNode(t, home)
		if status, body := call(t, http.MethodGet, again.url+"/v1/enclaves/"+id, "", ""); status != http.StatusOK {
			t.Errorf("%d %s", status, body)
		}
	})
}

// TestTheCompatibleAPIForwardsADCAPQuote drives the calls of existing clients.
func TestTheCompatibleAPIForwardsADCAPQuote(t *testing.T) {
	p := startNode(t, t.TempDir(), "--network", "dev")
	quote, err := simtee.Enclave{ISVSVN: 1}.Quote()
	if err != nil {
		t.Fatal(err)
	}
	type envelope struct {
		Data  string `json:"data"`
		Code  int    `json:"error_code"`
		Error string `json:"error_message"`
	}
	status, body := call(t, http.MethodPost, p.url+"/v1/attesteer/forward_dcap_quote", "anything",
		`{"quote":"`+hex.EncodeToString(quote)+`","url":"yourdomain.example"}`)
	got := decode[envelope](t, body)
	inner := decode[struct {
		Result string `json:"result"`
	}](t, []byte(got.Data))
	if status != 200 || got.Code != 0 || got.Error != "null" || !strings.HasPrefix(inner.Result, "0x") {
		t.Errorf("%d %s", status, body)
	}
	status, body = call(t, http.MethodGet, p.url+"/v1/attesteer/get_methods", "anything", "")
	if got = decode[envelope](t, body); status != 200 || !strings.Contains(got.Data, "methods: [attesteer_forwardDcapQuote, ") {
		t.Errorf("%d %s", status, body)
	}
	status, body = call(t, http.MethodGet, p.url+"/v1/enclaves?url=yourdomain.example", "", "")
	if status != 200 || !strings.Contains(string(body), `"url":"yourdomain.example"`) {
		t.Errorf("%d %s", status, body)
	}
}

// TestEachNetworkHasItsProfile submits a debug enclave and a simulated one to
// each kind of network.
func TestEachNetworkHasItsProfile(t *testing.T) {
	quote, err := simtee.Enclave{Debug: true}.Quote()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "quote.bin")
	if err := os.WriteFile(file, quote, 0o600); err != nil {
		t.Fatal(err)
	}
	for network, want := range map[string]int{"dev": 0, "test": 10, "main": 10} {
		t.Run(network, func(t *testing.T) {
			home := t.TempDir()
			p := startNode(t, home, "--network", network)
			code, token, errs := command(t, "token", "create", "--home", home)
			if code != 0 {
				t.Fatalf("token: exit %d %s", code, errs)
			}
			status, body := call(t, http.MethodPost, p.url+"/v1/evidence", strings.TrimSpace(token),
				`{"evidence":"`+base64.StdEncoding.EncodeToString(quote)+`"}`)
			if ok := status == http.StatusCreated; ok != (want == 0) {
				t.Errorf("%d %s", status, body)
			}
			if want != 0 && !strings.Contains(string(body), `"untrusted_root"`) {
				t.Errorf("want untrusted_root: %s", body)
			}
			if network != "dev" {
				if status, body := call(t, http.MethodPost, p.url+"/v1/evidence", "anything", `{"evidence":"AA=="}`); status != http.StatusUnauthorized {
					t.Errorf("an unknown token: %d %s", status, body)
				}
			}
			p.kill()
			again := startNode(t, home) // the home says which network it is
			if status, body := call(t, http.MethodGet, again.url+"/v1/ledger", "", ""); !strings.Contains(string(body), `"network":"`+network+`"`) {
				t.Errorf("started again: %d %s", status, body)
			}
		})
	}
}

// TestServeSaysWhatIsWrongWithItsSurroundings tries what operators run into.
func TestServeSaysWhatIsWrongWithItsSurroundings(t *testing.T) {
	home := t.TempDir()
	p := startNode(t, home, "--network", "dev")
	port := strings.TrimPrefix(p.url, "http://")

	code, _, errs := command(t, "serve", "--home", t.TempDir(), "--network", "dev", "--listen", port)
	if code != 1 || !strings.Contains(errs, "in use") {
		t.Errorf("port taken: exit %d %s", code, errs)
	}
	code, _, errs = command(t, "serve", "--home", home, "--network", "dev", "--listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(errs, "in use") {
		t.Errorf("home in use: exit %d %s", code, errs)
	}
	if err := p.stop(t); err != nil {
		t.Errorf("stop: %v", err)
	}
	code, _, errs = command(t, "serve", "--home", home, "--network", "main", "--listen", "127.0.0.1:0")
	if code == 0 || !strings.Contains(errs, "dev") || !strings.Contains(errs, "main") {
		t.Errorf("another network: exit %d %s", code, errs)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs = command(t, "serve", "--home", filepath.Join(file, "home"), "--network", "dev", "--listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(errs, file) {
		t.Errorf("home that cannot be made: exit %d %s", code, errs)
	}
}

// TestAResultIsTheSameBytesFromTheAPIAndFromTheCommand: whoever judges the same
// evidence by the same endorsements at the same time says the same.
func TestAResultIsTheSameBytesFromTheAPIAndFromTheCommand(t *testing.T) {
	p := startNode(t, t.TempDir(), "--network", "dev")
	quote, err := simtee.Enclave{ISVSVN: 1, TCB: rats.SWHardeningNeeded}.Quote()
	if err != nil {
		t.Fatal(err)
	}
	status, body := call(t, http.MethodPost, p.url+"/v1/evidence", "dev",
		`{"evidence":"`+base64.StdEncoding.EncodeToString(quote)+`"}`)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	got := decode[struct {
		Result json.RawMessage `json:"result"`
	}](t, body)
	at := decode[struct {
		VerifiedAt time.Time `json:"verified_at"`
	}](t, got.Result).VerifiedAt

	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "quote.bin")
	items, err := simtee.Endorsements(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := endorse.WriteFolder(dir, items); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, quote, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(t, "verify", file, "--endorsements", dir, "--trust-simulated",
		"--accept-tcb", "SWHardeningNeeded", "--at", at.Format(time.RFC3339Nano), "--json")
	if code != 0 || strings.TrimSpace(out) != string(got.Result) {
		t.Errorf("exit %d %s\ncommand: %s\nAPI:     %s", code, errs, out, got.Result)
	}
}
