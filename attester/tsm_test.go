// SPDX-License-Identifier: Apache-2.0

package attester_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/attesteer/attesteer/attester"
	"github.com/attesteer/attesteer/attester/teetest"
	"github.com/attesteer/attesteer/rats"
)

// snp is a report of SEV-SNP as far as an attester looks at one.
func snp(reportData [64]byte) ([]byte, error) {
	raw := make([]byte, 0x4a0)
	raw[0] = 3
	copy(raw[0x50:], reportData[:])
	return raw, nil
}

// other makes evidence for other report data than it is asked for.
func other(quoter teetest.Quoter) teetest.Quoter {
	return func(reportData [64]byte) ([]byte, error) {
		reportData[63]++
		return quoter(reportData)
	}
}

func TestWhatGoesWrongInAGuestIsSaidAndLeavesNothingBehind(t *testing.T) {
	for name, c := range map[string]struct {
		guest  *teetest.TSM
		kind   rats.Kind
		says   string
		advice string
	}{
		"no driver":          {&teetest.TSM{}, rats.Unsupported, "no driver of a TEE", "modprobe tdx_guest"},
		"not root":           {&teetest.TSM{Provider: "tdx_guest", Denied: true}, rats.Unauthorized, "permission denied", "as root"},
		"another TEE":        {&teetest.TSM{Provider: "arm_cca_guest", Quote: tdx}, rats.Unsupported, `"arm_cca_guest"`, ""},
		"the host has none":  {&teetest.TSM{Provider: "tdx_guest", Fault: syscall.EIO}, rats.Internal, "gave no quote", "quote generation service"},
		"the host is silent": {&teetest.TSM{Provider: "tdx_guest", Fault: syscall.ETIMEDOUT}, rats.Internal, "gave no quote", "quote generation service"},
		"the driver is gone": {&teetest.TSM{Provider: "tdx_guest", Fault: syscall.ENOTTY}, rats.Unsupported, "outblob", "load it again"},
		"something else":     {&teetest.TSM{Provider: "tdx_guest", Fault: syscall.ENOMEM}, rats.Internal, "outblob: cannot allocate memory", ""},
		"an empty report":    {&teetest.TSM{Provider: "tdx_guest", Quote: tdx, Cut: 1 << 20}, rats.Malformed, "nothing", "quoting service"},
		"a cut report":       {&teetest.TSM{Provider: "tdx_guest", Quote: tdx, Cut: 1}, rats.Malformed, "configfs-tsm answered with", ""},
		"other report data":  {&teetest.TSM{Provider: "tdx_guest", Quote: other(tdx)}, rats.BindingMismatch, "was asked for 0102", ""},
		"busy for ever":      {&teetest.TSM{Provider: "tdx_guest", Quote: tdx, Busy: 1000}, rats.Internal, "8 times in a row", "quote generation service"},
		"interrupted always": {&teetest.TSM{Provider: "tdx_guest", Fault: syscall.EINTR}, rats.Internal, "8 times in a row", "quote generation service"},
		"meddled with":       {&teetest.TSM{Provider: "tdx_guest", Quote: tdx, Meddled: 1000}, rats.Internal, "the generation went from 14 to 16 with 1 written, 8 times", "somebody else writes"},
		"writes are lost":    {&teetest.TSM{Provider: "tdx_guest", Quote: tdx, Lost: 1000}, rats.Internal, "outblob: invalid argument", ""},
	} {
		t.Run(name, func(t *testing.T) {
			guest := c.guest
			raw, err := on(t, attester.ConfigFS, &teetest.Machine{TSM: guest}).Evidence(t.Context(), asked())
			if raw != nil {
				t.Error("there is evidence all the same")
			}
			wantKind(t, err, c.kind, c.says, c.advice)
			if left := guest.Entries(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestWhatPassesIsWaitedFor(t *testing.T) {
	for name, guest := range map[string]*teetest.TSM{
		"busy":          {Busy: attester.Attempts - 1},
		"meddled with":  {Meddled: attester.Attempts - 1},
		"first this":    {Busy: 2, Meddled: 3},
		"without cause": {},
	} {
		t.Run(name, func(t *testing.T) {
			guest.Provider, guest.Quote = "tdx_guest", tdx
			if _, err := on(t, attester.ConfigFS, &teetest.Machine{TSM: guest}).Evidence(t.Context(), asked()); err != nil {
				t.Error(err)
			}
			if guest.Made() != 1 || len(guest.Entries()) > 0 {
				t.Errorf("%d entries made, left: %v", guest.Made(), guest.Entries())
			}
		})
	}
}

// losing is a guest in which somebody else wrote to a new entry at once, and the
// kernel takes none of the writes that follow for a while: what is read then is
// the report for what was written before.
type losing struct{ *teetest.Machine }

func (l losing) Mkdir(name string) error {
	if err := l.Machine.Mkdir(name); err != nil {
		return err
	}
	if err := l.WriteFile(name+"/inblob", make([]byte, 64)); err != nil {
		return err
	}
	l.TSM.Lost = 2
	return nil
}

func TestAWriteThatTheKernelDidNotTakeIsSeenByTheGeneration(t *testing.T) {
	quoted := 0
	guest := &teetest.TSM{Provider: "tdx_guest", Quote: func(d [64]byte) ([]byte, error) { quoted++; return tdx(d) }}
	l := losing{&teetest.Machine{TSM: guest}}
	a, err := attester.Open(attester.ConfigFS, attester.Options{Files: l, Pause: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Evidence(t.Context(), asked()); err != nil {
		t.Error(err)
	}
	if quoted != 2 || guest.Lost != 0 {
		t.Errorf("%d reports were made, %d writes are still to be lost", quoted, guest.Lost)
	}
}

func TestWaitingForABusyHostEndsInTime(t *testing.T) {
	guest := &teetest.TSM{Provider: "tdx_guest", Quote: tdx, Busy: 1000}
	a, err := attester.Open(attester.ConfigFS, attester.Options{Files: &teetest.Machine{TSM: guest}, Pause: time.Hour, Timeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Evidence(t.Context(), asked())
	wantKind(t, err, rats.Internal, "no evidence in time", "")
	if !errors.Is(err, context.DeadlineExceeded) || len(guest.Entries()) > 0 {
		t.Errorf("%v, left: %v", err, guest.Entries())
	}
}

// TestAReportOfAnotherVendorIsHandedOnWithAWarning: by its floor the guest runs
// under a paravisor, and has to ask for its own level.
func TestAReportOfAnotherVendorIsHandedOnWithAWarning(t *testing.T) {
	for _, floor := range []int{0, 2} {
		guest := &teetest.TSM{Provider: "sev_guest", Quote: snp, Floor: floor}
		raw, err := on(t, attester.ConfigFS, &teetest.Machine{TSM: guest}).Evidence(t.Context(), asked())
		wantKind(t, err, rats.Unsupported, "SEV-SNP, which is not verified here", "AMD's own tools")
		if want, _ := snp(asked()); string(raw) != string(want) {
			t.Errorf("floor %d: %d bytes", floor, len(raw))
		}
	}
	guest := &teetest.TSM{Provider: "sev_guest", Quote: other(snp)}
	raw, err := on(t, attester.ConfigFS, &teetest.Machine{TSM: guest}).Evidence(t.Context(), asked())
	if raw != nil || !errors.Is(err, rats.BindingMismatch) {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
}
