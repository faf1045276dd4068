// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/attester/teetest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// attestOn runs attest on a machine, and returns the file that it was to write
// and what it said.
func attestOn(t *testing.T, m *teetest.Machine, args ...string) (file, said string, err error) {
	t.Helper()
	f := attestFlags{reportData: "07", out: filepath.Join(t.TempDir(), "evidence")}
	fl := pflag.NewFlagSet("attest", pflag.ContinueOnError)
	teeFlagsOf(fl, &f.teeFlags)
	if err := fl.Parse(args); err != nil {
		t.Fatal(err)
	}
	f.files = m
	var out bytes.Buffer
	a := &app{system: system{stdout: &out, stderr: &out}, asJSON: true}
	err = a.attest(t.Context(), f)
	return f.out, out.String(), err
}

func simulatedSGX(reportData [64]byte) ([]byte, error) {
	return simtee.Enclave{ReportData: reportData}.Quote()
}

func simulatedTDX(reportData [64]byte) ([]byte, error) {
	return simtee.TD{ReportData: reportData}.Quote()
}

// TestEvidenceOfADeviceBecomesARecord follows what an enclave and a trust domain
// answer to a node: no test has their hardware, but their interfaces.
func TestEvidenceOfADeviceBecomesARecord(t *testing.T) {
	p := startNode(t, t.TempDir(), "--network", "dev")
	for tee, m := range map[string]*teetest.Machine{
		"sgx": {Gramine: &teetest.Gramine{Quote: simulatedSGX, Type: "dcap"}},
		"tdx": {TSM: &teetest.TSM{Quote: simulatedTDX, Provider: "tdx_guest", Busy: 1}},
	} {
		file, said, err := attestOn(t, m, "--tee", "auto")
		if err != nil || !strings.Contains(said, `"format":"`+tee+`-quote-v`) {
			t.Fatalf("%s: %v, %s", tee, err, said)
		}
		code, out, errs := command(t, "submit", file, "--node", p.url, "--json")
		if code != 0 {
			t.Fatalf("submit: exit %d\n%s%s", code, out, errs)
		}
		record := decode[recordedTD](t, []byte(out)).Record
		if record["tee"] != tee || record["status"] != "UpToDate" || record["trust_root"] != "simulated" {
			t.Errorf("%v", record)
		}
	}
}

func TestAReportThatNobodyVerifiesIsWrittenWithAWarning(t *testing.T) {
	report := func(reportData [64]byte) ([]byte, error) {
		raw := make([]byte, 0x4a0) // a report of SEV-SNP
		raw[0] = 3
		copy(raw[0x50:], reportData[:])
		return raw, nil
	}
	m := &teetest.Machine{TSM: &teetest.TSM{Quote: report, Provider: "sev_guest"}}
	file, said, err := attestOn(t, m, "--tee", "configfs-tsm")
	if err != nil || !strings.Contains(said, "warning: unsupported: ") || !strings.Contains(said, `"format":null,"size":1184`) {
		t.Errorf("%v, %s", err, said)
	}
	if raw, err := os.ReadFile(file); err != nil || hex.EncodeToString(raw[0x50:0x52]) != "0700" {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	// Whoever wants more of it than a file hears no.
	f := teeFlags{tee: "configfs-tsm", tcb: "UpToDate", timeout: 1e9, files: m}
	attest, err := new(app).openAttester(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attest(t.Context(), [64]byte{}); !errors.Is(err, rats.Unsupported) {
		t.Error(err)
	}
}

func TestADevicesFaultComesWithAHint(t *testing.T) {
	for hint, m := range map[string]*teetest.Machine{
		"modprobe tdx_guest": {TSM: &teetest.TSM{}},
		"quote generation":   {TSM: &teetest.TSM{Provider: "tdx_guest", Fault: syscall.EIO}},
		"dcap":               {Gramine: &teetest.Gramine{Type: "none"}},
		"--tee sim-sgx":      {},
		"gramine-sgx":        {Gramine: &teetest.Gramine{Direct: true}},
	} {
		file, _, err := attestOn(t, m, "--tee", "auto")
		var h hinted
		if !errors.As(err, &h) || !strings.Contains(h.hint, hint) {
			t.Errorf("%v, hint %q; want %q", err, h.hint, hint)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: a file was written", hint)
		}
	}
}
