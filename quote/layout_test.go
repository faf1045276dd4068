// SPDX-License-Identifier: Apache-2.0

package quote_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// form is one layout of a quote, with the offsets of what leads the parser as
// the specification gives them.
type form struct {
	name     string
	version  uint16
	tee      uint32
	bodyType uint16 // version 5 alone
	// at is where the body begins, sigLen where the signature length, auth where
	// the authentication data; all bytes before sigLen are signed.
	at, sigLen, auth int
	// outer is where certification data of type 6 begin, 0 in version 3.
	outer int
	// qe is where the QE report begins, qeAuth the size of what follows it.
	qe, qeAuth int
	format     rats.Format
}

// forms returns all of them.
func forms() []form {
	return []form{
		{"version 3, SGX", 3, 0, 0, 48, 432, 436, 0, 564, 1012, rats.SGXQuoteV3},
		{"version 4, SGX", 4, 0, 0, 48, 432, 436, 564, 570, 1018, rats.SGXQuoteV4},
		{"version 4, TDX 1.0", 4, 0x81, 0, 48, 632, 636, 764, 770, 1218, rats.TDXQuoteV4},
		{"version 5, SGX", 5, 0, 1, 54, 438, 442, 570, 576, 1024, rats.SGXQuoteV5},
		{"version 5, TDX 1.0", 5, 0x81, 2, 54, 638, 642, 770, 776, 1224, rats.TDXQuoteV5},
		{"version 5, TDX 1.5", 5, 0x81, 3, 54, 702, 706, 834, 840, 1288, rats.TDXQuoteV5},
		{"version 5, TDX 1.5 extended", 5, 0x81, 4, 54, 939, 943, 1071, 1077, 1525, rats.TDXQuoteV5},
	}
}

// Lengths of the variable parts of the quotes that raw makes.
const (
	sampleQEAuth = 20
	sampleCert   = 70
)

// cert returns where the certification data's type stands in what raw makes.
func (f form) cert() int { return f.qeAuth + 2 + sampleQEAuth }

// raw returns a quote of the form, byte by byte, in which every byte that does
// not lead the parser is arbitrary.
func (f form) raw() []byte {
	b := make([]byte, f.cert()+6+sampleCert)
	r := rand.New(rand.NewPCG(uint64(f.version), uint64(f.bodyType)<<8|uint64(f.tee)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	u16, u32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	u16(b[0:], f.version)
	u16(b[2:], 2)
	u32(b[4:], f.tee)
	copy(b[12:], []byte{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07})
	if f.version == 5 {
		u16(b[48:], f.bodyType)
		u32(b[50:], uint32(f.sigLen-54))
	}
	u32(b[f.sigLen:], uint32(len(b)-f.auth))
	if f.outer != 0 {
		u16(b[f.outer:], 6)
		u32(b[f.outer+2:], uint32(len(b)-f.outer-6))
	}
	u16(b[f.qeAuth:], sampleQEAuth)
	u16(b[f.cert():], 5)
	u32(b[f.cert()+2:], sampleCert)
	return b
}

// field is a part of a quote as it was read, and where it stands.
type field struct {
	name   string
	at     int
	length int
	got    []byte
}

func isAt(t *testing.T, raw []byte, base int, fields []field) {
	t.Helper()
	next := 0
	for _, f := range fields {
		if f.at != next || len(f.got) != f.length {
			t.Errorf("%s has %d bytes and stands at %d, where %d bytes at %d are expected", f.name, len(f.got), f.at, f.length, next)
		}
		next = f.at + f.length
		if !bytes.Equal(f.got, raw[base+f.at:base+f.at+f.length]) {
			t.Errorf("%s is not read from offset %d", f.name, f.at)
		}
	}
}

func le16(n uint16) []byte { return binary.LittleEndian.AppendUint16(nil, n) }
func le32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

func TestEveryPartOfAQuoteStandsWhereItsVersionPutsIt(t *testing.T) {
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			raw := f.raw()
			q := parse(t, raw)
			isAt(t, raw, 0, []field{
				{"version", 0, 2, le16(q.Header.Version)},
				{"attestation key type", 2, 2, le16(q.Header.AttestationKeyType)},
				{"TEE type", 4, 4, le32(q.Header.TEEType)},
				{"QE SVN", 8, 2, le16(q.Header.QESVN)},
				{"PCE SVN", 10, 2, le16(q.Header.PCESVN)},
				{"QE vendor id", 12, 16, q.Header.QEVendorID[:]},
				{"user data", 28, 20, q.Header.UserData[:]},
			})
			isAt(t, raw, f.auth, []field{
				{"signature", 0, 64, q.Signature[:]},
				{"attestation key", 64, 64, q.AttestationKey[:]},
			})
			isAt(t, raw, f.qe, []field{
				{"QE report", 0, 384, q.QEReportRaw},
				{"QE report signature", 384, 64, q.QEReportSignature[:]},
				{"size of QE authentication data", 448, 2, le16(uint16(len(q.QEAuthData)))},
				{"QE authentication data", 450, 20, q.QEAuthData},
				{"certification data type", 470, 2, le16(q.CertificationData.Type)},
				{"size of certification data", 472, 4, le32(uint32(len(q.CertificationData.Data)))},
				{"certification data", 476, 70, q.CertificationData.Data},
			})
			if !bytes.Equal(q.Signed, raw[:f.sigLen]) {
				t.Errorf("%d bytes are signed, not the %d before the signature length", len(q.Signed), f.sigLen)
			}
			if uint16(q.BodyType) != f.bodyType || q.Format() != f.format || (q.SGX == nil) != (f.tee != 0) || (q.TD == nil) != (f.tee == 0) {
				t.Errorf("body type %d, format %s, SGX %t, TD %t", q.BodyType, q.Format(), q.SGX != nil, q.TD != nil)
			}
			if !bytes.Equal(q.Marshal(), raw) || !bytes.Equal(q.AppendSigned(nil), q.Signed) {
				t.Error("the marshalled quote differs")
			}
		})
	}
}

func TestEveryFieldOfAnSGXReportStandsWhereTheSpecificationPutsIt(t *testing.T) {
	read := func(t *testing.T, raw []byte, at int, r *quote.SGXReport) {
		t.Helper()
		isAt(t, raw, at, []field{
			{"CPUSVN", 0, 16, r.CPUSVN[:]},
			{"MISCSELECT", 16, 4, r.MiscSelect[:]},
			{"reserved", 20, 12, r.Reserved1[:]},
			{"ISVEXTPRODID", 32, 16, r.ISVExtProdID[:]},
			{"ATTRIBUTES", 48, 16, r.Attributes[:]},
			{"MRENCLAVE", 64, 32, r.MREnclave[:]},
			{"reserved", 96, 32, r.Reserved2[:]},
			{"MRSIGNER", 128, 32, r.MRSigner[:]},
			{"reserved", 160, 32, r.Reserved3[:]},
			{"CONFIGID", 192, 64, r.ConfigID[:]},
			{"ISVPRODID", 256, 2, le16(r.ISVProdID)},
			{"ISVSVN", 258, 2, le16(r.ISVSVN)},
			{"CONFIGSVN", 260, 2, le16(r.ConfigSVN)},
			{"reserved", 262, 42, r.Reserved4[:]},
			{"ISVFAMILYID", 304, 16, r.ISVFamilyID[:]},
			{"REPORTDATA", 320, 64, r.ReportData[:]},
		})
	}
	for _, f := range forms() {
		raw := f.raw()
		q := parse(t, raw)
		read(t, raw, f.qe, &q.QEReport)
		if f.tee == 0 {
			read(t, raw, f.at, q.SGX)
			if !bytes.Equal(q.ReportData(), raw[f.at+320:f.at+384]) || q.SGX.Debug() != (raw[f.at+48]&2 != 0) {
				t.Errorf("%s: report data %x, debug %t", f.name, q.ReportData(), q.SGX.Debug())
			}
		}
	}
}

func TestEveryFieldOfATDReportStandsWhereTheSpecificationPutsIt(t *testing.T) {
	for _, f := range forms() {
		if f.tee == 0 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			raw := f.raw()
			q := parse(t, raw)
			isAt(t, raw, f.at, fieldsOfTD(q.TD))
			size := map[uint16]int{0: 584, 2: 584, 3: 648, 4: 885}[f.bodyType]
			if q.TD.Size() != size || !bytes.Equal(q.TD.Marshal(), raw[f.at:f.at+size]) {
				t.Errorf("%d bytes, not %d, or others", q.TD.Size(), size)
			}
			if f.bodyType != 0 && q.BodyType.Size() != size {
				t.Errorf("the body type says %d bytes", q.BodyType.Size())
			}
			if (q.TD.TD15 != nil) != (f.bodyType >= 3) || q.TD.TD15 != nil && (q.TD.TD15.Migration != nil) != (f.bodyType == 4) {
				t.Errorf("the parts of another version: %+v", q.TD.TD15)
			}
			if !bytes.Equal(q.ReportData(), raw[f.at+520:f.at+584]) || q.TD.Debug() != (raw[f.at+120] != 0) {
				t.Errorf("report data %x, debug %t", q.ReportData(), q.TD.Debug())
			}
		})
	}
}

func fieldsOfTD(r *quote.TDReport) []field {
	out := []field{
		{"TEE_TCB_SVN", 0, 16, r.TEETCBSVN[:]},
		{"MRSEAM", 16, 48, r.MRSEAM[:]},
		{"MRSIGNERSEAM", 64, 48, r.MRSignerSEAM[:]},
		{"SEAMATTRIBUTES", 112, 8, r.SEAMAttributes[:]},
		{"TDATTRIBUTES", 120, 8, r.TDAttributes[:]},
		{"XFAM", 128, 8, r.XFAM[:]},
		{"MRTD", 136, 48, r.MRTD[:]},
		{"MRCONFIGID", 184, 48, r.MRConfigID[:]},
		{"MROWNER", 232, 48, r.MROwner[:]},
		{"MROWNERCONFIG", 280, 48, r.MROwnerConfig[:]},
		{"RTMR0", 328, 48, r.RTMR[0][:]},
		{"RTMR1", 376, 48, r.RTMR[1][:]},
		{"RTMR2", 424, 48, r.RTMR[2][:]},
		{"RTMR3", 472, 48, r.RTMR[3][:]},
		{"REPORTDATA", 520, 64, r.ReportData[:]},
	}
	if r.TD15 == nil {
		return out
	}
	out = append(out,
		field{"TEE_TCB_SVN2", 584, 16, r.TD15.TEETCBSVN2[:]},
		field{"MRSERVICETD", 600, 48, r.TD15.MRServiceTD[:]})
	m := r.TD15.Migration
	if m == nil {
		return out
	}
	return append(out,
		field{"VM id", 648, 1, []byte{m.VMID}},
		field{"TD id", 649, 32, m.TDID[:]},
		field{"device information", 681, 48, m.DeviceInfo[:]},
		field{"initial service-TD hash", 729, 48, m.InitialServiceTDHash[:]},
		field{"its attributes", 777, 8, m.InitialServiceTDAttributes[:]},
		field{"initial CPUSVN", 785, 16, m.InitialCPUSVN[:]},
		field{"initial TEE_TCB_SVN", 801, 16, m.InitialTEETCBSVN[:]},
		field{"FMSPC", 817, 12, m.FMSPC[:]},
		field{"current service-TD hash", 829, 48, m.CurrentServiceTDHash[:]},
		field{"its attributes", 877, 8, m.CurrentServiceTDAttributes[:]})
}

func TestBytesAfterAQuoteOfAnyVersionAreKept(t *testing.T) {
	for _, f := range forms() {
		raw := f.raw()
		for _, tail := range [][]byte{nil, {0}, make([]byte, 5006), bytes.Repeat(raw, 2)} {
			padded := append(bytes.Clone(raw), tail...)
			q := parse(t, padded)
			if !bytes.Equal(q.Trailing, tail) || !bytes.Equal(q.Marshal(), padded) {
				t.Errorf("%s: %d bytes after it, %d found", f.name, len(tail), len(q.Trailing))
			}
			if len(q.CertificationData.Data) != sampleCert {
				t.Errorf("%s: the tail leaked into the certification data", f.name)
			}
		}
	}
}

func TestTheBuffersOfRealPlatformsAreLongerThanTheirQuotes(t *testing.T) {
	for name, raw := range samples(t, "dcap/quotes/tdx/padded", "") {
		q := parse(t, raw)
		if len(q.Trailing) == 0 || bytes.Count(q.Trailing, []byte{0}) != len(q.Trailing) {
			t.Errorf("%s: %d bytes after the quote, not all zero", name, len(q.Trailing))
		}
		bare := raw[:len(raw)-len(q.Trailing)]
		if !bytes.Equal(parse(t, bare).Marshal(), bare) {
			t.Errorf("%s: without its padding it is another quote", name)
		}
	}
}
