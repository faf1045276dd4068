// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"errors"
	"fmt"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// verdict is what one verifier says of one sample.
type verdict struct {
	accepted bool
	// status is empty where the verifier reports none.
	status rats.TCBStatus
	// err says why a refusal is one.
	err error
}

func (v verdict) String() string {
	switch {
	case v.accepted:
		return fmt.Sprintf("accepts (%s)", v.status)
	case v.status != "":
		return fmt.Sprintf("refuses for its status %s: %v", v.status, v.err)
	default:
		return fmt.Sprintf("refuses: %v", v.err)
	}
}

// opinion is our verdict, with what it rests on.
type opinion struct {
	verdict
	result *attesteer.Result
}

// ourselves judges with one memory for all samples, as a service does.
type ourselves struct {
	verifier *attesteer.Verifier
}

// judge asks our verifier under a policy. The status counts as reported only
// where it is the answer: what a bad signature was found with is no answer.
func (o ourselves) judge(s *sample, p attesteer.Policy) opinion {
	endorsements, err := attesteer.ParseEndorsements(s.endorsements()...)
	if err != nil {
		return opinion{verdict: verdict{err: err}}
	}
	r, err := o.verifier.Verify(attesteer.Evidence{Raw: s.quote}, endorsements, p, s.at)
	v := verdict{accepted: err == nil, err: err}
	var typed *rats.Error
	if r != nil && r.TCB != nil && (err == nil || errors.As(err, &typed) && typed.Check == "tcb_status") {
		v.status = r.TCB.Status
	}
	return opinion{verdict: v, result: r}
}
