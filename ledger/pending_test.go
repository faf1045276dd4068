// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

func TestThoseWhoSubmitTheSameBytesGetTheSameResult(t *testing.T) {
	p := newPending(10, 1000)
	hash := record.TxHash{1}
	a, first, err := p.join(hash, 100)
	if err != nil || !first {
		t.Fatalf("the first to join: first %v, error %v", first, err)
	}
	b, first, err := p.join(hash, 100)
	if err != nil || first || a != b {
		t.Fatalf("the second to join: first %v, error %v, same %v", first, err, a == b)
	}
	p.deliver([]registry.TxResult{{Tx: hash, Height: 7}, {Tx: hash, Height: 7, Err: rats.Errorf(rats.Replayed, "again")}})
	<-a.done
	if a.result.Height != 7 || a.result.Err != nil || a.err != nil {
		t.Errorf("got %+v, %v; want the first result in the block", a.result, a.err)
	}
	if _, first, _ := p.join(hash, 100); !first {
		t.Error("a settled submission is still open")
	}
}

func TestARefusalIsToldOnlyWhenItIsSettled(t *testing.T) {
	p := newPending(10, 1000)
	hash := record.TxHash{1}
	s, _, err := p.join(hash, 100)
	if err != nil {
		t.Fatal(err)
	}
	if p.settleRefusal(hash) {
		t.Error("settled without a refusal")
	}
	p.refuse(registry.TxResult{Tx: hash, Err: rats.Errorf(rats.Malformed, "no")})
	select {
	case <-s.done:
		t.Error("told before the pool forgot the transaction")
	default:
	}
	if !p.settleRefusal(hash) {
		t.Error("the refusal was not settled")
	}
	<-s.done
	if s.err != nil || s.result.Err.Kind != rats.Malformed {
		t.Errorf("got %+v, %v", s.result, s.err)
	}
	p.refuse(registry.TxResult{Tx: hash}) // nobody waits: nothing happens
}

func TestPendingSubmissionsAreBoundedInNumberAndBytes(t *testing.T) {
	p := newPending(2, 100)
	join := func(name byte, size int) error {
		_, _, err := p.join(record.TxHash{name}, size)
		return err
	}
	if err := join(1, 60); err != nil {
		t.Fatal(err)
	}
	if err := join(2, 41); rats.KindOf(err) != rats.QuotaExceeded {
		t.Errorf("101 bytes: %v, want quota_exceeded", err)
	}
	if err := join(2, 40); err != nil {
		t.Errorf("100 bytes: %v", err)
	}
	if err := join(3, 0); rats.KindOf(err) != rats.QuotaExceeded {
		t.Errorf("a third: %v, want quota_exceeded", err)
	}
	if err := join(1, 60); err != nil {
		t.Errorf("one that waits already: %v", err)
	}
	p.abandon(record.TxHash{1})
	if err := join(3, 60); err != nil {
		t.Errorf("after one left: %v", err)
	}
}

func TestStoppingAnswersAllWhoWait(t *testing.T) {
	p := newPending(10, 1000)
	s, _, err := p.join(record.TxHash{1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	p.stop(errStopped)
	p.stop(errors.New("later")) // the first reason stands
	<-s.done
	if !errors.Is(s.err, errStopped) {
		t.Errorf("got %v", s.err)
	}
	if _, _, err := p.join(record.TxHash{2}, 1); !errors.Is(err, errStopped) {
		t.Errorf("joining afterwards: %v", err)
	}
}
