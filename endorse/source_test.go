// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// simulatedNeeds returns what an appraisal of a simulated enclave looks for.
func simulatedNeeds(t testing.TB) []attesteer.Need {
	t.Helper()
	quote, err := simtee.Enclave{}.Quote()
	if err != nil {
		t.Fatal(err)
	}
	needs, err := attesteer.Needs(attesteer.Evidence{Raw: quote})
	if err != nil {
		t.Fatal(err)
	}
	return needs
}

func TestAFolderGivesWhatAnAppraisalNeeds(t *testing.T) {
	items, roots := simulatedFor(t, rats.SGX)
	folder := endorse.Read("bundle", asJSON(bundle(t, items)), roots)
	got, err := folder.Endorsements(t.Context(), simulatedNeeds(t), at())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(items) {
		t.Errorf("got %d endorsements, want all %d", len(got), len(items))
	}
}

func TestAFolderGivesStaleEndorsementsToo(t *testing.T) {
	items, roots := simulatedFor(t, rats.SGX)
	folder := endorse.Read("bundle", asJSON(bundle(t, items)), roots)
	got, err := folder.Endorsements(t.Context(), simulatedNeeds(t), at().AddDate(2, 0, 0))
	if err != nil || len(got) != len(items) {
		t.Errorf("two years later: %d endorsements, %v", len(got), err)
	}
}

func TestAFolderKeepsBackWhatDoesNotFit(t *testing.T) {
	folder := readFolder(t, collateral(t), nil)
	raw := readFile(t, collateral(t), "..", "..", "seed", "quote.bin")
	needs, err := attesteer.Needs(attesteer.Evidence{Raw: raw})
	if err != nil {
		t.Fatal(err)
	}
	got, err := folder.Endorsements(t.Context(), needs, at())
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[rats.EndorsementKind]int)
	for _, e := range got {
		count[e.Kind]++
		info, err := attesteer.CheckEndorsement(e, nil)
		if err != nil {
			t.Fatal(err)
		}
		if key := info.Key; key.TEE == rats.TDX || key.Kind == rats.TCBInfo && key.Scope != "00606a000000" {
			t.Errorf("an SGX quote of platform 00606a000000 is given %+v", key)
		}
	}
	for _, kind := range []rats.EndorsementKind{rats.TCBInfo, rats.QEIdentity, rats.RootCACRL, rats.PCKCRL} {
		if count[kind] == 0 {
			t.Errorf("nothing of kind %s", kind)
		}
	}
	if len(got) >= len(folder.All()) {
		t.Error("everything is given")
	}
}

func TestNoNeedsGiveNothing(t *testing.T) {
	items, roots := simulatedFor(t, rats.SGX)
	folder := endorse.Read("bundle", asJSON(bundle(t, items)), roots)
	got, err := folder.Endorsements(t.Context(), nil, at())
	if err != nil || len(got) != 0 {
		t.Errorf("got %d, %v", len(got), err)
	}
}

// answer is a source that always answers the same.
type answer struct {
	items []rats.Endorsement
	err   error
}

func (a answer) Endorsements(context.Context, []attesteer.Need, time.Time) ([]rats.Endorsement, error) {
	return a.items, a.err
}

func TestJoinedSourcesAnswerOnceEach(t *testing.T) {
	a := rats.Endorsement{Kind: rats.RootCACRL, Body: []byte("a")}
	b := rats.Endorsement{Kind: rats.PCKCRL, Body: []byte("b"), Issuers: [][]byte{[]byte("x")}}
	c := rats.Endorsement{Kind: rats.PCKCRL, Body: []byte("b"), Issuers: [][]byte{[]byte("y")}}
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		sources []endorse.Source
		want    []rats.Endorsement
		err     error
	}{
		"none":                         {nil, nil, nil},
		"in their order":               {[]endorse.Source{answer{items: []rats.Endorsement{b}}, answer{items: []rats.Endorsement{a}}}, []rats.Endorsement{b, a}, nil},
		"the same twice":               {[]endorse.Source{answer{items: []rats.Endorsement{a, a}}, answer{items: []rats.Endorsement{a}}}, []rats.Endorsement{a}, nil},
		"other issuers are another":    {[]endorse.Source{answer{items: []rats.Endorsement{b, c}}}, []rats.Endorsement{b, c}, nil},
		"one broken, one not":          {[]endorse.Source{answer{err: broken}, answer{items: []rats.Endorsement{a}}}, []rats.Endorsement{a}, nil},
		"one broken, one with nothing": {[]endorse.Source{answer{err: broken}, answer{}}, nil, broken},
		"a broken one that gave some":  {[]endorse.Source{answer{items: []rats.Endorsement{a}, err: broken}}, []rats.Endorsement{a}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := endorse.Join(test.sources...).Endorsements(t.Context(), nil, at())
			if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			same := func(x, y rats.Endorsement) bool {
				return x.Kind == y.Kind && string(x.Body) == string(y.Body) &&
					slices.EqualFunc(x.Issuers, y.Issuers, bytes.Equal)
			}
			if !slices.EqualFunc(got, test.want, same) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
