// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/attesteer/attesteer/rats"
)

// Statuses of Intel's PCCS that HTTP has no name for.
const (
	// StatusIntegrity: what was sent cannot be verified.
	StatusIntegrity = 460
	// StatusUnknownPlatform: the platform is not in the cache.
	StatusUnknownPlatform = 461
	// StatusNoCertificate: certificates are not available for certain TCBs.
	StatusNoCertificate = 462
)

// Refusal is an answer other than success, with the status by which clients of
// a PCCS know it.
type Refusal struct {
	// Status is one of 400, 401, 404, 410, 413, 460, 461, 462, 500, 502 and 503.
	Status int
	// Err says why, for logs and operators: a *[rats.Error].
	Err error
}

func (r *Refusal) Error() string {
	if r.Err == nil {
		return fmt.Sprintf("%d", r.Status)
	}
	return fmt.Sprintf("%d: %v", r.Status, r.Err)
}

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// refuse returns a Refusal with a reason of its own.
func refuse(status int, kind rats.Kind, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Err: rats.Errorf(kind, format, args...)}
}

// refusalOf returns err as a Refusal; one that is none is a fault of ours.
func refusalOf(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return &Refusal{Status: http.StatusInternalServerError, Err: rats.AsError(err)}
}
