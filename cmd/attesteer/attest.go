// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer"
)

type attestFlags struct {
	teeFlags
	reportData string
	key        string
	challenge  bool
	node       string
	out        string
}

func (a *app) attestCommand() *cobra.Command {
	var f attestFlags
	cmd := &cobra.Command{
		Use:   "attest",
		Short: "Produce evidence: of the enclave or guest that this runs in, or of a simulated one",
		Long: `attest produces evidence bound to 64 bytes of report data. --tee says by what:

  gramine        the SGX enclave in which Gramine runs this
  configfs-tsm   the confidential guest, such as a TDX trust domain, that this runs in
  auto           whichever of these two is here
  command        another program, named by --tee-command
  sim-sgx, sim-tdx, sim-epid
                 a simulated enclave, trust domain, or report of Intel's former
                 attestation service for EPID

What a TEE answers has to carry the report data that it was asked for; nothing
else of it is verified here. What is simulated has genuine signatures, but its
root's key is public: only development networks and --trust-simulated take its
word.

--key binds the enclave's own key, which can then withdraw its record: an Ed25519
key as it is, another by the SHA-256 of FILE, which goes along to submit as
--runtime-data. --challenge binds a recent block of a node's ledger, which shows
that the evidence is fresh.`,
		Example: `  attesteer attest --tee auto --key enclave.pem --challenge -o quote.bin
  attesteer attest --tee command --tee-command "ssh vault /usr/bin/quote" --report-data 00ff -o quote.bin
  attesteer attest --tee sim-sgx -o quote.bin
  attesteer attest --tee sim-sgx --sim-tcb OutOfDate --sim-debug --report-data 00ff -o quote.bin
  attesteer attest --tee sim-tdx --sim-tcb TDRelaunchAdvised --sim-quote-version 5 -o quote.bin`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.attest(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	teeFlagsOf(fl, &f.teeFlags)
	fl.StringVar(&f.reportData, "report-data", "", "up to 64 bytes in hex, filled up with zeros")
	fl.StringVar(&f.key, "key", "", "PEM or DER file of the enclave's key, to be bound as report data")
	fl.BoolVar(&f.challenge, "challenge", false, "bind a recent block of the node's ledger in the second half of the report data")
	nodeFlag(fl, &f.node)
	fl.StringVarP(&f.out, "out", "o", "", "file to write, - for standard output (required)")
	return cmd
}

func (a *app) attest(ctx context.Context, f attestFlags) error {
	if f.out == "" {
		return usagef("--out (-o) is missing: where should the evidence go?")
	}
	attest, err := a.openAttester(f.teeFlags)
	if err != nil {
		return err
	}
	reportData, err := a.bound(ctx, f)
	if err != nil {
		return err
	}
	quote, err := attest(ctx, reportData)
	switch {
	case err != nil && quote == nil:
		return err
	case err != nil: // what is not verified here may be written
		a.sayf("warning: %s", err)
	}
	if f.out == "-" {
		_, err := a.stdout.Write(quote)
		return err
	}
	if err := os.WriteFile(f.out, quote, 0o644); err != nil { //nolint:gosec // evidence is public
		return fileError("write", f.out, err)
	}
	if a.asJSON {
		var format any // null if it is not verified here
		if known, err := attesteer.Recognise(quote); err == nil {
			format = known
		}
		return a.printJSON(map[string]any{"file": f.out, "format": format, "size": len(quote)})
	}
	a.sayf("wrote %s (%d bytes)", filepath.Clean(f.out), len(quote))
	return nil
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
