// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// The PCK CAs by the names that results give them.
const (
	issuerPlatform  = "platform"
	issuerProcessor = "processor"
)

// fmspcSize is the length of an FMSPC in bytes.
const fmspcSize = 6

// demandedBits is a demand of one field: its name, its length, the TEE whose
// reports have it, and what the report has.
type demandedBits struct {
	name string
	want *Bits
	size int
	tee  rats.TEE
	got  Hex
}

// bits returns what is demanded of the fields of a report. Without a
// measurement it is for the names and lengths.
func (p *Policy) bits(m Measurement) [4]demandedBits {
	sgx, tdx := m.SGXMeasurement, m.TDXMeasurement
	if sgx == nil {
		sgx = &SGXMeasurement{}
	}
	if tdx == nil {
		tdx = &TDXMeasurement{}
	}
	return [4]demandedBits{
		{"attributes", p.Attributes, 16, rats.SGX, sgx.Attributes},
		{"misc_select", p.MiscSelect, 4, rats.SGX, sgx.MiscSelect},
		{"td_attributes", p.TDAttributes, 8, rats.TDX, tdx.TDAttributes},
		{"xfam", p.XFAM, 8, rats.TDX, tdx.XFAM},
	}
}

func (p *Policy) demandsBits() bool {
	return p.Attributes != nil || p.MiscSelect != nil || p.TDAttributes != nil || p.XFAM != nil
}

// acceptBits checks the fields that evidence of this TEE has. Evidence without
// any that the policy asks about does not meet it.
func (p *Policy) acceptBits(r *Result) *rats.Error {
	asked := false
	var wrong []string
	for _, f := range p.bits(r.Measurement) {
		if f.want == nil || f.tee != measuredAs(r.TEE) {
			continue
		}
		asked = true
		if !f.want.holds(f.got) {
			wrong = append(wrong, f.name+" "+f.got.String())
		}
	}
	switch {
	case !asked:
		return rats.Errorf(rats.PolicyRejected, "the policy demands attributes of another TEE than %s", r.TEE)
	case len(wrong) > 0:
		return rats.Errorf(rats.PolicyRejected, "not as the policy demands: %s", strings.Join(wrong, ", "))
	default:
		return nil
	}
}

// holds reports whether (field AND mask) == value.
func (b *Bits) holds(field Hex) bool {
	if b.check(len(field)) != nil {
		return false
	}
	for i, v := range field {
		if v&b.Mask[i] != b.Value[i] {
			return false
		}
	}
	return true
}

// accept checks what the vendor certifies of the machine.
func (d *PlatformDemands) accept(ext *dcap.PCKExtension, issuer string) *rats.Error {
	wrong := d.wrongFlags(ext.Platform)
	if d.AcceptSGXTypes != nil && !slices.Contains(d.AcceptSGXTypes, ext.SGXType) {
		wrong = append(wrong, "SGX type "+strconv.Itoa(ext.SGXType))
	}
	if d.AcceptIssuers != nil && !slices.Contains(d.AcceptIssuers, issuer) {
		wrong = append(wrong, "issuer "+issuer)
	}
	fmspc := Hex(ext.FMSPC[:])
	same := func(other Hex) bool { return bytes.Equal(other, fmspc) }
	garbled := func(other Hex) bool { return len(other) != fmspcSize }
	switch {
	case d.AcceptFMSPC != nil && !slices.ContainsFunc(d.AcceptFMSPC, same), slices.ContainsFunc(d.RejectFMSPC, same):
		wrong = append(wrong, "FMSPC "+fmspc.String())
	case slices.ContainsFunc(d.RejectFMSPC, garbled):
		wrong = append(wrong, "a rejected FMSPC that is none")
	}
	if len(wrong) > 0 {
		return rats.Errorf(rats.PolicyRejected, "the policy does not accept the platform: %s", strings.Join(wrong, ", "))
	}
	return nil
}

// wrongFlags names the flags that are not as demanded. The Processor CA
// certifies none, which is neither true nor false.
func (d *PlatformDemands) wrongFlags(have *dcap.PlatformExtension) []string {
	var wrong []string
	if have == nil {
		have = &dcap.PlatformExtension{}
		for _, f := range d.flags(have) {
			if f.want != nil {
				wrong = append(wrong, f.name+" is not certified")
			}
		}
		return wrong
	}
	for _, f := range d.flags(have) {
		switch {
		case f.want == nil || *f.want == f.got:
		case f.got:
			wrong = append(wrong, f.name+" is true")
		default:
			wrong = append(wrong, f.name+" is false")
		}
	}
	return wrong
}

type flag struct {
	name string
	want *bool
	got  bool
}

func (d *PlatformDemands) flags(have *dcap.PlatformExtension) [3]flag {
	return [3]flag{
		{"dynamic_platform", d.DynamicPlatform, have.DynamicPlatform},
		{"cached_keys", d.CachedKeys, have.CachedKeys},
		{"smt_enabled", d.SMTEnabled, have.SMTEnabled},
	}
}
