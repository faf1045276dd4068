// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/cometbft/cometbft/libs/log"
)

// levelTrace is for what CometBFT calls Debug: every vote and every step.
const levelTrace = slog.LevelDebug - 4

// engineLog hands CometBFT's messages to slog, one level down: what the engine
// calls Info is written for every block and tells an operator nothing.
//
// Its errors are passed on as such until quiet is set: a stop makes CometBFT
// complain of its own closed connections.
type engineLog struct {
	to    *slog.Logger
	quiet *atomic.Bool
	// peers: it is the part that talks to peers, and its errors are theirs: that
	// they come and go, or send what cannot be meant.
	peers bool
}

var _ log.Logger = engineLog{}

func (l engineLog) Debug(msg string, keyvals ...any) { l.write(levelTrace, msg, keyvals) }
func (l engineLog) Info(msg string, keyvals ...any)  { l.write(slog.LevelDebug, msg, keyvals) }

func (l engineLog) Error(msg string, keyvals ...any) {
	level := slog.LevelError
	switch {
	case l.quiet.Load():
		level = slog.LevelDebug
	case l.peers:
		level = slog.LevelWarn
	}
	l.write(level, msg, keyvals)
}

// With returns a logger that adds keyvals to every message.
func (l engineLog) With(keyvals ...any) log.Logger {
	out := engineLog{to: slog.New(l.to.Handler().WithAttrs(attributes(keyvals))), quiet: l.quiet, peers: l.peers}
	for i := 0; i+1 < len(keyvals); i += 2 {
		if keyvals[i] == "module" {
			out.peers = slices.Contains([]any{"p2p", "pex", "blocksync"}, keyvals[i+1])
		}
	}
	return out
}

func (l engineLog) write(level slog.Level, msg string, keyvals []any) {
	ctx := context.Background() // CometBFT's interface carries none
	if !l.to.Enabled(ctx, level) {
		return // values are not looked at: formatting blocks is dear
	}
	l.to.LogAttrs(ctx, level, msg, attributes(keyvals)...) //nolint:sloglint // the message is CometBFT's
}

// attributes pairs up keys and values as go-kit's loggers take them.
func attributes(keyvals []any) []slog.Attr {
	out := make([]slog.Attr, 0, (len(keyvals)+1)/2)
	for i := 0; i < len(keyvals); i += 2 {
		key, ok := keyvals[i].(string)
		if !ok {
			key = fmt.Sprint(keyvals[i])
		}
		if i+1 == len(keyvals) {
			out = append(out, slog.String(key, "(no value)"))
			break
		}
		out = append(out, slog.Attr{Key: key, Value: plain(keyvals[i+1])})
	}
	return out
}

// plain turns a value into text or a number now, while whoever logs it still
// holds its locks. Structures that cannot describe themselves are shown by type
// alone, since to print their fields would race with their owners.
func plain(v any) slog.Value {
	switch v := v.(type) {
	case nil:
		return slog.StringValue("nil")
	case string:
		return slog.StringValue(v)
	case []byte:
		return slog.StringValue(hex.EncodeToString(v))
	case error:
		return slog.StringValue(v.Error())
	case fmt.Stringer:
		return slog.StringValue(v.String())
	case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
		return slog.AnyValue(v)
	default:
		return slog.StringValue(fmt.Sprintf("%T", v))
	}
}
