// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/cometbft/cometbft/types"
)

// waitingRoom is a pool that tests fill.
type waitingRoom struct {
	mu  sync.Mutex
	txs types.Txs
}

func (w *waitingRoom) Size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.txs)
}

func (w *waitingRoom) ReapMaxBytesMaxGas(int64, int64) types.Txs {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.txs
}

func (w *waitingRoom) add(tx string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.txs = append(w.txs, types.Tx(tx))
}

func TestABlockWaitsAMomentForThoseWhomTheLastOneAnswered(t *testing.T) {
	room := &waitingRoom{}
	g := gathering{pool: room, entered: newBell()}
	g.expect(2)
	g.since = g.since.Add(time.Hour) // time enough on a busy machine
	go func() {
		for _, tx := range []string{"a", "b"} {
			room.add(tx)
			g.entered.tell()
		}
	}()
	if got := g.gather(nil, 1000); !bytes.Equal(bytes.Join(got, nil), []byte("ab")) {
		t.Errorf("got %q", got)
	}
}

func TestABlockWaitsNoLongerThanAMoment(t *testing.T) {
	g := gathering{pool: &waitingRoom{}, entered: newBell()}
	g.expect(2)
	start := time.Now()
	if got := g.gather(nil, 1000); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("waited %v", took)
	}
}

func TestABlockDoesNotWaitForNobody(t *testing.T) {
	g := gathering{pool: &waitingRoom{}, entered: newBell()}
	g.since = time.Now().Add(time.Hour) // waiting would not end
	if got := g.gather([][]byte{{1}}, 1000); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	g.expected = 1
	if got := g.gather([][]byte{{1}}, 1000); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}
