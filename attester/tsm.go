// SPDX-License-Identifier: Apache-2.0

package attester

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"strconv"
	"syscall"

	"github.com/attesteer/attesteer/rats"
)

// tsmReports is the folder of configfs-tsm. Who makes a folder in it has an
// entry of its own, with these attributes (Documentation/ABI/testing/
// configfs-tsm-report):
//
//	inblob           (write) up to 64 bytes of report data
//	outblob          (read)  the report, made when it is read
//	generation       (read)  how often inblob or an option was written
//	provider         (read)  which driver answers: it says what outblob holds
//	privlevel        (write) the level to report for, where the TEE has levels
//	privlevel_floor  (read)  the least of them
const tsmReports = "sys/kernel/config/tsm/report"

// What provider says of the drivers known here: their modules' names.
const (
	tdxGuest = "tdx_guest"
	sevGuest = "sev_guest"
)

// tsm is a confidential guest under Linux.
type tsm struct{ devices }

// check reports whether there is configfs-tsm; whether a driver answers there is
// seen when an entry is made.
func (t tsm) check() error {
	err := t.files.Stat(tsmReports)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return advise(rats.Errorf(rats.Unsupported, "this process is in no confidential guest with configfs-tsm: %s is missing", t.path(tsmReports)), t.surmise())
	default:
		return t.fault("look at", tsmReports, err, "")
	}
}

func (t tsm) obtain(ctx context.Context, reportData [64]byte) ([]byte, error) {
	entry, err := t.enter()
	if err != nil {
		return nil, err
	}
	// An entry that stays holds a few KiB of the kernel's, and harms no other.
	defer t.files.Remove(entry) //nolint:errcheck // as above
	provider, err := t.text(ctx, entry+"/provider")
	switch {
	case err != nil:
		return nil, t.fault("read", entry+"/provider", err, "")
	case provider != tdxGuest && provider != sevGuest:
		return nil, rats.Errorf(rats.Unsupported, "the reports of %q are not known here", provider)
	}
	for n := 0; ; n++ {
		raw, err := t.ask(ctx, entry, reportData)
		var again tryAgain
		if !errors.As(err, &again) {
			return raw, err
		}
		if n+1 == Attempts {
			return nil, advise(rats.Errorf(rats.Internal, "%s, %d times in a row", detail(again.error), Attempts), again.advice)
		}
		if t.pause.after(ctx, n) != nil {
			return nil, overdue(ctx, detail(again.error))
		}
	}
}

// enter makes an entry that nobody else has: requests in one would race.
func (t tsm) enter() (string, error) {
	const tries = 4 // names are random: a second is never needed
	for n := 0; ; n++ {
		var id [8]byte
		_, _ = rand.Read(id[:]) // never fails (crypto/rand)
		entry := tsmReports + "/attesteer-" + hex.EncodeToString(id[:])
		err := t.files.Mkdir(entry)
		switch {
		case err == nil:
			return entry, nil
		case errors.Is(err, fs.ErrExist) && n < tries:
		case errors.Is(err, syscall.ENXIO):
			return "", advise(rats.Errorf(rats.Unsupported, "no driver of a TEE answers at %s: %w", t.path(tsmReports), err),
				"load the guest's driver: modprobe tdx_guest, or sev_guest")
		case errors.Is(err, fs.ErrPermission):
			return "", t.fault("make an entry in", tsmReports, err, "only root may make entries in configfs: run this as root, or have a program of root's ask (command)")
		default:
			return "", t.fault("make an entry in", tsmReports, err, "")
		}
	}
}

// tryAgain is why a request did not succeed that the next may.
type tryAgain struct {
	error
	advice string
}

// ask makes one request. Linux acts on inblob when the file is closed, and then
// has no way to say that it could not: the generation is the only sign.
func (t tsm) ask(ctx context.Context, entry string, reportData [64]byte) ([]byte, error) {
	before, err := t.generation(ctx, entry)
	if err != nil {
		return nil, err
	}
	writes, err := t.chooseLevel(ctx, entry)
	if err != nil {
		return nil, err
	}
	if err := t.files.WriteFile(entry+"/inblob", reportData[:]); err != nil {
		return nil, t.mayPass("write", entry+"/inblob", err)
	}
	writes++
	raw, err := t.read(ctx, entry+"/outblob", MaxEvidence)
	if err != nil {
		return nil, t.mayPass("read", entry+"/outblob", err)
	}
	after, err := t.generation(ctx, entry)
	if err != nil {
		return nil, err
	}
	if after != before+writes {
		return nil, tryAgain{
			rats.Errorf(rats.Internal, "%s: the generation went from %d to %d with %d written", t.path(entry), before, after, writes),
			"somebody else writes to this entry, or the kernel took no more",
		}
	}
	return raw, nil
}

// chooseLevel asks for the least privilege level that there may be a report for,
// where zero, which is meant unless one is chosen, is below it: as in a guest of
// SEV-SNP with a paravisor. It returns how many writes that took.
func (t tsm) chooseLevel(ctx context.Context, entry string) (uint64, error) {
	floor, err := t.text(ctx, entry+"/privlevel_floor")
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && floor == "0":
		return 0, nil
	case err != nil:
		return 0, t.fault("read", entry+"/privlevel_floor", err, "")
	}
	if err := t.files.WriteFile(entry+"/privlevel", []byte(floor)); err != nil {
		return 0, t.mayPass("write", entry+"/privlevel", err)
	}
	return 1, nil
}

func (t tsm) generation(ctx context.Context, entry string) (uint64, error) {
	name := entry + "/generation"
	text, err := t.text(ctx, name)
	if err != nil {
		return 0, t.fault("read", name, err, "")
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, rats.Errorf(rats.Malformed, "%s: %q is no number", t.path(name), text)
	}
	return n, nil
}

// mayPass says why a file of an entry could not be used, and whether to try
// again: EBUSY while the host still works on a request that was broken off, and
// once inblob was written too often without a report being read; EINTR when a
// signal broke off this one; EAGAIN where the generation moved meanwhile.
func (t tsm) mayPass(verb, name string, err error) error {
	for _, passing := range []syscall.Errno{syscall.EBUSY, syscall.EINTR, syscall.EAGAIN} {
		if errors.Is(err, passing) {
			return tryAgain{t.fault(verb, name, err, ""), quotingAdvice}
		}
	}
	switch {
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, syscall.ENXIO):
		return advise(rats.Errorf(rats.Internal, "%s %s: the host gave no quote: %w", verb, t.path(name), err), quotingAdvice)
	case errors.Is(err, syscall.ENOTTY):
		return t.fault(verb, name, err, "the guest's driver was unloaded meanwhile: load it again")
	}
	return t.fault(verb, name, err, "")
}

// quotingAdvice is where to look when the kernel waits for the host in vain.
const quotingAdvice = "the host's quote generation service answers for a trust domain: is it running, and is it told to qemu?"
