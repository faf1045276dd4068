// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cometbft/cometbft/libs/log"
)

func logTo(out *bytes.Buffer, level slog.Level) engineLog {
	h := slog.NewTextHandler(out, &slog.HandlerOptions{Level: level})
	return engineLog{to: slog.New(h), quiet: &atomic.Bool{}}
}

func TestTheEnginesMessagesKeepTheirValues(t *testing.T) {
	var out bytes.Buffer
	l := logTo(&out, levelTrace).With("module", "p2p", 7, []byte{0xab})
	l.Info("hello", "n", 3, "err", errors.New("cause"), "lazy", log.NewLazySprintf("%d", 9), "odd")
	for _, want := range []string{"level=DEBUG", "msg=hello", "module=p2p", "7=ab", "n=3", "err=cause", "lazy=9", `odd="(no value)"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q lacks %q", &out, want)
		}
	}
}

func TestStructuresAreNotPrintedFieldByField(t *testing.T) {
	var out bytes.Buffer
	logTo(&out, levelTrace).Debug("x", "v", struct{ Secret string }{"hidden"})
	if strings.Contains(out.String(), "hidden") {
		t.Errorf("printed %q", &out)
	}
}

func TestTheEnginesErrorsAreErrorsUntilItStops(t *testing.T) {
	var out bytes.Buffer
	l := logTo(&out, slog.LevelInfo)
	child := l.With("module", "consensus")
	l.Info("one step down")
	if out.Len() > 0 {
		t.Errorf("info is shown as such: %q", &out)
	}
	child.Error("broken")
	if !strings.Contains(out.String(), "level=ERROR msg=broken") {
		t.Errorf("got %q", &out)
	}
	out.Reset()
	l.quiet.Store(true)
	child.Error("closing")
	if out.Len() > 0 {
		t.Errorf("said while stopping: %q", &out)
	}
}

func TestPeersThatComeAndGoAreNoErrorsOfTheNode(t *testing.T) {
	var out lockedBuffer
	l := engineLog{to: slog.New(slog.NewTextHandler(&out, nil)), quiet: &atomic.Bool{}}
	l.With("module", "p2p").With("peer", 1).Error("a peer went away")
	l.With("module", "consensus").Error("a block is wrong")
	for _, want := range []string{`level=WARN msg="a peer went away"`, `level=ERROR msg="a block is wrong"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
}
