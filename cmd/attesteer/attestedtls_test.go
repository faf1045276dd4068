// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// tlsFiles writes the certificate of a simulated enclave of a profile, and its
// key, as a TLS server keeps them.
func tlsFiles(t testing.TB, dir string, a simtee.AttestedTLS) (cert, key string) {
	t.Helper()
	m, err := simtee.NewPlatform(a.Enclave.Platform, a.Enclave.TCB)
	if err != nil {
		t.Fatal(err)
	}
	der, err := m.AttestedTLS(a)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(simtee.AttestedKey(a.Profile))
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// keySum returns the SHA-256 of a profile's key in DER, in hex.
func keySum(t testing.TB, p simtee.Profile) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(simtee.AttestedKey(p).Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// TestCertificatesOfEverySDKAreRecordedAndWithdrawnByTheirKeys, by commands alone.
func TestCertificatesOfEverySDKAreRecordedAndWithdrawnByTheirKeys(t *testing.T) {
	node := startNode(t, t.TempDir(), "--network", "dev").url
	for i, p := range simtee.Profiles() {
		t.Run(string(p), func(t *testing.T) {
			cert, key := tlsFiles(t, t.TempDir(), simtee.AttestedTLS{Profile: p, Enclave: simtee.Enclave{MREnclave: [32]byte{byte(i + 1)}}})
			in := must[attesteer.Inspection](t, "inspect", cert)
			if in.Format != rats.Certificate || in.Verified || len(in.Envelope) < 2 {
				t.Errorf("inspect: %+v", in)
			}
			if code, _, stderr := command(t, "verify", cert, "--trust-simulated"); code != 12 {
				t.Errorf("verify: exit %d\n%s", code, stderr)
			}
			r := must[client.Recorded](t, "submit", cert, "--node", node)
			if r.Result.Format != rats.Certificate || r.Result.RuntimeKey == nil || r.Result.RuntimeKey.Type != "ecdsa" {
				t.Errorf("submit: %+v", r.Result)
			}
			v := r.Record
			if v.Signer.Key == nil || v.Signer.Key.SHA256 != keySum(t, p) || !slices.Equal(v.Envelope, r.Result.Envelope) {
				t.Errorf("record: %+v", v)
			}
			if claimed := len(v.CustomClaims) > 0; claimed != (p == simtee.Tagged || p == simtee.Gramine || p == simtee.IntelSDK) {
				t.Errorf("claims: %+v", v.CustomClaims)
			}
			// It is the same evidence without its certificate.
			if code, _, stderr := command(t, "submit", cert, "--node", node); code != 11 || !strings.Contains(stderr, "replayed") {
				t.Errorf("again: exit %d\n%s", code, stderr)
			}
			w := must[record.View](t, "enclaves", "withdraw", v.ID, "--key", key, "--node", node)
			if w.State != record.Withdrawn {
				t.Errorf("withdrawn: %+v", w)
			}
		})
	}
	t.Run("and not by another key", func(t *testing.T) {
		cert, _ := tlsFiles(t, t.TempDir(), simtee.AttestedTLS{Profile: simtee.EGo, Enclave: simtee.Enclave{MREnclave: [32]byte{0x77}}})
		_, other := tlsFiles(t, t.TempDir(), simtee.AttestedTLS{Profile: simtee.Gramine})
		id := must[client.Recorded](t, "submit", cert, "--node", node).Record.ID
		if code, _, stderr := command(t, "enclaves", "withdraw", id, "--key", other, "--node", node); code != 10 {
			t.Errorf("exit %d\n%s", code, stderr)
		}
	})
	t.Run("a claim that names a block", func(t *testing.T) {
		ids := map[string]bool{}
		for platform := range uint32(2) {
			block, err := client.New(node, "dev", nil).Challenge(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			hash, err := hex.DecodeString(block.Hash)
			if err != nil {
				t.Fatal(err)
			}
			cert, _ := tlsFiles(t, t.TempDir(), simtee.AttestedTLS{
				Profile: simtee.Gramine, Enclave: simtee.Enclave{MREnclave: [32]byte{0x88}, Platform: platform + 3},
				Claims: func(claims []byte) []byte {
					claims[0]++
					return slices.Concat(claims, []byte{0x6f}, []byte(attesteer.BlockClaim), []byte{0x58, 32}, hash)
				},
			})
			v := must[client.Recorded](t, "submit", cert, "--node", node).Record
			if v.Freshness.Kind != record.FreshnessBlock || v.Freshness.Height == nil || *v.Freshness.Height != block.Height {
				t.Errorf("freshness %+v, bound to block %d", v.Freshness, block.Height)
			}
			ids[v.ID] = true
		}
		if len(ids) != 1 {
			t.Errorf("the enclave has %d records", len(ids))
		}
	})
	t.Run("a certificate whose key is not bound", func(t *testing.T) {
		cert, _ := tlsFiles(t, t.TempDir(), simtee.AttestedTLS{Profile: simtee.Gramine, Claims: func([]byte) []byte { return []byte{0xa0} }})
		if code, _, stderr := command(t, "submit", cert, "--node", node); code != 10 || !strings.Contains(stderr, "binding_mismatch") {
			t.Errorf("exit %d\n%s", code, stderr)
		}
	})
}

// TestEveryCallTakesCertificates: in DER and PEM, in base64 and hex.
func TestEveryCallTakesCertificates(t *testing.T) {
	node := startNode(t, t.TempDir(), "--network", "dev").url
	c := client.New(node, "dev", nil)
	read := func(p simtee.Profile, n byte) (text, der []byte) {
		cert, _ := tlsFiles(t, t.TempDir(), simtee.AttestedTLS{Profile: p, Enclave: simtee.Enclave{MREnclave: [32]byte{n}}})
		text, err := os.ReadFile(cert)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		return text, block.Bytes
	}
	text, der := read(simtee.Gramine, 1)
	for _, raw := range [][]byte{text, der} {
		r, err := c.Appraise(t.Context(), client.Appraisal{Evidence: raw})
		if err != nil || !r.Accepted || r.Format != rats.Certificate || hex.EncodeToString(r.RuntimeKey.SHA256) != keySum(t, simtee.Gramine) {
			t.Errorf("appraisal: %v, %+v", err, r)
		}
	}
	for i, raw := range [][]byte{text, second(read(simtee.OEEvidence, 2))} {
		r, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
		if err != nil || r.Record.State != record.Active || r.Record.Signer.Key == nil {
			t.Errorf("submission %d: %v, %+v", i, err, r)
		}
	}
	// As the original takes quotes, in hex.
	first, _ := read(simtee.EGo, 3)
	for i, raw := range [][]byte{first, second(read(simtee.IntelSDK, 4))} {
		body := fmt.Sprintf(`{"quote":"%x","url":"tls.example"}`, raw)
		if i == 1 {
			body = fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"attesteer_forwardDcapQuote","params":["%x","tls.example"]}`, raw)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node+[]string{"/v1/attesteer/forward_dcap_quote", "/"}[i], strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer dev")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if err != nil || resp.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`error":{`)) || !bytes.Contains(answer, []byte("0x")) {
			t.Errorf("forwarded %d: %v, %d, %.300s", i, err, resp.StatusCode, answer)
		}
	}
	page, err := c.List(t.Context(), nil)
	if err != nil || len(page.Enclaves) != 4 {
		t.Fatalf("%v, %+v", err, page)
	}
	for _, v := range page.Enclaves {
		if v.Signer.Key == nil || v.Envelope[0] != rats.Certificate {
			t.Errorf("%+v", v)
		}
	}
}

func second(_, b []byte) []byte { return b }
