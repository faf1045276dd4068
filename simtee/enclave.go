// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Enclave is a simulated enclave: what its report says, and where it runs. The
// zero Enclave is a production build on an up-to-date platform.
type Enclave struct {
	MREnclave  [32]byte
	MRSigner   [32]byte
	ISVProdID  uint16
	ISVSVN     uint16
	Debug      bool
	ReportData [64]byte

	// TCB is the status at which the platform is to be judged, as in
	// [PKI.NewPlatform]; empty is UpToDate.
	TCB rats.TCBStatus
	// Platform names the machine.
	Platform uint32
	// AttestationKey names one of the machine's attestation keys.
	AttestationKey uint32
	// Form is how its quote is written, of version 3 unless it says otherwise.
	Form Form
}

// Quote returns a quote from the platform that e names, of a [PKI] without
// faults. It builds that platform anew each time: callers who make many quotes
// should hold a [Platform].
func (e Enclave) Quote() ([]byte, error) {
	m, err := NewPlatform(e.Platform, e.TCB)
	if err != nil {
		return nil, err
	}
	return m.Quote(e)
}

// Quote returns a quote for e on this machine. Platform and TCB of e must be
// zero, which stands for this machine's, or equal to them; the error is
// otherwise BindingMismatch. It is Unsupported for a form that does not exist.
func (m *Platform) Quote(e Enclave) ([]byte, error) {
	if err := m.hosts(e.Platform, e.TCB, e.TCB); err != nil {
		return nil, err
	}
	version, err := e.Form.version(3, 3)
	if err != nil {
		return nil, err
	}
	report := e.report(m.level)
	q := &quote.Quote{Header: quote.Header{Version: version}, TEE: rats.SGX, SGX: &report}
	if version == 5 {
		q.BodyType = quote.BodySGX
	}
	return m.issue(q, e.AttestationKey, e.Form)
}

// hosts checks that what names a platform and a status can be at home here;
// needed is the status that the platform itself must have for it.
func (m *Platform) hosts(platform uint32, status, needed rats.TCBStatus) error {
	if platform != 0 && platform != m.seed || needed != "" && needed != m.level.status {
		return rats.Errorf(rats.BindingMismatch, "simulated platform: %d at %s cannot quote for %d at %s",
			m.seed, m.level.status, platform, status)
	}
	return nil
}

// report returns what the processor would report of e at the given level.
func (e Enclave) report(level tcbLevel) quote.SGXReport {
	flags := byte(flagInit | flagMode64)
	if e.Debug {
		flags |= flagDebug
	}
	return quote.SGXReport{
		CPUSVN:     level.components,
		Attributes: attributes(flags),
		MREnclave:  e.MREnclave,
		MRSigner:   e.MRSigner,
		ISVProdID:  e.ISVProdID,
		ISVSVN:     e.ISVSVN,
		ReportData: e.ReportData,
	}
}
