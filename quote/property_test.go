// SPDX-License-Identifier: Apache-2.0

package quote_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

func drawBytes(t *rapid.T, label string, n int) []byte {
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, label)
}

func drawReport(t *rapid.T, label string) quote.SGXReport {
	return quote.SGXReport{
		CPUSVN:       [16]byte(drawBytes(t, label+" CPUSVN", 16)),
		MiscSelect:   [4]byte(drawBytes(t, label+" MISCSELECT", 4)),
		Reserved1:    [12]byte(drawBytes(t, label+" reserved 1", 12)),
		ISVExtProdID: [16]byte(drawBytes(t, label+" ISVEXTPRODID", 16)),
		Attributes:   [16]byte(drawBytes(t, label+" ATTRIBUTES", 16)),
		MREnclave:    [32]byte(drawBytes(t, label+" MRENCLAVE", 32)),
		Reserved2:    [32]byte(drawBytes(t, label+" reserved 2", 32)),
		MRSigner:     [32]byte(drawBytes(t, label+" MRSIGNER", 32)),
		Reserved3:    [32]byte(drawBytes(t, label+" reserved 3", 32)),
		ConfigID:     [64]byte(drawBytes(t, label+" CONFIGID", 64)),
		ISVProdID:    rapid.Uint16().Draw(t, label+" ISVPRODID"),
		ISVSVN:       rapid.Uint16().Draw(t, label+" ISVSVN"),
		ConfigSVN:    rapid.Uint16().Draw(t, label+" CONFIGSVN"),
		Reserved4:    [42]byte(drawBytes(t, label+" reserved 4", 42)),
		ISVFamilyID:  [16]byte(drawBytes(t, label+" ISVFAMILYID", 16)),
		ReportData:   [64]byte(drawBytes(t, label+" REPORTDATA", 64)),
	}
}

func drawQuote(t *rapid.T) *quote.Quote {
	report, qe := drawReport(t, "report"), drawReport(t, "QE report")
	q := &quote.Quote{
		Header: quote.Header{
			Version:            3,
			AttestationKeyType: quote.ECDSAP256,
			QESVN:              rapid.Uint16().Draw(t, "QE SVN"),
			PCESVN:             rapid.Uint16().Draw(t, "PCE SVN"),
			QEVendorID:         quote.IntelQEVendorID(),
			UserData:           [20]byte(drawBytes(t, "user data", 20)),
		},
		TEE:               rats.SGX,
		SGX:               &report,
		Signature:         [64]byte(drawBytes(t, "signature", 64)),
		AttestationKey:    [64]byte(drawBytes(t, "attestation key", 64)),
		QEReport:          qe,
		QEReportRaw:       qe.Marshal(),
		QEReportSignature: [64]byte(drawBytes(t, "QE report signature", 64)),
		QEAuthData:        rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "QE authentication data"),
		CertificationData: quote.CertificationData{
			Type: rapid.Uint16Range(1, 7).Draw(t, "certification data type"),
			Data: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "certification data"),
		},
		Trailing: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "trailing"),
	}
	q.Signed = report.AppendTo(q.Header.AppendTo(nil))
	return q
}

func TestAnyQuoteIsReadBackAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawQuote(t)
		raw := want.Marshal()
		got, err := quote.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		if !bytes.Equal(got.Marshal(), raw) {
			t.Fatal("marshalled again, the quote differs")
		}
		cut := rapid.IntRange(0, len(raw)-len(want.Trailing)-1).Draw(t, "cut")
		if _, err := quote.Parse(raw[:cut]); rats.KindOf(err) != rats.Malformed {
			t.Fatalf("cut to %d bytes: %v", cut, err)
		}
	})
}

// FuzzParse looks for input that makes the parser panic, that it takes and does
// not give back, or that it refuses for a reason that is not the input's.
func FuzzParse(f *testing.F) {
	raw := seed(f)
	f.Add(raw)
	f.Add(raw[:1020])
	f.Add(smallest())
	f.Add(append(bytes.Clone(raw), 0, 0, 0, 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		q, err := quote.Parse(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported {
				t.Fatalf("kind %q", kind)
			}
			return
		}
		if !bytes.Equal(q.Marshal(), b) {
			t.Fatal("the marshalled quote differs")
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw := seed(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := quote.Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}
