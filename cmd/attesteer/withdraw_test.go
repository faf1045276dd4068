// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/record"
)

// writeKey writes an enclave's key and its public half as PEM files.
func writeKey(t testing.TB, name string, key any, public any) (private, pub string) {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	private, pub = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".pub")
	for file, block := range map[string]*pem.Block{
		private: {Type: "PRIVATE KEY", Bytes: der}, pub: {Type: "PUBLIC KEY", Bytes: spki},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return private, pub
}

// must runs a command that has to succeed and reads its JSON into a T.
func must[T any](t testing.TB, args ...string) (out T) {
	t.Helper()
	code, stdout, stderr := command(t, append(args, "--json")...)
	if code != 0 {
		t.Fatalf("%s: exit %d\n%s", strings.Join(args, " "), code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		t.Fatalf("%v in %.300s", err, stdout)
	}
	return out
}

// attested records an enclave that is bound to a key's file, and returns its id.
func attested(t testing.TB, node, key string, more ...string) string {
	t.Helper()
	quote := filepath.Join(t.TempDir(), "quote.bin")
	attest := append([]string{"attest", "--key", key, "--node", node, "-o", quote}, more...)
	must[map[string]any](t, attest...)
	submit := []string{"submit", quote, "--node", node}
	if strings.HasSuffix(key, "hashed.pub") {
		submit = append(submit, "--runtime-data", key)
	}
	return must[client.Recorded](t, submit...).Record.ID
}

// TestAnEnclaveWithdrawsItselfFromTheCommandLine with keys of every kind, from
// its evidence to its end and back.
func TestAnEnclaveWithdrawsItselfFromTheCommandLine(t *testing.T) {
	node := startNode(t, t.TempDir()).url
	seed := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	raw, _ := writeKey(t, "raw", seed, seed.Public())

	t.Run("an Ed25519 key is its own report data", func(t *testing.T) {
		id := attested(t, node, raw)
		if v := must[record.View](t, "enclaves", "withdraw", id, "--key", raw, "--node", node); v.State != record.Withdrawn {
			t.Fatalf("%+v", v)
		}
		if code, _, stderr := command(t, "enclaves", "withdraw", id, "--key", raw, "--node", node); code != 11 || !strings.Contains(stderr, "replayed") {
			t.Errorf("again: exit %d\n%s", code, stderr)
		}
		// Evidence that shows nothing newer revives nothing.
		quote := filepath.Join(t.TempDir(), "quote.bin")
		must[map[string]any](t, "attest", "--key", raw, "--sim-platform", "5", "-o", quote)
		if code, _, stderr := command(t, "submit", quote, "--node", node); code != 11 || !strings.Contains(stderr, "later block") {
			t.Errorf("unbound evidence: exit %d\n%s", code, stderr)
		}
		attested(t, node, seedFile(t, 9), "--sim-measurement", strings.Repeat("09", 32)) // one block more
		if again := attested(t, node, raw, "--challenge"); again != id {
			t.Errorf("bound evidence made another record")
		}
		if v := must[record.View](t, "enclaves", "get", id, "--node", node); v.State != record.Active || v.Withdrawn == nil {
			t.Errorf("%+v", v)
		}
	})
	t.Run("an enclave that signs itself", func(t *testing.T) {
		file := seedFile(t, 3)
		id := attested(t, node, file, "--sim-measurement", strings.Repeat("03", 32))
		said := must[struct {
			ToSign string `json:"to_sign"`
		}](t, "enclaves", "withdraw", id, "--to-sign", "--node", node)
		_, plain, _ := command(t, "enclaves", "withdraw", id, "--to-sign", "--node", node)
		if strings.TrimSpace(plain) != said.ToSign {
			t.Errorf("%q and %q", plain, said.ToSign)
		}
		message, err := hex.DecodeString(said.ToSign)
		if err != nil {
			t.Fatal(err)
		}
		signature := base64.StdEncoding.EncodeToString(ed25519.Sign(seeded(3), message))
		if v := must[record.View](t, "enclaves", "withdraw", id, "--signature", signature, "--node", node); v.State != record.Withdrawn {
			t.Errorf("%+v", v)
		}
	})
	t.Run("other keys are hashed, and come as runtime data", func(t *testing.T) {
		for i, key := range otherKeys(t) {
			private, public := writeKey(t, "hashed", key, key.Public())
			id := attested(t, node, public, "--sim-measurement", strings.Repeat("4"+string(rune('0'+i)), 32))
			v := must[record.View](t, "enclaves", "withdraw", id, "--key", private, "--node", node)
			if v.State != record.Withdrawn || v.Signer.Key == nil {
				t.Errorf("%T: %+v", key, v)
			}
			if code, _, stderr := command(t, "attest", "--key", private, "-o", filepath.Join(t.TempDir(), "q")); code != 13 || !strings.Contains(stderr, "-pubout") {
				t.Errorf("%T: a private key is bound: exit %d\n%s", key, code, stderr)
			}
		}
	})
	t.Run("a registrar removes its own listing", func(t *testing.T) {
		id := attested(t, node, seedFile(t, 8), "--sim-measurement", strings.Repeat("08", 32))
		if v := must[record.View](t, "enclaves", "withdraw", id, "--node", node); v.State != record.Expired || len(v.Listings) != 0 {
			t.Errorf("%+v", v)
		}
		if code, _, stderr := command(t, "enclaves", "withdraw", id, "--node", node); code != 1 || !strings.Contains(stderr, "--key") {
			t.Errorf("again: exit %d\n%s", code, stderr)
		}
	})
	t.Run("and who misuses it is told", func(t *testing.T) {
		id := strings.Repeat("0", 64)
		noKey := filepath.Join(t.TempDir(), "prose.pem")
		if err := os.WriteFile(noKey, []byte("no key"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			code int
			args []string
		}{
			{15, []string{id}}, {15, []string{id, "--key", raw}}, {2, []string{id, "--signature", "%"}},
			{2, []string{id, "--key", raw, "--to-sign"}}, {14, []string{"12"}}, {14, []string{id, "--key", noKey}},
		} {
			args := append([]string{"enclaves", "withdraw", "--node", node}, tt.args...)
			if code, _, stderr := command(t, args...); code != tt.code {
				t.Errorf("%v: exit %d\n%s", tt.args, code, stderr)
			}
		}
	})
}

// seeded returns an Ed25519 key of an enclave's.
func seeded(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append([]byte{n}, make([]byte, ed25519.SeedSize-1)...))
}

func seedFile(t testing.TB, n byte) string {
	t.Helper()
	private, _ := writeKey(t, "seeded", seeded(n), seeded(n).Public())
	return private
}

func otherKeys(t testing.TB) []crypto.Signer {
	t.Helper()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return []crypto.Signer{p256, p384, r}
}
