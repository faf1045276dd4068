// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// maxLevels bounds the levels of one statement; Intel's have about twenty.
const maxLevels = 1024

// TCBInfo is Intel's word on the TCB levels of one FMSPC (PCS API v4 3.3,
// versions 2 and 3).
type TCBInfo struct {
	Version              uint32
	TEE                  rats.TEE
	Issued, NextUpdate   time.Time
	FMSPC                [6]byte
	PCEID                [2]byte
	EvaluationDataNumber uint32
	// Levels are sorted highest first: by component SVNs, then PCESVN, then TDX
	// components. The order in which they were sent means nothing.
	Levels []TCBLevel
	// Module and Modules are set for TDX alone.
	Module  *ModuleIdentity
	Modules []ModuleIdentity
}

// TCBLevel is one level of a platform.
type TCBLevel struct {
	Components    [16]uint8
	PCESVN        uint16
	TDXComponents [16]uint8
	Date          time.Time
	Status        rats.TCBStatus
	Advisories    []string
}

// ModuleIdentity is Intel's word on one major version of the TDX module.
type ModuleIdentity struct {
	// ID is empty for the module of TDX 1.0, which has no levels.
	ID         string
	MRSigner   [48]byte
	Attributes [8]byte
	Mask       [8]byte
	Levels     []SVNLevel
}

// SVNLevel is a level of one enclave or module, told by its ISVSVN.
type SVNLevel struct {
	ISVSVN     uint16
	Date       time.Time
	Status     rats.TCBStatus
	Advisories []string
}

// platformStatus: the words that TCB info may use of a platform.
func platformStatus(s rats.TCBStatus) bool {
	switch s {
	case rats.UpToDate, rats.SWHardeningNeeded, rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded,
		rats.OutOfDate, rats.OutOfDateConfigurationNeeded, rats.TCBRevoked:
		return true
	default:
		return false
	}
}

// componentStatus: the words that may be used of an enclave or module.
func componentStatus(s rats.TCBStatus) bool {
	return s == rats.UpToDate || s == rats.OutOfDate || s == rats.TCBRevoked
}

func parseTCBInfo(inner value) (*TCBInfo, error) {
	var err error
	o := readObject("tcbInfo", inner, &err)
	t := &TCBInfo{TEE: rats.SGX}
	t.Version = uint32(o.number("version", 1<<16)) //nolint:gosec // bounded
	if err == nil && t.Version != 2 && t.Version != 3 {
		return nil, rats.Errorf(rats.Unsupported, "TCB info version %d", t.Version)
	}
	switch id := ""; t.Version {
	case 3:
		if id = o.text("id"); id == "TDX" {
			t.TEE = rats.TDX
		} else if id != "SGX" {
			o.fail("id %q is neither SGX nor TDX", id)
		}
	case 2:
		if o.has("id") {
			o.fail("has an id, which version 2 does not")
		}
	}
	t.Issued, t.NextUpdate = o.time("issueDate"), o.time("nextUpdate")
	o.bytes("fmspc", t.FMSPC[:])
	o.bytes("pceId", t.PCEID[:])
	o.number("tcbType", 0)
	t.EvaluationDataNumber = uint32(o.number("tcbEvaluationDataNumber", 1<<31)) //nolint:gosec // bounded
	t.readModules(o)
	t.readLevels(o)
	if err != nil {
		return nil, err
	}
	if t.NextUpdate.Before(t.Issued) {
		o.fail("ends before it begins")
	}
	return t, err
}

func (t *TCBInfo) readLevels(o object) {
	raw := o.list("tcbLevels")
	if *o.err == nil && (len(raw) == 0 || len(raw) > maxLevels) {
		o.fail("has %d levels", len(raw))
	}
	for i, r := range raw {
		l := readObject(fmt.Sprintf("tcbInfo.tcbLevels[%d]", i), r, o.err)
		if *o.err != nil {
			return
		}
		level := TCBLevel{
			Date: l.time("tcbDate"), Status: l.status("tcbStatus", platformStatus), Advisories: l.strings("advisoryIDs"),
		}
		tcb := l.child("tcb")
		level.PCESVN = uint16(tcb.number("pcesvn", 65535)) //nolint:gosec // bounded
		if t.Version == 2 {
			for c := range level.Components {
				level.Components[c] = uint8(tcb.number(fmt.Sprintf("sgxtcbcomp%02dsvn", c+1), 255)) //nolint:gosec // bounded
			}
		} else {
			readComponents(tcb, "sgxtcbcomponents", &level.Components)
		}
		if t.TEE == rats.TDX {
			readComponents(tcb, "tdxtcbcomponents", &level.TDXComponents)
		}
		t.Levels = append(t.Levels, level)
	}
	slices.SortStableFunc(t.Levels, func(a, b TCBLevel) int { return -a.compare(b) })
	for i := 1; i < len(t.Levels); i++ {
		if t.Levels[i].compare(t.Levels[i-1]) == 0 {
			o.fail("has the same level twice")
		}
	}
}

func readComponents(tcb object, name string, dst *[16]uint8) {
	list := tcb.list(name)
	if *tcb.err == nil && len(list) != len(dst) {
		tcb.fail("%s has %d components, not 16", name, len(list))
	}
	for i, raw := range list {
		c := readObject(tcb.path+"."+name, raw, tcb.err)
		if *tcb.err != nil {
			return
		}
		dst[i] = uint8(c.number("svn", 255)) //nolint:gosec // bounded
	}
}

// compare orders levels as they are matched: components first, then PCESVN,
// then TDX components.
func (l TCBLevel) compare(m TCBLevel) int {
	return cmp.Or(
		bytes.Compare(l.Components[:], m.Components[:]),
		cmp.Compare(l.PCESVN, m.PCESVN),
		bytes.Compare(l.TDXComponents[:], m.TDXComponents[:]),
	)
}

func (t *TCBInfo) readModules(o object) {
	if t.TEE == rats.SGX {
		if o.has("tdxModule") || o.has("tdxModuleIdentities") {
			o.fail("speaks of a TDX module though it is for SGX")
		}
		return
	}
	m := readModule(o.child("tdxModule"))
	t.Module = &m
	if !o.has("tdxModuleIdentities") {
		return
	}
	seen := map[string]bool{}
	for i, raw := range o.list("tdxModuleIdentities") {
		c := readObject(fmt.Sprintf("tcbInfo.tdxModuleIdentities[%d]", i), raw, o.err)
		if *o.err != nil {
			return
		}
		m := readModule(c)
		m.ID = strings.ToUpper(c.text("id"))
		m.Levels = readSVNLevels(c, false)
		if seen[m.ID] {
			c.fail("stands twice")
		}
		seen[m.ID] = true
		t.Modules = append(t.Modules, m)
	}
}

func readModule(o object) (m ModuleIdentity) {
	o.bytes("mrsigner", m.MRSigner[:])
	o.bytes("attributes", m.Attributes[:])
	o.bytes("attributesMask", m.Mask[:])
	return m
}

// readSVNLevels reads levels told by ISVSVN, sorted highest first. In an
// identity two levels may share an ISVSVN if their dates differ.
func readSVNLevels(o object, datesTell bool) []SVNLevel {
	raw := o.list("tcbLevels")
	if *o.err == nil && (len(raw) == 0 || len(raw) > maxLevels) {
		o.fail("has %d levels", len(raw))
	}
	var out []SVNLevel
	for i, r := range raw {
		l := readObject(fmt.Sprintf("%s.tcbLevels[%d]", o.path, i), r, o.err)
		if *o.err != nil {
			return nil
		}
		tcb := l.child("tcb")
		out = append(out, SVNLevel{
			ISVSVN: uint16(tcb.number("isvsvn", 65535)), //nolint:gosec // bounded
			Date:   l.time("tcbDate"), Status: l.status("tcbStatus", componentStatus), Advisories: l.strings("advisoryIDs"),
		})
	}
	order := func(a, b SVNLevel) int {
		c := cmp.Compare(b.ISVSVN, a.ISVSVN)
		if c == 0 && datesTell {
			c = b.Date.Compare(a.Date)
		}
		return c
	}
	slices.SortStableFunc(out, order)
	for i := 1; i < len(out); i++ {
		if order(out[i], out[i-1]) == 0 {
			o.fail("has the same level twice")
		}
	}
	return out
}
