// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"time"

	"github.com/attesteer/attesteer/rats"
)

// NumberList is Intel's word on which TCB evaluations there are (PCS API v4
// 3.7, TCB evaluation data numbers, version 1). It does not say which of them
// Intel serves as the standard one.
type NumberList struct {
	TEE                rats.TEE
	Issued, NextUpdate time.Time
	// Numbers stand as they were sent, the latest first as Intel sends them.
	Numbers []EvaluationData
}

// EvaluationData is one TCB evaluation.
type EvaluationData struct {
	Number uint32
	// RecoveryEvent is when the TCB recovery that led to it was made public;
	// Date is the date that UpToDate levels of the evaluation carry at least.
	RecoveryEvent, Date time.Time
}

func parseNumberList(inner value) (*NumberList, error) {
	var err error
	o := readObject("tcbEvaluationDataNumbers", inner, &err)
	if v := o.number("version", 1<<16); err == nil && v != 1 {
		return nil, rats.Errorf(rats.Unsupported, "list of TCB evaluation data numbers of version %d", v)
	}
	l := &NumberList{TEE: rats.SGX}
	if id := o.text("id"); id == "TDX" {
		l.TEE = rats.TDX
	} else if id != "SGX" {
		o.fail("id %q is neither SGX nor TDX", id)
	}
	l.Issued, l.NextUpdate = o.time("issueDate"), o.time("nextUpdate")
	raw := o.list("tcbEvalNumbers")
	if *o.err == nil && (len(raw) == 0 || len(raw) > maxLevels) {
		o.fail("has %d numbers", len(raw))
	}
	seen := map[uint32]bool{}
	for _, r := range raw {
		n := readObject("tcbEvaluationDataNumbers.tcbEvalNumbers[]", r, o.err)
		if *o.err != nil {
			return nil, err
		}
		e := EvaluationData{
			Number:        uint32(n.number("tcbEvaluationDataNumber", 1<<31)), //nolint:gosec // bounded
			RecoveryEvent: n.time("tcbRecoveryEventDate"), Date: n.time("tcbDate"),
		}
		if seen[e.Number] {
			n.fail("stands twice")
		}
		seen[e.Number] = true
		l.Numbers = append(l.Numbers, e)
	}
	if err == nil && l.NextUpdate.Before(l.Issued) {
		o.fail("ends before it begins")
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}
