// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// TestTwoRootsOfOneNameAreRefused: a chain is followed by name, so that one of
// the two would never be looked at.
func TestTwoRootsOfOneNameAreRefused(t *testing.T) {
	l := newLab(t)
	roots := append(l.trust(), newLab(t).trust()...)
	a := dcap.Appraise(l.evidence(), set(t, l.endorsements()...), dcap.Options{Roots: roots}, noon)
	want(t, a, rats.Malformed, "pck_chain")
	s, err := dcap.Parse(l.endorsements()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(roots, nil); rats.KindOf(err) != rats.Malformed {
		t.Errorf("%v, want malformed", err)
	}
}

func TestARootWithoutAKeyIsRefused(t *testing.T) {
	l := newLab(t)
	roots := l.trust()
	roots[0].PublicKey = roots[0].PublicKey[:40]
	want(t, dcap.Appraise(l.evidence(), nil, dcap.Options{Roots: roots}, noon), rats.Malformed, "pck_chain")
}

func TestStatementsHaveABoundedNumberOfLevels(t *testing.T) {
	const limit = 1024
	l := newLab(t)
	for n, kind := range map[int]rats.Kind{limit: rats.None, limit + 1: rats.Malformed} {
		var platform, enclave []any
		for i := range n {
			platform = append(platform, tcbLevel(1, i, "UpToDate", "2024-01-01T00:00:00Z"))
			enclave = append(enclave, object{"tcb": object{"isvsvn": i}, "tcbDate": "2024-01-01T00:00:00Z", "tcbStatus": "UpToDate"})
		}
		info := edited(tcbInfo(), func(o object) { o["tcbLevels"] = platform })
		id := edited(identity(), func(o object) { o["tcbLevels"] = enclave })
		for _, e := range []rats.Endorsement{l.sign(rats.TCBInfo, info, &l.signing), l.sign(rats.QEIdentity, id, &l.signing)} {
			if _, err := dcap.Parse(e); rats.KindOf(err) != kind {
				t.Errorf("%s with %d levels: %v, want %q", e.Kind, n, err, kind)
			}
		}
	}
}
