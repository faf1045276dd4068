// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"os"
	"path/filepath"
)

// InUse reports whether a node runs on a home. It changes nothing there, and
// says no where it cannot tell.
func InUse(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, lockPath), os.O_RDWR, 0)
	if err != nil {
		return false // no home, no node
	}
	defer f.Close() //nolint:errcheck // nothing was written
	ours, err := lockFile(f)
	return err == nil && !ours
}
