// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// TD is a simulated trust domain: what its report says, and where it runs. The
// zero TD is a production one of TDX 1.0 on an up-to-date platform.
type TD struct {
	MRTD          [48]byte
	RTMR          [4][48]byte
	MRConfigID    [48]byte
	MROwner       [48]byte
	MROwnerConfig [48]byte
	ReportData    [64]byte
	// Attributes are TDATTRIBUTES; zero is a production TD that may not see page
	// faults of its own (SEPT_VE_DISABLE), as Linux guests are. Debug sets the
	// debug bit in addition.
	Attributes [8]byte
	Debug      bool
	// Body is the report's layout, a TD's; zero is [quote.BodyTD10], but
	// [quote.BodyTD15] in version 5 and for a status that only it can have.
	Body quote.BodyType
	// MRServiceTD is reported from [quote.BodyTD15] on, Migration in
	// [quote.BodyTD15Ext]; nil is an empty one.
	MRServiceTD [48]byte
	Migration   *quote.TDMigration
	// Module is the minor SVN and the version of the TDX module that the TD was
	// launched under; zero is the current one.
	Module [2]byte

	// TCB is the status at which the TD is to be judged: as in [PKI.NewPlatform],
	// or TDRelaunchAdvised or TDRelaunchAdvisedConfigurationNeeded.
	TCB rats.TCBStatus
	// Platform names the machine, AttestationKey one of its attestation keys.
	Platform       uint32
	AttestationKey uint32
	// Form is how its quote is written: of version 4 unless Body needs 5.
	Form Form
}

// septVEDisable is TDATTRIBUTES.SEC.SEPT_VE_DISABLE, bit 28; tudDebug is
// TDATTRIBUTES.TUD.DEBUG, bit 0.
const (
	septVEDisable = 1 << 4 // of byte 3
	tudDebug      = 1 << 0
)

// Quote returns a quote from the platform that d names, of a [PKI] without
// faults. It builds that platform anew each time.
func (d TD) Quote() ([]byte, error) {
	needed, _, err := launched(d.TCB)
	if err != nil {
		return nil, err
	}
	m, err := NewPlatform(d.Platform, needed)
	if err != nil {
		return nil, err
	}
	return m.QuoteTD(d)
}

// QuoteTD returns a quote for d on this machine. Platform and TCB of d must be
// zero, which stands for this machine's, or fit it: TDs that should be launched
// anew run on a machine at UpToDate, or at ConfigurationNeeded where they need
// configuration. The error is otherwise BindingMismatch. It is Unsupported for
// a form or body that does not exist.
func (m *Platform) QuoteTD(d TD) ([]byte, error) {
	needed, svn, err := launched(d.TCB)
	if err != nil {
		return nil, err
	}
	if err := m.hosts(d.Platform, d.TCB, needed); err != nil {
		return nil, err
	}
	if d.TCB == "" {
		svn = m.level.tdxSVN()
	}
	body := d.Body
	if body == 0 {
		body = quote.BodyTD10
		if needed != d.TCB || d.Form.Version == 5 {
			body = quote.BodyTD15
		}
	}
	if body < quote.BodyTD10 || body > quote.BodyTD15Ext {
		return nil, rats.Errorf(rats.Unsupported, "simulated platform: a trust domain has no body of type %d", body)
	}
	least := uint16(4)
	if body > quote.BodyTD10 {
		least = 5
	}
	version, err := d.Form.version(least, least)
	if err != nil {
		return nil, err
	}
	report := d.report(body, svn, m.level.tdxSVN())
	q := &quote.Quote{Header: quote.Header{Version: version, TEEType: quote.TEETypeTDX}, TEE: rats.TDX, TD: &report}
	if version == 5 {
		q.BodyType = body
	}
	return m.issue(q, d.AttestationKey, d.Form)
}

// report returns what the TDX module would report of d, launched under one
// TEE_TCB_SVN and running under another.
func (d TD) report(body quote.BodyType, launch, now [16]byte) quote.TDReport {
	if d.Module != [2]byte{} {
		copy(launch[:], d.Module[:])
	}
	r := quote.TDReport{
		TEETCBSVN: launch, MRSEAM: mrSEAM(launch[1]), TDAttributes: d.Attributes, XFAM: [8]byte{0xe7, 0x02, 0x06},
		MRTD: d.MRTD, RTMR: d.RTMR, ReportData: d.ReportData,
		MRConfigID: d.MRConfigID, MROwner: d.MROwner, MROwnerConfig: d.MROwnerConfig,
	}
	if d.Attributes == [8]byte{} {
		r.TDAttributes[3] = septVEDisable
	}
	if d.Debug {
		r.TDAttributes[0] |= tudDebug
	}
	if body >= quote.BodyTD15 {
		r.TD15 = &quote.TD15{TEETCBSVN2: now, MRServiceTD: d.MRServiceTD}
	}
	if body == quote.BodyTD15Ext {
		r.TD15.Migration = &quote.TDMigration{}
		if d.Migration != nil {
			*r.TD15.Migration = *d.Migration
		}
	}
	return r
}

// mrSEAM measures a version of the simulated TDX module.
func mrSEAM(version byte) (out [48]byte) {
	a, b := derive("mrseam", uint32(version)), derive("mrseam, continued", uint32(version))
	copy(out[copy(out[:], a[:]):], b[:])
	return out
}
