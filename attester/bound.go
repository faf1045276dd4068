// SPDX-License-Identifier: Apache-2.0

package attester

import (
	"bytes"
	"encoding/binary"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// SEV-SNP's ATTESTATION_REPORT (AMD, SEV Secure Nested Paging Firmware ABI
// Specification, document 56860, table "ATTESTATION_REPORT Structure"): its
// length, and where version and report data are.
const (
	snpReportSize       = 0x4a0
	snpVersionLeast     = 2
	snpVersionMost      = 16 // none above 5 is published; what is far above is no version
	snpReportDataOffset = 0x50
)

// held returns evidence if its report data is what was asked for: the one thing
// that an attester knows better than whoever verifies later.
func held(raw []byte, want [64]byte) ([]byte, error) {
	if len(raw) == 0 {
		return nil, advise(rats.Errorf(rats.Malformed, "the TEE answered with nothing"),
			"the quoting service of the host failed: its log says why")
	}
	if isSNP(raw) {
		if err := compare(raw[snpReportDataOffset:][:64], want); err != nil {
			return nil, err
		}
		return raw, advise(rats.Errorf(rats.Unsupported, "a report of AMD SEV-SNP, which is not verified here"),
			"no node takes it; AMD's own tools verify it")
	}
	in, err := attesteer.Inspect(attesteer.Evidence{Raw: raw})
	if err != nil {
		return nil, rats.Errorf(rats.KindOf(err), "the TEE answered with %d bytes: %s", len(raw), detail(err))
	}
	if err := compare(in.ReportData, want); err != nil {
		return nil, err
	}
	return raw, nil
}

// compare holds report data against what was asked for.
func compare(got []byte, want [64]byte) error {
	if bytes.Equal(got, want[:]) {
		return nil
	}
	return advise(rats.Errorf(rats.BindingMismatch, "the TEE answered with report data %x, and was asked for %x", got, want),
		"somebody else may be asking the same device: only one may at a time")
}

// isSNP reports whether raw is a report of SEV-SNP by its length and version.
func isSNP(raw []byte) bool {
	if len(raw) != snpReportSize {
		return false
	}
	version := binary.LittleEndian.Uint32(raw)
	return version >= snpVersionLeast && version <= snpVersionMost
}
