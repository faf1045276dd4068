// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import "syscall"

// diskSpace returns what is free for this process where a folder is, and the
// size of the whole, in bytes.
func diskSpace(dir string) (free, total uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	size := uint64(st.Bsize) //nolint:gosec,unconvert // the type differs between systems, and it is positive
	return st.Bavail * size, st.Blocks * size, nil
}
