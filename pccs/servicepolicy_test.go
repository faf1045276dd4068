// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/attesteer/attesteer/pccs"
)

// policy returns an appraisal policy for environments of some classes.
func policy(t testing.TB, classes ...string) string {
	t.Helper()
	var list []any
	for _, class := range classes {
		list = append(list, map[string]any{"environment": map[string]any{"class_id": class}, "reference": map[string]any{}})
	}
	inner, err := json.Marshal(map[string]any{"policy_array": list})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := json.Marshal(map[string]string{"policy_payload": string(inner)})
	if err != nil {
		t.Fatal(err)
	}
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
}

func TestPoliciesAreKeptByTheirDigestAndType(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Offline})
	const sgx, tdx10, tdx15, tdqe = "3123EC35-8d38-4ea5-87a5-d6c48b567570", "9eec018b-7481-4b1c-8e1a-9f7c0c8c777f",
		"f708b97f-0fb2-4e6b-8b03-8a5bcd1221d3", "3769258c-75e6-4bc7-8d72-d2b0e224cad2"
	for want, jwt := range []string{policy(t, sgx), policy(t, tdx10), policy(t, tdqe, tdx15)} {
		id, err := l.PutPolicy(t.Context(), pccs.PolicyUpload{Default: true, FMSPC: "00a51e000000", JWT: jwt})
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha512.Sum384([]byte(jwt)); id != hex.EncodeToString(sum[:]) {
			t.Errorf("id %s", id)
		}
		// An FMSPC has one default: the last.
		all, err := l.Policies(t.Context(), simFMSPC)
		if err != nil || len(all) != 1 || all[0].Type != want || string(all[0].JWT) != jwt {
			t.Errorf("%+v, %v", all, err)
		}
	}
	if _, err := l.PutPolicy(t.Context(), pccs.PolicyUpload{FMSPC: simFMSPC, JWT: policy(t, sgx, sgx)}); err != nil {
		t.Fatal(err)
	}
	if all, err := l.Policies(t.Context(), simFMSPC); err != nil || len(all) != 1 || all[0].Type != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := l.Policies(t.Context(), "00906EA10000"); err != nil || len(all) != 0 {
		t.Errorf("%d policies of another FMSPC, %v", len(all), err)
	}
}

func TestWhatIsNoPolicyIsABadRequest(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Offline})
	good := policy(t, "3123ec35-8d38-4ea5-87a5-d6c48b567570")
	for name, up := range map[string]pccs.PolicyUpload{
		"no FMSPC":           {JWT: good},
		"an FMSPC of no hex": {FMSPC: "00A51E00000G", JWT: good},
		"nothing":            {FMSPC: simFMSPC},
		"no JWT":             {FMSPC: simFMSPC, JWT: "hello"},
		"no base64":          {FMSPC: simFMSPC, JWT: "a.!!.c"},
		"no payload":         {FMSPC: simFMSPC, JWT: "a." + base64.RawURLEncoding.EncodeToString([]byte(`{}`)) + ".c"},
		"a list of two":      {FMSPC: simFMSPC, JWT: good + "," + good},
		"no environment":     {FMSPC: simFMSPC, JWT: policy(t)},
		"the TD QE alone":    {FMSPC: simFMSPC, JWT: policy(t, "3769258c-75e6-4bc7-8d72-d2b0e224cad2")},
		"an unknown class":   {FMSPC: simFMSPC, JWT: policy(t, "00000000-75e6-4bc7-8d72-d2b0e224cad2")},
	} {
		if _, err := l.PutPolicy(t.Context(), up); status(err) != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, err := l.Policies(t.Context(), simFMSPC); err != nil || len(all) != 0 {
		t.Errorf("%d policies, %v", len(all), err)
	}
}
