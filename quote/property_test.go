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

func drawTDReport(t *rapid.T, bodyType quote.BodyType) quote.TDReport {
	r := quote.TDReport{
		TEETCBSVN:      [16]byte(drawBytes(t, "TEE_TCB_SVN", 16)),
		MRSEAM:         [48]byte(drawBytes(t, "MRSEAM", 48)),
		MRSignerSEAM:   [48]byte(drawBytes(t, "MRSIGNERSEAM", 48)),
		SEAMAttributes: [8]byte(drawBytes(t, "SEAMATTRIBUTES", 8)),
		TDAttributes:   [8]byte(drawBytes(t, "TDATTRIBUTES", 8)),
		XFAM:           [8]byte(drawBytes(t, "XFAM", 8)),
		MRTD:           [48]byte(drawBytes(t, "MRTD", 48)),
		MRConfigID:     [48]byte(drawBytes(t, "MRCONFIGID", 48)),
		MROwner:        [48]byte(drawBytes(t, "MROWNER", 48)),
		MROwnerConfig:  [48]byte(drawBytes(t, "MROWNERCONFIG", 48)),
		ReportData:     [64]byte(drawBytes(t, "REPORTDATA", 64)),
	}
	for i := range r.RTMR {
		r.RTMR[i] = [48]byte(drawBytes(t, "RTMR", 48))
	}
	if bodyType < quote.BodyTD15 {
		return r
	}
	r.TD15 = &quote.TD15{
		TEETCBSVN2:  [16]byte(drawBytes(t, "TEE_TCB_SVN2", 16)),
		MRServiceTD: [48]byte(drawBytes(t, "MRSERVICETD", 48)),
	}
	if bodyType < quote.BodyTD15Ext {
		return r
	}
	r.TD15.Migration = &quote.TDMigration{
		VMID:                       rapid.Uint8().Draw(t, "VM id"),
		TDID:                       [32]byte(drawBytes(t, "TD id", 32)),
		DeviceInfo:                 [48]byte(drawBytes(t, "device information", 48)),
		InitialServiceTDHash:       [48]byte(drawBytes(t, "initial hash", 48)),
		InitialServiceTDAttributes: [8]byte(drawBytes(t, "initial attributes", 8)),
		InitialCPUSVN:              [16]byte(drawBytes(t, "initial CPUSVN", 16)),
		InitialTEETCBSVN:           [16]byte(drawBytes(t, "initial TEE_TCB_SVN", 16)),
		FMSPC:                      [12]byte(drawBytes(t, "FMSPC", 12)),
		CurrentServiceTDHash:       [48]byte(drawBytes(t, "current hash", 48)),
		CurrentServiceTDAttributes: [8]byte(drawBytes(t, "current attributes", 8)),
	}
	return r
}

func drawQuote(t *rapid.T) *quote.Quote {
	f := rapid.SampledFrom(forms()).Draw(t, "form")
	qe := drawReport(t, "QE report")
	kinds := rapid.SampledFrom([]uint16{1, 2, 3, 4, 5, 7})
	if f.version == 3 {
		kinds = rapid.Uint16Range(1, 7) // 6 is nested in later versions alone
	}
	q := &quote.Quote{
		Header: quote.Header{
			Version:            f.version,
			AttestationKeyType: quote.ECDSAP256,
			TEEType:            f.tee,
			QESVN:              rapid.Uint16().Draw(t, "QE SVN"),
			PCESVN:             rapid.Uint16().Draw(t, "PCE SVN"),
			QEVendorID:         quote.IntelQEVendorID(),
			UserData:           [20]byte(drawBytes(t, "user data", 20)),
		},
		TEE:               rats.SGX,
		BodyType:          quote.BodyType(f.bodyType),
		Signature:         [64]byte(drawBytes(t, "signature", 64)),
		AttestationKey:    [64]byte(drawBytes(t, "attestation key", 64)),
		QEReport:          qe,
		QEReportRaw:       qe.Marshal(),
		QEReportSignature: [64]byte(drawBytes(t, "QE report signature", 64)),
		QEAuthData:        rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "QE authentication data"),
		CertificationData: quote.CertificationData{
			Type: kinds.Draw(t, "certification data type"),
			Data: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "certification data"),
		},
		Trailing: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "trailing"),
	}
	if f.tee == quote.TEETypeTDX {
		report := drawTDReport(t, q.BodyType)
		q.TEE, q.TD = rats.TDX, &report
	} else {
		report := drawReport(t, "report")
		q.SGX = &report
	}
	q.Signed = q.AppendSigned(nil)
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

// TestQEAuthenticationDataMayHaveAnyLength that its size can name.
func TestQEAuthenticationDataMayHaveAnyLength(t *testing.T) {
	for _, f := range forms() {
		for _, n := range []int{0, 1, 32, 255, 256, 1 << 15, 1<<16 - 1} {
			q := parse(t, f.raw())
			q.QEAuthData = bytes.Repeat([]byte{0xa7}, n)
			raw := q.Marshal()
			if got := parse(t, raw); !bytes.Equal(got.QEAuthData, q.QEAuthData) || !bytes.Equal(got.Marshal(), raw) {
				t.Errorf("%s: %d bytes, %d found", f.name, n, len(got.QEAuthData))
			}
		}
	}
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
