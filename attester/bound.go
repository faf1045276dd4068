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
// that an attester knows better than whoever verifies later. The name is that of
// the attester which gave it.
func held(name string, raw []byte, want [64]byte) ([]byte, error) {
	if len(raw) == 0 {
		return nil, advise(rats.Errorf(rats.Malformed, "%s answered with nothing", name), hostAdvice)
	}
	if isSNP(raw) {
		if err := compare(name, raw[snpReportDataOffset:][:64], want); err != nil {
			return nil, err
		}
		return raw, advise(rats.Errorf(rats.Unsupported, "%s answered with a report of AMD SEV-SNP, which is not verified here", name),
			"no node takes it; AMD's own tools verify it")
	}
	in, err := attesteer.Inspect(attesteer.Evidence{Raw: raw})
	if err != nil {
		return nil, rats.Errorf(rats.KindOf(err), "%s answered with %d bytes: %s", name, len(raw), detail(err))
	}
	if err := compare(name, in.ReportData, want); err != nil {
		return nil, err
	}
	return raw, nil
}

// hostAdvice is where to look when a quote comes out empty: Linux 6.7 hands on
// the answer of a quoting service that failed as one without content.
const hostAdvice = "the quoting service of the host failed: its log says why"

// compare holds report data against what was asked for.
func compare(name string, got []byte, want [64]byte) error {
	if bytes.Equal(got, want[:]) {
		return nil
	}
	advice := map[string]string{
		Gramine: "another thread of the enclave may have written report data meanwhile: only one may ask at a time",
		Command: "the command has to bind the report data that it is given, all 64 bytes",
	}[name]
	return advise(rats.Errorf(rats.BindingMismatch, "%s answered with report data %x, and was asked for %x", name, got, want), advice)
}

// isSNP reports whether raw is a report of SEV-SNP by its length and version.
func isSNP(raw []byte) bool {
	if len(raw) != snpReportSize {
		return false
	}
	version := binary.LittleEndian.Uint32(raw)
	return version >= snpVersionLeast && version <= snpVersionMost
}
