// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/agent"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// scene is a ledger with a node, a simulated enclave, and its owner's sources.
type scene struct {
	t      *testing.T
	ledger *ledger
	node   *node
	owner  ed25519.PrivateKey
	// source gives endorsements.
	source endorse.Source
	// spoil changes evidence before anybody sees it, if not nil.
	spoil func([]byte) []byte

	mu      sync.Mutex // guards reports
	reports []agent.Report
}

func newScene(t *testing.T) *scene {
	l := newLedger(t, "first")
	return &scene{t: t, ledger: l, node: &node{ledger: l, key: key(1)}, owner: key(9), source: simtee.Source{}}
}

// config says that the scene's enclave is to be kept for an hour at a time.
func (s *scene) config() agent.Config {
	root := simtee.Root()
	platform, err := simtee.NewPlatform(1, rats.UpToDate)
	if err != nil {
		s.t.Fatal(err)
	}
	cfg := agent.Config{
		Enclave: agent.Enclave{
			Name: "scene", URL: "https://enclave.example", ValidFor: time.Hour,
			Attest: func(_ context.Context, reportData [64]byte) ([]byte, error) {
				q, err := platform.Quote(simtee.Enclave{Platform: 1, ISVSVN: 1, ReportData: reportData})
				if s.spoil != nil && err == nil {
					q = s.spoil(q)
				}
				return q, err
			},
		},
		Nodes: []agent.Node{{Name: "first", Ledger: s.node}},
		Endorsements: endorse.InOrder(endorse.OrderConfig{Roots: append(attesteer.Roots(), root), Now: time.Now},
			endorse.Named{Name: "simulated", Source: s.source, Held: true}),
		Simulated: &root, Random: rand.Float64, Log: slog.New(slog.DiscardHandler),
		Report: func(r agent.Report) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.reports = append(s.reports, r)
		},
	}
	copy(cfg.ReportData[:], s.owner.Public().(ed25519.PublicKey))
	return cfg
}

// all returns the reports of some outcomes, all of them for none.
func (s *scene) all(of ...agent.Outcome) []agent.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []agent.Report
	for _, r := range s.reports {
		if len(of) == 0 || slices.Contains(of, r.Outcome) {
			out = append(out, r)
		}
	}
	return out
}

// keep runs a keeper beside the test. The function that it returns ends it, and
// returns what Run did; it may be called again.
func (s *scene) keep(cfg agent.Config) (k *agent.Keeper, end func() error) {
	s.t.Helper()
	k, err := agent.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { err = k.Run(ctx) })
	return k, func() error {
		cancel()
		ended.Wait()
		return err
	}
}

// id waits for the first attestation and returns its record.
func (s *scene) id() string {
	s.t.Helper()
	synctest.Wait()
	for range 100 {
		for _, r := range s.all() {
			if r.Record != "" {
				return r.Record
			}
		}
		time.Sleep(time.Second)
	}
	s.t.Fatalf("nothing was recorded: %+v", s.all())
	return ""
}

// state returns how a record stands on the ledger.
func (s *scene) state(id string) record.State {
	s.t.Helper()
	v, err := s.ledger.view(id)
	if err != nil {
		s.t.Fatal(err)
	}
	return v.State
}

// staysActive watches a record for some time.
func (s *scene) staysActive(id string, long, step time.Duration) {
	s.t.Helper()
	for passed := time.Duration(0); passed < long; passed += step {
		time.Sleep(step)
		if state := s.state(id); state != record.Active {
			s.t.Fatalf("after %v the record is %s: %+v", passed+step, state, s.all())
		}
	}
}

// withdraw has the enclave's key withdraw its record.
func (s *scene) withdraw(id string) {
	s.t.Helper()
	v, err := s.ledger.view(id)
	if err != nil {
		s.t.Fatal(err)
	}
	raw, tx := [32]byte{}, record.TxHash{}
	for text, to := range map[string][]byte{id: raw[:], v.Tx: tx[:]} {
		if _, err := hex.Decode(to, []byte(text)); err != nil {
			s.t.Fatal(err)
		}
	}
	signature := ed25519.Sign(s.owner, record.WithdrawalBytes("first", raw, tx))
	if r := s.ledger.send(key(5), func(tx *record.Transaction) {
		tx.Withdrawal = &record.Withdrawal{ID: raw, Signature: signature}
	}); r.Err != nil {
		s.t.Fatal(r.Err)
	}
}

func inTime(t *testing.T, test func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newScene(t)) })
}

func TestARecordIsKeptActiveOverManyDurations(t *testing.T) {
	inTime(t, func(s *scene) {
		k, end := s.keep(s.config())
		id := s.id()
		s.staysActive(id, 24*time.Hour, 3*time.Minute)
		// Two thirds of an hour, less up to a tenth.
		if n := len(s.all(agent.Recorded)); n < 36 || n > 42 {
			t.Errorf("%d attestations in 24 hours", n)
		}
		for _, r := range s.all() {
			if r.Outcome != agent.Recorded || r.Node != "first" || r.State != record.Active || r.Next < 30*60 || r.Next > 40*60 {
				t.Errorf("%+v", r)
			}
		}
		st := k.Standing()
		if st.Record != id || st.State != record.Active || st.Left <= 0 || st.Left > time.Hour || st.Failures != 0 || st.Rounds[agent.Recorded] == 0 {
			t.Errorf("%+v", st)
		}
		if v, err := s.ledger.view(id); err != nil || v.Freshness.Kind != record.FreshnessBlock || *v.URL != "https://enclave.example" {
			t.Errorf("%v %+v", err, v)
		}
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
}

func TestAnEnclaveIsAttestedAsOftenAsItsOwnerChose(t *testing.T) {
	inTime(t, func(s *scene) {
		cfg := s.config()
		cfg.Every = 5 * time.Minute
		_, end := s.keep(cfg)
		defer end()
		s.staysActive(s.id(), 2*time.Hour, time.Minute)
		if n := len(s.all(agent.Recorded)); n < 24 || n > 28 {
			t.Errorf("%d attestations in two hours", n)
		}
	})
}

func TestAMarginOfTheOwnersChoiceIsKept(t *testing.T) {
	inTime(t, func(s *scene) {
		cfg := s.config()
		cfg.Margin = 50 * time.Minute
		_, end := s.keep(cfg)
		defer end()
		id := s.id()
		for range 300 {
			time.Sleep(time.Minute)
			v, err := s.ledger.view(id)
			if err != nil {
				t.Fatal(err)
			}
			if left := v.Expires.Time().Sub(s.ledger.now().Time()); left < 49*time.Minute {
				t.Fatalf("%v are left", left)
			}
		}
	})
}

func TestANodeThatIsAwayIsWaitedForWithoutHammering(t *testing.T) {
	inTime(t, func(s *scene) {
		_, end := s.keep(s.config())
		defer end()
		id := s.id()
		s.node.set(func(n *node) { n.down, n.asked = true, nil })
		time.Sleep(6 * time.Hour)
		calls := 0
		s.node.set(func(n *node) { calls, n.down = len(n.asked), false })
		// Attestations at intervals of up to five minutes, looks, and the stream.
		if calls < 60 || calls > 400 {
			t.Errorf("a node that is away was called %d times in six hours", calls)
		}
		failures := s.all(agent.Failed)
		if len(failures) < 60 || len(failures) > 160 || failures[len(failures)-1].Failures != len(failures) {
			t.Errorf("%d failures, the last %+v", len(failures), failures[len(failures)-1])
		}
		time.Sleep(6 * time.Minute)
		if state := s.state(id); state != record.Active {
			t.Errorf("with the node back the record is %s", state)
		}
		s.staysActive(id, 3*time.Hour, 10*time.Minute)
	})
}

// TestWhateverOutagesThereAreTheRecordComesBack tries outages of chance of the
// node and of the source of endorsements.
func TestWhateverOutagesThereAreTheRecordComesBack(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			inTime(t, func(s *scene) {
				chance := rand.New(rand.NewPCG(seed, 0))
				var lost atomic.Bool
				s.source = sourceFunc(func(ctx context.Context, needs []attesteer.Need, at time.Time) ([]rats.Endorsement, error) {
					if lost.Load() {
						return nil, errDown
					}
					return simtee.Source{}.Endorsements(ctx, needs, at)
				})
				_, end := s.keep(s.config())
				defer end()
				id := s.id()
				for range 12 {
					time.Sleep(time.Duration(chance.Int64N(int64(2 * time.Hour))))
					s.node.set(func(n *node) { n.down = chance.IntN(2) == 0; n.deaf = chance.IntN(2) == 0 })
					lost.Store(chance.IntN(2) == 0)
					time.Sleep(time.Duration(chance.Int64N(int64(3 * time.Hour))))
					s.node.set(func(n *node) { n.down, n.deaf = false, false })
					lost.Store(false)
					time.Sleep(6 * time.Minute) // the longest pause, and a little
					if state := s.state(id); state != record.Active {
						t.Fatalf("the record is %s", state)
					}
				}
				// At most one every two minutes and a half, however bad it was.
				if passed := time.Since(s.all()[0].Time); len(s.all()) > int(passed/(150*time.Second)) {
					t.Errorf("%d rounds in %v", len(s.all()), passed)
				}
			})
		})
	}
}

func TestTheNextNodeIsAskedWhereOneDoesNotAnswer(t *testing.T) {
	inTime(t, func(s *scene) {
		second := &node{ledger: s.ledger, key: key(1)}
		cfg := s.config()
		cfg.Nodes = append(cfg.Nodes, agent.Node{Name: "second", Ledger: second})
		_, end := s.keep(cfg)
		defer end()
		id := s.id()
		if second.submitted() != 0 {
			t.Error("the second was asked while the first answered")
		}
		s.node.set(func(n *node) { n.down = true })
		s.staysActive(id, 5*time.Hour, 10*time.Minute)
		if len(s.all(agent.Failed)) != 0 || second.submitted() == 0 {
			t.Errorf("%+v", s.all(agent.Failed))
		}
		// An answer that is lost is no second attestation: the next node knows of it.
		s.node.set(func(n *node) { n.down, n.deaf = false, true })
		before, _ := s.ledger.view(id)
		time.Sleep(time.Hour)
		after, _ := s.ledger.view(id)
		known := s.all(agent.Known)
		if len(known) == 0 || known[0].Node != "second" || after.Attestations != before.Attestations+uint64(len(known)) {
			t.Errorf("%d attestations, then %d: %+v", before.Attestations, after.Attestations, known)
		}
	})
}

func TestANodeOfAnotherLedgerIsNotAsked(t *testing.T) {
	inTime(t, func(s *scene) {
		stranger := &node{ledger: newLedger(t, "second"), key: key(1)}
		cfg := s.config()
		cfg.Nodes = append(cfg.Nodes, agent.Node{Name: "stranger", Ledger: stranger})
		_, end := s.keep(cfg)
		defer end()
		s.id()
		s.node.set(func(n *node) { n.down = true })
		time.Sleep(2 * time.Hour)
		if stranger.submitted() != 0 || len(s.all(agent.Failed)) == 0 {
			t.Errorf("the stranger was given evidence %d times", stranger.submitted())
		}
	})
}

func TestWhatTheNodeAsksToWaitIsWaited(t *testing.T) {
	inTime(t, func(s *scene) {
		busy := refusal(rats.Errorf(rats.QuotaExceeded, "too many"))
		busy.RetryAfter = 20 * time.Minute
		s.node.set(func(n *node) { n.refuse = busy })
		_, end := s.keep(s.config())
		defer end()
		time.Sleep(3*time.Hour + time.Second)
		if n := s.node.submitted(); n < 8 || n > 9 {
			t.Errorf("it submitted %d times in three hours, and is to wait 20 minutes between", n)
		}
	})
}

func TestEvidenceThatIsOfNoUseIsSaidAndNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func([]byte) []byte
		kind  rats.Kind
	}{
		"a flipped bit":    {func(q []byte) []byte { q[60] ^= 1; return q }, rats.BadSignature},
		"cut short":        {func(q []byte) []byte { return q[:400] }, rats.Malformed},
		"no evidence":      {func([]byte) []byte { return []byte("hello") }, rats.Malformed},
		"without contents": {func([]byte) []byte { return nil }, rats.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(s *scene) {
				s.spoil = c.spoil
				_, end := s.keep(s.config())
				defer end()
				time.Sleep(24 * time.Hour)
				failed := s.all(agent.Failed)
				if len(failed) < 20 || len(failed) > 60 || failed[0].Kind != c.kind || failed[0].Detail == "" {
					t.Errorf("%d failures in a day, the first %+v", len(failed), failed[0])
				}
				if s.node.submitted() != 0 {
					t.Error("it was sent")
				}
			})
		})
	}
}

func TestEvidenceThatCameTooLateForItsChallengeIsNotSent(t *testing.T) {
	inTime(t, func(s *scene) {
		cfg := s.config()
		attest := cfg.Attest
		cfg.Attest = func(ctx context.Context, reportData [64]byte) ([]byte, error) {
			time.Sleep(6 * time.Minute) // the ledger remembers blocks for ten
			return attest(ctx, reportData)
		}
		_, end := s.keep(cfg)
		time.Sleep(time.Hour)
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if s.node.submitted() != 0 || len(s.all(agent.Failed)) == 0 {
			t.Errorf("it was sent %d times", s.node.submitted())
		}
	})
}

func TestWhatTheLedgerWillNeverTakeEndsTheKeeper(t *testing.T) {
	inTime(t, func(s *scene) {
		cfg := s.config()
		cfg.ValidFor = time.Second // a ledger takes a minute at least
		k, err := agent.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Run(s.t.Context()); rats.KindOf(err) != rats.Malformed {
			t.Error(err)
		}
		if ended := s.all(agent.Ended); len(ended) != 1 || ended[0].Kind != rats.Malformed {
			t.Errorf("%+v", s.all())
		}
	})
}

func TestOnceIsOnce(t *testing.T) {
	inTime(t, func(s *scene) {
		k, err := agent.New(s.config())
		if err != nil {
			t.Fatal(err)
		}
		r, err := k.Once(s.t.Context())
		if err != nil || r.Outcome != agent.Recorded || s.state(r.Record) != record.Active || s.node.submitted() != 1 {
			t.Errorf("%v %+v", err, r)
		}
		s.node.set(func(n *node) { n.down = true })
		if r, err = k.Once(s.t.Context()); !errors.Is(err, errDown) || r.Outcome != agent.Failed {
			t.Errorf("%v %+v", err, r)
		}
	})
}

func TestAConfigurationThatCannotBeMeantIsRefused(t *testing.T) {
	s := newScene(t)
	for name, spoil := range map[string]func(*agent.Config){
		"nothing attests":               func(c *agent.Config) { c.Attest = nil },
		"no node":                       func(c *agent.Config) { c.Nodes = nil },
		"a full second half":            func(c *agent.Config) { c.ReportData[63] = 1 },
		"a margin as long as the whole": func(c *agent.Config) { c.Margin = c.ValidFor },
		"a negative frequency":          func(c *agent.Config) { c.Every = -1 },
		"a URL that is none":            func(c *agent.Config) { c.URL = "ftp://x" },
	} {
		cfg := s.config()
		spoil(&cfg)
		if _, err := agent.New(cfg); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}
