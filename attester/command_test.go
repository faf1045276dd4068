// SPDX-License-Identifier: Apache-2.0

package attester_test

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/attester"
	"github.com/attesteer/attesteer/rats"
)

// roleVariable says to the test's own program what to be.
const roleVariable = "PLAY"

// acting are the options for a command that plays a role.
func acting(role string) attester.Options {
	return attester.Options{Command: []string{os.Args[0], "an argument"}, Environ: []string{roleVariable + "=" + role}}
}

// Roles that have another program work beside them, which ends when its connection
// to an address does: one waits for it, one leaves it behind.
const (
	parent = "parent of "
	leaver = "leaver of "
	child  = "child of "
)

// play is that program; it returns its exit code.
func play(role string) int {
	if address, ok := strings.CutPrefix(role, child); ok {
		if conn, err := net.Dial("tcp", address); err == nil {
			_, _ = conn.Read(make([]byte, 1))
		}
		return 0
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	given := os.Getenv(attester.ReportDataVariable)
	if err != nil || line != given+"\n" || len(os.Args) != 2 || len(os.Environ()) != 2 {
		fmt.Fprintf(os.Stderr, "%v: %q is not %q, or %q, or %q\n", err, line, given, os.Args, os.Environ())
		return 9
	}
	var reportData [64]byte
	if n, err := hex.Decode(reportData[:], []byte(given)); err != nil || n != len(reportData) {
		fmt.Fprintln(os.Stderr, err)
		return 9
	}
	raw, err := sgx(reportData)
	if err != nil {
		return 9
	}
	for _, family := range []string{parent, leaver} {
		address, ok := strings.CutPrefix(role, family)
		if !ok {
			continue
		}
		other := exec.Command(os.Args[0])
		other.Env, other.Stdout, other.Stderr = []string{roleVariable + "=" + child + address}, os.Stdout, os.Stderr
		if err := other.Start(); err != nil || family == parent && other.Wait() != nil {
			return 9
		}
		role = "binary"
	}
	switch role {
	case "binary":
		_, _ = os.Stdout.Write(raw)
	case "hex":
		fmt.Println(hex.EncodeToString(raw))
	case "base64":
		fmt.Println(base64.StdEncoding.EncodeToString(raw))
	case "other":
		raw, _ = other(sgx)(reportData)
		_, _ = os.Stdout.Write(raw)
	case "nothing", "letters", "zero":
		fmt.Print(map[string]string{"letters": "not evidence", "zero": "00"}[role])
	case "fault":
		fmt.Fprintf(os.Stderr, "\n  the \x1b[31mHSM\x1b[0m is away\nsecond line\n%s", strings.Repeat("x", 1<<16))
		return 3
	case "flood":
		_, _ = io.Copy(os.Stdout, zeros{})
	case "sleep":
		time.Sleep(time.Hour)
	}
	return 0
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestACommandMayPrintBytesOrText(t *testing.T) {
	want, err := sgx(asked())
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"binary", "hex", "base64"} {
		a, err := attester.Open(attester.Command, acting(role))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := a.Evidence(t.Context(), asked())
		if err != nil || len(raw) != len(want) {
			t.Errorf("%s: %d bytes, %v", role, len(raw), err)
		}
	}
}

func TestWhatACommandDoesWrongIsSaid(t *testing.T) {
	for role, c := range map[string]struct {
		kind   rats.Kind
		says   string
		advice string
	}{
		"other":   {rats.BindingMismatch, "command answered with report data", "all 64 bytes"},
		"nothing": {rats.Malformed, "printed nothing", ""},
		"letters": {rats.Malformed, "command answered with 12 bytes: so short an input", ""},
		"zero":    {rats.Malformed, "command answered with 1 bytes", ""},
		"fault":   {rats.Internal, `exit status 3: it says "the \x1b[31mHSM\x1b[0m is away"`, ""},
		"flood":   {rats.TooLarge, "printed over 131072 bytes", ""},
	} {
		t.Run(role, func(t *testing.T) {
			a, err := attester.Open(attester.Command, acting(role))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := a.Evidence(t.Context(), asked())
			if raw != nil {
				t.Error("there is evidence all the same")
			}
			wantKind(t, err, c.kind, c.says, c.advice)
		})
	}
}

func TestACommandIsNotWaitedForWithoutEnd(t *testing.T) {
	o := acting("sleep")
	o.Timeout = 50 * time.Millisecond
	a, err := attester.Open(attester.Command, o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Evidence(t.Context(), asked())
	wantKind(t, err, rats.Internal, "no evidence in time", "")
}

func TestACommandThatIsNotThereIsSaidAtOnce(t *testing.T) {
	for _, argv := range [][]string{nil, {"/nonexistent/quote"}, {"no such program"}, {t.TempDir()}} {
		_, err := attester.Open(attester.Command, attester.Options{Command: argv})
		wantKind(t, err, rats.Unsupported, "command", "")
	}
}
