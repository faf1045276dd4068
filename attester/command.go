// SPDX-License-Identifier: Apache-2.0

package attester

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"strconv"
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
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
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
	together(cmd)
	said := &beginning{room: 4 << 10, quiet: true}
	out := &beginning{room: MaxEvidence}
	cmd.Stdout, cmd.Stderr = out, said
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, overdue(ctx, "the command "+c.argv[0])
	case out.over:
		return nil, rats.Errorf(rats.TooLarge, "the command %s printed over %d bytes", c.argv[0], MaxEvidence)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay): // that is about what it left behind: the command itself ended well
		return nil, rats.Errorf(rats.Internal, "the command %s gave no evidence: %w%s", c.argv[0], err, said.firstLine())
	case out.kept.Len() == 0:
		return nil, rats.Errorf(rats.Malformed, "the command %s printed nothing%s", c.argv[0], said.firstLine())
	}
	raw, err := attesteer.Decode(out.kept.Bytes())
	if err != nil {
		return nil, rats.Errorf(rats.KindOf(err), "what the command %s printed: %s", c.argv[0], detail(err))
	}
	return raw, nil
}

// beginning keeps the first bytes of what is written to it. What is beyond is an
// error, which stops the command; if quiet it is dropped.
type beginning struct {
	// kept is no embedded field: io.Copy would find its ReadFrom, and fill it
	// without an end.
	kept  bytes.Buffer
	room  int
	quiet bool
	over  bool
}

func (b *beginning) Write(p []byte) (int, error) {
	room := b.room - b.kept.Len()
	if len(p) <= room {
		return b.kept.Write(p)
	}
	b.over = true
	b.kept.Write(p[:room])
	if b.quiet {
		return len(p), nil
	}
	return room, io.ErrShortWrite
}

// firstLine returns the first line that is not empty, quoted and shortened, after
// a colon: another program's words may hold anything.
func (b *beginning) firstLine() string {
	line, _, _ := strings.Cut(strings.TrimSpace(b.kept.String()), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return ""
	}
	const longest = 200
	if runes := []rune(line); len(runes) > longest {
		line = string(runes[:longest]) + "…"
	}
	return ": it says " + strconv.Quote(line)
}
