// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// printEPID prints what an IAS report says beside the enclave and the status.
func (a *app) printEPID(e *attesteer.EPID) {
	if e == nil {
		return
	}
	version := "of a version of the API that it does not name"
	if e.Version > 0 {
		version = fmt.Sprintf("of version %d of the API", e.Version)
	}
	a.row("Intel's report", e.ReportID+", "+version)
	a.row("made at", e.Time.Format(time.RFC3339Nano))
	a.row("Intel says", string(e.QuoteStatus))
	a.row("EPID group", fmt.Sprintf("%s (%s)", e.GroupID, e.SignatureType))
	a.row("QE, PCE SVN", fmt.Sprintf("%d, %d", e.QESVN, e.PCESVN))
	for _, more := range []struct{ name, value string }{
		{"pseudonym", e.Pseudonym.String()}, {"nonce", e.Nonce}, {"advisories at", e.AdvisoryURL}, {"platform services", e.PSEStatus},
	} {
		if more.value != "" {
			a.row(more.name, more.value)
		}
	}
	if p := e.PlatformInfo; p != nil {
		a.row("to be mended", strings.Join(p.Flags, ", "))
		a.row("latest CPU, PCE, PSE SVN", fmt.Sprintf("%s, %d, %d", p.CPUSVN, p.PCESVN, p.PSESVN))
	}
}

// reporter returns IAS reports of the simulated service about an enclave.
func (f teeFlags) reporter(tcb rats.TCBStatus) (attesterFunc, error) {
	words := map[rats.TCBStatus]epid.QuoteStatus{
		rats.UpToDate: epid.OK, rats.OutOfDate: epid.GroupOutOfDate, rats.ConfigurationNeeded: epid.ConfigurationNeeded,
		rats.SWHardeningNeeded: epid.SWHardeningNeeded, rats.ConfigurationAndSWHardeningNeeded: epid.ConfigurationAndSWHardeningNeeded,
		rats.TCBRevoked: epid.GroupRevoked,
	}
	word, ok := words[tcb]
	if !ok {
		return nil, usagef("--sim-tcb: Intel's service had no word for %s", tcb)
	}
	if f.version != 0 {
		return nil, usagef("--sim-quote-version: an IAS report holds no whole quote")
	}
	if _, err := f.madeAt(); err != nil {
		return nil, err
	}
	enclave, err := f.enclave(tcb)
	if err != nil {
		return nil, err
	}
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, reportData [64]byte) ([]byte, error) {
		made, err := f.madeAt()
		if err != nil {
			return nil, err
		}
		e := enclave
		e.ReportData = reportData
		report, err := pki.IASReport(simtee.IAS{Enclave: e, Time: made, Status: word})
		if err != nil {
			return nil, err
		}
		return report.JSON(), nil
	}, nil
}
