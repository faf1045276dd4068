// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin

package main

import "errors"

// diskSpace is not known there.
func diskSpace(string) (free, total uint64, err error) {
	return 0, 0, errors.ErrUnsupported
}
