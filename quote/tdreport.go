// SPDX-License-Identifier: Apache-2.0

package quote

// Lengths of TD reports in bytes.
const (
	// TDReportSize is that of TDX 1.0.
	TDReportSize = 584
	// TD15ReportSize is that of TDX 1.5.
	TD15ReportSize = TDReportSize + 16 + 48
	// TD15ExtReportSize is that of TDX 1.5 with the migration part.
	TD15ExtReportSize = TD15ReportSize + 237
)

// TDReport is the body of a TD quote (Intel TDX DCAP Quoting Library API, A.3,
// TD quote body), little-endian where a field is a number:
//
//	  0 16  TEE_TCB_SVN           184 48  MRCONFIGID
//	 16 48  MRSEAM                232 48  MROWNER
//	 64 48  MRSIGNERSEAM          280 48  MROWNERCONFIG
//	112  8  SEAMATTRIBUTES        328 192 RTMR 0 to 3
//	120  8  TDATTRIBUTES          520 64  REPORTDATA
//	128  8  XFAM
//	136 48  MRTD
type TDReport struct {
	// TEETCBSVN is what the TD was launched under: the TDX module's minor SVN,
	// its major version, and the rest component by component.
	TEETCBSVN      [16]byte
	MRSEAM         [48]byte
	MRSignerSEAM   [48]byte
	SEAMAttributes [8]byte
	TDAttributes   [8]byte
	XFAM           [8]byte
	// MRTD measures the TD's initial memory.
	MRTD          [48]byte
	MRConfigID    [48]byte
	MROwner       [48]byte
	MROwnerConfig [48]byte
	// RTMR are measurements that the TD extends as it runs.
	RTMR [4][48]byte
	// ReportData is what the TD chose to have signed.
	ReportData [64]byte
	// TD15 is what TDX 1.5 adds, nil in a report of TDX 1.0.
	TD15 *TD15
}

// TD15 is what TDX 1.5 adds to a TD report:
//
//	584 16  TEE_TCB_SVN2
//	600 48  MRSERVICETD
type TD15 struct {
	// TEETCBSVN2 is what the platform runs now, where TEE_TCB_SVN is what the
	// TD was launched under.
	TEETCBSVN2 [16]byte
	// MRServiceTD measures the service TDs that are bound to the TD.
	MRServiceTD [48]byte
	// Migration is set in body type 4 alone.
	Migration *TDMigration
}

// TDMigration is what body type 4 adds, about where a TD began and where it is:
//
//	648  1  VM id                      801 16  initial TEE_TCB_SVN
//	649 32  TD id                      817 12  FMSPC
//	681 48  device information         829 48  current service-TD hash
//	729 48  initial service-TD hash    877  8  its attributes
//	777  8  its attributes
//	785 16  initial CPUSVN
type TDMigration struct {
	VMID                       uint8
	TDID                       [32]byte
	DeviceInfo                 [48]byte
	InitialServiceTDHash       [48]byte
	InitialServiceTDAttributes [8]byte
	InitialCPUSVN              [16]byte
	InitialTEETCBSVN           [16]byte
	FMSPC                      [12]byte
	CurrentServiceTDHash       [48]byte
	CurrentServiceTDAttributes [8]byte
}

// Debug reports whether any bit of TDATTRIBUTES.TUD is set: the TD is under
// debug or profiling, and its host can look into it (Intel TDX Module
// Architecture Specification, ATTRIBUTES).
func (r *TDReport) Debug() bool { return r.TDAttributes[0] != 0 }

// Size returns the length of the report in bytes.
func (r *TDReport) Size() int {
	switch {
	case r.TD15 == nil:
		return TDReportSize
	case r.TD15.Migration == nil:
		return TD15ReportSize
	default:
		return TD15ExtReportSize
	}
}

// Marshal returns the bytes of the report, Size of them.
func (r *TDReport) Marshal() []byte { return r.AppendTo(make([]byte, 0, r.Size())) }

// AppendTo appends the bytes of the report to b.
func (r *TDReport) AppendTo(b []byte) []byte {
	for _, field := range r.fields() {
		b = append(b, field...)
	}
	if r.TD15 == nil {
		return b
	}
	b = append(b, r.TD15.TEETCBSVN2[:]...)
	b = append(b, r.TD15.MRServiceTD[:]...)
	m := r.TD15.Migration
	if m == nil {
		return b
	}
	b = append(b, m.VMID)
	for _, field := range m.fields() {
		b = append(b, field...)
	}
	return b
}

// fields are the parts of TDX 1.0 in their order.
func (r *TDReport) fields() [15][]byte {
	return [15][]byte{
		r.TEETCBSVN[:], r.MRSEAM[:], r.MRSignerSEAM[:], r.SEAMAttributes[:], r.TDAttributes[:], r.XFAM[:],
		r.MRTD[:], r.MRConfigID[:], r.MROwner[:], r.MROwnerConfig[:],
		r.RTMR[0][:], r.RTMR[1][:], r.RTMR[2][:], r.RTMR[3][:], r.ReportData[:],
	}
}

// fields are the parts after the VM id in their order.
func (m *TDMigration) fields() [9][]byte {
	return [9][]byte{
		m.TDID[:], m.DeviceInfo[:], m.InitialServiceTDHash[:], m.InitialServiceTDAttributes[:], m.InitialCPUSVN[:],
		m.InitialTEETCBSVN[:], m.FMSPC[:], m.CurrentServiceTDHash[:], m.CurrentServiceTDAttributes[:],
	}
}

// readTDReport reads a report whose length is that of one of the body types;
// every value of every field is possible.
func readTDReport(b []byte) TDReport {
	var r TDReport
	take := func(dst []byte) { b = b[copy(dst, b):] }
	for _, field := range r.fields() {
		take(field)
	}
	if len(b) == 0 {
		return r
	}
	r.TD15 = &TD15{}
	take(r.TD15.TEETCBSVN2[:])
	take(r.TD15.MRServiceTD[:])
	if len(b) == 0 {
		return r
	}
	m := &TDMigration{VMID: b[0]}
	b = b[1:]
	for _, field := range m.fields() {
		take(field)
	}
	r.TD15.Migration = m
	return r
}
