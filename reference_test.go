// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// distinct returns a quote of code each of whose measurements is another.
func distinct(t testing.TB, tee rats.TEE) sim {
	t.Helper()
	if tee == rats.TDX {
		fill := func(b byte) (out [48]byte) { copy(out[:], bytes.Repeat([]byte{b}, 48)); return out }
		return simulatedTD(t, simtee.Faults{}, "", simtee.TD{
			Body: quote.BodyTD15, MRTD: fill(1), RTMR: [4][48]byte{fill(2), fill(3), fill(4), fill(5)},
			MRConfigID: fill(6), MROwner: fill(7), MROwnerConfig: fill(8), MRServiceTD: fill(9),
		})
	}
	return simulated(t, simtee.Faults{Quote: func(q *quote.Quote) {
		q.SGX.ISVExtProdID, q.SGX.ISVFamilyID, q.SGX.ConfigID, q.SGX.ConfigSVN = [16]byte{3}, [16]byte{4}, [64]byte{5}, 6
	}}, simtee.Enclave{MREnclave: [32]byte{1}, MRSigner: [32]byte{2}, ISVProdID: 7, ISVSVN: 8})
}

// nameOf returns a reference value that names the code of a result.
func nameOf(r *attesteer.Result) attesteer.ReferenceValue {
	if m := r.Measurement.SGXMeasurement; m != nil {
		return attesteer.ReferenceValue{MRSigner: m.MRSigner, ISVProdID: ptr(m.ISVProdID), ConfigID: m.ConfigID}
	}
	return attesteer.ReferenceValue{MRTD: r.Measurement.MRTD}
}

// TestEveryFieldOfAReferenceValueCounts: set to what the evidence has it
// matches; with one bit changed, of another length or empty it does not; and no
// field of the other TEE ever does.
func TestEveryFieldOfAReferenceValueCounts(t *testing.T) {
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		s := distinct(t, tee)
		plain, err := s.verify(t, with(), simTime)
		if err != nil {
			t.Fatal(err)
		}
		matches := func(v attesteer.ReferenceValue) bool {
			t.Helper()
			r, err := s.verify(t, with(func(p *attesteer.Policy) { p.ReferenceValues = []attesteer.ReferenceValue{v} }), simTime)
			checkAnswer(t, r, err)
			if kind := rats.KindOf(err); kind != rats.None && kind != rats.MeasurementUnknown {
				t.Fatal(err)
			}
			return err == nil
		}
		have := map[string]reflect.Value{"Fingerprint": reflect.ValueOf(plain.Fingerprint)}
		m := plain.Measurement
		for _, part := range []any{m.SGXMeasurement, m.TDXMeasurement} {
			if v := reflect.ValueOf(part); !v.IsNil() {
				for i := range v.Elem().NumField() {
					have[v.Elem().Type().Field(i).Name] = v.Elem().Field(i)
				}
			}
		}
		fields := reflect.TypeFor[attesteer.ReferenceValue]()
		own := 0
		for i := range fields.NumField() {
			f := fields.Field(i)
			if f.Type != reflect.TypeFor[attesteer.Hex]() {
				continue
			}
			set := func(value attesteer.Hex) attesteer.ReferenceValue {
				v := nameOf(plain)
				reflect.ValueOf(&v).Elem().Field(i).SetBytes(value)
				return v
			}
			actual, ok := have[f.Name]
			if !ok {
				for _, size := range []int{16, 32, 48, 64} {
					if matches(set(make([]byte, size))) {
						t.Errorf("%s: a field %s that it does not have matches", tee, f.Name)
					}
				}
				continue
			}
			own++
			value := actual.Bytes()
			if !matches(set(value)) {
				t.Errorf("%s: %s does not match itself", tee, f.Name)
			}
			for _, bit := range []int{0, len(value)*8 - 1} {
				other := bytes.Clone(value)
				other[bit/8] ^= 1 << (bit % 8)
				if matches(set(other)) {
					t.Errorf("%s: %s matches with bit %d changed", tee, f.Name, bit)
				}
			}
			for _, other := range [][]byte{{}, value[1:], append(bytes.Clone(value), 0)} {
				if matches(set(other)) {
					t.Errorf("%s: %s matches with %d bytes", tee, f.Name, len(other))
				}
			}
		}
		if want := map[rats.TEE]int{rats.SGX: 6, rats.TDX: 12}[tee]; own != want {
			t.Errorf("%s: %d fields, want %d", tee, own, want)
		}
	}
}

func TestVersionsAreLeastOnesAndProductsExact(t *testing.T) {
	s := distinct(t, rats.SGX)
	plain, err := s.verify(t, with(), simTime)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		edit func(*attesteer.ReferenceValue)
		want bool
	}{
		"the version":                   {func(v *attesteer.ReferenceValue) { v.MinISVSVN = 8 }, true},
		"an earlier version":            {func(v *attesteer.ReferenceValue) { v.MinISVSVN = 1 }, true},
		"a later version":               {func(v *attesteer.ReferenceValue) { v.MinISVSVN = 9 }, false},
		"another product":               {func(v *attesteer.ReferenceValue) { v.ISVProdID = ptr[uint16](6) }, false},
		"product zero":                  {func(v *attesteer.ReferenceValue) { v.ISVProdID = ptr[uint16](0) }, false},
		"the configuration's version":   {func(v *attesteer.ReferenceValue) { v.MinConfigSVN = 6 }, true},
		"a later configuration":         {func(v *attesteer.ReferenceValue) { v.MinConfigSVN = 7 }, false},
		"the signer without a product":  {func(v *attesteer.ReferenceValue) { v.ISVProdID = nil }, false},
		"a product without its signer":  {func(v *attesteer.ReferenceValue) { v.MRSigner = nil }, false},
		"signer, measured and no other": {func(v *attesteer.ReferenceValue) { v.ISVProdID, v.MREnclave = nil, plain.Fingerprint }, true},
	} {
		v := nameOf(plain)
		tt.edit(&v)
		_, err := s.verify(t, with(func(p *attesteer.Policy) { p.ReferenceValues = []attesteer.ReferenceValue{v} }), simTime)
		if tt.want != (err == nil) || !tt.want && rats.KindOf(err) != rats.MeasurementUnknown {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAReferenceValueThatNamesNoCodeIsRefused, and matches nothing where nobody
// refused it.
func TestAReferenceValueThatNamesNoCodeIsRefused(t *testing.T) {
	hex := func(n int) attesteer.Hex { return make([]byte, n) }
	enclave := simulated(t, simtee.Faults{}, simtee.Enclave{})
	domain := simulatedTD(t, simtee.Faults{}, "", simtee.TD{Body: quote.BodyTD15})
	for _, tt := range []struct {
		value attesteer.ReferenceValue
		want  string
	}{
		{attesteer.ReferenceValue{}, ": names no code"},
		{attesteer.ReferenceValue{MinISVSVN: 1}, ".mr_signer: is missing"},
		{attesteer.ReferenceValue{ISVProdID: ptr[uint16](0), MREnclave: hex(32)}, ".mr_signer: is missing"},
		{attesteer.ReferenceValue{ISVFamilyID: hex(16), MREnclave: hex(32)}, ".mr_signer: is missing"},
		{attesteer.ReferenceValue{ISVExtProdID: hex(16), MREnclave: hex(32)}, ".mr_signer: is missing"},
		{attesteer.ReferenceValue{MRSigner: hex(32)}, ".isv_prod_id: is missing"},
		{attesteer.ReferenceValue{MREnclave: hex(32), MinConfigSVN: 1}, ".config_id: is missing"},
		{attesteer.ReferenceValue{ConfigID: hex(64)}, ": names no code"},
		{attesteer.ReferenceValue{MRConfigID: hex(48), MROwner: hex(48), MROwnerConfig: hex(48)}, ": names no code"},
		{attesteer.ReferenceValue{MRSignerSEAM: hex(48), MRServiceTD: hex(48)}, ": names no code"},
		{attesteer.ReferenceValue{RTMR0: hex(48)}, ".mr_td: is missing"},
		{attesteer.ReferenceValue{RTMR3: hex(48), MRSEAM: hex(48)}, ".mr_td: is missing"},
		{attesteer.ReferenceValue{MREnclave: hex(32), MRTD: hex(48)}, ": has members of both SGX and TDX"},
		{attesteer.ReferenceValue{Fingerprint: hex(32), MROwner: hex(48)}, ": has members of both SGX and TDX"},
		{attesteer.ReferenceValue{Fingerprint: hex(48), ConfigID: hex(64)}, ": has members of both SGX and TDX"},
		{attesteer.ReferenceValue{Fingerprint: hex(33)}, ".fingerprint: want 32"},
		{attesteer.ReferenceValue{MREnclave: hex(0)}, ".mr_enclave: want 32 bytes, not 0"},
		{attesteer.ReferenceValue{MRTD: hex(48), RTMR2: hex(47)}, ".rtmr2: want 48 bytes, not 47"},
		{attesteer.ReferenceValue{MREnclave: hex(32), ConfigID: hex(65)}, ".config_id: want 64 bytes, not 65"},
	} {
		p := with(func(p *attesteer.Policy) {
			p.ReferenceValues = []attesteer.ReferenceValue{{MREnclave: bytes.Repeat([]byte{9}, 32)}, tt.value}
		})
		if err := p.Validate(); rats.KindOf(err) != rats.Malformed || !strings.Contains(err.Error(), "policy: reference_values[1]"+tt.want) {
			t.Errorf("%+v: %v, want %q", tt.value, err, tt.want)
		}
		for _, s := range []sim{enclave, domain} {
			if _, err := s.verify(t, p, simTime); rats.KindOf(err) != rats.MeasurementUnknown {
				t.Errorf("%+v: %v", tt.value, err)
			}
		}
	}
}

// TestRealEvidenceMeetsAPolicyMadeOfWhatItSays, and none that is off by a bit.
func TestRealEvidenceMeetsAPolicyMadeOfWhatItSays(t *testing.T) {
	files := append(glob(t, vectors(t), "quotes", "sgx", "*.bin"), glob(t, vectors(t), "quotes", "tdx", "*.bin")...)
	decided := map[string]int{}
	for _, file := range files {
		raw := read(t, file)
		plain, _ := verify(t, raw, everything(t), attesteer.Policy{AllowDebug: true, AcceptTCB: rats.TCBStatuses()}, midsummer)
		if plain == nil || !plain.Accepted {
			continue // no endorsements of that time, or not genuine
		}
		decided[fmt.Sprint(plain.TEE, plain.PCK.Issuer)]++
		p := mirror(plain)
		if err := p.Validate(); err != nil {
			t.Fatalf("%s: %v", filepath.Base(file), err)
		}
		r, err := verify(t, raw, everything(t), p, midsummer)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		first := slices.IndexFunc(r.Checks, func(c rats.Check) bool { return c.Name == "runtime_data" })
		for _, c := range r.Checks[first:] {
			skipped := c.Name == "runtime_data"
			if (c.Outcome == rats.Pass) == skipped {
				t.Errorf("%s: %+v", filepath.Base(file), c)
			}
		}
		for check, edit := range map[string]func(p *attesteer.Policy){
			"report_data":       func(p *attesteer.Policy) { p.ReportData[63] ^= 1 },
			"tcb_date":          func(p *attesteer.Policy) { p.MinTCBDate = p.MinTCBDate.AddDate(0, 0, 1) },
			"evaluation_number": func(p *attesteer.Policy) { p.MinEvaluationNumber++ },
			"measurement":       func(p *attesteer.Policy) { p.ReferenceValues[0].Fingerprint[31] ^= 1 },
			"attributes": func(p *attesteer.Policy) {
				for _, b := range []*attesteer.Bits{p.Attributes, p.TDAttributes} {
					if b != nil {
						b.Value[0] ^= 1
					}
				}
			},
			"platform": func(p *attesteer.Policy) { p.Platform.AcceptFMSPC[0][0] ^= 1 },
		} {
			p := mirror(plain)
			edit(&p)
			_, err := verify(t, raw, everything(t), p, midsummer)
			if e := rats.AsError(err); e == nil || e.Check != check {
				t.Errorf("%s, other %s: %v", filepath.Base(file), check, err)
			}
		}
	}
	if len(decided) < 3 {
		t.Errorf("decided: %v", decided)
	}
}

// mirror returns a policy that demands all that a result says.
func mirror(r *attesteer.Result) attesteer.Policy {
	p := attesteer.Policy{
		AllowDebug: true, AcceptTCB: []rats.TCBStatus{r.TCB.Status}, AcceptAdvisories: r.TCB.Advisories,
		MinTCBDate: *r.TCB.EarliestDate, MinEvaluationNumber: r.TCB.EvaluationDataNumber,
		ReportData:      bytes.Clone(r.ReportData),
		ReferenceValues: []attesteer.ReferenceValue{{Fingerprint: bytes.Clone(r.Fingerprint)}},
		Platform: attesteer.PlatformDemands{
			DynamicPlatform: r.PCK.DynamicPlatform, CachedKeys: r.PCK.CachedKeys, SMTEnabled: r.PCK.SMTEnabled,
			AcceptSGXTypes: []int{r.PCK.SGXType}, AcceptIssuers: []string{r.PCK.Issuer},
			AcceptFMSPC: []attesteer.Hex{bytes.Clone(r.PCK.FMSPC)},
		},
	}
	all := func(field attesteer.Hex) *attesteer.Bits {
		return &attesteer.Bits{Value: bytes.Clone(field), Mask: bytes.Repeat([]byte{0xff}, len(field))}
	}
	v := &p.ReferenceValues[0]
	if m := r.Measurement.SGXMeasurement; m != nil {
		v.MREnclave, v.MRSigner, v.ISVProdID, v.MinISVSVN = m.MREnclave, m.MRSigner, &m.ISVProdID, m.ISVSVN
		p.Attributes, p.MiscSelect = all(m.Attributes), all(m.MiscSelect)
	}
	if m := r.Measurement.TDXMeasurement; m != nil {
		v.MRTD, v.RTMR0, v.RTMR1, v.RTMR2, v.RTMR3 = m.MRTD, m.RTMR0, m.RTMR1, m.RTMR2, m.RTMR3
		v.MRSEAM, v.MROwner, v.MRServiceTD = m.MRSEAM, m.MROwner, m.MRServiceTD
		p.TDAttributes, p.XFAM = all(m.TDAttributes), all(m.XFAM)
	}
	return p
}
