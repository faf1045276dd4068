// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"crypto/x509"

	"github.com/attesteer/attesteer/rats"
)

// PCKExtension is what Intel certifies of a platform: the SGX extension of its
// PCK certificate (profile 1.3.5), read by ASN.1.
type PCKExtension struct {
	// PPID is the platform's provisioning id.
	PPID [16]byte
	// Components are the 16 component SVNs, against which TCB levels are held.
	Components [16]uint8
	PCESVN     uint16
	// CPUSVN is the raw value that the components decompose.
	CPUSVN [16]byte
	// PCEID and FMSPC as they stand, big-endian.
	PCEID [2]byte
	FMSPC [6]byte
	// SGXType is 0 standard, 1 scalable, 2 scalable with integrity.
	SGXType int
	// Platform is what only the Platform CA certifies, else nil.
	Platform *PlatformExtension
}

// clone returns a copy that shares nothing.
func (e PCKExtension) clone() *PCKExtension {
	if e.Platform != nil {
		platform := *e.Platform
		e.Platform = &platform
	}
	return &e
}

// PlatformExtension is what the Platform CA adds for multi-package platforms.
type PlatformExtension struct {
	InstanceID      [16]byte
	DynamicPlatform bool
	CachedKeys      bool
	SMTEnabled      bool
}

// sgxPrefix is the identifier of the extension in DER, of which those of its
// elements are continuations.
const sgxPrefix = "\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01"

// How many elements the extension, its TCB and its configuration can have.
const (
	standardElements = 5
	platformElements = 7
	tcbElements      = 18
)

// parsePCKExtension reads the extension. Elements may stand in any order; each
// may stand once.
func parsePCKExtension(c *x509.Certificate) (PCKExtension, error) {
	var raw []byte
	oid := sgxExtension()
	for i := range c.Extensions {
		if c.Extensions[i].Id.Equal(oid) {
			raw = c.Extensions[i].Value
		}
	}
	return readPCKExtension(raw)
}

// readPCKExtension reads the value of the extension.
func readPCKExtension(raw []byte) (PCKExtension, error) {
	r := reader{raw: raw}
	all := newDER(raw)
	in := elements{reader: &r}
	in.read(&all, sgxPrefix)
	if all.at != len(raw) {
		r.fail("has trailing bytes")
	}
	if in.count != standardElements && in.count != platformElements {
		r.fail("has %d elements, not %d or %d", in.count, standardElements, platformElements)
	}
	var ext PCKExtension
	in.octets(1, ext.PPID[:])
	in.tcb(2, &ext)
	in.octets(3, ext.PCEID[:])
	in.octets(4, ext.FMSPC[:])
	ext.SGXType = in.enumerated(5)
	if in.count == platformElements {
		ext.Platform = &PlatformExtension{}
		in.octets(6, ext.Platform.InstanceID[:])
		in.configuration(7, ext.Platform)
	}
	return ext, r.err
}

func extensionError(format string, args ...any) error {
	e := rats.Errorf(rats.Malformed, "SGX extension "+format, args...)
	e.Spec = profileClause + ", 1.3.5"
	return e
}

// reader reads the value of an extension and keeps the first error.
type reader struct {
	raw []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = extensionError(format, args...)
	}
}

// elements are those of the extension or of one of its parts.
type elements struct {
	*reader
	// path is the number of the part and a dot, or empty.
	path string
	// values are where the values stand, by the last number of the identifiers.
	// None stands at zero.
	values [128]struct{ from, to uint32 }
	count  int
}

// read reads SEQUENCE OF SEQUENCE { OBJECT IDENTIFIER, value } whose
// identifiers are prefix.N; the profile has N up to 18.
func (e *elements) read(d *der, prefix string) {
	list := d.open(tagSequence)
	for list.more() {
		one := list.open(tagSequence)
		id := one.oid()
		from := one.at
		one.next()
		to := one.at
		if list.close(&one); list.failed {
			break
		}
		last := len(prefix)
		if len(id) != last+1 || string(id[:last]) != prefix {
			e.fail("has a foreign element in place %s%d", e.path, e.count+1)
			return
		}
		v := &e.values[id[last]]
		if v.from != 0 {
			e.fail("has element %s%d twice", e.path, id[last])
			return
		}
		v.from, v.to = uint32(from), uint32(to) //nolint:gosec // a certificate is not that long
		e.count++
	}
	if d.close(&list); d.failed {
		e.fail("does not parse at byte %d", d.at)
	}
}

// value returns a reader of the value of element n.
func (e *elements) value(n int) der {
	v := e.values[n]
	if v.from == 0 {
		e.fail("lacks element %s%d", e.path, n)
	}
	return der{text: e.raw, at: int(v.from), end: int(v.to)}
}

func (e *elements) unread(d *der, n int) {
	if d.failed {
		e.fail("element %s%d does not parse", e.path, n)
	}
}

func (e *elements) octets(n int, dst []byte) {
	d := e.value(n)
	b := d.take(tagOctetString)
	e.unread(&d, n)
	if len(b) != len(dst) {
		e.fail("element %s%d has %d bytes, not %d", e.path, n, len(b), len(dst))
	}
	copy(dst, b)
}

func (e *elements) enumerated(n int) int {
	d := e.value(n)
	b := d.integer(tagEnumerated)
	e.unread(&d, n)
	if len(b) == 0 || len(b) > 4 {
		e.fail("element %s%d has %d bytes", e.path, n, len(b))
		return 0
	}
	v := int(int8(b[0])) //nolint:gosec // the sign of two's complement
	for _, c := range b[1:] {
		v = v<<8 | int(c)
	}
	return v
}

// integer reads an INTEGER from 0 to limit.
func (e *elements) integer(n, limit int) int {
	d := e.value(n)
	b := d.integer(tagInteger)
	e.unread(&d, n)
	v := 0
	for i, c := range b {
		if v = v<<8 | int(c); v > limit || i == 0 && c >= 0x80 {
			e.fail("element %s%d is not from 0 to %d", e.path, n, limit)
			return 0
		}
	}
	return v
}

// tcb reads element n, which has components, PCESVN and CPUSVN.
func (e *elements) tcb(n int, ext *PCKExtension) {
	d := e.value(n)
	in := elements{reader: e.reader, path: "2."}
	in.read(&d, sgxPrefix+"\x02")
	if in.count != tcbElements {
		e.fail("has %d TCB elements, not %d", in.count, tcbElements)
	}
	for i := range ext.Components {
		ext.Components[i] = uint8(in.integer(i+1, 255)) //nolint:gosec // bounded by integer
	}
	ext.PCESVN = uint16(in.integer(17, 65535)) //nolint:gosec // bounded by integer
	in.octets(18, ext.CPUSVN[:])
}

// configuration reads element n, which has flags that may each be absent.
func (e *elements) configuration(n int, p *PlatformExtension) {
	d := e.value(n)
	in := elements{reader: e.reader, path: "7."}
	in.read(&d, sgxPrefix+"\x07")
	for i, flag := range [...]*bool{&p.DynamicPlatform, &p.CachedKeys, &p.SMTEnabled} {
		if in.values[i+1].from != 0 {
			d := in.value(i + 1)
			*flag = d.boolean()
			in.unread(&d, i+1)
		}
	}
}
