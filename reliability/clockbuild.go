// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// clockVariable says by how many seconds the clock of a program of [buildWrong]
// is off, and stepVariable names a file that says so, and may say otherwise while
// the program runs (see [clockFile]).
const (
	clockVariable = "RELIABILITY_CLOCK_OFF"
	stepVariable  = "RELIABILITY_CLOCK_FILE"
)

// wrongSource is what package time gets beside its own files. A file is looked at
// by every reading of the clock, so it is memory that programs share.
const wrongSource = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var steps *int64

var fixed = func() (seconds int64) {
	if name, ok := syscall.Getenv("` + stepVariable + `"); ok {
		fd, err := syscall.Open(name, syscall.O_RDONLY, 0)
		if err != nil {
			panic("` + stepVariable + ` cannot be opened")
		}
		page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
		if err != nil {
			panic("` + stepVariable + ` cannot be mapped")
		}
		steps = (*int64)(unsafe.Pointer(&page[0]))
	}
	text, _ := syscall.Getenv("` + clockVariable + `")
	sign := int64(1)
	for i, c := range []byte(text) {
		switch {
		case i == 0 && c == '-':
			sign = -1
		case '0' <= c && c <= '9':
			seconds = seconds*10 + int64(c-'0')
		default:
			panic("` + clockVariable + ` is no number of seconds")
		}
	}
	return sign * seconds
}()

func off() int64 {
	if steps != nil {
		return fixed + atomic.LoadInt64(steps)
	}
	return fixed
}
`

// The line of Go's own time.Now that reads the clock, and what stands in its
// place. What measures intervals stays as it is.
const (
	rightLine = "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {"
	wrongLine = "\tsec, nsec, mono := runtimeNow()\n\tsec += off()\n\tif mono == 0 {"
)

// clockFile is the file by which the clock of a running program is set.
type clockFile string

// newClockFile makes one that says nothing yet.
func newClockFile(dir string) (clockFile, error) {
	f := clockFile(filepath.Join(dir, "clock"))
	return f, os.WriteFile(string(f), make([]byte, 8), 0o600)
}

// words go before a program whose clock the file sets.
func (f clockFile) words() []string { return []string{"env", stepVariable + "=" + string(f)} }

// set has the clock of whoever runs by the file step.
func (f clockFile) set(off time.Duration) error {
	file, err := os.OpenFile(string(f), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(off/time.Second)), 0) //nolint:gosec // two's complement is meant
	return errors.Join(err, file.Close())
}

// buildWrong builds the program that is tried with a clock that can be off.
func buildWrong(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "attesteer-wrong-clock")
	return bin, buildWrongOf(ctx, dir, bin, "./cmd/attesteer")
}

// buildWrongOf builds any program so; what it takes beside is put into dir.
func buildWrongOf(ctx context.Context, dir, bin, program string) error {
	list, err := overlay(ctx, dir)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", list, "-o", bin, program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build with another clock: %w\n%s", err, out)
	}
	return nil
}

// overlay writes the files that stand in for those of package time, and the list
// that the go command takes.
func overlay(ctx context.Context, dir string) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(folder, "time.go"))
	if err != nil {
		return "", err
	}
	if strings.Count(string(source), rightLine) != 1 {
		return "", errors.New("this version of Go reads the clock in another way than is known here")
	}
	files := map[string]string{
		"time.go":         strings.Replace(string(source), rightLine, wrongLine, 1),
		"zz_wrongtime.go": wrongSource,
	}
	replace := map[string]string{}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(folder, name)] = path
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return "", err
	}
	return list, nil
}
