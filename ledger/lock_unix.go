// SPDX-License-Identifier: Apache-2.0

//go:build unix

package ledger

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes f for this process until f is closed or the process ends,
// however it ends. It reports false when another holds it.
func lockFile(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
