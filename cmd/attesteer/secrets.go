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
