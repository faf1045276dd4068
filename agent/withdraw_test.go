// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/agent"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func TestAWithdrawnRecordIsLeftAlone(t *testing.T) {
	inTime(t, func(s *scene) {
		_, end := s.keep(s.config())
		id := s.id()
		time.Sleep(10 * time.Minute)
		s.withdraw(id)
		time.Sleep(3 * time.Minute)
		if err := end(); rats.KindOf(err) != rats.PolicyRejected || !strings.Contains(err.Error(), "withdrawn") {
			t.Errorf("it ended with %v", err)
		}
		if ended := s.all(agent.Ended); len(ended) != 1 || ended[0].Reason != agent.BecameWithdrawn || ended[0].State != record.Withdrawn {
			t.Errorf("%+v", ended)
		}
		if s.node.submitted() != 1 || s.state(id) != record.Withdrawn {
			t.Errorf("%d submissions, and the record is %s", s.node.submitted(), s.state(id))
		}
		// Nor does a keeper that is started anew bring it back, by one round or many.
		k, err := agent.New(s.config())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, err := k.Once(s.t.Context()); rats.KindOf(err) != rats.PolicyRejected {
			t.Errorf("once: %v", err)
		}
		if err := k.Run(s.t.Context()); rats.KindOf(err) != rats.PolicyRejected || s.node.submitted() != 1 {
			t.Errorf("%v, %d submissions", err, s.node.submitted())
		}
	})
}

func TestAWithdrawalThatIsMissedIsFoundBeforeTheNextAttestation(t *testing.T) {
	inTime(t, func(s *scene) {
		_, end := s.keep(s.config())
		id := s.id()
		s.node.set(func(n *node) { n.down = true })
		time.Sleep(time.Minute)
		s.withdraw(id)
		time.Sleep(5 * time.Hour)
		s.node.set(func(n *node) { n.down = false })
		time.Sleep(10 * time.Minute)
		if err := end(); rats.KindOf(err) != rats.PolicyRejected || s.node.submitted() != 1 {
			t.Errorf("it ended with %v after %d submissions", err, s.node.submitted())
		}
	})
}

func TestAnOwnerCanHaveAWithdrawnRecordRevived(t *testing.T) {
	inTime(t, func(s *scene) {
		cfg := s.config()
		cfg.Revive = true
		_, end := s.keep(cfg)
		defer end()
		id := s.id()
		s.withdraw(id)
		time.Sleep(5 * time.Minute)
		v, err := s.ledger.view(id)
		if err != nil || v.State != record.Active || v.Withdrawn == nil || v.Freshness.Kind != record.FreshnessBlock {
			t.Errorf("%v %+v", err, v)
		}
		s.staysActive(id, 3*time.Hour, 10*time.Minute)
	})
}

func TestAListingThatItsRegistrarTookBackIsLeftSo(t *testing.T) {
	inTime(t, func(s *scene) {
		_, end := s.keep(s.config())
		id := s.id()
		var raw record.ID
		if _, err := hex.Decode(raw[:], []byte(id)); err != nil {
			t.Fatal(err)
		}
		if r := s.ledger.send(key(1), func(tx *record.Transaction) { tx.Withdrawal = &record.Withdrawal{ID: raw} }); r.Err != nil {
			t.Fatal(r.Err)
		}
		time.Sleep(5 * time.Minute)
		if err := end(); rats.KindOf(err) != rats.PolicyRejected || !strings.Contains(err.Error(), "listing") || s.node.submitted() != 1 {
			t.Errorf("it ended with %v after %d submissions", err, s.node.submitted())
		}
	})
}

// TestTwoKeepersDoEachOtherNoHarm has them in the name of one registrar, and of two.
func TestTwoKeepersDoEachOtherNoHarm(t *testing.T) {
	for name, second := range map[string]byte{"of one registrar": 1, "of two registrars": 2} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(s *scene) {
				other := s.config()
				other.Nodes[0].Ledger = &node{ledger: s.ledger, key: key(second)}
				_, endOne := s.keep(s.config())
				_, endOther := s.keep(other)
				id := s.id()
				s.staysActive(id, 12*time.Hour, 10*time.Minute)
				if failed := s.all(agent.Failed, agent.Ended); len(failed) > 0 {
					t.Errorf("%d failures, the first %+v", len(failed), failed[0])
				}
				if n := len(s.all(agent.Recorded, agent.Known)); n < 30 || n > 50 {
					t.Errorf("%d attestations in 12 hours", n)
				}
				for _, end := range []func() error{endOne, endOther} {
					if err := end(); !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				}
			})
		})
	}
}

func TestAnEnclaveIsKeptForAsLongAsItsOwnerChose(t *testing.T) {
	inTime(t, func(s *scene) {
		cfg := s.config()
		cfg.KeepFor = 150 * time.Minute
		k, err := agent.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Now()
		if err := k.Run(s.t.Context()); err != nil || time.Since(from) != cfg.KeepFor {
			t.Errorf("%v after %v", err, time.Since(from))
		}
		id := s.id()
		if s.state(id) != record.Active {
			t.Error("it ended before the time was over")
		}
		time.Sleep(2 * time.Minute) // the least that a ledger takes is one
		if state := s.state(id); state != record.Expired {
			t.Errorf("afterwards the record is %s", state)
		}
		if ended := s.all(agent.Ended); len(ended) != 1 || ended[0].Reason != agent.Over || ended[0].Kind != rats.None {
			t.Errorf("%+v", ended)
		}
	})
}

// TestRuntimeDataAreBoundBesideTheChallenge tries data that are bound, and data
// that are not.
func TestRuntimeDataAreBoundBesideTheChallenge(t *testing.T) {
	inTime(t, func(s *scene) {
		cfg := s.config()
		cfg.RuntimeData = []byte("what the enclave holds")
		_, end := s.keep(cfg)
		time.Sleep(time.Minute)
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		// Their hash is not what the evidence is bound to: that is found here.
		if failed := s.all(agent.Failed); len(failed) == 0 || failed[0].Kind != rats.BindingMismatch || s.node.submitted() != 0 {
			t.Errorf("%+v", s.all())
		}
		sum := sha256.Sum256(cfg.RuntimeData)
		copy(cfg.ReportData[:], sum[:])
		k, err := agent.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := k.Once(s.t.Context()); err != nil || s.state(r.Record) != record.Active {
			t.Errorf("%v %+v", err, r)
		}
	})
}

// TestEvidenceThatBindsNothingIsNotRepeatedWithoutEnd: the same quote counts once.
func TestEvidenceThatBindsNothingIsNotRepeatedWithoutEnd(t *testing.T) {
	inTime(t, func(s *scene) {
		cfg := s.config()
		cfg.Unbound = true
		_, end := s.keep(cfg)
		defer end()
		id := s.id()
		time.Sleep(3 * time.Hour)
		if s.state(id) != record.Expired || s.node.submitted() > 60 {
			t.Errorf("%s after %d submissions", s.state(id), s.node.submitted())
		}
		if failed := s.all(agent.Failed); len(failed) == 0 || failed[0].Kind != rats.Replayed {
			t.Errorf("%+v", failed)
		}
	})
}
