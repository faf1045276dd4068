// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cometbft/cometbft/libs/tempfile"

	"github.com/attesteer/attesteer/secretfile"
)

// Files of a home, relative to it. Those that hold secrets have mode 0600.
const (
	lockPath           = ".lock"
	genesisPath        = "config/genesis.json"
	nodeKeyPath        = "config/node_key.json"
	validatorKeyPath   = "config/priv_validator_key.json"
	registrarKeyPath   = "config/registrar_key"
	checkpointKeyPath  = "config/checkpoint_key"
	governanceKeyPath  = "config/governance_key"
	dataPath           = "data"
	validatorStatePath = "data/priv_validator_state.json"
)

// ErrHomeInUse says that another process, or another node of this one, runs on
// the home.
var ErrHomeInUse = errors.New("in use by another process")

// HomeError says what is wrong with a home folder: that it cannot be written,
// is in use ([ErrHomeInUse]), belongs to another network ([*NetworkError]) or
// lacks a file.
type HomeError struct {
	// Home is the folder, Path the file in it that the error is about.
	Home, Path string
	Err        error
}

// Error names the file and the reason.
func (e *HomeError) Error() string {
	reason := e.Err
	var pathErr *fs.PathError
	var secretErr *secretfile.Error
	switch { // the path is said once
	case errors.As(reason, &pathErr):
		reason = pathErr.Err
	case errors.As(reason, &secretErr):
		reason = secretErr.Err
	}
	return fmt.Sprintf("home %s: %v", filepath.Join(e.Home, e.Path), reason)
}

// Unwrap returns the reason.
func (e *HomeError) Unwrap() error { return e.Err }

// NetworkError says that a home was made for another network or chain.
type NetworkError struct{ Want, Have string }

// Error names both.
func (e *NetworkError) Error() string {
	return fmt.Sprintf("made for %s, not for %s", e.Have, e.Want)
}

// home is a folder that this process holds alone until it closes it.
type home struct {
	dir  string
	lock *os.File
}

// openHome makes dir where it is missing and takes it for this process.
func openHome(dir string) (*home, error) {
	h := &home{dir: dir}
	for _, sub := range []string{"", filepath.Dir(genesisPath), dataPath} {
		if err := os.MkdirAll(h.path(sub), 0o700); err != nil {
			return nil, h.wrap(sub, err)
		}
	}
	f, err := os.OpenFile(h.path(lockPath), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, h.wrap("", err)
	}
	switch ours, err := lockFile(f); {
	case err != nil:
		return nil, errors.Join(h.wrap(lockPath, err), f.Close())
	case !ours:
		return nil, errors.Join(h.wrap("", ErrHomeInUse), f.Close())
	}
	h.lock = f
	return h, nil
}

// close lets others have the home.
func (h *home) close() error { return h.lock.Close() }

func (h *home) path(name string) string { return filepath.Join(h.dir, filepath.FromSlash(name)) }

func (h *home) wrap(name string, err error) error {
	return &HomeError{Home: h.dir, Path: filepath.FromSlash(name), Err: err}
}

// has reports whether a file of the home exists.
func (h *home) has(name string) bool {
	_, err := os.Stat(h.path(name))
	return err == nil
}

// read returns a file of the home, which must exist.
func (h *home) read(name string) ([]byte, error) {
	b, err := os.ReadFile(h.path(name))
	if err != nil {
		return nil, h.wrap(name, err)
	}
	return b, nil
}

// maxSecret bounds a file that holds a key, in bytes.
const maxSecret = 64 << 10

// readSecret returns a file of the home that holds a key, which nobody but its
// owner may use.
func (h *home) readSecret(name string) ([]byte, error) {
	b, _, err := secretfile.Read(h.path(name), maxSecret)
	if err != nil {
		return nil, h.wrap(name, err)
	}
	return b, nil
}

// write replaces a file of the home in one step.
func (h *home) write(name string, data []byte, mode fs.FileMode) error {
	if err := tempfile.WriteFileAtomic(h.path(name), data, mode); err != nil {
		return h.wrap(name, err)
	}
	return nil
}
