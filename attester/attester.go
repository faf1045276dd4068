// SPDX-License-Identifier: Apache-2.0

package attester

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// An Attester produces evidence, in the language of RFC 9334.
type Attester interface {
	// Evidence returns evidence whose report data is reportData. It may be called
	// by several goroutines; they take turns. A request that waits in the kernel
	// is not broken off when ctx ends, only what would follow it.
	//
	// Evidence that is genuine as far as can be told, but of a kind that is not
	// verified here, is returned together with an error of kind Unsupported. In
	// all other cases one of the two is nil.
	Evidence(ctx context.Context, reportData [64]byte) ([]byte, error)
	// Name is that of [Open].
	Name() string
}

// The names of what there is.
const (
	// Auto is whichever of the devices [Detect] finds.
	Auto = "auto"
	// Gramine is an SGX enclave in which Gramine runs the caller.
	Gramine = "gramine"
	// ConfigFS is a confidential guest under Linux, such as a TDX trust domain.
	ConfigFS = "configfs-tsm"
	// Command is another program.
	Command = "command"
)

// Names returns every name that [Open] takes.
func Names() []string { return []string{Auto, Gramine, ConfigFS, Command} }

// Options are how an Attester is opened. The zero Options stand for this
// machine, and for no command.
type Options struct {
	// Root is the folder that /dev and /sys are looked for in; empty is "/".
	Root string
	// Files is how devices are reached; nil is by the system's own files below
	// Root.
	Files Files
	// Command is the program and its arguments, for [Command] alone. No shell
	// reads them.
	Command []string
	// Environ is what the command has of an environment, as NAME=VALUE; the
	// report data are added to it.
	Environ []string
	// Timeout bounds one call, without what waits in the kernel; zero is
	// [DefaultTimeout].
	Timeout time.Duration
	// Pause is waited before a busy device is asked again; it doubles with each
	// of the following [Attempts]. Zero is [DefaultPause].
	Pause time.Duration
}

const (
	// DefaultTimeout is enough for quoting services that ask Intel's first.
	DefaultTimeout = time.Minute
	// DefaultPause makes it 13 seconds until a device that stays busy is given up.
	DefaultPause = 100 * time.Millisecond
	// Attempts is how often a device is asked that is busy, or that somebody else
	// has written to meanwhile.
	Attempts = 8
	// MaxEvidence is how many bytes evidence may have. Linux gives 32 KiB at most
	// (TSM_REPORT_OUTBLOB_MAX); certificates that carry evidence are the longest.
	MaxEvidence = 128 << 10
)

// Detect returns which of the devices, [Gramine] or [ConfigFS], this machine
// shows. Where there is none the error is Unsupported, and its advice goes by
// what else was found. In an enclave Gramine's files come first: what the guest
// around it would say is not the enclave's word.
func Detect(o Options) (string, error) {
	d := o.devices()
	for _, device := range []struct{ name, file string }{{Gramine, gramineReportData}, {ConfigFS, tsmReports}} {
		err := d.files.Stat(device.file)
		if err == nil {
			return device.name, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", d.fault("look at", device.file, err, "")
		}
	}
	return "", advise(rats.Errorf(rats.Unsupported, "this machine shows no TEE to this process: neither %s nor %s is there",
		d.path(gramineReportData), d.path(tsmReports)), d.surmise())
}

// surmise says what else on the machine speaks for a TEE, and what is missing.
func (d devices) surmise() string {
	for _, trace := range []struct{ file, advice string }{
		{gramineFolder, "Gramine runs this without an enclave: start it by gramine-sgx, not gramine-direct"},
		{"dev/tdx_guest", "this is a TDX trust domain: Linux 6.7 or later shows its quotes once configfs is mounted (mount -t configfs none /sys/kernel/config) and tdx_guest is loaded"},
		{"dev/sev-guest", "this is a guest of AMD SEV-SNP: Linux 6.7 or later shows its reports once configfs is mounted (mount -t configfs none /sys/kernel/config) and sev_guest is loaded"},
		{"dev/sgx_enclave", "this machine can run SGX enclaves, and this process is in none: run it under gramine-sgx, or name a program that asks the enclave (command)"},
	} {
		if d.files.Stat(trace.file) == nil {
			return trace.advice
		}
	}
	return "run this in the enclave or the confidential guest itself"
}

// Open returns what the name stands for: one of [Names]. It is Unsupported if
// this machine has no such device.
func Open(name string, o Options) (Attester, error) {
	d := o.devices()
	switch name {
	case Auto:
		found, err := Detect(o)
		if err != nil {
			return nil, err
		}
		return Open(found, o)
	case Gramine:
		return o.turns(name, gramine{d}, gramine{d}.check())
	case ConfigFS:
		return o.turns(name, tsm{d}, tsm{d}.check())
	case Command:
		c := command{o.Command, o.Environ}
		return o.turns(name, c, c.check())
	default:
		return nil, rats.Errorf(rats.Unsupported, "no TEE is called %q: there are %s", name, strings.Join(Names(), ", "))
	}
}

// source is one way to evidence. What it gives alone is not yet held against
// what was asked for.
type source interface {
	obtain(ctx context.Context, reportData [64]byte) ([]byte, error)
}

// taking has callers take turns at a source, and checks what it gives.
type taking struct {
	source
	name    string
	timeout time.Duration
	turn    chan struct{}
}

func (o Options) turns(name string, s source, err error) (Attester, error) {
	if err != nil {
		return nil, err
	}
	t := &taking{s, name, o.Timeout, make(chan struct{}, 1)}
	if t.timeout <= 0 {
		t.timeout = DefaultTimeout
	}
	return t, nil
}

func (t *taking) Name() string { return t.name }

// Evidence implements [Attester]. Turns are taken since Gramine keeps report
// data between the writing of one file and the reading of another, for the whole
// enclave.
func (t *taking) Evidence(ctx context.Context, reportData [64]byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, overdue(ctx, t.name)
	}
	defer func() { <-t.turn }()
	raw, err := t.obtain(ctx, reportData)
	if err != nil {
		return nil, err
	}
	return held(t.name, raw, reportData)
}

// overdue says that there was no answer in time, or that nobody waits for one.
func overdue(ctx context.Context, what string) error {
	why := "the request was broken off"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		why = "no evidence in time"
	}
	return &rats.Error{Kind: rats.Internal, Detail: what + ": " + why, Err: ctx.Err()}
}
