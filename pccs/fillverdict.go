// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"errors"
	"net/http"

	"github.com/attesteer/attesteer/rats"
)

// invalid is what an upstream gave and is not kept, and why.
type invalid struct {
	from string
	err  *rats.Error
}

func (e *invalid) Error() string {
	return e.err.Kind.String() + ": " + e.from + " answered with what is not taken: " + e.err.Detail
}

func (e *invalid) Unwrap() error { return e.err }

// faultOutcome says what came of a call that failed.
func faultOutcome(err error) Outcome {
	var wrong *invalid
	if errors.As(err, &wrong) {
		return Refused
	}
	switch faultOf(err).Class {
	case FaultAbsent, FaultGone, FaultBad:
		return Absent
	default:
		return Down
	}
}

// verdict makes one answer of what several upstreams said, none of which gave.
// An upstream that knows that there is no such thing, or no longer, is believed
// before those that could not be asked: the first such, in their order. What
// could not be verified, or was not answered as it should, is a bad gateway.
type verdict struct {
	status int
	why    error
	weight int
}

func (v *verdict) hear(err error) {
	status, weight := classify(err)
	if weight > v.weight {
		v.status, v.why, v.weight = status, err, weight
	}
}

// classify returns the status that an upstream's failure leads to, and how much
// it says.
func classify(err error) (status, weight int) {
	var wrong *invalid
	var own *Refusal
	switch {
	case errors.As(err, &own):
		if own.Status == http.StatusInternalServerError {
			return own.Status, 5
		}
		return own.Status, 1
	case errors.As(err, &wrong):
		return http.StatusBadGateway, 3
	}
	switch faultOf(err).Class {
	case FaultGone:
		return http.StatusGone, 4
	case FaultAbsent, FaultBad:
		return http.StatusNotFound, 4
	case FaultDenied:
		return http.StatusBadGateway, 3
	case FaultBusy:
		return http.StatusServiceUnavailable, 2
	default:
		return http.StatusBadGateway, 1
	}
}

// refusal returns what is to be answered.
func (v *verdict) refusal(what string) *Refusal {
	if v.why == nil {
		return refuse(http.StatusNotFound, rats.EndorsementUnavailable, "%s is not in the cache, and there is no upstream to ask", what)
	}
	kind := rats.EndorsementUnavailable
	var wrong *invalid
	if errors.As(v.why, &wrong) {
		kind = wrong.err.Kind
	}
	if v.status == http.StatusInternalServerError {
		kind = rats.Internal
	}
	return &Refusal{Status: v.status, Err: &rats.Error{Kind: kind, Detail: what + ": " + detail(v.why), Err: v.why}}
}

func (v *verdict) outcome() Outcome {
	switch v.status {
	case http.StatusNotFound, http.StatusGone:
		return Absent
	default:
		return Down
	}
}

// detail returns what an error says without its kind.
func detail(err error) string {
	var wrong *invalid
	if errors.As(err, &wrong) {
		return wrong.from + " answered with what is not taken: " + wrong.err.Detail
	}
	return rats.AsError(err).Detail
}
