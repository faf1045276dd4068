// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

func TestEvidenceIsDecodedFromEveryTextForm(t *testing.T) {
	raw := seed(t, "quote.bin")
	digits := hex.EncodeToString(raw)
	lines := func(s string) string {
		var b strings.Builder
		for i := 0; i < len(s); i += 64 {
			b.WriteString(s[i:min(i+64, len(s))] + "\r\n")
		}
		return b.String()
	}
	spaced := "0x" + strings.Join(strings.SplitAfter(digits[:16], ""), " ") + "\t" + digits[16:]
	for name, text := range map[string]string{
		"raw":               string(raw),
		"hex":               digits,
		"upper-case hex":    strings.ToUpper(digits),
		"0x":                "0x" + digits,
		"0X":                "0X" + digits + "\n",
		"hex in lines":      "\n" + lines(digits),
		"hex with spaces":   spaced,
		"base64":            base64.StdEncoding.EncodeToString(raw),
		"base64 unpadded":   base64.RawStdEncoding.EncodeToString(raw),
		"base64 URL":        base64.URLEncoding.EncodeToString(raw),
		"base64 URL, plain": base64.RawURLEncoding.EncodeToString(raw),
		"base64 in lines":   lines(base64.StdEncoding.EncodeToString(raw)),
	} {
		t.Run(name, func(t *testing.T) {
			before := []byte(text)
			got, err := attesteer.Decode(before)
			if err != nil || !bytes.Equal(got, raw) {
				t.Errorf("%v, %d bytes", err, len(got))
			}
			if string(before) != text {
				t.Error("the input was written to")
			}
		})
	}
}

func TestTextThatIsNoEvidenceIsMalformed(t *testing.T) {
	for _, tt := range []struct{ name, text, says string }{
		{"empty", "", "empty"},
		{"white space", " \n\t", "empty"},
		{"0x alone", "0x", "empty"},
		{"odd hex", "0x030", "odd number of digits (3)"},
		{"one digit", "a", "odd number of digits (1)"},
		{"a sentence", "this is not evidence, is it?", "so short an input is no evidence"},
		{"JSON", `{"quote":"` + strings.Repeat("00", 600) + `"}`, `JSON of the members "quote" is no evidence`},
		{"PEM", "-----BEGIN CERTIFICATE-----\n" + strings.Repeat("MIIC", 50), "the PEM does not begin with a certificate"},
		{"a key in PEM", "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n" + strings.Repeat(" ", 50), "PEM is no evidence"},
		{"a web page", "<!doctype html><title>404</title>" + strings.Repeat(" ", 50), "HTML or XML is no evidence"},
		{"one byte", "00", "so short an input"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := attesteer.Decode([]byte(tt.text))
			if err == nil {
				_, err = attesteer.Verify(attesteer.Evidence{Raw: raw}, nil, attesteer.Policy{}, midsummer)
			}
			if rats.KindOf(err) != rats.Malformed || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v does not say %q", err, tt.says)
			}
		})
	}
}

func TestWhatDecodeGivesBackIsWhatWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "raw")
		for _, text := range []string{hex.EncodeToString(raw), "0x" + strings.ToUpper(hex.EncodeToString(raw))} {
			if got, err := attesteer.Decode([]byte(text)); err != nil || !bytes.Equal(got, raw) {
				t.Fatalf("%s: %x, %v", text, got, err)
			}
		}
		// Base64 that has only hex digits would be hex, so let it have others.
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
			raw := append([]byte{0xff, 0xff, 0xff}, raw...)
			if got, err := attesteer.Decode([]byte(enc.EncodeToString(raw))); err != nil || !bytes.Equal(got, raw) {
				t.Fatalf("%x, %v", got, err)
			}
		}
	})
}

func TestFormatsAreRecognisedByTheirFirstBytes(t *testing.T) {
	quote := seed(t, "quote.bin")
	header := func(version, tee byte) []byte {
		b := bytes.Clone(quote)
		b[0], b[4] = version, tee
		return b
	}
	oe, _ := hex.DecodeString("03000000" + "f228aa3fde4d49d3884cb2aa87a50da6" + "ffffffff" + "0100000000000000" + "00")
	for _, tt := range []struct {
		name string
		raw  []byte
		want rats.Format
		kind rats.Kind
	}{
		{"an SGX quote of version 3", quote, rats.SGXQuoteV3, rats.None},
		{"its first bytes alone", quote[:48], rats.SGXQuoteV3, rats.None},
		{"an Open Enclave report", seed(t, "oe_report.bin"), rats.OEReport, rats.None},
		{"an SGX quote of version 4", header(4, 0), rats.SGXQuoteV4, rats.None},
		{"a TDX quote of version 4", header(4, 0x81), rats.TDXQuoteV4, rats.None},
		{"an SGX quote of version 5", header(5, 0), rats.SGXQuoteV5, rats.None},
		{"a TDX quote of version 5", header(5, 0x81), rats.TDXQuoteV5, rats.None},
		{"a quote of version 6", header(6, 0), "", rats.Unsupported},
		{"Open Enclave evidence of EPID", oe, "", rats.Unsupported},
		{"nothing", nil, "", rats.Malformed},
		{"zeros", make([]byte, 5000), "", rats.Malformed},
		{"a certificate", append([]byte{0x30, 0x82}, make([]byte, 500)...), "", rats.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := attesteer.Recognise(tt.raw)
			if got != tt.want || rats.KindOf(err) != tt.kind {
				t.Errorf("%q, %v, want %q, %q", got, err, tt.want, tt.kind)
			}
			if _, err := attesteer.Verify(attesteer.Evidence{Raw: tt.raw}, nil, attesteer.Policy{}, midsummer); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestRealTDXQuotesAreRecognisedAndInspected(t *testing.T) {
	for _, file := range glob(t, vectors(t), "quotes", "tdx", "td*.bin") {
		raw := read(t, file)
		want := rats.Format(fmt.Sprintf("tdx-quote-v%d", raw[0]))
		if got, err := attesteer.Recognise(raw); got != want || err != nil {
			t.Errorf("%s: %q, %v", filepath.Base(file), got, err)
		}
		in, err := attesteer.Inspect(attesteer.Evidence{Raw: raw})
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		// The name carries the FMSPC: td10_v4_00806F050000_….
		if fmspc := strings.Split(filepath.Base(file), "_")[2]; in.TEE != rats.TDX || !strings.EqualFold(in.FMSPC.String(), fmspc) {
			t.Errorf("%s: %s, FMSPC %s", filepath.Base(file), in.TEE, in.FMSPC)
		}
	}
}

func TestAStatedFormatMustBeTheTrueOne(t *testing.T) {
	for _, tt := range []struct {
		file string
		as   rats.Format
		want rats.Kind
	}{
		{"quote.bin", rats.SGXQuoteV3, rats.EndorsementUnavailable},
		{"quote.bin", rats.OEReport, rats.Malformed},
		{"oe_report.bin", rats.OEReport, rats.EndorsementUnavailable},
		{"oe_report.bin", rats.SGXQuoteV3, rats.Malformed},
	} {
		_, err := attesteer.Verify(attesteer.Evidence{Raw: seed(t, tt.file), Format: tt.as}, nil, attesteer.Policy{}, midsummer)
		if rats.KindOf(err) != tt.want {
			t.Errorf("%s as %s: %v", tt.file, tt.as, err)
		}
	}
}

func TestInspectionShowsClaimsAndSaysThatNothingIsVerified(t *testing.T) {
	raw := seed(t, "oe_report.bin")
	in, err := attesteer.Inspect(attesteer.Evidence{Raw: raw})
	if err != nil {
		t.Fatal(err)
	}
	text := marshal(t, in)
	for _, want := range []string{
		`"schema":"attesteer/inspection/v1"`, `"verified":false`, `"tee":"sgx"`, `"format":"oe-report"`,
		`"fingerprint":"` + seedFingerprint + `"`, `"build_mode":"debug"`, `"fmspc":"00606a000000"`, `"certification_data_type":5`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	// What is forged is shown as well: inspecting verifies nothing.
	raw[16+48+64] ^= 1
	if in, err = attesteer.Inspect(attesteer.Evidence{Raw: raw}); err != nil || in.Verified || in.Fingerprint.String() == seedFingerprint {
		t.Errorf("%v, %+v", err, in)
	}
}

func TestHexIsReadAndWritten(t *testing.T) {
	var h attesteer.Hex
	if err := h.UnmarshalText([]byte("00ffa0")); err != nil || h.String() != "00ffa0" {
		t.Errorf("%v, %s", err, h)
	}
	for _, bad := range []string{"0", "zz", "0x00", "00fFa0"} {
		if err := h.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
