// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// endless is a transport on which one message comes again and again.
type endless struct {
	msg  string
	read atomic.Int32
}

func (e *endless) recv() ([]byte, error) {
	e.read.Add(1)
	return []byte(e.msg), nil
}
func (*endless) send([]byte) error { return nil }
func (*endless) close() error      { return nil }

// repeated is a batch of n times one element.
func repeated(n int, one string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]"
}

func TestNoBatchIsReadWhileAnotherFullOneWaitsForItsAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endless{msg: repeated(maxBatch, `{"jsonrpc":"2.0","id":1,"method":"system_name"}`)}
		l := newLine(e)
		go func() {
			for {
				if _, err := l.Recv(); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if n := e.read.Load(); n != 1 {
			t.Errorf("%d batches were read at once", n)
		}
		if err := l.Send([]byte(repeated(maxBatch, `{"jsonrpc":"2.0","id":1,"result":"attesteer"}`))); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := e.read.Load(); n != 2 {
			t.Errorf("%d batches were read after the first was answered, want 2", n)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
