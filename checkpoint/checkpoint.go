// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// Checkpoint is a log at one size (C2SP tlog-checkpoint).
type Checkpoint struct {
	// Origin names the log: one line, never empty.
	Origin string
	Size   uint64
	// Root is the hash over all events (RFC 6962 section 2.1).
	Root [32]byte
	// Extension are further lines, none of them empty, of which nothing is known
	// here.
	Extension []string
}

// Origin names the log of a ledger.
func Origin(chainID string) string { return "attesteer/" + chainID }

// text returns the note's text, with its last end of line.
func (c Checkpoint) text() string {
	lines := append([]string{c.Origin, strconv.FormatUint(c.Size, 10), base64.StdEncoding.EncodeToString(c.Root[:])}, c.Extension...)
	return strings.Join(lines, "\n") + "\n"
}

// parse reads what text writes, in that one spelling.
func parse(text string) (Checkpoint, error) {
	body, ok := strings.CutSuffix(text, "\n")
	lines := strings.Split(body, "\n")
	if !ok || len(lines) < 3 || lines[0] == "" {
		return Checkpoint{}, malformed("it has no lines for origin, size and root")
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return Checkpoint{}, malformed("its size is no decimal number")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != 32 {
		return Checkpoint{}, malformed("its root is no hash of 32 bytes in base64")
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: [32]byte(root)}
	for _, line := range lines[3:] {
		if line == "" {
			return Checkpoint{}, malformed("it has an empty line")
		}
		c.Extension = append(c.Extension, line)
	}
	return c, nil
}

func malformed(what string) error { return rats.Errorf(rats.Malformed, "checkpoint: %s", what) }
