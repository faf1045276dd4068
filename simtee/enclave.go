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
}

// Quote returns a quote of version 3 from the platform that e names, of a [PKI]
// without faults. It builds that platform anew each time: callers who make many
// quotes should hold a [Platform].
func (e Enclave) Quote() ([]byte, error) {
	m, err := NewPlatform(e.Platform, e.TCB)
	if err != nil {
		return nil, err
	}
	return m.Quote(e)
}

// Quote returns a quote of version 3 for e on this machine. Platform and TCB
// of e must be zero, which stands for this machine's, or equal to them; the
// error is otherwise BindingMismatch.
func (m *Platform) Quote(e Enclave) ([]byte, error) {
	if (e.Platform != 0 && e.Platform != m.seed) || (e.TCB != "" && e.TCB != m.level.status) {
		return nil, rats.Errorf(rats.BindingMismatch, "simulated platform: %d at %s cannot quote for %d at %s",
			m.seed, m.level.status, e.Platform, e.TCB)
	}
	qe, err := m.quotingEnclave(e.AttestationKey)
	if err != nil {
		return nil, err
	}
	report := e.report(m.level)
	q := quote.Quote{
		Header: quote.Header{
			Version:            3,
			AttestationKeyType: quote.ECDSAP256,
			QESVN:              qeISVSVN,
			PCESVN:             m.level.pceSVN,
			QEVendorID:         quote.IntelQEVendorID(),
		},
		TEE:               rats.SGX,
		SGX:               &report,
		AttestationKey:    qe.public,
		QEReport:          qe.report,
		QEReportSignature: qe.signature,
		QEAuthData:        qe.authData,
		CertificationData: quote.CertificationData{Type: quote.CertPCKChain, Data: m.chain},
	}
	id := derive("platform id", m.seed)
	copy(q.Header.UserData[:16], id[:])
	q.Signed = report.AppendTo(q.Header.AppendTo(nil))
	if q.Signature, err = sign(qe.key, q.Signed); err != nil {
		return nil, err
	}
	return q.Marshal(), nil
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
