// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"path/filepath"

	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/secretfile"
)

// openSecret returns the file that an error says others than its owner may use,
// or nothing.
func openSecret(err error) string {
	var file *secretfile.Error
	var home *ledger.HomeError
	switch {
	case !errors.Is(err, secretfile.ErrMode):
		return ""
	case errors.As(err, &file):
		return file.Path
	case errors.As(err, &home):
		return filepath.Join(home.Home, home.Path)
	default:
		return ""
	}
}

// readSecret reads a file that holds a private key, or standard input for "-".
// Others than its owner may not read the file, but for what
// [secretfile.ReadHanded] lets pass.
func (a *app) readSecret(name string) ([]byte, error) {
	if name == "-" {
		return a.readInput(name)
	}
	b, _, err := secretfile.ReadHanded(name, maxSecret)
	if err != nil && !errors.Is(err, secretfile.ErrMode) {
		return nil, fileError("read", name, errors.Unwrap(err))
	}
	return b, err
}
