// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
)

// prevoterHome names the environment variable that makes the test binary run a
// validator that is killed as soon as it has signed a prevote.
const prevoterHome = "ATTESTEER_TEST_PREVOTER_HOME"

// fatalSigner kills the process between the signature of a prevote, which is on
// disk by then, and the write-ahead log, which never hears of it.
type fatalSigner struct {
	types.PrivValidator
	armed *atomic.Bool
}

func (s fatalSigner) SignVote(chainID string, vote *cmtproto.Vote) error {
	err := s.PrivValidator.SignVote(chainID, vote)
	if err == nil && vote.Type == cmtproto.PrevoteType && s.armed.Load() {
		p, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			return err
		}
		select {} // until the signal is there
	}
	return err
}

func TestAValidatorThatWasKilledAfterItSignedGoesOnAMinuteLater(t *testing.T) {
	home := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestPrevoter$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), prevoterHome+"="+home)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() >= 0 {
		t.Fatalf("the validator was not killed: %v", err)
	}
	cfg := dev(home)
	cfg.Now = func() time.Time { return time.Now().Add(time.Minute) }
	n := run(t, cfg)
	before := n.Registry().Height()
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.evidence(t, r.quote(t, 2), cfg.Now()))
	if n.Registry().Height() <= before {
		t.Errorf("the height stayed %d", before)
	}
}

// TestPrevoter is no test: it submits until its validator has it killed.
func TestPrevoter(t *testing.T) {
	home := os.Getenv(prevoterHome)
	if home == "" {
		t.Skip("runs as a process of its own in TestAValidatorThatWasKilledAfterItSignedGoesOnAMinuteLater")
	}
	var armed atomic.Bool
	cfg := dev(home)
	cfg.signer = func(v types.PrivValidator) types.PrivValidator { return fatalSigner{v, &armed} }
	n := run(t, cfg)
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, time.Now()))
	reach(t, n, n.Registry().Height()+1) // the block that proves it
	armed.Store(true)
	submit(t, n, r.evidence(t, r.quote(t, 1), time.Now()))
}
