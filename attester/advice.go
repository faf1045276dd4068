// SPDX-License-Identifier: Apache-2.0

package attester

import (
	"errors"

	"github.com/attesteer/attesteer/rats"
)

// advised is an error with a word on what to do about it.
type advised struct {
	error
	advice string
}

func (e advised) Unwrap() error { return e.error }

// advise adds a word to err; an empty one adds nothing.
func advise(err error, advice string) error {
	if advice == "" {
		return err
	}
	return advised{err, advice}
}

// Advice returns what to do about an error of this package: lower case, no full
// stop; empty if there is nothing to say.
func Advice(err error) string {
	var a advised
	if errors.As(err, &a) {
		return a.advice
	}
	return ""
}

// detail returns what an error of this module says beside its kind, to be part
// of another's words.
func detail(err error) string { return rats.AsError(err).Detail }
