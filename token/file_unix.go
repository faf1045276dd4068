// SPDX-License-Identifier: Apache-2.0

//go:build unix

package token

import (
	"errors"
	"os"
	"syscall"
)

// lock waits until f is this opening's alone. It is let go when f is closed or
// the process ends, however it ends.
func lock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
