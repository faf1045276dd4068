// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

func olderNeverReplacesNewer(t *testing.T, b *bench) {
	s, ctx := open(t, b.fresh(t)), t.Context()
	for i, issued := range []int{10, 5, 20, 15, 20} {
		writeArtefacts(t, s, artefact(tcbKey, issued, fmt.Sprint("issued on ", issued)))
		a, err := s.Artefact(ctx, tcbKey)
		must(t, err)
		if want := fmt.Sprint("issued on ", []int{10, 10, 20, 20, 20}[i]); string(a.Body) != want {
			t.Errorf("write %d left %q, want %q", i, a.Body, want)
		}
	}
	// Both that were ever current are in the log, and no other.
	log, err := s.Log(ctx, 0, 0)
	must(t, err)
	if len(log) != 2 || string(log[0].Body) != "issued on 10" || string(log[1].Body) != "issued on 20" {
		t.Errorf("log: %v", log)
	}
}

func equalDatesAreDecidedByDigest(t *testing.T, b *bench) {
	one, two := artefact(tcbKey, 1, "one"), artefact(tcbKey, 1, "two")
	want := slices.MaxFunc([]store.Artefact{one, two}, func(a, b store.Artefact) int { return slices.Compare(a.Digest[:], b.Digest[:]) })
	for _, order := range [][]store.Artefact{{one, two}, {two, one}} {
		s := open(t, b.fresh(t))
		writeArtefacts(t, s, order...)
		is(t, &want)(s.Artefact(t.Context(), tcbKey))
	}
	// A statement without its chain does not take the chain away.
	s := open(t, b.fresh(t))
	bare := one
	bare.Chain, bare.Fetched = nil, day(20)
	writeArtefacts(t, s, one)
	writeArtefacts(t, s, bare)
	is(t, &one)(s.Artefact(t.Context(), tcbKey))
	// Nobody dates the list of FMSPCs: the one that was fetched last holds.
	list := store.Key{Kind: store.FMSPCs, TEE: rats.SGX, Scope: "all", Version: 4}
	for _, body := range []string{"[1]", "[2]", "[3]"} {
		a := store.Artefact{Key: list, Body: []byte(body), Fetched: day(int(body[1] - '0'))}
		writeArtefacts(t, s, a)
		got, err := s.Artefact(t.Context(), list)
		must(t, err)
		if string(got.Body) != body || !got.Issued.IsZero() {
			t.Errorf("%s issued %v, want %s", got.Body, got.Issued, body)
		}
	}
}

// drawn returns artefacts of few keys, dates and bodies, so that they collide.
func drawn(t *rapid.T) []store.Artefact {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) store.Artefact {
		a := store.Artefact{
			Key: store.Key{
				Kind: store.TCBInfo, TEE: rapid.SampledFrom([]rats.TEE{rats.SGX, rats.TDX}).Draw(t, "tee"),
				Scope: "aa", Update: store.Standard, Version: 4,
			},
			Body:   []byte{rapid.ByteRange(1, 3).Draw(t, "body")},
			Chain:  rapid.SampledFrom([][]byte{nil, []byte("one"), []byte("two")}).Draw(t, "chain"),
			Source: rapid.SampledFrom([]string{"intel", "ledger"}).Draw(t, "source"),
		}
		at := func(name string) time.Time {
			if n := rapid.IntRange(0, 3).Draw(t, name); n > 0 {
				return day(n)
			}
			return time.Time{}
		}
		a.Issued, a.Fetched, a.NextUpdate = at("issued"), at("fetched"), at("next")
		return a
	}), 1, 8).Draw(t, "artefacts")
}

func theOrderOfWritesDoesNotMatter(t *testing.T, b *bench) {
	// One database for all rounds: a round has a scope of its own.
	s, round := open(t, b.fresh(t)), 0
	rapid.Check(t, func(r *rapid.T) {
		all := drawn(r)
		round++
		batches := rapid.Bool().Draw(r, "one batch")
		write := func(order []store.Artefact) []store.Artefact {
			scope := fmt.Sprintf("%d-%p", round, &order[0])
			for i := range order {
				order[i].Scope = scope
			}
			if batches {
				writeArtefacts(t, s, order...)
			} else {
				for i := range order {
					writeArtefacts(t, s, order[i])
				}
			}
			var got []store.Artefact
			for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
				k := order[0].Key
				k.TEE = tee
				if a, err := s.Artefact(t.Context(), k); err == nil {
					a.Scope = ""
					got = append(got, *a)
				} else if rats.KindOf(err) != rats.NotFound {
					r.Fatal(err)
				}
			}
			return got
		}
		one := write(slices.Clone(all))
		two := write(rapid.Permutation(all).Draw(r, "order"))
		is(t, one)(two, nil)
	})
	if t.Failed() {
		t.FailNow()
	}
	_, err := s.VerifyLog(t.Context())
	must(t, err)
}

// The log is what a reader would have noted who looked after every write: a
// model of it in memory grows in the same way.
func TestTheLogHoldsWhatWasEverCurrent(t *testing.T) {
	b := onSQLite()
	s := open(t, b.fresh(t))
	var heads []store.Head
	current := make(map[store.Key]store.Artefact)
	var noted []store.Artefact
	rapid.Check(t, func(r *rapid.T) {
		for _, a := range drawn(r) {
			writeArtefacts(t, s, a)
			now, err := s.Artefact(t.Context(), a.Key)
			must(t, err)
			if was, ok := current[a.Key]; !ok || was.Digest != now.Digest || string(was.Chain) != string(now.Chain) {
				noted = append(noted, *now)
			}
			if was, ok := current[a.Key]; ok && cmp.Compare(was.Issued.UnixMicro(), now.Issued.UnixMicro()) > 0 {
				r.Fatalf("an older one took the place of a newer one: %v after %v", now.Issued, was.Issued)
			}
			current[a.Key] = *now
		}
		head, err := s.VerifyLog(t.Context(), heads...)
		must(t, err)
		if head.Number != int64(len(noted)) {
			r.Fatalf("%d entries, %d were current", head.Number, len(noted))
		}
		heads = append(heads, head)
	})
	log, err := s.Log(t.Context(), 0, 0)
	must(t, err)
	for i := range log {
		is(t, noted[i])(log[i].Artefact, nil)
	}
}
