// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"

	"github.com/attesteer/attesteer/rats"
)

const (
	// maxBatch bounds the calls in one message.
	maxBatch = 64
	// maxPending bounds the messages of one connection that wait for an answer, and
	// maxCalls the calls in them: their answers are held until the last of a batch
	// is there. Past either, further messages are not read.
	maxPending = 64
	maxCalls   = maxBatch
)

// transport moves whole messages.
type transport interface {
	// recv returns the next message, or an error when there will be none.
	recv() ([]byte, error)
	send([]byte) error
	close() error
}

// line is a [channel.Channel] between a transport and a jrpc2 server. It keeps
// count of what waits for an answer, so that a line can end when all is said,
// and it settles where jrpc2 reads JSON-RPC 2.0 differently:
//
//   - ids travel under other names inside, so that null is an id (section 4), not
//     a notification, and one may be used twice at a time;
//   - what is JSON but no request is -32600, not -32700 (section 5.1): text that
//     is no JSON never comes to jrpc2.
type line struct {
	transport
	ids *ids
	// pushes is told what is answered; nil where there are none.
	pushes *pushes

	mu   sync.Mutex // guards what follows
	cond *sync.Cond
	// pending counts messages that were read and not answered.
	pending int
	// calls counts those that are to be answered in them.
	calls int
	// draining: nothing more is read.
	draining bool
	closed   bool
	// noJSON: a message came that is no JSON.
	noJSON bool
}

var _ channel.Channel = (*line)(nil)

func newLine(t transport) *line {
	l := &line{transport: t, ids: newIDs()}
	l.cond = sync.NewCond(&l.mu)
	return l
}

// Recv implements [channel.Channel].
func (l *line) Recv() ([]byte, error) {
	for {
		if !l.awaitRoom() {
			return nil, io.EOF
		}
		msg, err := l.recv()
		if err != nil {
			return nil, err
		}
		out, answers, fault := l.rename(msg)
		if fault != nil {
			l.note(fault)
			if err := l.send(faultMessage(fault)); err != nil {
				return nil, err
			}
			continue
		}
		if !l.begin(answers) {
			return nil, io.EOF
		}
		return out, nil
	}
}

func (l *line) note(fault *jrpc2.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noJSON = l.noJSON || fault.Code == jrpc2.ParseError
}

// wasNoJSON reports whether a message came that is no JSON.
func (l *line) wasNoJSON() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.noJSON
}

// awaitRoom waits until fewer than maxPending messages, and maxCalls calls, wait; it reports whether
// another may be read.
func (l *line) awaitRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for (l.pending >= maxPending || l.calls >= maxCalls) && !l.draining && !l.closed {
		l.cond.Wait()
	}
	return l.open()
}

// open reports whether messages are taken. Where they are not, it waits for the
// end of the line: to report one to jrpc2 at once would cancel the calls that
// are being answered. The caller holds mu.
func (l *line) open() bool {
	if !l.draining && !l.closed {
		return true
	}
	for !l.closed {
		l.cond.Wait()
	}
	return false
}

func (l *line) begin(answers int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open() {
		return false
	}
	if answers > 0 {
		l.pending++
		l.calls += answers
	}
	return true
}

// Send implements [channel.Channel].
func (l *line) Send(msg []byte) error {
	defer l.end(answersIn(msg))
	err := l.send(l.ids.restore(unescaped(recoded(msg))))
	if err == nil && l.pushes != nil {
		l.pushes.answered(msg)
	}
	return err
}

// answersIn counts the answers in a message.
func answersIn(msg []byte) int {
	var batch []json.RawMessage
	if len(msg) == 0 || msg[0] != '[' || json.Unmarshal(msg, &batch) != nil {
		return 1
	}
	return len(batch)
}

func (l *line) end(answers int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending--
	l.calls = max(l.calls-answers, 0)
	if l.pending == 0 {
		l.calls = 0
	}
	l.cond.Broadcast()
}

// Close implements [channel.Channel].
func (l *line) Close() error {
	l.mu.Lock()
	l.closed = true
	l.cond.Broadcast()
	l.mu.Unlock()
	return l.close()
}

// drain stops the reading.
func (l *line) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	l.cond.Broadcast()
}

// idle waits until nothing waits for an answer any more, the line is closed, or
// ctx ends.
func (l *line) idle(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.cond.Broadcast()
	})
	defer stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.pending > 0 && !l.closed && ctx.Err() == nil {
		l.cond.Wait()
	}
}

// rename returns a message with another name for each id, and how many of its
// calls will be answered.
func (l *line) rename(msg []byte) (out []byte, answers int, fault *jrpc2.Error) {
	trimmed := bytes.TrimSpace(msg)
	if !utf8.Valid(trimmed) || !json.Valid(trimmed) {
		return nil, 0, jrpc2.Errorf(jrpc2.ParseError, "parse error")
	}
	if trimmed[0] != '[' {
		out, waits := l.renameOne(trimmed)
		if waits {
			answers = 1
		}
		return out, answers, nil
	}
	var batch []json.RawMessage
	if err := json.Unmarshal(trimmed, &batch); err != nil {
		return nil, 0, jrpc2.Errorf(jrpc2.ParseError, "parse error")
	}
	if len(batch) > maxBatch {
		return nil, 0, jrpc2.Errorf(jrpc2.InvalidRequest, "%d calls in a batch, at most %d", len(batch), maxBatch)
	}
	if len(batch) == 0 {
		answers = 1 // an empty batch is an error, which is answered
	}
	for i, one := range batch {
		renamed, waits := l.renameOne(one)
		batch[i] = renamed
		if waits {
			answers++
		}
	}
	out, err := json.Marshal(batch)
	if err != nil {
		return nil, 0, jrpc2.Errorf(jrpc2.InternalError, "internal error")
	}
	return out, answers, nil
}

func (l *line) renameOne(msg json.RawMessage) (json.RawMessage, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(msg, &fields) != nil || fields == nil {
		return msg, true // no object: an error, which is answered
	}
	id, named := fields["id"]
	if !named {
		return msg, !isNotification(fields)
	}
	alias, ok := l.ids.alias(id)
	if !ok {
		return msg, true
	}
	fields["id"] = alias
	out, err := json.Marshal(fields)
	if err != nil {
		return msg, true
	}
	return out, true
}

// isNotification reports whether an object without an id is a request (section
// 4.1): then there is no answer, not even to say that it failed.
func isNotification(fields map[string]json.RawMessage) bool {
	var version, method string
	for name, value := range fields {
		switch name {
		case "jsonrpc":
			if json.Unmarshal(value, &version) != nil {
				return false
			}
		case "method":
			if json.Unmarshal(value, &method) != nil {
				return false
			}
		case "params":
			if first := bytes.TrimSpace(value)[0]; first != '[' && first != '{' && first != 'n' {
				return false
			}
		default:
			return false
		}
	}
	return version == jrpc2.Version && method != ""
}

// answerMessage is one response as jrpc2 writes it.
type answerMessage struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *jrpc2.Error    `json:"error,omitempty"`
}

// recoded gives what is JSON but no request the code for that.
func recoded(msg []byte) []byte {
	if !bytes.Contains(msg, []byte(`"code":-32700`)) {
		return msg
	}
	var out any
	if msg[0] == '[' {
		var batch []*answerMessage
		if json.Unmarshal(msg, &batch) != nil {
			return msg
		}
		for _, m := range batch {
			m.recode()
		}
		out = batch
	} else {
		m := new(answerMessage)
		if json.Unmarshal(msg, m) != nil {
			return msg
		}
		m.recode()
		out = m
	}
	b, err := json.Marshal(out)
	if err != nil {
		return msg
	}
	return b
}

func (m *answerMessage) recode() {
	if m.Error != nil && m.Error.Code == jrpc2.ParseError {
		m.Error.Code = jrpc2.InvalidRequest
	}
}

// faultMessage answers what never came to jrpc2.
func faultMessage(fault *jrpc2.Error) []byte {
	b, err := json.Marshal(answerMessage{Version: jrpc2.Version, ID: json.RawMessage("null"), Error: fault})
	if err != nil {
		return []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603}}`)
	}
	return b
}

// errNoText is why a connection that sends frames of anything but text is closed.
var errNoText = rats.Errorf(rats.Malformed, "a frame that is no text")
