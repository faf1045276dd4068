// SPDX-License-Identifier: Apache-2.0

package rats

import (
	"errors"
	"fmt"
)

// Error is the one error type of this module. Kind is what a caller acts on;
// the rest is for people and never enters replicated state.
type Error struct {
	// Kind is never None.
	Kind Kind
	// Check names the entry in [Check] that failed, if a check did.
	Check string
	// Spec cites the clause that the input breaks, such as "SGX DCAP QVL 4.1.2.4.12".
	Spec string
	// Detail says what is wrong: lower case, no full stop, no secret.
	Detail string
	// Err is the cause, if there is one worth keeping.
	Err error
}

// Errorf returns an *Error of the given kind. A %w verb sets Err.
func Errorf(kind Kind, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Detail: wrapped.Error(), Err: errors.Unwrap(wrapped)}
}

// In returns a copy of e that names the failed check and its clause.
func (e *Error) In(check, spec string) *Error {
	c := *e
	c.Check, c.Spec = check, spec
	return &c
}

// Error returns "kind: detail", the form in which every outward interface shows it.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Kind.String()
	}
	return e.Kind.String() + ": " + e.Detail
}

// Unwrap lets errors.Is find both the Kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// KindOf returns the Kind of err: None for nil, and Internal for an error that
// carries none.
func KindOf(err error) Kind {
	if err == nil {
		return None
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var k Kind
	if errors.As(err, &k) {
		return k
	}
	return Internal
}

// AsError returns err as an *Error; one that carries no Kind becomes Internal
// with an empty Detail, so that nothing of it leaves the process by accident.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindOf(err), Err: err}
}
