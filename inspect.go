// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"github.com/attesteer/attesteer/rats"
)

// InspectionSchema names the JSON form of [Inspection].
const InspectionSchema = "attesteer/inspection/v1"

// Inspection is what evidence says of itself. Nothing of it is verified.
type Inspection struct {
	Schema   string      `json:"schema"`
	Verified bool        `json:"verified"` // always false
	TEE      rats.TEE    `json:"tee"`
	Format   rats.Format `json:"format"`
	// Envelope lists the formats of all layers, outermost first.
	Envelope []rats.Format `json:"envelope"`
	// Version is the quote's, or that of the API of an IAS report, zero before it
	// was named.
	Version     uint16         `json:"version"`
	Fingerprint Hex            `json:"fingerprint"`
	ReportData  Hex            `json:"report_data"`
	BuildMode   rats.BuildMode `json:"build_mode"`
	Measurement Measurement    `json:"measurement"`
	// CertificationDataType tells how the platform is certified: 5 is a
	// certificate chain.
	CertificationDataType uint16 `json:"certification_data_type"`
	// FMSPC and PCEID are empty where the evidence carries no PCK certificate.
	FMSPC Hex `json:"fmspc"`
	PCEID Hex `json:"pce_id"`
	// TrailingBytes follow the evidence and are signed by nobody.
	TrailingBytes int `json:"trailing_bytes"`
	// EPID is what an IAS report says; absent for other evidence.
	EPID *EPID `json:"epid,omitempty"`
}

// Inspect decodes evidence and verifies nothing.
func Inspect(ev Evidence) (*Inspection, error) {
	p, err := ev.parse()
	if err != nil {
		return nil, err
	}
	var r Result
	p.body.describe(&r)
	in := &Inspection{
		Schema: InspectionSchema, TEE: r.TEE, Format: p.format(), Envelope: p.formats(),
		Fingerprint: r.Fingerprint, ReportData: r.ReportData, BuildMode: r.BuildMode, Measurement: r.Measurement,
	}
	p.body.inspect(in)
	return in, nil
}
