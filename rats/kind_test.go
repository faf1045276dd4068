// SPDX-License-Identifier: Apache-2.0

package rats_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/attesteer/attesteer/rats"
)

// TestTheTableOfKindsIsTheOutwardContract: names, exit codes and HTTP statuses,
// in the order of their numbers, which are never given anew.
func TestTheTableOfKindsIsTheOutwardContract(t *testing.T) {
	want := []struct {
		name string
		exit int
		http int
	}{
		{"malformed", 14, 400}, {"unsupported", 13, 422}, {"bad_signature", 10, 422}, {"untrusted_root", 10, 422},
		{"revoked", 10, 422}, {"binding_mismatch", 10, 422}, {"expired", 10, 422}, {"tcb_rejected", 11, 422},
		{"debug_forbidden", 11, 422}, {"measurement_unknown", 11, 422}, {"policy_rejected", 11, 422},
		{"endorsement_unavailable", 12, 424}, {"endorsement_expired", 12, 424}, {"replayed", 11, 409},
		{"not_found", 15, 404}, {"unauthorized", 1, 401}, {"quota_exceeded", 1, 429}, {"too_large", 1, 413}, {"internal", 1, 500},
	}
	kinds := rats.Kinds()
	if len(kinds) != len(want) {
		t.Fatalf("%d kinds, want %d", len(kinds), len(want))
	}
	for i, k := range kinds {
		if int(k) != i+1 || k.String() != want[i].name || k.ExitCode() != want[i].exit || k.HTTPStatus() != want[i].http {
			t.Errorf("number %d is %s, exit %d, HTTP %d; want %v", k, k, k.ExitCode(), k.HTTPStatus(), want[i])
		}
	}
	if unknown := rats.Kind(200); unknown.Known() || unknown.ExitCode() != 1 || unknown.HTTPStatus() != 500 {
		t.Error("an unknown kind is not treated as a fault of ours")
	}
}

func TestKindsSurviveJSON(t *testing.T) {
	for _, k := range append(rats.Kinds(), rats.None) {
		b, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		got := rats.Internal
		if err := json.Unmarshal(b, &got); err != nil || got != k {
			t.Errorf("%s became %s (%v)", b, got, err)
		}
	}
	for _, bad := range []string{`"nonsense"`, `5`, `{}`, `"`} {
		var k rats.Kind
		if err := json.Unmarshal([]byte(bad), &k); err == nil {
			t.Errorf("%s is read as %s", bad, k)
		}
	}
}

func TestAnErrorIsFoundByItsKindAndItsCause(t *testing.T) {
	cause := errors.New("cause")
	e := rats.Errorf(rats.Revoked, "certificate %d: %w", 5, cause).In("revocation", "RFC 5280")
	wrapped := fmt.Errorf("around: %w", e)
	switch {
	case !errors.Is(wrapped, rats.Revoked), errors.Is(wrapped, rats.Expired), !errors.Is(wrapped, cause):
		t.Error("errors.Is does not see through it")
	case rats.KindOf(wrapped) != rats.Revoked, rats.AsError(wrapped) != e:
		t.Error("its kind is lost")
	case e.Error() != "revoked: certificate 5: cause", e.Check != "revocation":
		t.Errorf("it says %q", e)
	}
	if rats.KindOf(nil) != rats.None || rats.KindOf(cause) != rats.Internal || rats.AsError(cause).Error() != "internal" {
		t.Error("an error without a kind is not a fault of ours that keeps its words to itself")
	}
}

func TestTiersFollowStatusAndBuildMode(t *testing.T) {
	for _, s := range rats.TCBStatuses() {
		if !s.Valid() {
			t.Errorf("%s is not valid", s)
		}
		want := rats.Warning
		switch s {
		case rats.UpToDate:
			want = rats.Affirming
		case rats.TCBRevoked, rats.NotSupported:
			want = rats.Contraindicated
		default:
		}
		if got := rats.TierOf(s, rats.Production); got != want {
			t.Errorf("%s is %s, want %s", s, got, want)
		}
		if got := rats.TierOf(s, rats.Debug); got != rats.Contraindicated {
			t.Errorf("%s in a debug build is %s", s, got)
		}
	}
	if rats.TierOf("", rats.Production) != rats.TierNone || rats.TCBStatus("Fine").Valid() {
		t.Error("undecided has a tier, or an unknown word is a status")
	}
}
