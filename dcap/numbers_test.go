// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// numberList is a list of three evaluations.
func numberList() object {
	entry := func(n int, event, date string) object {
		return object{"tcbEvaluationDataNumber": n, "tcbRecoveryEventDate": event, "tcbDate": date}
	}
	return object{
		"id": "TDX", "version": 1, "issueDate": stamp(issued), "nextUpdate": stamp(nextUpdate),
		"tcbEvalNumbers": []any{
			entry(19, "2025-05-13T00:00:00Z", "2025-05-14T00:00:00Z"),
			entry(18, "2024-11-12T00:00:00Z", "2024-11-13T00:00:00Z"),
			entry(17, "2024-03-12T00:00:00Z", "2024-03-13T00:00:00Z"),
		},
	}
}

func TestRealListsOfEvaluationNumbersVerify(t *testing.T) {
	dir := vectors(t)
	signing := certificates(t, dir, "tcb_signing_2025")
	files, err := filepath.Glob(filepath.Join(dir, "collateral", "tcbeval", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		e := rats.Endorsement{Kind: rats.EvaluationNumbers, Body: read(t, file), Issuers: signing[:1]}
		s, err := dcap.Parse(e)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if err := s.Verify(nil, nil); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if key := s.Key(); key.TEE != rats.SGX || key.Version != 1 || key.Scope != "" || key.EvaluationDataNumber != 0 {
			t.Errorf("key %+v", key)
		}
		numbers := s.NumberList()
		if len(numbers.Numbers) != 3 || numbers.Numbers[0].Number != 19 || stamp(numbers.Numbers[0].RecoveryEvent) != "2025-05-13T00:00:00Z" ||
			stamp(numbers.Numbers[0].Date) != "2025-05-14T00:00:00Z" {
			t.Errorf("%+v", numbers)
		}
		e.Body = append([]byte(nil), e.Body...)
		e.Body[len(e.Body)-3] ^= 1
		if s, err := dcap.Parse(e); err == nil && rats.KindOf(s.Verify(nil, nil)) != rats.BadSignature {
			t.Errorf("%s: a changed signature verifies", file)
		}
	}
}

func TestListsOfEvaluationNumbersAreReadStrictly(t *testing.T) {
	l := newLab(t)
	set := func(name string, v any) func(object) { return func(o object) { o[name] = v } }
	first := func(name string, v any) func(object) {
		return func(o object) { o["tcbEvalNumbers"].([]any)[0].(object)[name] = v }
	}
	for _, tt := range []struct {
		name string
		edit func(object)
		want rats.Kind
	}{
		{"as it should be", func(object) {}, rats.None},
		{"unknown members are tolerated", set("more", 1), rats.None},
		{"version 2", set("version", 2), rats.Unsupported},
		{"another TEE", set("id", "SEV"), rats.Malformed},
		{"no id", func(o object) { delete(o, "id") }, rats.Malformed},
		{"no numbers", set("tcbEvalNumbers", []any{}), rats.Malformed},
		{"numbers of another shape", set("tcbEvalNumbers", object{}), rats.Malformed},
		{"an entry of another shape", set("tcbEvalNumbers", []any{1}), rats.Malformed},
		{"a number twice", first("tcbEvaluationDataNumber", 17), rats.Malformed},
		{"a negative number", first("tcbEvaluationDataNumber", -1), rats.Malformed},
		{"a number that is text", first("tcbEvaluationDataNumber", "19"), rats.Malformed},
		{"a date that is none", first("tcbRecoveryEventDate", "yesterday"), rats.Malformed},
		{"no date", first("tcbDate", nil), rats.Malformed},
		{"ends before it begins", set("nextUpdate", "2020-01-01T00:00:00Z"), rats.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := numberList()
			tt.edit(list)
			s, err := dcap.Parse(l.sign(rats.EvaluationNumbers, list, &l.signing))
			if rats.KindOf(err) != tt.want {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if err == nil {
				if err := s.Verify(l.trust(), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A list says which evaluations there are; which of them is used it does not
// decide, and it is not in anything's way.
func TestAListOfNumbersChangesNoAppraisal(t *testing.T) {
	l := newLab(t)
	with := set(t, append(l.endorsements(), l.sign(rats.EvaluationNumbers, numberList(), &l.signing))...)
	a := dcap.Appraise(l.evidence(), with, dcap.Options{Roots: l.trust()}, noon)
	if a.Err != nil || len(a.Used) != 4 || a.TCB.EvaluationDataNumber != 17 {
		t.Errorf("%v, %d used, %+v", a.Err, len(a.Used), a.TCB)
	}
}
