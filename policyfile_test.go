// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// example is the policy of docs/policy.md.
func example(t testing.TB) []byte {
	t.Helper()
	page := read(t, "docs", "policy.md")
	_, after, found := bytes.Cut(page, []byte("```json\n"))
	text, _, closed := bytes.Cut(after, []byte("```"))
	if !found || !closed || bytes.Contains(after, []byte("```json")) {
		t.Fatal("docs/policy.md has not one example")
	}
	return text
}

func TestTheExampleOfThePageIsAPolicy(t *testing.T) {
	p, err := attesteer.ParsePolicy(example(t))
	if err != nil {
		t.Fatal(err)
	}
	if p.GracePeriod != 30*24*time.Hour || !p.MinTCBDate.Equal(date(2024, time.March, 13)) || string(p.ReportData) != "nonce" ||
		!reflect.DeepEqual(p.TDAttributes, septVEDisable()) || *p.Platform.SMTEnabled || len(p.ReferenceValues[0].RTMR2) != 48 {
		t.Errorf("%+v", p)
	}
}

// TestThePageDescribesEveryMember, by the names that are written.
func TestThePageDescribesEveryMember(t *testing.T) {
	page := string(read(t, "docs", "policy.md"))
	for _, name := range policyMembers(t) {
		if strings.HasPrefix(name, "rtmr") {
			name = "rtmr0` to `rtmr3"
		}
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/policy.md does not name %s", name)
		}
	}
}

// policyMembers returns the names of all members at every depth.
func policyMembers(t testing.TB) []string {
	t.Helper()
	var names []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				names = append(names, name)
				walk(member)
			}
		case []any:
			for _, element := range v {
				walk(element)
			}
		}
	}
	var whole any
	if err := json.Unmarshal([]byte(marshal(t, fullPolicy())), &whole); err != nil {
		t.Fatal(err)
	}
	walk(whole)
	slices.Sort(names)
	return slices.Compact(names)
}

// fullPolicy has every field set.
func fullPolicy() attesteer.Policy {
	hex := func(n int) attesteer.Hex { return bytes.Repeat([]byte{0xab}, n) }
	return attesteer.Policy{
		AllowDebug: true, AcceptTCB: rats.TCBStatuses(), GracePeriod: 36 * time.Hour, AcceptAdvisories: []string{"INTEL-SA-00615"},
		MinTCBDate: time.Date(2024, 3, 13, 1, 2, 3, 4, time.UTC), MinEvaluationNumber: 17, MaxReportAge: 48 * time.Hour, EvaluationNumber: "4294967295",
		Roots: []rats.TrustRoot{dcap.Intel(), simtee.Root()}, RuntimeData: []byte{1}, ReportData: hex(64),
		ReferenceValues: []attesteer.ReferenceValue{
			{
				Fingerprint: hex(32), MREnclave: hex(32), MRSigner: hex(32), ISVProdID: ptr[uint16](0), MinISVSVN: 1,
				ISVExtProdID: hex(16), ISVFamilyID: hex(16), ConfigID: hex(64), MinConfigSVN: 65535,
			},
			{
				MRTD: hex(48), RTMR0: hex(48), RTMR1: hex(48), RTMR2: hex(48), RTMR3: hex(48), MRSEAM: hex(48), MRSignerSEAM: hex(48),
				MRConfigID: hex(48), MROwner: hex(48), MROwnerConfig: hex(48), MRServiceTD: hex(48),
			},
		},
		Attributes: flags(16, 1, 3), MiscSelect: flags(4, 0, 1), TDAttributes: septVEDisable(), XFAM: flags(8, 3, 3),
		Platform: attesteer.PlatformDemands{
			DynamicPlatform: ptr(true), CachedKeys: ptr(false), SMTEnabled: ptr(false), AcceptSGXTypes: []int{0, 1, 2},
			AcceptIssuers: []string{"platform", "processor"}, AcceptFMSPC: []attesteer.Hex{hex(6)}, RejectFMSPC: []attesteer.Hex{hex(6)},
		},
	}
}

// TestEveryFieldOfAPolicyIsWritten: fullPolicy leaves none at zero, and all of
// it comes back.
func TestEveryFieldOfAPolicyIsWritten(t *testing.T) {
	p := fullPolicy()
	var check func(path string, v reflect.Value)
	check = func(path string, v reflect.Value) {
		if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]() && v.Type() != reflect.TypeFor[attesteer.ReferenceValue]() {
			for i := range v.NumField() {
				check(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
			return
		}
		if v.IsZero() {
			t.Errorf("%s is not set", path)
		}
	}
	check("", reflect.ValueOf(p))
	for i := range reflect.TypeFor[attesteer.ReferenceValue]().NumField() {
		a, b := reflect.ValueOf(p.ReferenceValues[0]).Field(i), reflect.ValueOf(p.ReferenceValues[1]).Field(i)
		if a.IsZero() && b.IsZero() {
			t.Errorf("field %d of both reference values is not set", i)
		}
	}
	comesBack(t, p)
	isPolicyGolden(t, p)
}

// isPolicyGolden holds the JSON of a policy against a golden file, which says to
// those who read policies elsewhere what members there are.
func isPolicyGolden(t *testing.T, p attesteer.Policy) {
	t.Helper()
	got, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", "golden", "policy.json")
	if *updateGolden {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, file); !bytes.Equal(got, want) {
		t.Errorf("the policy is not written as %s says (go test . -update, and look at the difference):\n%s", file, got)
	}
}

func comesBack(t interface {
	Helper()
	Fatalf(string, ...any)
}, p attesteer.Policy,
) {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatalf("%v: %+v", err, p)
	}
	got, err := attesteer.ParsePolicy(text)
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Fatalf("%v\n%s\n%+v\n%+v", err, text, p, got)
	}
	var again attesteer.Policy
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(again, p) {
		t.Fatalf("%v: %s", err, text)
	}
}

// TestWhatIsWrittenIsReadAsTheSame, nil and empty told apart.
func TestWhatIsWrittenIsReadAsTheSame(t *testing.T) {
	comesBack(t, attesteer.Policy{})
	full := fullPolicy()
	rapid.Check(t, func(t *rapid.T) {
		p := attesteer.Policy{}
		thin(t, reflect.ValueOf(&p).Elem(), reflect.ValueOf(full))
		p.GracePeriod = time.Duration(rapid.Int64Range(0, 36500*86400).Draw(t, "grace")) * time.Second
		p.MinTCBDate = time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "date"), 0).UTC()
		p.MinEvaluationNumber = rapid.Uint32().Draw(t, "least number")
		p.EvaluationNumber = dcap.EvaluationNumber(rapid.SampledFrom([]string{"", "standard", "early", "highest", "0", "19"}).Draw(t, "number"))
		p.RuntimeData = rapid.SampledFrom([][]byte{nil, {}, []byte("a key")}).Draw(t, "runtime data")
		p.ReportData = rapid.SampledFrom([]attesteer.Hex{nil, {}, {1}, make([]byte, 64)}).Draw(t, "report data")
		if p.Validate() != nil {
			t.Skip("such a policy is refused")
		}
		comesBack(t, p)
	})
}

// thin copies some of what src has: of lists some elements, none or nil.
func thin(t *rapid.T, dst, src reflect.Value) {
	switch {
	case src.Kind() == reflect.Struct && src.Type() != reflect.TypeFor[time.Time]():
		for i := range src.NumField() {
			thin(t, dst.Field(i), src.Field(i))
		}
	case src.Kind() == reflect.Slice && src.Type() != reflect.TypeFor[attesteer.Hex]() && src.Type() != reflect.TypeFor[[]byte]():
		if rapid.Bool().Draw(t, "nil") {
			return
		}
		out := reflect.MakeSlice(src.Type(), 0, src.Len())
		for i := range src.Len() {
			if rapid.Bool().Draw(t, "element") {
				out = reflect.Append(out, src.Index(i))
			}
		}
		dst.Set(out)
	case rapid.Bool().Draw(t, "field"):
		dst.Set(src)
	}
}

// TestAPolicyIsReadStrictly names the member that is wrong by its path.
func TestAPolicyIsReadStrictly(t *testing.T) {
	root := marshal(t, simtee.Root())
	other := simtee.Root()
	other.Name = rats.IntelRoot
	for _, tt := range []struct {
		text, want string
	}{
		{``, "not JSON"},
		{`{`, "not JSON"},
		{`{} {}`, "not JSON"},
		{`null`, "want an object"},
		{`[]`, "want an object"},
		{`"{}"`, "want an object"},
		{`{"allow_all":true}`, "allow_all: there is no such member"},
		{`{"Allow_Debug":true}`, "Allow_Debug: there is no such member"},
		{`{"allow_debug":true,"allow_debug":false}`, "allow_debug: is given twice"},
		{`{"allow_debug":true,"allow\u005fdebug":false}`, "allow_debug: is given twice"},
		{`{"allow_debug":null}`, "allow_debug: is null"},
		{`{"allow_debug":"yes"}`, "allow_debug: want true or false"},
		{`{"allow_debug":1}`, "allow_debug: want true or false"},
		{`{"accept_tcb":"OutOfDate"}`, "accept_tcb: want a list"},
		{`{"accept_tcb":["OutOfDate",null]}`, "accept_tcb[1]: is null"},
		{`{"accept_tcb":["OutOfDate","Fine"]}`, `accept_tcb[1]: "Fine" is not a TCB status; they are UpToDate, SWHardeningNeeded, `},
		{`{"accept_tcb":["outofdate"]}`, "accept_tcb[0]: "},
		{`{"accept_advisories":null}`, "accept_advisories: is null"},
		{`{"accept_advisories":[""]}`, "accept_advisories: "},
		{`{"accept_advisories":[615]}`, "accept_advisories[0]: want a string"},
		{`{"grace_period":720}`, "grace_period: want a string"},
		{`{"grace_period":"720"}`, "grace_period: want a duration"},
		{`{"grace_period":"-720h"}`, "grace_period: is negative"},
		{`{"grace_period":"1.5s"}`, "grace_period: want whole seconds"},
		{`{"grace_period":"36501d"}`, "grace_period: want a duration"},
		{`{"grace_period":"36500d1s"}`, "grace_period: want at most 36500 days"},
		{`{"grace_period":"d"}`, "grace_period: want a duration"},
		{`{"grace_period":"1d-1h"}`, "grace_period: want a duration"},
		{`{"grace_period":"1h1d"}`, "grace_period: want a duration"},
		{`{"min_tcb_date":"yesterday"}`, "min_tcb_date: want a time"},
		{`{"min_tcb_date":"0000-01-01T00:00:00+23:00"}`, "min_tcb_date: want a year"},
		{`{"min_evaluation_number":-1}`, "min_evaluation_number: want a whole number"},
		{`{"min_evaluation_number":17.5}`, "min_evaluation_number: want a whole number"},
		{`{"min_evaluation_number":4294967296}`, "min_evaluation_number: want a whole number"},
		{`{"evaluation_number":19}`, "evaluation_number: want a string"},
		{`{"evaluation_number":"newest"}`, `evaluation_number: "newest" is neither`},
		{`{"runtime_data":"@"}`, "runtime_data: not standard base64"},
		{`{"report_data":"xy"}`, "report_data: not hex"},
		{`{"report_data":"0x0"}`, "report_data: not hex"},
		{`{"report_data":"` + strings.Repeat("00", 65) + `"}`, "report_data: want at most 64 bytes, not 65"},
		{`{"reference_values":{}}`, "reference_values: want a list"},
		{`{"reference_values":[{}]}`, "reference_values[0]: names no code"},
		{`{"reference_values":[[]]}`, "reference_values[0]: want an object"},
		{`{"reference_values":[{"mr_enclave":"00"}]}`, "reference_values[0].mr_enclave: want 32 bytes, not 1"},
		{`{"reference_values":[{"mr_enclave":""}]}`, "reference_values[0].mr_enclave: want 32 bytes, not 0"},
		{`{"reference_values":[{"isv_prod_id":65536}]}`, "reference_values[0].isv_prod_id: want a whole number up to 65535"},
		{`{"reference_values":[{"mrenclave":"00"}]}`, "reference_values[0].mrenclave: there is no such member"},
		{`{"attributes":{"value":"00"}}`, "attributes.mask: want 16 bytes, not 0"},
		{`{"misc_select":{"mask":"00000000"}}`, "misc_select.value: want 4 bytes, not 0"},
		{`{"td_attributes":{"value":"0000001000000000","mask":"0000000100000000"}}`, "td_attributes.value: byte 3 has bits outside the mask"},
		{`{"xfam":"e702060000000000"}`, "xfam: want an object"},
		{`{"platform":{"smt":false}}`, "platform.smt: there is no such member"},
		{`{"platform":{"smt_enabled":null}}`, "platform.smt_enabled: is null"},
		{`{"platform":{"accept_sgx_types":[0,3]}}`, "platform.accept_sgx_types[1]: want 0"},
		{`{"platform":{"accept_issuers":["Platform"]}}`, "platform.accept_issuers[0]: want platform or processor"},
		{`{"platform":{"accept_fmspc":["00"]}}`, "platform.accept_fmspc[0]: want 6 bytes, not 1"},
		{`{"platform":{"reject_fmspc":["90c06f000000","90c06f00"]}}`, "platform.reject_fmspc[1]: want 6 bytes, not 4"},
		{`{"roots":[{}]}`, "roots[0].name: is missing"},
		{`{"roots":[{"name":"mine"}]}`, "roots[0].subject: is missing"},
		{`{"roots":[{"name":"mine","subject":"AA==","public_key":"AA=="}]}`, "roots[0].public_key: is not"},
		{`{"roots":[` + root + `,` + root + `]}`, "roots[1].subject: another root has it"},
		{`{"roots":[` + marshal(t, other) + `]}`, "roots[0].name: intel is the name of the pinned root"},
	} {
		p, err := attesteer.ParsePolicy([]byte(tt.text))
		if rats.KindOf(err) != rats.Malformed || !strings.HasPrefix(err.Error(), "malformed: policy: "+tt.want) || !reflect.ValueOf(p).IsZero() {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		}
	}
	if _, err := attesteer.ParsePolicy([]byte(`{"schema":"attesteer/policy/v2"}`)); rats.KindOf(err) != rats.Unsupported {
		t.Errorf("another schema: %v", err)
	}
	long := fmt.Sprintf(`{%q:1}`, strings.Repeat("é", 1000))
	if _, err := attesteer.ParsePolicy([]byte(long)); rats.KindOf(err) != rats.Malformed || len(err.Error()) > 200 {
		t.Errorf("a long name: %v", err)
	}
}

// TestAPolicyIsReadAsPeopleWriteIt.
func TestAPolicyIsReadAsPeopleWriteIt(t *testing.T) {
	p, err := attesteer.ParsePolicy([]byte(` { "report_data" : "0X AB\ncd", "min_tcb_date":"2024-03-13T02:00:00+02:00",
		"grace_period":"1d12h", "accept_tcb":[], "accept_advisories":[ ], "reference_values":[],
		"attributes":{"value":"0x` + strings.Repeat("0", 32) + `","mask":"` + strings.Repeat("F", 32) + `"}, "platform":{} } `))
	if err != nil {
		t.Fatal(err)
	}
	if p.ReportData.String() != "abcd" || !p.MinTCBDate.Equal(date(2024, time.March, 13)) || p.GracePeriod != 36*time.Hour ||
		p.AcceptTCB == nil || p.AcceptAdvisories == nil || p.ReferenceValues == nil || p.Attributes.Mask[15] != 0xff {
		t.Errorf("%+v", p)
	}
	for text, want := range map[string]time.Duration{"0s": 0, "720h": 720 * time.Hour, "30d": 720 * time.Hour, "0d": 0, "90m": 90 * time.Minute} {
		if p, err := attesteer.ParsePolicy([]byte(`{"grace_period":"` + text + `"}`)); err != nil || p.GracePeriod != want {
			t.Errorf("%s: %s, %v", text, p.GracePeriod, err)
		}
	}
}

// TestWhatIsRefusedIsNotWritten, so that no file says what nobody can read.
func TestWhatIsRefusedIsNotWritten(t *testing.T) {
	for name, p := range map[string]attesteer.Policy{
		"a status":  {AcceptTCB: []rats.TCBStatus{"Fine"}},
		"a mask":    {XFAM: flags(7, 0, 0)},
		"a period":  {GracePeriod: time.Millisecond},
		"a date":    {MinTCBDate: date(10000, time.January, 1)},
		"no code":   {ReferenceValues: make([]attesteer.ReferenceValue, 1)},
		"no number": {EvaluationNumber: "x"},
	} {
		if b, err := json.Marshal(p); err == nil || rats.KindOf(p.Validate()) != rats.Malformed {
			t.Errorf("%s: %s", name, b)
		}
	}
}

// TestADemandThatIsNoneIsNeverMet: a policy made in Go, which nobody validated,
// refuses rather than demands nothing.
func TestADemandThatIsNoneIsNeverMet(t *testing.T) {
	s := simulated(t, simtee.Faults{}, simtee.Enclave{})
	for name, edit := range map[string]func(*attesteer.Policy){
		"bits of no length":       func(p *attesteer.Policy) { p.Attributes = &attesteer.Bits{} },
		"a short mask":            func(p *attesteer.Policy) { p.MiscSelect = flags(3, 0, 0) },
		"a long one":              func(p *attesteer.Policy) { p.MiscSelect = flags(5, 0, 0) },
		"a value without mask":    func(p *attesteer.Policy) { p.MiscSelect = &attesteer.Bits{Value: make([]byte, 4)} },
		"a value beside its mask": func(p *attesteer.Policy) { p.MiscSelect = flags(4, 1, 0) },
	} {
		if _, err := s.verify(t, with(edit), simTime); rats.KindOf(err) != rats.PolicyRejected {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParsePolicy: what is read is valid, and written and read again the same.
func FuzzParsePolicy(f *testing.F) {
	f.Add(example(f))
	f.Add([]byte(marshal(f, fullPolicy())))
	for _, s := range []string{`{}`, `{"allow_debug":true,"allow_debug":true}`, `{"grace_period":"1d12h"}`, `{"min_tcb_date":"2024-03-13"}`, `{"roots":[]}`, `{"platform":{"accept_sgx_types":[0]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		p, err := attesteer.ParsePolicy(data)
		if !bytes.Equal(data, before) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported {
				t.Fatal(err)
			}
			return
		}
		comesBack(t, p)
	})
}

func TestRuntimeDataAreWrittenInBase64(t *testing.T) {
	text := marshal(t, attesteer.Policy{RuntimeData: []byte("a key")})
	if want := `{"schema":"attesteer/policy/v1","runtime_data":"` + base64.StdEncoding.EncodeToString([]byte("a key")) + `"}`; text != want {
		t.Errorf("%s, want %s", text, want)
	}
}

// A policy can stand in a file, where a mistake is an error that names it.
func ExampleParsePolicy() {
	policy, err := attesteer.ParsePolicy([]byte(`{
		"accept_tcb": ["SWHardeningNeeded"],
		"grace_period": "30d",
		"reference_values": [{"mr_signer": "58272dd3db731d223107a2cd8a9522d84d25aaed904bf6b2345a8af9f9bfbf6d", "isv_prod_id": 1, "min_isv_svn": 2}]
	}`))
	fmt.Println(policy.AcceptTCB, policy.GracePeriod, err)

	_, err = attesteer.ParsePolicy([]byte(`{"reference_values": [{"mr_signer": "58272dd3db731d223107a2cd8a9522d84d25aaed904bf6b2345a8af9f9bfbf6d"}]}`))
	fmt.Println(err)
	// Output:
	// [SWHardeningNeeded] 720h0m0s <nil>
	// malformed: policy: reference_values[0].isv_prod_id: is missing: without it mr_signer stands for all products of a signer
}
