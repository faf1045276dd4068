// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

// journaled is a line of a journal, in the form of the file.
type journaled interface {
	// line returns the entry as the file has it, with its end of line.
	line() ([]byte, error)
	parse(line []byte) error
}

// journal is a file of lines that outlives the process. Lines are added to it, and
// now and then it is written anew without what is over. Its methods but sync are
// called by one caller at a time; all do nothing on nil.
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
func readJournal[E any, P interface {
	*E
	journaled
}](path string) (entries []E, damaged int, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, journalError(path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewReader(file)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return entries, damaged, nil // what is left does not end
		}
		if err != nil {
			return nil, 0, journalError(path, err)
		}
		var e E
		if P(&e).parse(line) == nil {
			entries = append(entries, e)
		} else if damaged == 0 {
			damaged = n
		}
	}
}

// openJournal writes a file anew and opens it.
func openJournal(path string, entries []journaled) (*journal, error) {
	j := &journal{path: path}
	if err := j.replace(entries); err != nil {
		return nil, err
	}
	return j, nil
}

// replace writes the file anew, in one step.
func (j *journal) replace(entries []journaled) error {
	if j == nil {
		return nil
	}
	var b bytes.Buffer
	for _, e := range entries {
		line, err := e.line()
		if err != nil {
			return err
		}
		b.Write(line)
	}
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if err := secretfile.Write(j.path, b.Bytes()); err != nil {
		return journalError(j.path, err)
	}
	file, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return journalError(j.path, err)
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
func (j *journal) append(e journaled) (mark, error) {
	line, err := e.line()
	if err != nil || j == nil {
		return mark{}, err
	}
	if _, err := j.file.Write(line); err != nil {
		return mark{}, journalError(j.path, errors.Join(err, j.file.Truncate(j.size)))
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
		return journalError(j.path, err)
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
		return journalError(j.path, err)
	}
	return nil
}

// journalError says which file it is that is the matter with.
func journalError(path string, err error) error {
	return rats.Errorf(rats.Internal, "%s: %w", filepath.Base(path), err)
}
