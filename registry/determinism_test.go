// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"crypto/ed25519"
	"runtime"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// scene draws what happens on a ledger: transactions are made for the time at
// which they come.
type scene struct {
	*chain
	quotes [][]byte
	ids    []record.ID
}

// transaction draws one: evidence, a withdrawal by a registrar or by the
// enclave's key, endorsements of some day, or what nobody can read.
func (s *scene) transaction(rt *rapid.T) []byte {
	k := key(byte(rapid.IntRange(1, 3).Draw(rt, "registrar")))
	switch rapid.IntRange(0, 5).Draw(rt, "deed") {
	case 0, 1:
		return s.submit(k, s.quotes[rapid.IntRange(0, len(s.quotes)-1).Draw(rt, "quote")])
	case 2:
		return s.withdrawalOf(rt, k)
	case 3:
		return s.submit(k, quoteOf(s.t, s.boundTo(keyed(key(9)))))
	case 4:
		items, err := simtee.Endorsements(s.now.Time().AddDate(0, 0, -rapid.IntRange(0, 2).Draw(rt, "age")))
		if err != nil {
			rt.Fatal(err)
		}
		return s.publish(items...)
	default:
		return []byte("garbage")
	}
}

func (s *scene) withdrawalOf(rt *rapid.T, k ed25519.PrivateKey) []byte {
	if len(s.ids) == 0 {
		return s.withdrawal(k, record.ID{1}, nil)
	}
	id := s.ids[rapid.IntRange(0, len(s.ids)-1).Draw(rt, "record")]
	if !rapid.Bool().Draw(rt, "by key") {
		return s.withdrawal(k, id, nil)
	}
	return s.withdrawal(k, id, ed25519.Sign(key(9), s.toSign(id)))
}

// everyCore checks transactions on all cores at once, as a node does.
func everyCore(r *registry.Registry, txs [][]byte) {
	var all sync.WaitGroup
	for _, tx := range txs {
		all.Go(func() { r.Check(tx) })
	}
	all.Wait()
}

// TestWhateverANodeDidBeforeABlockGivesItTheSameState compares a node that runs
// on, on all cores and with warm caches, with one that starts anew before each
// block and has one core, and with one that was restored from a snapshot.
func TestWhateverANodeDidBeforeABlockGivesItTheSameState(t *testing.T) {
	cores := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(cores)
	var quotes [][]byte
	for i, status := range []rats.TCBStatus{rats.UpToDate, rats.OutOfDate, rats.TCBRevoked} {
		quotes = append(quotes, quoteOf(t, simtee.Enclave{TCB: status, MREnclave: [32]byte{byte(i)}}), quoteOf(t, keyed(key(9))))
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := &scene{chain: endorsed(t), quotes: quotes}
		cold, restored := s.store.clone(), (*registry.Registry)(nil)
		for range rapid.IntRange(2, 7).Draw(rt, "blocks") {
			// Seconds, or so long that records and endorsements end.
			s.now += record.Millis(rapid.SampledFrom([]int{1000, 20_000, 3_600_000, 20 * 86_400_000}).Draw(rt, "pause"))
			txs := [][]byte{tickAt(t, s.now)}
			for range rapid.IntRange(0, 5).Draw(rt, "size") {
				txs = append(txs, s.transaction(rt))
			}
			height := s.reg.Height() + 1
			block := registry.Block{Height: height, Hash: hashOf(height), Txs: txs}
			runtime.GOMAXPROCS(max(cores, 4))
			everyCore(s.reg, txs[1:])
			want := apply(rt, s.reg, block)

			runtime.GOMAXPROCS(1)
			reg, err := registry.Open(cold)
			if err != nil {
				rt.Fatal(err)
			}
			if got := apply(rt, reg, block); !same(got, want) {
				rt.Fatalf("height %d: a cold node has %x, a warm one %x", height, got.AppHash, want.AppHash)
			}
			if restored != nil {
				if got := apply(rt, restored, block); !same(got, want) {
					rt.Fatalf("height %d: a restored node has %x, others %x", height, got.AppHash, want.AppHash)
				}
			}
			if rapid.Bool().Draw(rt, "snapshot") {
				standing, err := registry.Stand(s.store)
				if err != nil {
					rt.Fatal(err)
				}
				if restored, _, err = restore(t, standing, parts(t, s.store)); err != nil {
					rt.Fatal(err)
				}
			}
			for _, r := range want.Results {
				if r.Recorded && !slices.Contains(s.ids, r.RecordID) {
					s.ids = append(s.ids, r.RecordID)
				}
			}
		}
	})
}

// TestCheckSaysWhatApplyWillSayOfWithdrawalsAndAfterTime does what
// [TestCheckSaysWhatApplyWillSay] does in states that were drawn.
func TestCheckSaysWhatApplyWillSayOfWithdrawalsAndAfterTime(t *testing.T) {
	quotes := [][]byte{quoteOf(t, simtee.Enclave{}), quoteOf(t, keyed(key(9))), quoteOf(t, simtee.Enclave{TCB: rats.TCBRevoked})}
	rapid.Check(t, func(rt *rapid.T) {
		s := &scene{chain: endorsed(t), quotes: quotes}
		for range rapid.IntRange(1, 8).Draw(rt, "blocks") {
			at := s.reg.Time() + record.Millis(rapid.SampledFrom([]int{1000, 3_600_000, 40 * 86_400_000}).Draw(rt, "pause"))
			s.now = at
			tx := s.transaction(rt)
			check := s.reg.CheckAt(at, tx)
			got := s.blockAt(at, tx)[0]
			if rats.KindOf(errOf(check)) != rats.KindOf(errOf(got)) || check.RecordID != got.RecordID {
				rt.Fatalf("Check says %v, Apply %v", check.Err, got.Err)
			}
			if got.Recorded {
				s.ids = append(s.ids, got.RecordID)
			}
		}
	})
}
