// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"sync/atomic"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Security versions of the simulated quoting enclave: the current one, and the
// last that the vendor calls out of date.
const (
	qeISVSVN      = 8
	qeStaleISVSVN = 6
	qeISVProdID   = 1
)

// Attributes of enclaves (Intel SDM vol. 3D, ATTRIBUTES).
const (
	flagInit         = 1 << 0
	flagDebug        = 1 << 1
	flagMode64       = 1 << 2
	flagProvisionKey = 1 << 4
	xfrmAVX          = 0x07
)

// Platform is one simulated machine at one TCB level. Making it costs one
// certificate; it is safe for concurrent use. It remembers the quoting
// enclave's report for the attestation key last used, so that further quotes
// with that key cost one signature, and with another two.
type Platform struct {
	seed  uint32
	level tcbLevel
	pck   *ecdsa.PrivateKey
	// chain is the PCK certificate, its CA and the root, concatenated PEM.
	chain []byte
	last  atomic.Pointer[quotingEnclave]
}

// quotingEnclave is the platform's QE with one attestation key.
type quotingEnclave struct {
	index     uint32
	key       *ecdsa.PrivateKey
	public    [64]byte
	authData  []byte
	report    quote.SGXReport
	signature [64]byte
}

// NewPlatform returns a platform of a [PKI] without faults. Callers who make
// many should make one PKI and use its method.
func NewPlatform(seed uint32, tcb rats.TCBStatus) (*Platform, error) {
	pki, err := NewPKI(Faults{})
	if err != nil {
		return nil, err
	}
	return pki.NewPlatform(seed, tcb)
}

// NewPlatform returns the platform that seed names, at the level that TCB info
// gives the status tcb: a status of an SGX platform, NotSupported for one below
// all levels, empty for UpToDate. As with hardware, one machine has one PPID,
// and a PCK key and certificate of its own at every level. The error is
// Unsupported for a status that is no SGX platform's.
func (p *PKI) NewPlatform(seed uint32, tcb rats.TCBStatus) (*Platform, error) {
	index, level, err := levelOf(tcb)
	if err != nil {
		return nil, err
	}
	ppid, instance := derive("ppid", seed), derive("platform instance id", seed)
	extension, err := sgxExtension([16]byte(ppid[:16]), [16]byte(instance[:16]), level)
	if err != nil {
		return nil, err
	}
	t := leaf(pckName)
	t.SerialNumber = pckSerial(seed, index)
	t.ExtraExtensions = []pkix.Extension{{Id: sgxOID(), Value: extension}}
	if !p.faults.PCKNotAfter.IsZero() {
		t.NotAfter = p.faults.PCKNotAfter
	}
	m := &Platform{seed: seed, level: level, pck: deriveKey("pck", seed, index)}
	cert, err := certify(t, m.pck, p.pckCA)
	if err != nil {
		return nil, err
	}
	for _, der := range [][]byte{cert.Raw, p.pckCA.cert.Raw, p.root.cert.Raw} {
		m.chain = append(m.chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return m, nil
}

// quotingEnclave returns the platform's QE with the attestation key that index
// names, from memory if it was the last.
func (m *Platform) quotingEnclave(index uint32) (*quotingEnclave, error) {
	if qe := m.last.Load(); qe != nil && qe.index == index {
		return qe, nil
	}
	qe := &quotingEnclave{index: index, key: deriveKey("attestation", m.seed, index)}
	var err error
	if qe.public, err = point(qe.key); err != nil {
		return nil, err
	}
	auth := derive("qe authentication data", m.seed, index)
	qe.authData = auth[:]
	qe.report = quote.SGXReport{
		CPUSVN:     m.level.components,
		Attributes: attributes(flagInit | flagMode64 | flagProvisionKey),
		MREnclave:  derive("qe mrenclave"),
		MRSigner:   qeMRSigner(),
		ISVProdID:  qeISVProdID,
		ISVSVN:     qeISVSVN,
	}
	// SGX ECDSA Quote Library API A.4 table 4: the QE's report data bind the
	// attestation key and the authentication data; the second half is zero.
	binding := sha256.Sum256(append(qe.public[:], qe.authData...))
	copy(qe.report.ReportData[:], binding[:])
	if qe.signature, err = sign(m.pck, qe.report.Marshal()); err != nil {
		return nil, err
	}
	m.last.Store(qe)
	return qe, nil
}

// qeMRSigner is the simulated vendor's signer of quoting enclaves.
func qeMRSigner() [32]byte { return derive("qe mrsigner") }

// pckSerial is the serial number of a platform's PCK certificate at one level.
func pckSerial(seed, level uint32) *big.Int { return serial("pck", seed, level) }

func attributes(flags byte) [16]byte { return [16]byte{0: flags, 8: xfrmAVX} }
