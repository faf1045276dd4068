// SPDX-License-Identifier: Apache-2.0

package epid

import "encoding/binary"

// The one kind of platform info that there is (platform_info_blob.h,
// platform_info_blob_wrapper_t): a header of type, version and length, and what
// the platform's own software has to know to mend what Intel found.
const (
	platformInfoType    = 21
	platformInfoVersion = 2
	platformInfoLength  = 101
)

// PlatformInfo says what of a platform is behind or revoked, big-endian:
//
//	0  1  type, 21           25  2  latest equivalent PCE SVN, little-endian
//	1  1  version, 2         27  2  latest PSE SVN
//	2  2  length, 101        29  4  latest PSDA SVN
//	4  1  group flags        33  4  extended group id
//	5  2  TCB flags          37  4  EPID group id
//	7  2  PSE flags          41 64  signature by Intel, r ‖ s
//	9 16  latest equivalent CPUSVN
//
// Its signature is for the platform; what stands in a report is under the
// report's.
type PlatformInfo struct {
	GroupFlags uint8
	TCBFlags   uint16
	PSEFlags   uint16
	CPUSVN     [16]byte
	PCESVN     uint16
	PSESVN     uint16
	PSDASVN    [4]byte
	XEID       uint32
	GroupID    [4]byte
	Signature  [64]byte
}

// ParsePlatformInfo reads the bytes of a platform info blob.
func ParsePlatformInfo(b []byte) (*PlatformInfo, error) {
	const size = 4 + platformInfoLength
	if len(b) != size || b[0] != platformInfoType || b[1] != platformInfoVersion || binary.BigEndian.Uint16(b[2:]) != platformInfoLength {
		return nil, malformed("platform info has %d bytes: type %d, version %d, length %d", size, platformInfoType, platformInfoVersion, platformInfoLength)
	}
	return &PlatformInfo{
		GroupFlags: b[4], TCBFlags: binary.BigEndian.Uint16(b[5:]), PSEFlags: binary.BigEndian.Uint16(b[7:]),
		CPUSVN: [16]byte(b[9:]), PCESVN: binary.LittleEndian.Uint16(b[25:]), PSESVN: binary.BigEndian.Uint16(b[27:]),
		PSDASVN: [4]byte(b[29:]), XEID: binary.BigEndian.Uint32(b[33:]), GroupID: [4]byte(b[37:]), Signature: [64]byte(b[41:]),
	}, nil
}

// Flags returns the names of the flags that are set, in their order.
func (p *PlatformInfo) Flags() []string {
	var out []string
	for _, set := range []struct {
		bits  uint16
		names []string
	}{
		{uint16(p.GroupFlags), []string{"epid_group_revoked", "performance_rekey_available", "epid_group_out_of_date"}},
		{p.TCBFlags, []string{"cpu_svn_out_of_date", "qe_svn_out_of_date", "pce_svn_out_of_date", "platform_configuration_needed"}},
		{p.PSEFlags, []string{
			"pse_svn_out_of_date", "pse_epid_group_revoked", "psda_svn_out_of_date",
			"pse_signature_list_out_of_date", "pse_private_key_list_out_of_date",
		}},
	} {
		for i, name := range set.names {
			if set.bits>>i&1 == 1 {
				out = append(out, name)
			}
		}
	}
	return out
}
