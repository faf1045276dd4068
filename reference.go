// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"

	"github.com/attesteer/attesteer/rats"
)

// ReferenceValue describes code that is expected (RFC 9334 8.3): an enclave or a
// trust domain. Every field that is set must match; those that are nil or, of
// the numbers, zero demand nothing. Lengths are those of the report's fields.
//
// It must name code: by MREnclave, by MRSigner with ISVProdID, by MRTD, by
// MRSEAM or by Fingerprint. The other fields narrow that down: what a host
// chooses, or whoever signs, says nothing by itself. One without a name of code
// matches nothing.
type ReferenceValue struct {
	// Fingerprint is that of the result: MRENCLAVE (32 bytes), or SHA-384 over
	// MRTD and RTMR0 to RTMR3 (48 bytes).
	Fingerprint Hex `json:"fingerprint,omitzero"`

	MREnclave Hex `json:"mr_enclave,omitzero"`
	// MRSigner is SHA-256 of the key that signed the enclave. A signer has many
	// products, so without MREnclave or Fingerprint it needs ISVProdID beside it.
	MRSigner Hex `json:"mr_signer,omitzero"`
	// ISVProdID and the next three are the signer's own words, and need MRSigner.
	ISVProdID    *uint16 `json:"isv_prod_id,omitzero"`
	MinISVSVN    uint16  `json:"min_isv_svn,omitzero"`
	ISVExtProdID Hex     `json:"isv_ext_prod_id,omitzero"`
	ISVFamilyID  Hex     `json:"isv_family_id,omitzero"`
	// ConfigID is what the enclave was launched with; MinConfigSVN needs it.
	ConfigID     Hex    `json:"config_id,omitzero"`
	MinConfigSVN uint16 `json:"min_config_svn,omitzero"`

	MRTD Hex `json:"mr_td,omitzero"`
	// The RTMRs are extended by what MRTD measures, and anything could extend them
	// in the same way: they need MRTD.
	RTMR0 Hex `json:"rtmr0,omitzero"`
	RTMR1 Hex `json:"rtmr1,omitzero"`
	RTMR2 Hex `json:"rtmr2,omitzero"`
	RTMR3 Hex `json:"rtmr3,omitzero"`
	// MRSEAM names the TDX module; alone, any trust domain under that module.
	MRSEAM       Hex `json:"mr_seam,omitzero"`
	MRSignerSEAM Hex `json:"mr_signer_seam,omitzero"`
	// MRConfigID, MROwner and MROwnerConfig are what the host launched the trust
	// domain with.
	MRConfigID    Hex `json:"mr_config_id,omitzero"`
	MROwner       Hex `json:"mr_owner,omitzero"`
	MROwnerConfig Hex `json:"mr_owner_config,omitzero"`
	// MRServiceTD is never that of TDX 1.0, which has none.
	MRServiceTD Hex `json:"mr_service_td,omitzero"`
}

// reference is one field: its name, what is expected, its length in bytes, and
// what the evidence has.
type reference struct {
	name string
	want *Hex
	size int
	got  Hex
}

func (v *ReferenceValue) sgx(m *SGXMeasurement) []reference {
	return []reference{
		{"mr_enclave", &v.MREnclave, 32, m.MREnclave},
		{"mr_signer", &v.MRSigner, 32, m.MRSigner},
		{"isv_ext_prod_id", &v.ISVExtProdID, 16, m.ISVExtProdID},
		{"isv_family_id", &v.ISVFamilyID, 16, m.ISVFamilyID},
		{"config_id", &v.ConfigID, 64, m.ConfigID},
	}
}

func (v *ReferenceValue) tdx(m *TDXMeasurement) []reference {
	return []reference{
		{"mr_td", &v.MRTD, 48, m.MRTD},
		{"rtmr0", &v.RTMR0, 48, m.RTMR0},
		{"rtmr1", &v.RTMR1, 48, m.RTMR1},
		{"rtmr2", &v.RTMR2, 48, m.RTMR2},
		{"rtmr3", &v.RTMR3, 48, m.RTMR3},
		{"mr_seam", &v.MRSEAM, 48, m.MRSEAM},
		{"mr_signer_seam", &v.MRSignerSEAM, 48, m.MRSignerSEAM},
		{"mr_config_id", &v.MRConfigID, 48, m.MRConfigID},
		{"mr_owner", &v.MROwner, 48, m.MROwner},
		{"mr_owner_config", &v.MROwnerConfig, 48, m.MROwnerConfig},
		{"mr_service_td", &v.MRServiceTD, 48, m.MRServiceTD},
	}
}

// matches reports whether the evidence is of the code that v describes.
func (v *ReferenceValue) matches(r *Result) bool {
	if v.check() != nil || v.tee() != measuredAs(r.TEE) || v.Fingerprint != nil && !bytes.Equal(v.Fingerprint, r.Fingerprint) {
		return false
	}
	var fields []reference
	if m := r.Measurement.SGXMeasurement; m != nil {
		if v.ISVProdID != nil && *v.ISVProdID != m.ISVProdID || m.ISVSVN < v.MinISVSVN || m.ConfigSVN < v.MinConfigSVN {
			return false
		}
		fields = v.sgx(m)
	} else {
		fields = v.tdx(r.Measurement.TDXMeasurement)
	}
	for _, f := range fields {
		if *f.want != nil && !bytes.Equal(*f.want, f.got) {
			return false
		}
	}
	return true
}

// tee returns the kind of evidence that v can match; it is empty where its
// fields belong to none, or to two.
func (v *ReferenceValue) tee() rats.TEE {
	sgx := v.ISVProdID != nil || v.MinISVSVN > 0 || v.MinConfigSVN > 0 || len(v.Fingerprint) == 32
	for _, f := range v.sgx(&SGXMeasurement{}) {
		sgx = sgx || *f.want != nil
	}
	tdx := len(v.Fingerprint) == 48
	for _, f := range v.tdx(&TDXMeasurement{}) {
		tdx = tdx || *f.want != nil
	}
	switch {
	case sgx == tdx:
		return ""
	case sgx:
		return rats.SGX
	default:
		return rats.TDX
	}
}

// check says what is wrong with v itself, with the path of the field.
func (v *ReferenceValue) check() *fault {
	if n := len(v.Fingerprint); v.Fingerprint != nil && n != 32 && n != 48 {
		return faulty("fingerprint", "want 32 bytes for SGX or 48 for TDX, not %d", n)
	}
	for _, f := range append(v.sgx(&SGXMeasurement{}), v.tdx(&TDXMeasurement{})...) {
		if n := len(*f.want); *f.want != nil && n != f.size {
			return faulty(f.name, "want %d bytes, not %d", f.size, n)
		}
	}
	named := v.MREnclave != nil || v.MRTD != nil || v.MRSEAM != nil || v.Fingerprint != nil
	signed := v.ISVProdID != nil || v.MinISVSVN > 0 || v.ISVExtProdID != nil || v.ISVFamilyID != nil
	extended := v.RTMR0 != nil || v.RTMR1 != nil || v.RTMR2 != nil || v.RTMR3 != nil
	switch {
	case signed && v.MRSigner == nil:
		return faulty("mr_signer", "is missing: products and versions mean what their signer means by them")
	case v.MRSigner != nil && v.ISVProdID == nil && !named:
		return faulty("isv_prod_id", "is missing: without it mr_signer stands for all products of a signer")
	case extended && v.MRTD == nil:
		return faulty("mr_td", "is missing: any trust domain could extend its RTMRs to the same values")
	case v.MinConfigSVN > 0 && v.ConfigID == nil:
		return faulty("config_id", "is missing: a version is one of a configuration")
	case !named && v.MRSigner == nil:
		return faulty("", "names no code: give mr_enclave, mr_signer with isv_prod_id, mr_td, mr_seam or fingerprint")
	case v.tee() == "":
		return faulty("", "has members of both SGX and TDX, so that nothing could match")
	}
	return nil
}
