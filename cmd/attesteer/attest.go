// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

type attestFlags struct {
	tee         string
	reportData  string
	key         string
	challenge   bool
	node        string
	out         string
	measurement string
	signer      string
	tcb         string
	debug       bool
	platform    uint32
	version     uint16
	made        string
}

// The kinds of enclaves that can be attested.
const (
	simSGX = "sim-sgx"
	simTDX = "sim-tdx"
	// simEPID is an SGX enclave that Intel's attestation service vouches for.
	simEPID = "sim-epid"
)

func (a *app) attestCommand() *cobra.Command {
	var f attestFlags
	cmd := &cobra.Command{
		Use:   "attest",
		Short: "Produce evidence: a quote of a simulated SGX enclave or TDX trust domain",
		Long: `attest produces evidence bound to 64 bytes of report data. The TEE is simulated
(sim-sgx or sim-tdx): its signatures are genuine, but its root's key is public,
so only development networks and --trust-simulated take its word. sim-epid writes
a report of Intel's former attestation service for EPID, in JSON.

--key binds the enclave's own key, which can then withdraw its record: an Ed25519
key as it is, another by the SHA-256 of FILE, which goes along to submit as
--runtime-data. --challenge binds a recent block of a node's ledger, which shows
that the evidence is fresh.`,
		Example: `  attesteer attest --tee sim-sgx -o quote.bin
  attesteer attest --tee sim-sgx --sim-tcb OutOfDate --sim-debug --report-data 00ff -o quote.bin
  attesteer attest --tee sim-tdx --sim-tcb TDRelaunchAdvised --sim-quote-version 5 -o quote.bin
  attesteer attest --tee sim-sgx --key enclave.pem --challenge -o quote.bin`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.attest(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.tee, "tee", simSGX, "kind of enclave: sim-sgx, sim-tdx or sim-epid")
	fl.StringVar(&f.reportData, "report-data", "", "up to 64 bytes in hex, filled up with zeros")
	fl.StringVar(&f.key, "key", "", "PEM or DER file of the enclave's key, to be bound as report data")
	fl.BoolVar(&f.challenge, "challenge", false, "bind a recent block of the node's ledger in the second half of the report data")
	nodeFlag(fl, &f.node)
	fl.StringVarP(&f.out, "out", "o", "", "file to write, - for standard output (required)")
	fl.StringVar(&f.measurement, "sim-measurement", "", "MRENCLAVE (64 hex digits) or MRTD (96) of what is simulated (default: derived from a name)")
	fl.StringVar(&f.signer, "sim-signer", "", "MRSIGNER of the simulated enclave, 64 hex digits (default: derived from a name; sim-sgx only)")
	fl.StringVar(&f.tcb, "sim-tcb", string(rats.UpToDate), "TCB status of the simulated platform")
	fl.BoolVar(&f.debug, "sim-debug", false, "simulate a debug build")
	fl.Uint32Var(&f.platform, "sim-platform", 0, "which simulated platform to run on")
	fl.Uint16Var(&f.version, "sim-quote-version", 0, "version of the quote: 3, 4 or 5 (default: 3 for sim-sgx, the first that serves for sim-tdx)")
	fl.StringVar(&f.made, "sim-time", "", "when the simulated service made its report, RFC 3339 (default: now; sim-epid only)")
	return cmd
}

func (a *app) attest(ctx context.Context, f attestFlags) error {
	if f.out == "" {
		return usagef("--out (-o) is missing: where should the evidence go?")
	}
	var err error
	if f.reportData, err = a.bound(ctx, f); err != nil {
		return err
	}
	quote, err := f.quote()
	if err != nil {
		return err
	}
	if f.out == "-" {
		_, err := a.stdout.Write(quote)
		return err
	}
	if err := os.WriteFile(f.out, quote, 0o644); err != nil { //nolint:gosec // evidence is public
		return fileError("write", f.out, err)
	}
	if a.asJSON {
		format, err := attesteer.Recognise(quote)
		if err != nil {
			return err
		}
		return a.printJSON(map[string]any{"file": f.out, "format": format, "size": len(quote)})
	}
	a.sayf("wrote %s (%d bytes)", filepath.Clean(f.out), len(quote))
	return nil
}

func (f attestFlags) quote() ([]byte, error) {
	statuses, err := parseStatuses("--sim-tcb", []string{f.tcb})
	if err != nil {
		return nil, err
	}
	switch f.tee {
	case simSGX:
		enclave, err := f.enclave(statuses[0])
		if err != nil {
			return nil, err
		}
		return enclave.Quote()
	case simTDX:
		td, err := f.trustDomain(statuses[0])
		if err != nil {
			return nil, err
		}
		return td.Quote()
	case simEPID:
		return f.report(statuses[0])
	default:
		return nil, hinted{rats.Errorf(rats.Unsupported, "tee %q cannot be attested here", f.tee), "use --tee sim-sgx, sim-tdx or sim-epid"}
	}
}

func (f attestFlags) enclave(tcb rats.TCBStatus) (simtee.Enclave, error) {
	e := simtee.Enclave{
		MREnclave: sha256.Sum256([]byte("simulated enclave")),
		MRSigner:  sha256.Sum256([]byte("simulated vendor")),
		ISVProdID: 1, ISVSVN: 1, Debug: f.debug, Platform: f.platform, TCB: tcb, Form: simtee.Form{Version: f.version},
	}
	if err := fillHex(e.MREnclave[:], "--sim-measurement", f.measurement, true); err != nil {
		return e, err
	}
	if err := fillHex(e.MRSigner[:], "--sim-signer", f.signer, true); err != nil {
		return e, err
	}
	return e, fillHex(e.ReportData[:], "--report-data", f.reportData, false)
}

func (f attestFlags) trustDomain(tcb rats.TCBStatus) (simtee.TD, error) {
	d := simtee.TD{
		MRTD:  sha512.Sum384([]byte("simulated trust domain")),
		Debug: f.debug, Platform: f.platform, TCB: tcb, Form: simtee.Form{Version: f.version},
	}
	if f.signer != "" {
		return d, usagef("--sim-signer: a trust domain has no signer")
	}
	if err := fillHex(d.MRTD[:], "--sim-measurement", f.measurement, true); err != nil {
		return d, err
	}
	return d, fillHex(d.ReportData[:], "--report-data", f.reportData, false)
}

// fillHex reads hex into dst; an empty value leaves dst as it is.
func fillHex(dst []byte, flag, value string, exact bool) error {
	if value == "" {
		return nil
	}
	b, err := hex.DecodeString(strings.TrimPrefix(strings.ToLower(value), "0x"))
	if err != nil {
		return usagef("%s: not hex", flag)
	}
	if len(b) > len(dst) || exact && len(b) != len(dst) {
		return usagef("%s: %d bytes, want %d", flag, len(b), len(dst))
	}
	clear(dst)
	copy(dst, b)
	return nil
}
