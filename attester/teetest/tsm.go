// SPDX-License-Identifier: Apache-2.0

package teetest

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const tsmFolder = "sys/kernel/config/tsm/report"

// The most that inblob takes, in bytes (TSM_REPORT_INBLOB_MAX), and the highest
// privilege level (TSM_REPORT_PRIVLEVEL_MAX).
const (
	inblobMost    = 64
	privlevelMost = 3
)

// TSM is Linux's configfs-tsm (Documentation/ABI/testing/configfs-tsm-report):
// folders that are made there have attributes at once; each write of inblob or
// privlevel raises the generation; outblob is made when it is read, and made
// anew only once the generation has moved.
//
// Like the kernel's, its inblob is acted upon when the file is closed, which
// cannot fail for the writer any more.
type TSM struct {
	// Quote makes the reports.
	Quote Quoter
	// Provider is the driver's name, "tdx_guest" or "sev_guest"; empty is none, so
	// that no folder can be made.
	Provider string
	// Floor is the least privilege level, of drivers that have any: sev_guest.
	Floor int
	// Denied has only root make folders.
	Denied bool

	// Busy is how many reads of outblob find the host at work on an earlier
	// request.
	Busy int
	// Lost is how many writes of inblob the kernel does not take, since nobody
	// read what came of those before.
	Lost int
	// Meddled is how many requests somebody else disturbs, who writes to the same
	// folder between the reading of outblob and what follows.
	Meddled int
	// Fault is what reading outblob fails with, if not nil: syscall.EIO where the
	// host has no quote, syscall.ETIMEDOUT where it says nothing.
	Fault error
	// Cut is how many bytes of each report the driver leaves out at its end.
	Cut int

	mu      sync.Mutex
	entries map[string]*entry
	made    int
}

// entry is a folder that somebody made.
type entry struct {
	inblob           []byte
	privlevel        int
	written, reached uint64 // generations: of the last write, of outblob
	outblob          []byte
}

// Entries returns the folders that there are.
func (t *TSM) Entries() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for name := range t.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Made returns how many folders were ever made.
func (t *TSM) Made() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.made
}

// attributes returns what a folder holds, by the driver.
func (t *TSM) attributes() []string {
	files := []string{"inblob", "outblob", "generation", "provider"}
	if t.Provider == "sev_guest" {
		files = append(files, "auxblob", "privlevel", "privlevel_floor")
	}
	return files
}

// find returns the folder of a file, and the file's name in it.
func (t *TSM) find(name string) (*entry, string, error) {
	folder, file, _ := strings.Cut(name, "/")
	e, ok := t.entries[folder]
	if !ok || file != "" && !slices.Contains(t.attributes(), file) {
		return nil, "", syscall.ENOENT
	}
	return e, file, nil
}

func (t *TSM) stat(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name == "" {
		return nil
	}
	_, _, err := t.find(name)
	return err
}

func (t *TSM) mkdir(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.Denied, strings.Contains(name, "/"):
		return syscall.EACCES
	case t.Provider == "":
		return syscall.ENXIO
	case t.entries[name] != nil:
		return syscall.EEXIST
	}
	if t.entries == nil {
		t.entries = map[string]*entry{}
	}
	t.entries[name] = &entry{}
	t.made++
	return nil
}

func (t *TSM) remove(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, file, err := t.find(name)
	switch {
	case err != nil:
		return err
	case file != "":
		return syscall.EPERM // attributes come and go with their folder
	}
	delete(t.entries, name)
	return nil
}

func (t *TSM) write(name string, data []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, file, err := t.find(name)
	if err != nil {
		return err
	}
	switch file {
	case "inblob":
		return t.writeInblob(e, data)
	case "privlevel":
		level, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil || level < t.Floor || level > privlevelMost {
			return syscall.EINVAL
		}
		e.privlevel = level
		e.written++
		return nil
	default:
		return syscall.EACCES
	}
}

func (t *TSM) writeInblob(e *entry, data []byte) error {
	if len(data) > inblobMost {
		return syscall.EFBIG
	}
	if t.Lost > 0 {
		t.Lost--
		return nil
	}
	e.inblob = slices.Clone(data)
	e.written++
	return nil
}

func (t *TSM) read(name string) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, file, err := t.find(name)
	if err != nil {
		return nil, err
	}
	switch file {
	case "provider":
		return []byte(t.Provider + "\n"), nil
	case "generation":
		return []byte(strconv.FormatUint(e.written, 10) + "\n"), nil
	case "privlevel_floor":
		return []byte(strconv.Itoa(t.Floor) + "\n"), nil
	case "outblob":
		return t.report(e)
	case "auxblob":
		_, err := t.report(e)
		return nil, err
	case "":
		return nil, syscall.EISDIR
	default:
		return nil, syscall.EACCES
	}
}

func (t *TSM) report(e *entry) ([]byte, error) {
	switch {
	case len(e.inblob) == 0:
		return nil, syscall.EINVAL
	case e.outblob != nil && e.reached == e.written:
		return e.outblob, nil
	case t.Busy > 0:
		t.Busy--
		return nil, syscall.EBUSY
	case t.Fault != nil:
		return nil, t.Fault
	case len(e.inblob) != inblobMost, e.privlevel < t.Floor:
		return nil, syscall.EINVAL
	}
	raw, err := t.Quote([64]byte(e.inblob))
	if err != nil {
		return nil, err
	}
	e.outblob, e.reached = raw[:max(0, len(raw)-t.Cut)], e.written
	if t.Meddled > 0 {
		t.Meddled--
		e.inblob, e.written = make([]byte, inblobMost), e.written+1
	}
	return e.outblob, nil
}
