// SPDX-License-Identifier: Apache-2.0

package secretfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrMode says that others than its owner may use a file.
var ErrMode = errors.New("others than its owner may use it")

// ErrLarge says that a file is larger than anything that could be meant.
var ErrLarge = errors.New("too large")

// Error says which file cannot be used and why.
type Error struct {
	Path string
	Err  error
}

// Error names the file and the reason.
func (e *Error) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Fault wraps err with its file, unless it names one, and without Go's own words
// for the same. No error stays none.
func Fault(path string, err error) error {
	var f *Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return &Error{Path: path, Err: err}
}

// Read reads a file that its owner alone may use, of at most limit bytes. An
// error is an [*Error]: [ErrMode], [ErrLarge], or what the system says.
func Read(path string, limit int64) ([]byte, os.FileInfo, error) {
	return read(path, limit, private)
}

// ReadHanded reads a file as [Read] does, but for one that is not this process's
// user's: of that, the group may read too.
func ReadHanded(path string, limit int64) ([]byte, os.FileInfo, error) {
	return read(path, limit, handed)
}

// Check returns what [Read] would say about a file's mode.
func Check(path string) error {
	st, err := os.Stat(path)
	if err == nil && !private(st) {
		err = ErrMode
	}
	return Fault(path, err)
}

func read(path string, limit int64, fit func(os.FileInfo) bool) ([]byte, os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, Fault(path, err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	// Of what was opened: a name may stand for another file by now.
	st, err := f.Stat()
	if err != nil {
		return nil, nil, Fault(path, err)
	}
	if !fit(st) {
		return nil, nil, Fault(path, ErrMode)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = ErrLarge
	}
	if err != nil {
		return nil, nil, Fault(path, err)
	}
	return b, st, nil
}

// Write replaces a file in one step, which a loss of power does not undo. Its
// owner alone may use it. Folders that are missing are made, for their owner
// alone.
func Write(path string, b []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Fault(dir, err)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // its mode is 0600
	if err != nil {
		return Fault(dir, err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return Fault(path, errors.Join(err, os.Remove(f.Name())))
	}
	return Fault(dir, syncFolder(dir))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
