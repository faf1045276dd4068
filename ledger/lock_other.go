// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package ledger

import "os"

// lockFile relies on the databases' own locks where there is no flock(2).
func lockFile(*os.File) (bool, error) { return true, nil }
