// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// logFlags say how a node logs.
type logFlags struct {
	format, level string
	verbose       bool
}

// The forms of a log, and its levels.
const (
	logText = "text"
	logJSON = "json"
)

func logFormats() []string { return []string{logText, logJSON} }

func logLevels() []string { return []string{"debug", "info", "warn", "error"} }

func (f *logFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.format, "log-format", logText, "how to log on standard error: text or json, one object a line")
	fl.StringVar(&f.level, "log-level", "info", "what to log at least: debug, info, warn or error")
	fl.BoolVar(&f.verbose, "verbose", false, "the same as --log-level debug: also what the consensus engine does")
	_ = cmd.RegisterFlagCompletionFunc("log-format", offer(logFormats())) // fails for a flag that is not there
	_ = cmd.RegisterFlagCompletionFunc("log-level", offer(logLevels()))
}

func (f *logFlags) check() error {
	if f.format != logText && f.format != logJSON {
		return usagef("--log-format: %q is neither text nor json", f.format)
	}
	if _, err := f.threshold(); err != nil {
		return usagef("--log-level: %q is none of %s", f.level, strings.Join(logLevels(), ", "))
	}
	return nil
}

func (f *logFlags) threshold() (slog.Level, error) {
	var l slog.Level
	if f.verbose {
		return slog.LevelDebug, nil
	}
	switch f.level { // slog would also take INFO+2
	case "debug", "info", "warn", "error":
		return l, l.UnmarshalText([]byte(f.level))
	}
	return l, usagef("no such level")
}

// logger returns a logger to w. Times are UTC: logs of several machines are read
// together.
func (f *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	level, err := f.threshold()
	if err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, at slog.Attr) slog.Attr {
		if at.Key == slog.TimeKey && len(groups) == 0 {
			at.Value = slog.TimeValue(at.Value.Time().UTC())
		}
		if at.Value.Kind() == slog.KindDuration {
			at.Value = slog.StringValue(at.Value.Duration().String()) // JSON has no unit else
		}
		return at
	}}
	if f.format == logJSON {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}

// speak says what is for people in the log: a log of JSON is read by programs,
// for which every line has to be an object.
func speak(logger *slog.Logger) func(line string) {
	return func(line string) {
		level := slog.LevelInfo
		kind, rest, ok := strings.Cut(line, ": ")
		switch {
		case ok && kind == "error":
			level, line = slog.LevelError, rest
		case ok && kind == "warning":
			level, line = slog.LevelWarn, rest
		}
		logger.LogAttrs(context.Background(), level, "said", slog.String("text", line))
	}
}
