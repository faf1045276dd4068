// SPDX-License-Identifier: Apache-2.0

//go:build unix

package secretfile

import (
	"os"
	"syscall"
)

// private reports whether its owner alone may use a file.
func private(st os.FileInfo) bool { return st.Mode().Perm()&0o077 == 0 }

// handed reports whether nobody may use a file but its owner and those whom its
// group lets read. One that is this process's own needs no group, so none may.
func handed(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || int(sys.Uid) == os.Geteuid() {
		return private(st)
	}
	return st.Mode().Perm()&0o037 == 0
}
