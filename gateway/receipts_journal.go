// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

// journalEntry is a line of the file of receipts: a transaction for which one was
// given, or what became of it.
type journalEntry struct {
	// Tx is the signed transaction.
	Tx []byte    `json:"tx,omitempty"`
	At time.Time `json:"at"`
	// Hash names the transaction of which one of what follows is said.
	Hash     string           `json:"hash,omitempty"`
	Recorded *client.Recorded `json:"recorded,omitempty"`
	Problem  *client.Problem  `json:"problem,omitempty"`

	// size is that of its line, once it was read or written.
	size int
}

// line returns the entry as the file has it.
func (e *journalEntry) line() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	e.size = len(b) + 1
	return append(b, '\n'), nil
}

// journal is the file of receipts. Lines are added to it, and now and then it is
// written anew without what is over. Its methods but sync are called by one
// caller at a time; all do nothing on nil.
type journal struct {
	path string
	size int64

	// syncing guards what follows against the file's being replaced.
	syncing sync.Mutex
	file    *os.File
	// generation counts the files; synced is how much of this one is on the disk.
	generation int
	synced     int64
}

// mark is a place in the file.
type mark struct {
	generation int
	size       int64
}

// readJournal returns the lines of a file that need not exist. A last line that
// does not end was never acknowledged. Of any other that cannot be read, which is
// the disk's doing, the number of the first is returned, from 1.
func readJournal(path string) (entries []journalEntry, damaged int, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, rats.Errorf(rats.Internal, "receipts: %w", err)
	}
	lines := bufio.NewReader(bytes.NewReader(b))
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return entries, damaged, nil //nolint:nilerr // what is left does not end
		}
		var e journalEntry
		if json.Unmarshal(line, &e) == nil {
			e.size = len(line)
			entries = append(entries, e)
		} else if damaged == 0 {
			damaged = n
		}
	}
}

// openJournal writes a file anew and opens it.
func openJournal(path string, entries []journalEntry) (*journal, error) {
	j := &journal{path: path}
	if err := j.replace(entries); err != nil {
		return nil, err
	}
	return j, nil
}

// replace writes the file anew, in one step.
func (j *journal) replace(entries []journalEntry) error {
	if j == nil {
		return nil
	}
	var b bytes.Buffer
	for i := range entries {
		line, err := entries[i].line()
		if err != nil {
			return err
		}
		b.Write(line)
	}
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if err := secretfile.Write(j.path, b.Bytes()); err != nil {
		return rats.Errorf(rats.Internal, "receipts: %w", err)
	}
	file, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return rats.Errorf(rats.Internal, "receipts: %w", err)
	}
	if j.file != nil {
		_ = j.file.Close() // the old file is nobody's any more
	}
	j.file, j.size = file, int64(b.Len())
	j.generation, j.synced = j.generation+1, j.size
	return nil
}

// append adds a line and returns the place behind it. What was written in part is
// taken back: the next line has to begin a line.
func (j *journal) append(e *journalEntry) (mark, error) {
	line, err := e.line()
	if err != nil || j == nil {
		return mark{}, err
	}
	if _, err := j.file.Write(line); err != nil {
		return mark{}, rats.Errorf(rats.Internal, "receipts: %w", errors.Join(err, j.file.Truncate(j.size)))
	}
	j.size += int64(len(line))
	return mark{j.generation, j.size}, nil
}

// sync returns once all before a place is on the disk. Callers who come while one
// syncs are served by the next who does.
func (j *journal) sync(to mark) error {
	if j == nil {
		return nil
	}
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if to.generation < j.generation || to.size <= j.synced {
		return nil // a file that was written anew is on the disk, and holds what is not over
	}
	st, err := j.file.Stat()
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return rats.Errorf(rats.Internal, "receipts: %w", err)
	}
	j.synced = st.Size()
	return nil
}

// wasteful reports whether most of the file is over, of which live bytes count.
func (j *journal) wasteful(live int) bool {
	const small = 1 << 20
	return j != nil && j.size > small && j.size > 4*int64(live)
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if err := j.file.Close(); err != nil {
		return rats.Errorf(rats.Internal, "receipts: %w", err)
	}
	return nil
}
