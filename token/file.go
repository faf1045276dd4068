// SPDX-License-Identifier: Apache-2.0

package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

// ErrMode says that others than its owner may use a file that holds, or guards,
// secrets: its mode has to be 0600.
var ErrMode = secretfile.ErrMode

// FileError says which file cannot be used and why.
type FileError = secretfile.Error

// fileError wraps err with its file, unless it names one, and without Go's own
// words for the same.
func fileError(path string, err error) error { return secretfile.Fault(path, err) }

// maxFile bounds what is read: the most tokens that are kept take less.
const maxFile = 16 << 20

// readPrivate reads a file that its owner alone may use. The caller asks whether
// it exists.
func readPrivate(path string) ([]byte, os.FileInfo, error) { return secretfile.Read(path, maxFile) }

// writePrivate replaces such a file in one step.
func writePrivate(path string, b []byte) error { return secretfile.Write(path, b) }

// alone runs do while no other process, and no other store of this one, runs
// something alone on the same path.
func alone(path string, do func() error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fileError(filepath.Dir(path), err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fileError(path, err)
	}
	defer f.Close() //nolint:errcheck // closing lets the lock go
	if err := lock(f); err != nil {
		return fileError(path, err)
	}
	return do()
}

// fileVersion is that of both files; another was written by a later program.
const fileVersion = 1

// decode reads one JSON value of a known form, and nothing after it.
func decode(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return rats.Errorf(rats.Malformed, "%w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return rats.Errorf(rats.Malformed, "something follows the end")
	}
	return nil
}

func encode(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return append(b, '\n'), nil
}

func checkVersion(v int) error {
	if v != fileVersion {
		return rats.Errorf(rats.Unsupported, "version %d, known is %d", v, fileVersion)
	}
	return nil
}

// listFile is config/tokens.json.
type listFile struct {
	Version int     `json:"version"`
	Tokens  []Entry `json:"tokens"`
}

// readList reads the list of tokens; a file that does not exist holds none, and
// has no info.
func readList(path string) ([]Entry, os.FileInfo, error) {
	b, st, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fileError(path, err)
	}
	entries, err := decodeList(b)
	if err != nil {
		return nil, nil, fileError(path, err)
	}
	return entries, st, nil
}

func decodeList(b []byte) ([]Entry, error) {
	var list listFile
	if bytes.HasPrefix(b, []byte("[")) { // the form that knew no scopes
		if err := decode(b, &list.Tokens); err != nil {
			return nil, err
		}
		list.Version = fileVersion
		for i := range list.Tokens {
			list.Tokens[i].Scopes = Scopes{Read, Submit}
		}
	} else if err := decode(b, &list); err != nil {
		return nil, err
	}
	if err := checkVersion(list.Version); err != nil {
		return nil, err
	}
	ids := make(map[string]bool, len(list.Tokens))
	for i := range list.Tokens {
		e := &list.Tokens[i]
		if err := e.check(); err != nil {
			return nil, err
		}
		if ids[e.ID] {
			return nil, rats.Errorf(rats.Malformed, "token %s stands there twice", e.ID)
		}
		ids[e.ID] = true
	}
	return list.Tokens, nil
}

func writeList(path string, entries []Entry) error {
	if len(entries) > maxTokens {
		return rats.Errorf(rats.TooLarge, "a node keeps at most %d tokens", maxTokens)
	}
	b, err := encode(listFile{Version: fileVersion, Tokens: entries})
	if err != nil {
		return err
	}
	return writePrivate(path, b)
}
