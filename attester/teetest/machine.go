// SPDX-License-Identifier: Apache-2.0

// Package teetest has stand-ins of the devices that package attester asks
// for evidence, for tests: Gramine's pseudo-files ([Gramine]) and Linux's
// configfs-tsm ([TSM]), on a [Machine] that has one of them, both, or neither.
// They keep to what these interfaces are documented to do, failures included.
// Whoever uses them says what a quote is: package simtee makes them.
package teetest

import (
	"io/fs"
	"slices"
	"strings"
	"syscall"
)

// Quoter makes evidence bound to report data.
type Quoter func(reportData [64]byte) ([]byte, error)

// Machine is what a process sees of a machine's devices.
type Machine struct {
	Gramine *Gramine
	TSM     *TSM
	// Others are further files that are there, and nothing more: "dev/tdx_guest".
	Others []string
}

// device is one of the parts of a machine. Names are below the device's folder.
type device interface {
	stat(name string) error
	mkdir(name string) error
	remove(name string) error
	read(name string) ([]byte, error)
	write(name string, data []byte) error
}

// at finds the device that a name belongs to, and what it is called there.
func (m *Machine) at(name string) (device, string) {
	if rest, ok := below(name, gramineFolder); ok && m.Gramine != nil {
		return m.Gramine, rest
	}
	if rest, ok := below(name, tsmFolder); ok && m.TSM != nil {
		return m.TSM, rest
	}
	return nothing{m.Others}, name
}

func below(name, folder string) (string, bool) {
	if name == folder {
		return "", true
	}
	return strings.CutPrefix(name, folder+"/")
}

// failing names what was done to which file, as package os does.
func failing(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: "/" + name, Err: err}
}

// Stat implements attester.Files.
func (m *Machine) Stat(name string) error {
	d, rest := m.at(name)
	return failing("stat", name, d.stat(rest))
}

// Mkdir implements attester.Files.
func (m *Machine) Mkdir(name string) error {
	d, rest := m.at(name)
	return failing("mkdir", name, d.mkdir(rest))
}

// Remove implements attester.Files.
func (m *Machine) Remove(name string) error {
	d, rest := m.at(name)
	return failing("remove", name, d.remove(rest))
}

// ReadFile implements attester.Files.
func (m *Machine) ReadFile(name string, limit int) ([]byte, error) {
	d, rest := m.at(name)
	raw, err := d.read(rest)
	if err != nil {
		return nil, failing("read", name, err)
	}
	return raw[:min(len(raw), limit+1)], nil
}

// WriteFile implements attester.Files.
func (m *Machine) WriteFile(name string, data []byte) error {
	d, rest := m.at(name)
	return failing("write", name, d.write(rest, data))
}

// nothing is where there is no device.
type nothing struct{ files []string }

func (n nothing) stat(name string) error {
	if slices.Contains(n.files, name) {
		return nil
	}
	return syscall.ENOENT
}

func (nothing) mkdir(string) error          { return syscall.ENOENT }
func (nothing) remove(string) error         { return syscall.ENOENT }
func (nothing) read(string) ([]byte, error) { return nil, syscall.ENOENT }
func (nothing) write(string, []byte) error  { return syscall.ENOENT }
