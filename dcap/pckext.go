// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"crypto/x509"
	"encoding/asn1"

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

// element is one part of the extension: an object identifier and its value.
type element struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue
}

// parsePCKExtension reads the extension. The order of elements is fixed by
// their identifiers' last number, and each may stand once.
func parsePCKExtension(c *x509.Certificate) (PCKExtension, error) {
	var ext PCKExtension
	var raw []byte
	oid := sgxExtension()
	for i := range c.Extensions {
		if c.Extensions[i].Id.Equal(oid) {
			raw = c.Extensions[i].Value
		}
	}
	members, err := readMembers(raw, oid)
	if err != nil {
		return ext, err
	}
	if n := len(members); n != 5 && n != 7 {
		return ext, extensionError("has %d elements, not 5 or 7", n)
	}
	r := reader{members: members}
	r.octets(1, ext.PPID[:])
	r.tcb(2, oid, &ext)
	r.octets(3, ext.PCEID[:])
	r.octets(4, ext.FMSPC[:])
	ext.SGXType = r.enumerated(5)
	if len(members) == 7 {
		ext.Platform = &PlatformExtension{}
		r.octets(6, ext.Platform.InstanceID[:])
		r.configuration(7, oid, ext.Platform)
	}
	return ext, r.err
}

func extensionError(format string, args ...any) error {
	e := rats.Errorf(rats.Malformed, "SGX extension "+format, args...)
	e.Spec = profileClause + ", 1.3.5"
	return e
}

// readMembers reads SEQUENCE OF SEQUENCE { OID, value } whose identifiers are
// prefix.N, and returns them by N.
func readMembers(raw []byte, prefix asn1.ObjectIdentifier) (map[int]asn1.RawValue, error) {
	var list []element
	rest, err := asn1.Unmarshal(raw, &list)
	if err != nil {
		return nil, extensionError("does not parse: %w", err)
	}
	if len(rest) != 0 {
		return nil, extensionError("has trailing bytes")
	}
	out := make(map[int]asn1.RawValue, len(list))
	for _, m := range list {
		if len(m.ID) != len(prefix)+1 || !m.ID[:len(prefix)].Equal(prefix) {
			return nil, extensionError("has a foreign element %v", m.ID)
		}
		n := m.ID[len(prefix)]
		if _, twice := out[n]; twice {
			return nil, extensionError("has element %v twice", m.ID)
		}
		out[n] = m.Value
	}
	return out, nil
}

// reader takes elements out of the extension and keeps the first error.
type reader struct {
	members map[int]asn1.RawValue
	err     error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = extensionError(format, args...)
	}
}

// take decodes element n into v, which must use up the element.
func (r *reader) take(n int, v any) {
	m, ok := r.members[n]
	if !ok {
		r.fail("lacks element %d", n)
		return
	}
	if rest, err := asn1.Unmarshal(m.FullBytes, v); err != nil || len(rest) != 0 {
		r.fail("element %d does not parse", n)
	}
}

func (r *reader) octets(n int, dst []byte) {
	var b []byte
	r.take(n, &b)
	if r.err == nil && len(b) != len(dst) {
		r.fail("element %d has %d bytes, not %d", n, len(b), len(dst))
		return
	}
	copy(dst, b)
}

func (r *reader) enumerated(n int) int {
	var v asn1.Enumerated
	r.take(n, &v)
	return int(v)
}

func (r *reader) integer(n, limit int) int {
	var v int
	r.take(n, &v)
	if r.err == nil && (v < 0 || v > limit) {
		r.fail("element %d is %d, over %d", n, v, limit)
	}
	return v
}

// nested reads element n as members of their own.
func (r *reader) nested(n int, prefix asn1.ObjectIdentifier) *reader {
	m, ok := r.members[n]
	if !ok {
		r.fail("lacks element %d", n)
		return nil
	}
	id := append(append(asn1.ObjectIdentifier{}, prefix...), n)
	members, err := readMembers(m.FullBytes, id)
	if err != nil {
		if r.err == nil {
			r.err = err
		}
		return nil
	}
	return &reader{members: members}
}

func (r *reader) tcb(n int, prefix asn1.ObjectIdentifier, ext *PCKExtension) {
	in := r.nested(n, prefix)
	if in == nil {
		return
	}
	if len(in.members) != 18 {
		r.fail("has %d TCB elements, not 18", len(in.members))
		return
	}
	for i := range ext.Components {
		ext.Components[i] = uint8(in.integer(i+1, 255)) //nolint:gosec // bounded by integer
	}
	ext.PCESVN = uint16(in.integer(17, 65535)) //nolint:gosec // bounded by integer
	in.octets(18, ext.CPUSVN[:])
	if r.err == nil {
		r.err = in.err
	}
}

func (r *reader) configuration(n int, prefix asn1.ObjectIdentifier, p *PlatformExtension) {
	in := r.nested(n, prefix)
	if in == nil {
		return
	}
	for i, flag := range []*bool{&p.DynamicPlatform, &p.CachedKeys, &p.SMTEnabled} {
		if _, there := in.members[i+1]; there {
			in.take(i+1, flag)
		}
	}
	if r.err == nil {
		r.err = in.err
	}
}
