// SPDX-License-Identifier: Apache-2.0

package attester

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"os/exec"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// ReportDataVariable is what a command finds the report data in: 128 hex digits.
// They are on its standard input as well, in a line.
const ReportDataVariable = "ATTESTEER_REPORT_DATA"

// command is a program that prints evidence: the bytes themselves, or hex or
// base64 of them ([attesteer.Decode]).
type command struct {
	argv    []string
	environ []string
}

func (c command) check() error {
	if len(c.argv) == 0 {
		return rats.Errorf(rats.Unsupported, "no command is named that could produce evidence")
	}
	if _, err := exec.LookPath(c.argv[0]); err != nil {
		var at *exec.Error
		if errors.As(err, &at) {
			err = at.Err
		}
		return rats.Errorf(rats.Unsupported, "the command %q cannot be run: %w", c.argv[0], err)
	}
	return nil
}

// grace is how long whoever inherited a command's output may hold it open.
const grace = 2 * time.Second

func (c command) obtain(ctx context.Context, reportData [64]byte) ([]byte, error) {
	digits := hex.EncodeToString(reportData[:])
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...) //nolint:gosec // to run it is what it was named for
	cmd.Env = append(append([]string{}, c.environ...), ReportDataVariable+"="+digits)
	cmd.Stdin = strings.NewReader(digits + "\n")
	cmd.WaitDelay = grace
	said := &beginning{room: 4 << 10, quiet: true}
	out := &beginning{room: MaxEvidence}
	cmd.Stdout, cmd.Stderr = out, said
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, overdue("the command "+c.argv[0], ctx)
	case out.over:
		return nil, rats.Errorf(rats.TooLarge, "the command %s printed over %d bytes", c.argv[0], MaxEvidence)
	case err != nil:
		return nil, rats.Errorf(rats.Internal, "the command %s gave no evidence: %w%s", c.argv[0], err, said.firstLine())
	case out.Len() == 0:
		return nil, rats.Errorf(rats.Malformed, "the command %s printed nothing%s", c.argv[0], said.firstLine())
	}
	return attesteer.Decode(out.Bytes())
}

// beginning keeps the first bytes of what is written to it. What is beyond is an
// error, which stops the command; if quiet it is dropped.
type beginning struct {
	bytes.Buffer
	room  int
	quiet bool
	over  bool
}

var errOver = errors.New("too much output")

func (b *beginning) Write(p []byte) (int, error) {
	if room := b.room - b.Len(); len(p) > room {
		b.over = true
		b.Buffer.Write(p[:room])
		if !b.quiet {
			return room, errOver
		}
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// firstLine returns the first line that is not empty, quoted, after a colon:
// another program's words may hold anything.
func (b *beginning) firstLine() string {
	line, _, _ := strings.Cut(strings.TrimSpace(b.String()), "\n")
	if line == "" {
		return ""
	}
	return ": it says " + quoted(strings.TrimSpace(line))
}

// quoted returns a line in quotes, shortened.
func quoted(line string) string {
	const longest = 200
	if runes := []rune(line); len(runes) > longest {
		line = string(runes[:longest]) + "…"
	}
	return `"` + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, line) + `"`
}
