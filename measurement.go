// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"crypto/sha512"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Measurement holds what the evidence measures; exactly one part is set.
type Measurement struct {
	*SGXMeasurement
	*TDXMeasurement
}

// SGXMeasurement is the SGX report body's content (Intel SDM vol. 3D, REPORT).
type SGXMeasurement struct {
	MREnclave Hex    `json:"mr_enclave"`
	MRSigner  Hex    `json:"mr_signer"`
	ISVProdID uint16 `json:"isv_prod_id"`
	ISVSVN    uint16 `json:"isv_svn"`
	// Attributes is FLAGS and XFRM, 16 bytes as they stand in the report.
	Attributes Hex `json:"attributes"`
	// MiscSelect is 4 bytes as they stand in the report.
	MiscSelect   Hex    `json:"misc_select"`
	CPUSVN       Hex    `json:"cpu_svn"`
	ISVExtProdID Hex    `json:"isv_ext_prod_id"`
	ISVFamilyID  Hex    `json:"isv_family_id"`
	ConfigID     Hex    `json:"config_id"`
	ConfigSVN    uint16 `json:"config_svn"`
}

// TDXMeasurement is the TD report's content (Intel TDX DCAP Quoting Library
// API, A.3, TD quote body). Measurements are SHA-384, 48 bytes.
type TDXMeasurement struct {
	// MRTD measures the TD's initial memory, the RTMRs what it extended since.
	MRTD  Hex `json:"mr_td"`
	RTMR0 Hex `json:"rtmr0"`
	RTMR1 Hex `json:"rtmr1"`
	RTMR2 Hex `json:"rtmr2"`
	RTMR3 Hex `json:"rtmr3"`
	// MRSEAM and MRSignerSEAM name the TDX module and its signer.
	MRSEAM         Hex `json:"mr_seam"`
	MRSignerSEAM   Hex `json:"mr_signer_seam"`
	SEAMAttributes Hex `json:"seam_attributes"`
	// TDAttributes and XFAM are 8 bytes each, as they stand in the report.
	TDAttributes  Hex `json:"td_attributes"`
	XFAM          Hex `json:"xfam"`
	MRConfigID    Hex `json:"mr_config_id"`
	MROwner       Hex `json:"mr_owner"`
	MROwnerConfig Hex `json:"mr_owner_config"`
	TEETCBSVN     Hex `json:"tee_tcb_svn"`
	// TEETCBSVN2 and MRServiceTD are TDX 1.5's and absent before.
	TEETCBSVN2  Hex `json:"tee_tcb_svn2,omitempty"`
	MRServiceTD Hex `json:"mr_service_td,omitempty"`
	// Migration is what body type 4 adds, absent elsewhere.
	Migration *TDXMigration `json:"migration,omitempty"`
}

// TDXMigration says where a trust domain began and where it is now.
type TDXMigration struct {
	VMID                       uint8 `json:"vm_id"`
	TDID                       Hex   `json:"td_id"`
	DeviceInfo                 Hex   `json:"device_info"`
	InitialServiceTDHash       Hex   `json:"initial_service_td_hash"`
	InitialServiceTDAttributes Hex   `json:"initial_service_td_attributes"`
	InitialCPUSVN              Hex   `json:"initial_cpu_svn"`
	InitialTEETCBSVN           Hex   `json:"initial_tee_tcb_svn"`
	FMSPC                      Hex   `json:"fmspc"`
	CurrentServiceTDHash       Hex   `json:"current_service_td_hash"`
	CurrentServiceTDAttributes Hex   `json:"current_service_td_attributes"`
}

// measure lists what a quote's report says.
func measure(q *quote.Quote) Measurement {
	if q.TD != nil {
		return Measurement{TDXMeasurement: measureTD(q.TD)}
	}
	r := q.SGX
	return Measurement{SGXMeasurement: &SGXMeasurement{
		MREnclave: r.MREnclave[:], MRSigner: r.MRSigner[:], ISVProdID: r.ISVProdID, ISVSVN: r.ISVSVN,
		Attributes: r.Attributes[:], MiscSelect: r.MiscSelect[:], CPUSVN: r.CPUSVN[:],
		ISVExtProdID: r.ISVExtProdID[:], ISVFamilyID: r.ISVFamilyID[:], ConfigID: r.ConfigID[:], ConfigSVN: r.ConfigSVN,
	}}
}

func measureTD(r *quote.TDReport) *TDXMeasurement {
	m := &TDXMeasurement{
		MRTD: r.MRTD[:], RTMR0: r.RTMR[0][:], RTMR1: r.RTMR[1][:], RTMR2: r.RTMR[2][:], RTMR3: r.RTMR[3][:],
		MRSEAM: r.MRSEAM[:], MRSignerSEAM: r.MRSignerSEAM[:], SEAMAttributes: r.SEAMAttributes[:],
		TDAttributes: r.TDAttributes[:], XFAM: r.XFAM[:],
		MRConfigID: r.MRConfigID[:], MROwner: r.MROwner[:], MROwnerConfig: r.MROwnerConfig[:],
		TEETCBSVN: r.TEETCBSVN[:],
	}
	if r.TD15 == nil {
		return m
	}
	m.TEETCBSVN2, m.MRServiceTD = r.TD15.TEETCBSVN2[:], r.TD15.MRServiceTD[:]
	if g := r.TD15.Migration; g != nil {
		m.Migration = &TDXMigration{
			VMID: g.VMID, TDID: g.TDID[:], DeviceInfo: g.DeviceInfo[:],
			InitialServiceTDHash: g.InitialServiceTDHash[:], InitialServiceTDAttributes: g.InitialServiceTDAttributes[:],
			InitialCPUSVN: g.InitialCPUSVN[:], InitialTEETCBSVN: g.InitialTEETCBSVN[:], FMSPC: g.FMSPC[:],
			CurrentServiceTDHash: g.CurrentServiceTDHash[:], CurrentServiceTDAttributes: g.CurrentServiceTDAttributes[:],
		}
	}
	return m
}

// fingerprint returns the one measurement that names the code. A trust domain
// has five that say what it booted and loaded; all of them count.
func fingerprint(q *quote.Quote) Hex {
	if q.TD == nil {
		return q.SGX.MREnclave[:]
	}
	h := sha512.New384()
	h.Write(q.TD.MRTD[:])
	for i := range q.TD.RTMR {
		h.Write(q.TD.RTMR[i][:])
	}
	return h.Sum(nil)
}

func buildMode(q *quote.Quote) rats.BuildMode {
	if q.TD != nil && q.TD.Debug() || q.SGX != nil && q.SGX.Debug() {
		return rats.Debug
	}
	return rats.Production
}
