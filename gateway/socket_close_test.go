// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/simtee"
)

// frame returns a client's frame, masked with zeros, whose first byte says what
// it is (RFC 6455 section 5.2).
func frame(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

const (
	finalText  = 0x81
	firstText  = 0x01
	finalRest  = 0x80
	pingFrame  = 0x89
	closeFrame = 0x88
)

// farewell is what a client sends that closes with status 1000.
func farewell() []byte { return frame(closeFrame, "\x03\xe8") }

// blunt is a client's side of a WebSocket, frame by frame.
type blunt struct {
	net.Conn
	r *bufio.Reader
}

// dialBlunt opens a WebSocket and sends frames with, or right after, its request.
func dialBlunt(t testing.TB, h *house, together bool, frames ...[]byte) *blunt {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	request := "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	var sent []byte
	for _, f := range frames {
		sent = append(sent, f...)
	}
	if together {
		request, sent = request+string(sent), nil
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	b := &blunt{Conn: conn, r: bufio.NewReader(conn)}
	resp, err := http.ReadResponse(b.r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", resp, err)
	}
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	return b
}

// rest reads frames to the end and returns those of text, and whether a Close
// frame was the last.
func (b *blunt) rest(t testing.TB) (texts []string, closed bool) {
	t.Helper()
	for {
		first, err := b.r.ReadByte()
		if err != nil {
			return texts, closed
		}
		if closed {
			t.Error("a frame after the Close frame")
		}
		length, err := b.r.ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(length)
		switch length {
		case 126:
			var two [2]byte
			_, err = io.ReadFull(b.r, two[:])
			n = uint64(binary.BigEndian.Uint16(two[:]))
		case 127:
			t.Fatal("a long frame")
		}
		payload := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(b.r, payload)
		}
		if err != nil {
			t.Fatal(err)
		}
		switch first {
		case finalText:
			texts = append(texts, string(payload))
		case closeFrame:
			closed = true
		}
	}
}

func TestWhoClosesAfterItsLastCallIsAnsweredYet(t *testing.T) {
	h := openShielded(t, "dev")
	call := func(n uint64) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"attesteer_forwardDcapQuote","params":["%x"]}`, n, quote(t, n, simtee.Enclave{}))
	}
	short := `{"jsonrpc":"2.0","id":9,"method":"system_name"}`
	for name, frames := range map[string]func(n uint64) [][]byte{
		"a call": func(n uint64) [][]byte { return [][]byte{frame(finalText, call(n))} },
		"a call in parts": func(n uint64) [][]byte {
			c := call(n)
			return [][]byte{frame(firstText, c[:200]), frame(pingFrame, "x"), frame(finalRest, c[200:])}
		},
		"one of several": func(n uint64) [][]byte {
			return [][]byte{frame(finalText, call(n)), frame(finalText, short), frame(finalText, `{"jsonrpc":"2.0","method":"system_name"}`)}
		},
		"a batch, and no payload": func(n uint64) [][]byte { return [][]byte{frame(pingFrame, ""), frame(finalText, `[`+call(n)+`]`)} },
	} {
		for i, together := range []bool{false, true} {
			n := uint64(len(name)*10 + i)
			all := append(frames(n), farewell())
			texts, closed := dialBlunt(t, h, together, all...).rest(t)
			if want := strings.Count(name, "several") + 1; len(texts) != want || !closed {
				t.Fatalf("%s, with the request %v: %d answers, closed %v", name, together, len(texts), closed)
			}
			if all := strings.Join(texts, "\n"); strings.Count(all, `"result":"0x`) != 1 || !strings.Contains(all, fmt.Sprintf(`"id":%d,`, n)) {
				t.Errorf("%s, with the request %v: %.300s", name, together, all)
			}
		}
	}
	t.Run("and its watch ends first", func(t *testing.T) {
		s := newSigner(t, h)
		for i := range uint64(2) {
			tx := s.sign(t, 1000+i, alone)
			msg := `{"jsonrpc":"2.0","id":1,"method":"author_submitAndWatchExtrinsic","params":["` + h.request(t, tx, false) + `"]}`
			texts, closed := dialBlunt(t, h, false, frame(finalText, msg), farewell()).rest(t)
			if len(texts) != 3 || !closed || !strings.Contains(texts[2], `000104`) {
				t.Fatalf("%d texts, closed %v: %s", len(texts), closed, texts)
			}
		}
	})
	t.Run("and what does not end is no reason to stay", func(t *testing.T) {
		texts, closed := dialBlunt(t, h, false, frame(finalText, `{"jsonrpc":"2.0","id":1,"method":"registry.subscribe","params":{}}`), farewell()).rest(t)
		if len(texts) != 1 || !closed {
			t.Errorf("%s, closed %v", texts, closed)
		}
	})
}
