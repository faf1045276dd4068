// SPDX-License-Identifier: Apache-2.0

package teetest

import (
	"slices"
	"sync"
	"syscall"
)

const gramineFolder = "dev/attestation"

// Gramine is what Gramine shows under /dev/attestation. As there, all of an
// enclave's threads share the report data, and whatever goes wrong with a quote
// is EACCES.
type Gramine struct {
	// Quote makes the quotes; nil is a quoting enclave that cannot be reached.
	Quote Quoter
	// Type is the manifest's sgx.remote_attestation: "dcap", "epid" or "none",
	// which has no file for quotes. Empty is a Gramine before 1.3, which does not
	// say.
	Type string
	// Direct is a Gramine without SGX: its folder holds keys and nothing else.
	Direct bool
	// Denied has nobody open any file.
	Denied bool
	// Meanwhile runs after report data were written and before the quote is read,
	// if not nil: other threads can do so.
	Meanwhile func(g *Gramine)

	mu         sync.Mutex
	reportData [64]byte
}

// files returns which there are.
func (g *Gramine) files() []string {
	files := []string{"", "keys"}
	if g.Direct {
		return files
	}
	files = append(files, "user_report_data", "target_info", "my_target_info", "report")
	if g.Type != "" {
		files = append(files, "attestation_type")
	}
	if g.Type != "none" {
		files = append(files, "quote")
	}
	return files
}

func (g *Gramine) stat(name string) error {
	if slices.Contains(g.files(), name) {
		return nil
	}
	return syscall.ENOENT
}

func (*Gramine) mkdir(string) error  { return syscall.EACCES }
func (*Gramine) remove(string) error { return syscall.EACCES }

// Write has report data written by somebody: fewer bytes are filled up with
// zeros, and more are ignored.
func (g *Gramine) Write(data []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reportData = [64]byte{}
	copy(g.reportData[:], data)
}

func (g *Gramine) write(name string, data []byte) error {
	if err := g.open(name); err != nil {
		return err
	}
	if name != "user_report_data" {
		return syscall.EACCES
	}
	g.Write(data)
	return nil
}

func (g *Gramine) read(name string) ([]byte, error) {
	if err := g.open(name); err != nil {
		return nil, err
	}
	switch name {
	case "attestation_type":
		return []byte(g.Type), nil
	case "quote":
		return g.quote()
	default:
		return nil, syscall.EACCES
	}
}

func (g *Gramine) open(name string) error {
	if g.Denied {
		return syscall.EACCES
	}
	return g.stat(name)
}

func (g *Gramine) quote() ([]byte, error) {
	if g.Meanwhile != nil {
		g.Meanwhile(g)
	}
	g.mu.Lock()
	reportData := g.reportData
	g.mu.Unlock()
	if g.Quote == nil {
		return nil, syscall.EACCES
	}
	return g.Quote(reportData)
}
