// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"time"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// The kinds of enclaves that are simulated.
const (
	simSGX = "sim-sgx"
	simTDX = "sim-tdx"
	// simEPID is an SGX enclave that Intel's attestation service vouches for.
	simEPID = "sim-epid"
)

// teeFlags say which TEE evidence is to come from.
type teeFlags struct {
	tee         string
	measurement string
	signer      string
	tcb         string
	debug       bool
	platform    uint32
	version     uint16
	made        string
}

// teeFlagsOf registers the flags that say which TEE evidence is to come from.
func teeFlagsOf(fl *pflag.FlagSet, f *teeFlags) {
	fl.StringVar(&f.tee, "tee", simSGX, "kind of enclave: sim-sgx, sim-tdx or sim-epid")
	fl.StringVar(&f.measurement, "sim-measurement", "", "MRENCLAVE (64 hex digits) or MRTD (96) of what is simulated (default: derived from a name)")
	fl.StringVar(&f.signer, "sim-signer", "", "MRSIGNER of the simulated enclave, 64 hex digits (default: derived from a name; sim-sgx only)")
	fl.StringVar(&f.tcb, "sim-tcb", string(rats.UpToDate), "TCB status of the simulated platform")
	fl.BoolVar(&f.debug, "sim-debug", false, "simulate a debug build")
	fl.Uint32Var(&f.platform, "sim-platform", 0, "which simulated platform to run on")
	fl.Uint16Var(&f.version, "sim-quote-version", 0, "version of the quote: 3, 4 or 5 (default: 3 for sim-sgx, the first that serves for sim-tdx)")
	fl.StringVar(&f.made, "sim-time", "", "when the simulated service made its report, RFC 3339 (default: now; sim-epid only)")
}

// attesterFunc produces evidence bound to report data. An error may come with
// evidence: genuine as far as can be told, and of a kind that is not verified
// here (Unsupported).
type attesterFunc func(ctx context.Context, reportData [64]byte) ([]byte, error)

// openAttester returns what produces evidence as the flags say. It may be called
// again and again, from one goroutine at a time or from several.
func (a *app) openAttester(f teeFlags) (attesterFunc, error) {
	statuses, err := parseStatuses("--sim-tcb", []string{f.tcb})
	if err != nil {
		return nil, err
	}
	tcb := statuses[0]
	switch f.tee {
	case simSGX:
		enclave, err := f.enclave(tcb)
		return func(_ context.Context, reportData [64]byte) ([]byte, error) {
			e := enclave
			e.ReportData = reportData
			return e.Quote()
		}, err
	case simTDX:
		td, err := f.trustDomain(tcb)
		return func(_ context.Context, reportData [64]byte) ([]byte, error) {
			d := td
			d.ReportData = reportData
			return d.Quote()
		}, err
	case simEPID:
		return f.reporter(tcb)
	default:
		return nil, hinted{rats.Errorf(rats.Unsupported, "tee %q cannot be attested here", f.tee), "use --tee sim-sgx, sim-tdx or sim-epid"}
	}
}

func (f teeFlags) enclave(tcb rats.TCBStatus) (simtee.Enclave, error) {
	e := simtee.Enclave{
		MREnclave: sha256.Sum256([]byte("simulated enclave")),
		MRSigner:  sha256.Sum256([]byte("simulated vendor")),
		ISVProdID: 1, ISVSVN: 1, Debug: f.debug, Platform: f.platform, TCB: tcb, Form: simtee.Form{Version: f.version},
	}
	if err := fillHex(e.MREnclave[:], "--sim-measurement", f.measurement, true); err != nil {
		return e, err
	}
	return e, fillHex(e.MRSigner[:], "--sim-signer", f.signer, true)
}

func (f teeFlags) trustDomain(tcb rats.TCBStatus) (simtee.TD, error) {
	d := simtee.TD{
		MRTD:  sha512.Sum384([]byte("simulated trust domain")),
		Debug: f.debug, Platform: f.platform, TCB: tcb, Form: simtee.Form{Version: f.version},
	}
	if f.signer != "" {
		return d, usagef("--sim-signer: a trust domain has no signer")
	}
	return d, fillHex(d.MRTD[:], "--sim-measurement", f.measurement, true)
}

// madeAt returns when the simulated service makes its report.
func (f teeFlags) madeAt() (time.Time, error) {
	if f.made == "" {
		return time.Now(), nil
	}
	return parseTime("--sim-time", f.made)
}
