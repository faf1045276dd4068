// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/attester"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// The kinds of enclaves that are simulated; those that are not are package
// attester's.
const (
	simSGX = "sim-sgx"
	simTDX = "sim-tdx"
	// simEPID is an SGX enclave that Intel's attestation service vouches for.
	simEPID = "sim-epid"
)

// teeNames returns what --tee takes.
func teeNames() []string { return append(attester.Names(), simSGX, simTDX, simEPID) }

// teeFlags say which TEE evidence is to come from.
type teeFlags struct {
	tee     string
	root    string
	command string
	timeout time.Duration
	// files is how devices are reached; nil is by the files below root.
	files attester.Files

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
	fl.StringVar(&f.tee, "tee", simSGX, "what makes the evidence: gramine, configfs-tsm, auto (whichever of them is here), command, sim-sgx, sim-tdx or sim-epid")
	fl.StringVar(&f.root, "tee-root", "/", "folder in which the machine's /dev and /sys are")
	fl.StringVar(&f.command, "tee-command", "", "program that prints evidence, and its arguments, parted at blanks: 128 hex digits of report data are on its standard input and in ATTESTEER_REPORT_DATA")
	fl.DurationVar(&f.timeout, "tee-timeout", attester.DefaultTimeout, "how long evidence may take")
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
	if f.command != "" && f.tee != attester.Command {
		return nil, usagef("--tee-command goes with --tee command, not %s", f.tee)
	}
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
		return a.openHardware(f)
	}
}

// isTEE reports whether name is the word for a kind of TEE, which is more than a
// slip of the pen.
func isTEE(name string) bool {
	return slices.Contains([]rats.TEE{rats.SGX, rats.TDX, rats.EPID, rats.SNP, rats.Nitro, rats.Keystone, rats.Sanctum, rats.CCA}, rats.TEE(name))
}

// openHardware is openAttester of what is not simulated.
func (a *app) openHardware(f teeFlags) (attesterFunc, error) {
	switch {
	case isTEE(f.tee):
		return nil, hinted{
			rats.Errorf(rats.Unsupported, "a TEE is asked by what leads to it, and nothing is called %q here", f.tee),
			"use --tee " + strings.Join(teeNames(), ", "),
		}
	case !slices.Contains(attester.Names(), f.tee):
		return nil, hinted{usagef("--tee: there is none called %q", f.tee), "use --tee " + strings.Join(teeNames(), ", ")}
	case f.measurement != "" || f.signer != "" || f.debug || f.platform != 0 || f.version != 0 || f.made != "":
		return nil, usagef("--sim-…: --tee %s is not simulated", f.tee)
	case f.tee == attester.Command && f.command == "":
		return nil, usagef("--tee-command is missing: which program prints the evidence?")
	case f.timeout <= 0:
		return nil, usagef("--tee-timeout: %s is no time", f.timeout)
	}
	tee, err := attester.Open(f.tee, attester.Options{
		Root: f.root, Files: f.files, Command: strings.Fields(f.command), Environ: a.foreignEnvironment(), Timeout: f.timeout,
	})
	if advice := attester.Advice(err); errors.Is(err, rats.Unsupported) && advice != "" {
		return nil, hinted{err, advice + "; --tee sim-sgx simulates an enclave"}
	}
	if err != nil {
		return nil, adviseTEE(err)
	}
	return func(ctx context.Context, reportData [64]byte) ([]byte, error) {
		raw, err := tee.Evidence(ctx, reportData)
		return raw, adviseTEE(err)
	}, nil
}

// adviseTEE adds to an error of package attester what to do about it.
func adviseTEE(err error) error {
	if advice := attester.Advice(err); advice != "" {
		return hinted{err, advice}
	}
	return err
}

// advised has errors end with what to do about them, for whom nobody gives a hint:
// an agent tells of them in its log, and in a line of JSON.
func advised(attest attesterFunc) attesterFunc {
	return func(ctx context.Context, reportData [64]byte) ([]byte, error) {
		raw, err := attest(ctx, reportData)
		if advice := attester.Advice(err); advice != "" {
			known := rats.AsError(err)
			err = &rats.Error{Kind: known.Kind, Check: known.Check, Detail: known.Detail + ": " + advice, Err: known.Err}
		}
		return raw, err
	}
}

// foreignEnvironment returns the environment without this program's own
// variables: other programs need none of its secrets, and this one, run again by
// a script, would take its parent's settings for its own.
func (a *app) foreignEnvironment() []string {
	if a.environ == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(a.environ()), func(entry string) bool {
		return strings.HasPrefix(entry, environmentPrefix)
	})
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
