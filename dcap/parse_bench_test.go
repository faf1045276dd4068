// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// realFiles returns the paths of the real quotes and endorsements that match a
// pattern.
func realFiles(t testing.TB, pattern string) []string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	if _, err := os.Stat(filepath.Join(dir, "dcap")); err != nil {
		t.Skip("no vectors: set ATTESTEER_VECTORS")
	}
	files, err := filepath.Glob(filepath.Join(dir, "dcap", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files, %v", pattern, err)
	}
	return files
}

// realFile returns the first of them.
func realFile(t testing.TB, pattern string) []byte {
	t.Helper()
	b, err := os.ReadFile(realFiles(t, pattern)[0])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pckOf returns the PCK certificate that comes with a quote, or nil.
func pckOf(t testing.TB, raw []byte) *x509.Certificate {
	t.Helper()
	q, err := quote.Parse(raw)
	if err != nil || q.CertificationData.Type != quote.CertPCKChain {
		return nil
	}
	ders, err := splitPEM(q.CertificationData.Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, der := range ders {
		if c, err := parseCertificate(der); err == nil && hasSGXExtension(c) {
			return c
		}
	}
	return nil
}

// Statements of Intel's as they come today: the bytes that a cold appraisal reads.
const (
	infoSGX     = "collateral/tcbinfo/00606A000000_SGX_v3_20240704T151613Z_eval17.json"
	infoSGXOld  = "collateral/tcbinfo/00906EA10000_SGX_v2_20200518T174924Z_eval8.json"
	infoTDX     = "collateral/tcbinfo/B0C06F000000_TDX_v3_20260807T084947Z_eval19.json"
	identityQE  = "collateral/qeidentity/QE_v2_20260107T120820Z_eval18.json"
	identityTD  = "collateral/qeidentity/TD_QE_v2_20250604T094018Z_eval17.json"
	crlRoot     = "collateral/crl/root_20260226T130400Z.crl.der"
	crlPlatform = "collateral/crl/platform_20260812T235711Z.crl.der"
)

func BenchmarkParseTCBInfo(b *testing.B) {
	for _, bb := range []struct{ name, file string }{{"SGX", infoSGX}, {"SGXv2", infoSGXOld}, {"TDX", infoTDX}} {
		data := realFile(b, bb.file)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				inner, _, err := signed(data, "tcbInfo")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := parseTCBInfo(inner); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseIdentity(b *testing.B) {
	for _, bb := range []struct{ name, file string }{{"QE", identityQE}, {"TD_QE", identityTD}} {
		data := realFile(b, bb.file)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				inner, _, err := signed(data, "enclaveIdentity")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := parseIdentity(inner); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseCRL includes the digest of what the signature covers, as
// reading a list does.
func BenchmarkParseCRL(b *testing.B) {
	for _, bb := range []struct{ name, file string }{{"root", crlRoot}, {"pck", crlPlatform}} {
		data := realFile(b, bb.file)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				s := Statement{endorsement: rats.Endorsement{Kind: rats.RootCACRL, Body: data}}
				if err := s.readCRL(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRevoked(b *testing.B) {
	s := Statement{endorsement: rats.Endorsement{Kind: rats.PCKCRL, Body: realFile(b, crlPlatform)}}
	if err := s.readCRL(); err != nil {
		b.Fatal(err)
	}
	serial := pckOf(b, realFile(b, "quotes/sgx/sgx_v3_00606A000000_plat_prod_187b50a4.bin")).SerialNumber
	b.ReportAllocs()
	for b.Loop() {
		if revoked(s.crl, serial) {
			b.Fatal("revoked")
		}
	}
}

func BenchmarkParsePCKExtension(b *testing.B) {
	for _, bb := range []struct{ name, file string }{
		{"platform", "quotes/sgx/sgx_v3_00606A000000_plat_prod_187b50a4.bin"},
		{"processor", "quotes/sgx/sgx_v3_00906EA10000_proc_prod_5de6ba42.bin"},
	} {
		cert := pckOf(b, realFile(b, bb.file))
		if cert == nil {
			b.Fatal("no PCK certificate")
		}
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parsePCKExtension(cert); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseHostileJSON reads a mebibyte that asks for as much memory as it
// can.
func BenchmarkParseHostileJSON(b *testing.B) {
	for name, data := range hostileJSON() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, _, err := signed(data, "tcbInfo"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
