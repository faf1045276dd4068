// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"encoding/binary"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Form is how a quote is written, whatever it says.
type Form struct {
	// Version is 3, 4 or 5; zero is 3 for an enclave, and for a trust domain the
	// first that has its report.
	Version uint16
	// Certification is the type of certification data, 1 to 7 without 6; zero is
	// [quote.CertPCKChain].
	Certification uint16
	// QEAuthData are the quoting enclave's, at most 65,535 bytes; nil is 32 bytes
	// as Intel's enclave has them.
	QEAuthData []byte
	// Padding is how many zero bytes follow the quote.
	Padding int
}

// version returns the quote's version, which must be one of those allowed.
func (f Form) version(least, otherwise uint16) (uint16, error) {
	switch {
	case f.Version == 0:
		return otherwise, nil
	case f.Version < least || f.Version > 5:
		return 0, rats.Errorf(rats.Unsupported, "simulated platform: no quote of version %d says this, but %d to 5", f.Version, least)
	default:
		return f.Version, nil
	}
}

// issue signs and writes a quote whose header and report are set.
func (m *Platform) issue(q *quote.Quote, attestationKey uint32, f Form) ([]byte, error) {
	qe, err := m.quotingEnclave(q.TEE, attestationKey, f.QEAuthData)
	if err != nil {
		return nil, err
	}
	q.Header.AttestationKeyType, q.Header.QEVendorID = quote.ECDSAP256, quote.IntelQEVendorID()
	if q.Header.Version == 3 {
		// Reserved since.
		q.Header.QESVN, q.Header.PCESVN = qeISVSVN, m.level.pceSVN
	}
	id := derive("platform id", m.seed)
	copy(q.Header.UserData[:16], id[:])
	q.AttestationKey, q.QEReport, q.QEReportSignature, q.QEAuthData = qe.public, qe.report, qe.signature, qe.authData
	if q.CertificationData, err = m.certification(f.Certification); err != nil {
		return nil, err
	}
	q.Trailing = make([]byte, f.Padding)
	if m.faults.Quote != nil {
		m.faults.Quote(q)
	}
	q.Signed = q.AppendSigned(nil)
	if q.Signature, err = sign(qe.key, q.Signed); err != nil {
		return nil, err
	}
	return q.Marshal(), nil
}

// certification returns certification data of a type (SGX ECDSA Quote Library
// API A.4 table 9).
func (m *Platform) certification(kind uint16) (quote.CertificationData, error) {
	d := quote.CertificationData{Type: kind}
	switch kind {
	case 0, quote.CertPCKChain:
		d.Type, d.Data = quote.CertPCKChain, m.chain
	case quote.CertPPID:
		d.Data = m.name(m.ext.PPID[:])
	case quote.CertPPIDRSA2048:
		d.Data = m.name(m.opaque("encrypted ppid", 2048/8))
	case quote.CertPPIDRSA3072:
		d.Data = m.name(m.opaque("encrypted ppid", 3072/8))
	case quote.CertPCKLeaf:
		d.Data = pemOf(m.pck.der)
	case quote.CertPlatformManifest:
		d.Data = m.opaque("platform manifest", 1024)
	default:
		return d, rats.Errorf(rats.Unsupported, "simulated platform: no certification data of type %d", kind)
	}
	return d, nil
}

// name returns what certification data of types 1 to 3 say of a platform: its
// PPID, in the clear or as it were encrypted, CPUSVN, PCE SVN and PCE id.
func (m *Platform) name(ppid []byte) []byte {
	b := append(append([]byte(nil), ppid...), m.ext.CPUSVN[:]...)
	b = binary.LittleEndian.AppendUint16(b, m.ext.PCESVN)
	return append(b, m.ext.PCEID[:]...)
}

// opaque returns n bytes that nobody can read anything from.
func (m *Platform) opaque(label string, n int) []byte {
	var out []byte
	for i := uint32(0); len(out) < n; i++ {
		block := derive(label, m.seed, i)
		out = append(out, block[:]...)
	}
	return out[:n]
}
