// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// standIns are the files that a page speaks of, as a simulated enclave makes them
// in place of its SDK, and the server that it runs.
type standIns struct {
	t       *testing.T
	dir     string
	enclave simtee.Enclave
	// key is the enclave's public key in DER.
	key []byte
}

func newStandIns(t *testing.T, n byte) *standIns {
	t.Helper()
	key, err := x509.MarshalPKIXPublicKey(simtee.Key("stand-in").Public())
	if err != nil {
		t.Fatal(err)
	}
	s := &standIns{t: t, dir: t.TempDir(), enclave: simtee.Enclave{MREnclave: [32]byte{n}}, key: key}
	s.write("key.der", key)
	s.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key}))
	return s
}

func (s *standIns) write(name string, b []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), b, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// quote returns a quote whose report data are the SHA-256 of data.
func (s *standIns) quote(data []byte) []byte {
	s.t.Helper()
	e, sum := s.enclave, sha256.Sum256(data)
	copy(e.ReportData[:], sum[:])
	q, err := e.Quote()
	if err != nil {
		s.t.Fatal(err)
	}
	return q
}

// report returns a quote in Open Enclave's report.
func (s *standIns) report(data []byte) []byte {
	q := s.quote(data)
	b := binary.LittleEndian.AppendUint64(nil, 2<<32|1)
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(q))), q...)
}

// evidence returns Open Enclave's evidence with claims.
func (s *standIns) evidence(claims ...openenclave.Claim) []byte {
	s.t.Helper()
	buffer, err := openenclave.AppendClaims(nil, claims...)
	if err != nil {
		s.t.Fatal(err)
	}
	return append(s.quote(buffer), buffer...)
}

// certificate writes that of a profile, and its private key.
func (s *standIns) certificate(p simtee.Profile) tls.Certificate {
	s.t.Helper()
	certFile, keyFile := tlsFiles(s.t, s.t.TempDir(), simtee.AttestedTLS{Profile: p, Enclave: s.enclave})
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		s.t.Fatal(err)
	}
	private, err := os.ReadFile(keyFile)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("cert.der", pair.Certificate[0])
	s.write("private.pem", private)
	return pair
}

// serve has a TLS server show a certificate, and returns its address.
func (s *standIns) serve(pair tls.Certificate) string {
	s.t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func(c net.Conn) {
				defer c.Close() //nolint:errcheck // the client has what it wants
				_, _ = io.Copy(io.Discard, c)
			}(c)
		}
	}()
	s.t.Cleanup(func() {
		if err := l.Close(); err != nil {
			s.t.Error(err)
		}
		<-done
	})
	return l.Addr().String()
}

// TestTheDocumentedWaysOfEachSDKWork runs the commands of its page, in their
// order, on what a simulated enclave hands out in place of the SDK.
func TestTheDocumentedWaysOfEachSDKWork(t *testing.T) {
	node := startNode(t, t.TempDir(), "--network", "dev").url
	// The first block of evidence is the first that evidence can be bound to.
	if _, err := client.New(node, "dev", nil).SubmitEvidence(t.Context(), client.Submission{Evidence: newStandIns(t, 0xff).quote(nil)}); err != nil {
		t.Fatal(err)
	}
	for n, page := range []struct {
		name string
		make func(*standIns) (address string)
		want []string // newest first: format, state, whether it has a key
	}{
		{"open-enclave.md", func(s *standIns) string {
			block, err := client.New(node, "dev", nil).Challenge(s.t.Context())
			if err != nil {
				s.t.Fatal(err)
			}
			hash, err := hex.DecodeString(block.Hash)
			if err != nil {
				s.t.Fatal(err)
			}
			s.write("evidence.bin", s.evidence(openenclave.Claim{Name: "service", Value: []byte("keys")}, openenclave.Claim{Name: "attesteer_block", Value: hash}))
			text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: s.key})
			s.write("report.bin", s.report(text))
			s.certificate(simtee.OEEvidence)
			return ""
		}, []string{"x509-certificate withdrawn ecdsa-p256", "oe-report active ecdsa-p256", "oe-evidence active none"}},
		{"ego.md", func(s *standIns) string {
			s.write("report.bin", s.report(s.key))
			return s.serve(s.certificate(simtee.EGo))
		}, []string{"x509-certificate active ecdsa-p256", "oe-report active ecdsa-p256"}},
		{"gramine.md", func(s *standIns) string {
			s.write("quote.bin", s.quote(s.key))
			return s.serve(s.certificate(simtee.Gramine))
		}, []string{"x509-certificate active ecdsa-p256", "sgx-quote-v3 active ecdsa-p256"}},
		{"intel-sdk.md", func(s *standIns) string {
			s.write("quote.bin", s.quote(s.key))
			s.certificate(simtee.IntelSDK)
			return ""
		}, []string{"x509-certificate active ecdsa-p256", "sgx-quote-v3 active ecdsa-p256"}},
	} {
		t.Run(page.name, func(t *testing.T) {
			s := newStandIns(t, byte(n+1))
			env := []string{"ATTESTEER_NODE=" + node, "ATTESTEER_TRUST_SIMULATED=true", "ENCLAVE=" + page.make(s)}
			shell(t, s.dir, strings.Join(blocks(t, filepath.Join("sdk", page.name), "sh"), "\n"), env...)
			var got []string
			list := must[client.Page](t, "enclaves", "list", "--node", node, "--fingerprint", hex.EncodeToString(s.enclave.MREnclave[:]))
			for _, v := range list.Enclaves {
				key := "none"
				if v.Signer.Key != nil {
					key = string(v.Signer.Key.Algorithm)
				}
				got = append(got, strings.Join([]string{string(v.Envelope[0]), string(v.State), key}, " "))
				if fresh := v.Freshness.Kind == record.FreshnessBlock; fresh != (v.Envelope[0] == rats.OEEvidence) {
					t.Errorf("%s: freshness %s", v.Envelope[0], v.Freshness.Kind)
				}
			}
			if !slices.Equal(got, page.want) {
				t.Errorf("%q\nwant %q", got, page.want)
			}
		})
	}
}

// TestTheSDKPagesNameCommandsAndFlagsThatExist, in whatever block they are.
func TestTheSDKPagesNameCommandsAndFlagsThatExist(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "sdk", "*.md"))
	if err != nil || len(pages) != 5 {
		t.Fatalf("%q, %v", pages, err)
	}
	n := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^attesteer ([a-z][^|>\n]*)`).FindAllStringSubmatch(string(b), -1) {
			args := strings.Fields(m[1])
			_, root := tree(t)
			cmd, rest, err := root.Find(args)
			if err != nil || cmd == root {
				t.Errorf("%s: attesteer %s: %v", page, m[1], err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: attesteer %s: %v", page, m[1], err)
			}
			n++
		}
	}
	if n < 15 {
		t.Errorf("only %d commands were read", n)
	}
}

// blocks returns all blocks of code in a language that a document shows.
func blocks(t *testing.T, document, language string) (out []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", document))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(b), "\n```"+language+"\n")[1:] {
		code, _, _ := strings.Cut(part, "\n```")
		out = append(out, code)
	}
	if len(out) == 0 {
		t.Fatalf("%s has no block of %s", document, language)
	}
	return out
}
