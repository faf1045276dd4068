// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// maxInput bounds a file of evidence; the largest known envelope is far smaller.
const maxInput = 1 << 20

// readInput reads FILE, or standard input for "-".
func (a *app) readInput(name string) ([]byte, error) {
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fileError("read", name, err)
		}
		defer f.Close() //nolint:errcheck // opened for reading
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return nil, usagef("%s is a folder, not a file of evidence", name)
		}
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, fileError("read", name, err)
	}
	if len(b) > maxInput {
		return nil, rats.Errorf(rats.TooLarge, "%s is over %d bytes", name, maxInput)
	}
	return b, nil
}

// readEvidence reads FILE as raw bytes, hex or base64.
func (a *app) readEvidence(name string) (attesteer.Evidence, error) {
	b, err := a.readInput(name)
	if err != nil {
		return attesteer.Evidence{}, err
	}
	raw, err := attesteer.Decode(b)
	if err != nil {
		return attesteer.Evidence{}, err
	}
	return attesteer.Evidence{Raw: raw}, nil
}

// fileError says which file could not be used and why, without Go's own words.
func fileError(verb, name string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fileFault{verb, name, err}
}

// fileFault is a fault of the machine: exit code 1.
type fileFault struct {
	verb, name string
	err        error
}

func (e fileFault) Error() string { return e.verb + " " + e.name + ": " + e.err.Error() }
func (e fileFault) Unwrap() error { return e.err }

// trustedRoots returns the roots whose word a command takes: nil stands for
// the vendors' pinned ones.
func trustedRoots(simulated bool) []rats.TrustRoot {
	if !simulated {
		return nil
	}
	return append(attesteer.Roots(), simtee.Root())
}

// openSources reads the sources named by --endorsements.
func (a *app) openSources(ctx context.Context, names []string, roots []rats.TrustRoot) ([]rats.Endorsement, error) {
	var items []rats.Endorsement
	for _, name := range names {
		if strings.Contains(name, "://") || filepath.Ext(name) == ".conf" {
			return nil, usagef("--endorsements %s: only folders can be read by this version", name)
		}
		folder, err := endorse.ReadFolder(ctx, name, roots)
		if err != nil {
			return nil, fileError("read", name, err)
		}
		items = append(items, folder.All()...)
	}
	return items, nil
}
