// SPDX-License-Identifier: Apache-2.0

package quote_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Offsets of fields in a quote of version 3.
const (
	atVendor  = 12
	atSigLen  = 432
	atAuth    = 436
	atQEAuth  = atAuth + 576
	qeAuthLen = 32 // in every sample with a PCK chain
	atCert    = atQEAuth + 2 + qeAuthLen
)

// seed returns a real quote without trailing bytes: a debug enclave on a
// platform of FMSPC 00606A000000.
func seed(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/quote.bin")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectors returns the folder of real evidence, or skips the test.
func vectors(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no vectors (set ATTESTEER_VECTORS): %v", err)
	}
	return dir
}

// samples returns every real quote below a folder of the vectors by its name.
func samples(t testing.TB, folder, prefix string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	root := filepath.Join(vectors(t), filepath.FromSlash(folder))
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), prefix) {
			return err
		}
		out[d.Name()], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("no sample below %s", root)
	}
	return out
}

func parse(t testing.TB, b []byte) *quote.Quote {
	t.Helper()
	q, err := quote.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func wantHex(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if hex.EncodeToString(got) != want {
		t.Errorf("%s = %x, want %s", what, got, want)
	}
}

func TestTheFieldsOfARealQuoteAreFound(t *testing.T) {
	raw := seed(t)
	q := parse(t, raw)
	wantHex(t, "MRENCLAVE", q.SGX.MREnclave[:], "af3438654b544d7e94b6b538eaf58528a2136f6a107b95b4c442b0afc9c98d83")
	wantHex(t, "ATTRIBUTES", q.SGX.Attributes[:], "07000000000000000700000000000000")
	wantHex(t, "CPUSVN", q.SGX.CPUSVN[:], hex.EncodeToString(raw[48:64]))
	wantHex(t, "MRSIGNER", q.SGX.MRSigner[:], hex.EncodeToString(raw[48+128:48+160]))
	wantHex(t, "report data", q.SGX.ReportData[:], hex.EncodeToString(raw[48+320:432]))
	wantHex(t, "signature", q.Signature[:], hex.EncodeToString(raw[436:500]))
	wantHex(t, "attestation key", q.AttestationKey[:], hex.EncodeToString(raw[500:564]))
	wantHex(t, "QE report signature", q.QEReportSignature[:], hex.EncodeToString(raw[948:1012]))
	wantHex(t, "QE authentication data", q.QEAuthData, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if q.SGX.ISVProdID != 1 || q.SGX.ISVSVN != 1 || !q.SGX.Debug() {
		t.Errorf("product %d, SVN %d, debug %t; want 1, 1, true", q.SGX.ISVProdID, q.SGX.ISVSVN, q.SGX.Debug())
	}
	if q.Header.Version != 3 || q.Header.AttestationKeyType != 2 || q.Header.QESVN != 9 || q.Header.PCESVN != 13 {
		t.Errorf("header %+v", q.Header)
	}
	if q.TEE != rats.SGX || q.Format() != rats.SGXQuoteV3 {
		t.Errorf("TEE %s, format %s", q.TEE, q.Format())
	}
	if !bytes.Equal(q.Signed, raw[:432]) {
		t.Error("the signed bytes are not header and report")
	}
	// The QE is Intel's, product 1, and not in debug mode.
	wantHex(t, "QE's MRSIGNER", q.QEReport.MRSigner[:], "8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff")
	if q.QEReport.ISVProdID != 1 || q.QEReport.Debug() || !bytes.Equal(q.QEReportRaw, raw[564:948]) {
		t.Errorf("QE report: product %d, debug %t", q.QEReport.ISVProdID, q.QEReport.Debug())
	}
	if q.CertificationData.Type != quote.CertPCKChain || !bytes.HasPrefix(q.CertificationData.Data, []byte("-----BEGIN CERTIFICATE-----")) {
		t.Errorf("certification data type %d", q.CertificationData.Type)
	}
	if len(q.Trailing) != 0 {
		t.Errorf("%d trailing bytes", len(q.Trailing))
	}
}

// Quotes in the folder "bad" have bad certificates, in layouts that are sound.
func TestEveryRealQuoteOfVersion3RoundTrips(t *testing.T) {
	types := map[uint16]int{}
	for name, raw := range samples(t, "dcap/quotes/sgx", "sgx_v3_") {
		q, err := quote.Parse(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(q.Marshal(), raw) {
			t.Errorf("%s: the marshalled quote differs", name)
		}
		if !bytes.Equal(q.QEReport.Marshal(), q.QEReportRaw) {
			t.Errorf("%s: the marshalled QE report differs", name)
		}
		// Some names say whether it is a debug enclave.
		if says := strings.Contains(name, "_dbg_"); (says || strings.Contains(name, "_prod_")) && says != q.SGX.Debug() {
			t.Errorf("%s: debug = %t", name, q.SGX.Debug())
		}
		types[q.CertificationData.Type]++
	}
	for _, kind := range []uint16{quote.CertPPID, quote.CertPPIDRSA3072, quote.CertPCKChain} {
		if types[kind] == 0 {
			t.Errorf("no sample of certification data type %d among %v", kind, types)
		}
	}
}

func TestAQuoteCutAnywhereIsMalformed(t *testing.T) {
	all := map[string][]byte{"quote.bin": seed(t)}
	for _, f := range forms() {
		all[f.name] = f.raw()
	}
	for name, raw := range all {
		cutAnywhere(t, name, raw)
	}
}

func TestARealQuoteCutAnywhereIsMalformed(t *testing.T) {
	for _, folder := range []string{"dcap/quotes/sgx", "dcap/quotes/tdx"} {
		for name, raw := range samples(t, folder, "") {
			if !strings.HasPrefix(name, "oe_") { // envelopes, and certificates with a quote inside
				cutAnywhere(t, name, raw)
			}
		}
	}
}

func cutAnywhere(t *testing.T, name string, raw []byte) {
	t.Helper()
	whole := len(raw) - len(parse(t, raw).Trailing)
	for n := range whole {
		if _, err := quote.ParseShared(raw[:n]); !errors.Is(err, rats.Malformed) {
			t.Fatalf("%s cut to %d of %d bytes: %v, want malformed", name, n, whole, err)
		}
	}
}

func TestEveryRealTDXQuoteRoundTrips(t *testing.T) {
	for name, raw := range samples(t, "dcap/quotes/tdx", "") {
		q, err := quote.Parse(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if q.TEE != rats.TDX || q.TD == nil || q.SGX != nil {
			t.Errorf("%s: TEE %s", name, q.TEE)
		}
		if !bytes.Equal(q.Marshal(), raw) {
			t.Errorf("%s: the marshalled quote differs", name)
		}
	}
}

func TestBytesAfterTheAuthenticationDataAreKept(t *testing.T) {
	raw := seed(t)
	for _, tail := range [][]byte{{0}, make([]byte, 8000-len(raw)), []byte("custom claims"), raw} {
		padded := append(bytes.Clone(raw), tail...)
		q := parse(t, padded)
		if !bytes.Equal(q.Trailing, tail) {
			t.Errorf("%d trailing bytes, want %d", len(q.Trailing), len(tail))
		}
		if !bytes.Equal(q.Marshal(), padded) {
			t.Error("the marshalled quote lacks its trailing bytes")
		}
		if !bytes.Equal(q.CertificationData.Data, parse(t, raw).CertificationData.Data) {
			t.Error("the tail leaked into the certification data")
		}
	}
}

func TestAParsedQuoteDoesNotChangeWithItsInput(t *testing.T) {
	raw := seed(t)
	input := bytes.Clone(raw)
	q := parse(t, input)
	clear(input)
	if !bytes.Equal(q.Marshal(), raw) || !bytes.Equal(q.Signed, raw[:432]) || !bytes.Equal(q.QEReportRaw, raw[564:948]) {
		t.Error("the quote aliases its input")
	}
}

// smallest is the shortest quote there can be.
func smallest() []byte {
	q := quote.Quote{
		Header:            quote.Header{Version: 3, AttestationKeyType: 2, QEVendorID: quote.IntelQEVendorID()},
		SGX:               &quote.SGXReport{},
		CertificationData: quote.CertificationData{Type: 1},
	}
	return q.Marshal()
}

func TestTheSmallestQuoteHas1020Bytes(t *testing.T) {
	b := smallest()
	if len(b) != 1020 || quote.MinSize != 1020 {
		t.Fatalf("%d bytes, MinSize %d", len(b), quote.MinSize)
	}
	parse(t, b)
	if _, err := quote.Parse(b[:1019]); !errors.Is(err, rats.Malformed) {
		t.Errorf("%v, want malformed", err)
	}
}

func TestEveryFieldThatLeadsTheParserIsJudged(t *testing.T) {
	u16, u32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	otherVendor := func(b []byte) { b[atVendor] ^= 1 }
	tests := []struct {
		name string
		edit func(b []byte)
		want rats.Kind
	}{
		{"version 0 is unsupported when the vendor shows a quote", func(b []byte) { u16(b, 0) }, rats.Unsupported},
		{"version 1 is an EPID quote", func(b []byte) { u16(b, 1); otherVendor(b) }, rats.Unsupported},
		{"version 2 is an EPID quote", func(b []byte) { u16(b, 2); otherVendor(b) }, rats.Unsupported},
		{"a quote of version 3 does not read as version 4", func(b []byte) { u16(b, 4) }, rats.Malformed},
		{"a report of version 3 does not begin as a body of version 5", func(b []byte) { u16(b, 5) }, rats.Unsupported},
		{"a version to come is unsupported", func(b []byte) { u16(b, 6) }, rats.Unsupported},
		{"an unknown version of an unknown vendor is no quote", func(b []byte) { u16(b, 6); otherVendor(b) }, rats.Malformed},
		{"text is no quote", func(b []byte) { copy(b, bytes.Repeat([]byte("text "), 200)) }, rats.Malformed},
		{"attestation key type 3 is unsupported", func(b []byte) { u16(b[2:], 3) }, rats.Unsupported},
		{"attestation key type 0 is unsupported", func(b []byte) { u16(b[2:], 0) }, rats.Unsupported},
		{"attestation key type 258 is unsupported", func(b []byte) { u16(b[2:], 258) }, rats.Unsupported},
		{"reserved byte 4 must be zero", func(b []byte) { b[4] = 1 }, rats.Malformed},
		{"reserved byte 7 must be zero", func(b []byte) { b[7] = 0x80 }, rats.Malformed},
		{"TEE type TDX does not exist in version 3", func(b []byte) { b[4] = 0x81 }, rats.Malformed},
		{"another QE vendor is unsupported", otherVendor, rats.Unsupported},
		{"the last byte of the QE vendor counts", func(b []byte) { b[27] ^= 0x80 }, rats.Unsupported},
		{"QE SVN, PCE SVN and user data are free", func(b []byte) { b[8], b[11], b[28], b[47] = 0xff, 0xff, 0xff, 0xff }, rats.None},
		{"reserved report bytes are free", func(b []byte) { b[48+20], b[48+96], b[48+160], b[48+262] = 1, 1, 1, 1 }, rats.None},
		{"signature length one over", func(b []byte) { u32(b[atSigLen:], uint32(len(b)-atAuth)+1) }, rats.Malformed},
		{"signature length one short", func(b []byte) { u32(b[atSigLen:], uint32(len(b)-atAuth)-1) }, rats.Malformed},
		{"signature length zero", func(b []byte) { u32(b[atSigLen:], 0) }, rats.Malformed},
		{"signature length one below the fixed part", func(b []byte) { u32(b[atSigLen:], 583) }, rats.Malformed},
		{"signature length of the fixed part alone", func(b []byte) { u32(b[atSigLen:], 584) }, rats.Malformed},
		{"signature length of 32 bits", func(b []byte) { u32(b[atSigLen:], 0xffffffff) }, rats.Malformed},
		{"QE authentication data one over", func(b []byte) { u16(b[atQEAuth:], qeAuthLen+1) }, rats.Malformed},
		{"QE authentication data one short", func(b []byte) { u16(b[atQEAuth:], qeAuthLen-1) }, rats.Malformed},
		{"QE authentication data up to the end", func(b []byte) { u16(b[atQEAuth:], uint16(len(b)-atQEAuth-2)) }, rats.Malformed},
		{"QE authentication data of 16 bits", func(b []byte) { u16(b[atQEAuth:], 0xffff) }, rats.Malformed},
		{"certification data one over", func(b []byte) { u32(b[atCert+2:], uint32(len(b)-atCert-6)+1) }, rats.Malformed},
		{"certification data one short", func(b []byte) { u32(b[atCert+2:], uint32(len(b)-atCert-6)-1) }, rats.Malformed},
		{"certification data of 32 bits", func(b []byte) { u32(b[atCert+2:], 0xffffffff) }, rats.Malformed},
		{"certification data type 0 is unsupported", func(b []byte) { u16(b[atCert:], 0) }, rats.Unsupported},
		{"certification data type 1 is taken", func(b []byte) { u16(b[atCert:], 1) }, rats.None},
		{"certification data type 7 is taken", func(b []byte) { u16(b[atCert:], 7) }, rats.None},
		{"certification data type 8 is unsupported", func(b []byte) { u16(b[atCert:], 8) }, rats.Unsupported},
		{"certification data type 261 is unsupported", func(b []byte) { u16(b[atCert:], 261) }, rats.Unsupported},
		{"wrong sizes come before unknown types", func(b []byte) { u16(b[atCert:], 8); b[atCert+2]++ }, rats.Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := seed(t)
			tt.edit(b)
			_, err := quote.Parse(b)
			if got := rats.KindOf(err); got != tt.want {
				t.Fatalf("kind %q (%v), want %q", got, err, tt.want)
			}
			var e *rats.Error
			if err != nil && (!errors.As(err, &e) || e.Spec == "" || e.Detail == "") {
				t.Errorf("error %#v lacks clause or detail", err)
			}
		})
	}
}

// A flipped bit is either refused or visible in the parsed quote, never lost.
func TestNoBitOfAQuoteIsIgnored(t *testing.T) {
	all := map[string][]byte{"a real quote": seed(t)}
	for _, f := range forms() {
		all[f.name] = append(f.raw(), "tail"...)
	}
	for name, raw := range all {
		for bit := range len(raw) * 8 {
			noBitIsLost(t, name, raw, bit)
		}
	}
}

// noBitIsLost flips one bit of raw, and flips it back.
func noBitIsLost(t *testing.T, name string, raw []byte, bit int) {
	t.Helper()
	raw[bit/8] ^= 1 << (bit % 8)
	defer func() { raw[bit/8] ^= 1 << (bit % 8) }()
	q, err := quote.ParseShared(raw)
	switch kind := rats.KindOf(err); {
	case err == nil && !bytes.Equal(q.Marshal(), raw):
		t.Errorf("%s: bit %d is lost", name, bit)
	case err != nil && kind != rats.Malformed && kind != rats.Unsupported:
		t.Errorf("%s: bit %d: kind %q", name, bit, kind)
	}
}
