// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"cmp"
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

// platformStatus reads the words that TCB info may use of a platform.
func platformStatus(word []byte) (rats.TCBStatus, bool) {
	return oneOf(word, rats.UpToDate, rats.SWHardeningNeeded, rats.ConfigurationNeeded,
		rats.ConfigurationAndSWHardeningNeeded, rats.OutOfDate, rats.OutOfDateConfigurationNeeded, rats.TCBRevoked)
}

// componentStatus reads the words that may be used of an enclave or module.
func componentStatus(word []byte) (rats.TCBStatus, bool) {
	return oneOf(word, rats.UpToDate, rats.OutOfDate, rats.TCBRevoked)
}

func oneOf(word []byte, allowed ...rats.TCBStatus) (rats.TCBStatus, bool) {
	for _, s := range allowed {
		if string(word) == string(s) {
			return s, true
		}
	}
	return "", false
}

func parseTCBInfo(inner value) (*TCBInfo, error) {
	var err error
	o := readObject("tcbInfo", inner, &err)
	t := &TCBInfo{TEE: rats.SGX}
	t.Version = uint32(o.number("version", 1<<16)) //nolint:gosec // bounded
	if err == nil && t.Version != 2 && t.Version != 3 {
		return nil, rats.Errorf(rats.Unsupported, "TCB info version %d", t.Version)
	}
	switch t.Version {
	case 3:
		switch id := o.content("id"); string(id) {
		case "SGX":
		case "TDX":
			t.TEE = rats.TDX
		default:
			o.fail("id %s is neither SGX nor TDX", excerpt(id))
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
	t.readModules(&o)
	t.readLevels(&o)
	if err != nil {
		return nil, err
	}
	if t.NextUpdate.Before(t.Issued) {
		o.fail("ends before it begins")
	}
	return t, err
}

func (t *TCBInfo) readLevels(o *object) {
	list := o.levels()
	t.Levels = make([]TCBLevel, 0, list.count())
	for i, v := range list.items {
		l := o.item("tcbLevels", i, v)
		if *o.err != nil {
			return
		}
		t.Levels = append(t.Levels, t.readLevel(&l))
	}
	slices.SortStableFunc(t.Levels, func(a, b TCBLevel) int { return -a.compare(&b) })
	for i := 1; i < len(t.Levels); i++ {
		if t.Levels[i].compare(&t.Levels[i-1]) == 0 {
			o.fail("has the same level twice")
		}
	}
}

// levels returns the list of levels, which is empty if there is an error.
func (o *object) levels() value {
	list := o.array("tcbLevels")
	if n := list.count(); *o.err == nil && (n == 0 || n > maxLevels) {
		o.fail("has %d levels", n)
	}
	if *o.err != nil {
		return value{}
	}
	return list
}

func (t *TCBInfo) readLevel(l *object) (level TCBLevel) {
	tcb := l.child("tcb")
	if t.Version == 2 {
		for c := range level.Components {
			level.Components[c] = uint8(tcb.number(sgxComponents[c*len(sgxComponent):][:len(sgxComponent)], 255)) //nolint:gosec // bounded
		}
	} else {
		readComponents(&tcb, "sgxtcbcomponents", &level.Components)
	}
	level.PCESVN = uint16(tcb.number("pcesvn", 65535)) //nolint:gosec // bounded
	if t.TEE == rats.TDX {
		readComponents(&tcb, "tdxtcbcomponents", &level.TDXComponents)
	}
	level.Date, level.Status = l.time("tcbDate"), l.status("tcbStatus", platformStatus)
	level.Advisories = l.strings("advisoryIDs")
	return level
}

// sgxComponents are the names of the component SVNs in version 2, joined.
const (
	sgxComponent  = "sgxtcbcomp00svn"
	sgxComponents = "sgxtcbcomp01svn" + "sgxtcbcomp02svn" + "sgxtcbcomp03svn" + "sgxtcbcomp04svn" +
		"sgxtcbcomp05svn" + "sgxtcbcomp06svn" + "sgxtcbcomp07svn" + "sgxtcbcomp08svn" +
		"sgxtcbcomp09svn" + "sgxtcbcomp10svn" + "sgxtcbcomp11svn" + "sgxtcbcomp12svn" +
		"sgxtcbcomp13svn" + "sgxtcbcomp14svn" + "sgxtcbcomp15svn" + "sgxtcbcomp16svn"
)

func readComponents(tcb *object, name string, dst *[16]uint8) {
	list := tcb.array(name)
	if n := list.count(); *tcb.err == nil && n != len(dst) {
		tcb.fail("%s has %d components, not 16", name, n)
	}
	if *tcb.err != nil {
		return
	}
	i := 0
	for n, end := list.parts(); n < end; n = list.doc.after(n) {
		svn, ok := list.doc.component(n)
		if !ok {
			c := tcb.item(name, i, list.doc.value(n))
			svn = c.number("svn", 255)
		}
		dst[i] = uint8(svn) //nolint:gosec // bounded
		i++
	}
}

// component reads a value of the form {"svn": 7, …}: so Intel writes components,
// which are most of what TCB info holds. ok is false for any other form.
func (d *document) component(n int) (svn uint64, ok bool) {
	if d.text[d.nodes[n].start] != '{' || d.after(n) == n+1 || !d.named(n+1, "svn") {
		return 0, false
	}
	number := d.nodes[n+2]
	return digitsOnly(d.text[number.start:number.end], 255)
}

// compare orders levels as they are matched: components first, then PCESVN,
// then TDX components.
func (l *TCBLevel) compare(m *TCBLevel) int {
	return cmp.Or(
		bytes.Compare(l.Components[:], m.Components[:]),
		cmp.Compare(l.PCESVN, m.PCESVN),
		bytes.Compare(l.TDXComponents[:], m.TDXComponents[:]),
	)
}

func (t *TCBInfo) readModules(o *object) {
	if t.TEE == rats.SGX {
		if o.has("tdxModule") || o.has("tdxModuleIdentities") {
			o.fail("speaks of a TDX module though it is for SGX")
		}
		return
	}
	module := o.child("tdxModule")
	m := readModule(&module)
	t.Module = &m
	if !o.has("tdxModuleIdentities") {
		return
	}
	list := o.array("tdxModuleIdentities")
	t.Modules = make([]ModuleIdentity, 0, list.count())
	for i, v := range list.items {
		c := o.item("tdxModuleIdentities", i, v)
		if *o.err != nil {
			return
		}
		m := readModule(&c)
		m.ID = strings.ToUpper(c.text("id"))
		m.Levels = readSVNLevels(&c, false)
		if slices.ContainsFunc(t.Modules, func(other ModuleIdentity) bool { return other.ID == m.ID }) {
			c.fail("stands twice")
		}
		t.Modules = append(t.Modules, m)
	}
}

func readModule(o *object) (m ModuleIdentity) {
	o.bytes("mrsigner", m.MRSigner[:])
	o.bytes("attributes", m.Attributes[:])
	o.bytes("attributesMask", m.Mask[:])
	return m
}

// readSVNLevels reads levels told by ISVSVN, sorted highest first. In an
// identity two levels may share an ISVSVN if their dates differ.
func readSVNLevels(o *object, datesTell bool) []SVNLevel {
	list := o.levels()
	out := make([]SVNLevel, 0, list.count())
	for i, v := range list.items {
		l := o.item("tcbLevels", i, v)
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
