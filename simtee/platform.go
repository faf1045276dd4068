// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509/pkix"
	"math/big"
	"sync/atomic"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Security versions of the simulated quoting enclaves: the current one, and the
// last that the vendor calls out of date.
const (
	qeISVSVN      = 8
	qeStaleISVSVN = 6
)

// qeISVProdID tells the quoting enclaves of SGX and TDX apart, as Intel's.
func qeISVProdID(tee rats.TEE) uint16 {
	if tee == rats.TDX {
		return 2
	}
	return 1
}

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
	seed   uint32
	level  tcbLevel
	faults *Faults
	ext    *dcap.PCKExtension
	pck    issuer
	ca     []byte
	// chain is the PCK certificate, its CA and the root, concatenated PEM.
	chain []byte
	last  atomic.Pointer[quotingEnclave]
}

// quotingEnclave is the platform's QE for a TEE with one attestation key.
type quotingEnclave struct {
	index     uint32
	tee       rats.TEE
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
// and a PCK key and certificate of its own at every level. Each runs enclaves
// and trust domains. The error is Unsupported for a status that is no SGX
// platform's.
func (p *PKI) NewPlatform(seed uint32, tcb rats.TCBStatus) (*Platform, error) {
	index, level, err := levelOf(tcb)
	if err != nil {
		return nil, err
	}
	m := &Platform{seed: seed, level: level, faults: &p.faults, ext: p.certified(seed, level), ca: p.pckCA.der}
	extension, err := SGXExtension(m.ext)
	if err != nil {
		return nil, err
	}
	t := leaf(pckName)
	t.SerialNumber = pckSerial(seed, index)
	t.ExtraExtensions = []pkix.Extension{{Id: sgxOID(), Value: extension}}
	if !p.faults.PCKNotAfter.IsZero() {
		t.NotAfter = p.faults.PCKNotAfter
	}
	if m.pck, err = p.certify(PCK, t, deriveKey("pck", seed, index), p.pckCA); err != nil {
		return nil, err
	}
	m.chain = pemOf(m.pck.der, p.pckCA.der, p.root.der)
	return m, nil
}

// Serial returns the serial number of the machine's PCK certificate.
func (m *Platform) Serial() *big.Int { return m.pck.cert.SerialNumber }

// PCKCertificate returns the machine's PCK certificate as an endorsement, for
// quotes that do not carry it.
func (m *Platform) PCKCertificate() rats.Endorsement {
	return rats.Endorsement{Kind: rats.PCKCertificate, Body: m.pck.der, Issuers: [][]byte{m.ca}}
}

// quotingEnclave returns the platform's QE with the attestation key that index
// names, from memory if it was the last. Authentication data of nil are the
// enclave's own, 32 bytes as Intel's writes.
func (m *Platform) quotingEnclave(tee rats.TEE, index uint32, authData []byte) (*quotingEnclave, error) {
	own := authData == nil
	if qe := m.last.Load(); own && qe != nil && qe.index == index && qe.tee == tee {
		return qe, nil
	}
	if own {
		auth := derive("qe authentication data", m.seed, index)
		authData = auth[:]
	}
	qe := &quotingEnclave{index: index, tee: tee, key: deriveKey("attestation", m.seed, index), authData: authData}
	public, err := point(qe.key)
	if err != nil {
		return nil, err
	}
	qe.public = [64]byte(public)
	qe.report = quote.SGXReport{
		CPUSVN:     m.level.components,
		Attributes: attributes(flagInit | flagMode64 | flagProvisionKey),
		MREnclave:  qeMREnclave(tee),
		MRSigner:   qeMRSigner(),
		ISVProdID:  qeISVProdID(tee),
		ISVSVN:     qeISVSVN,
	}
	// SGX ECDSA Quote Library API A.4 table 4: the QE's report data bind the
	// attestation key and the authentication data; the second half is zero.
	binding := sha256.Sum256(append(public, qe.authData...))
	copy(qe.report.ReportData[:], binding[:])
	signer := &QuotingEnclave{TEE: tee, Report: &qe.report, Key: m.pck.key}
	if m.faults.QE != nil {
		m.faults.QE(signer)
	}
	if qe.signature, err = sign(signer.Key, qe.report.Marshal()); err != nil {
		return nil, err
	}
	if own {
		m.last.Store(qe)
	}
	return qe, nil
}

func qeMREnclave(tee rats.TEE) [32]byte {
	if tee == rats.TDX {
		return derive("td qe mrenclave")
	}
	return derive("qe mrenclave")
}

// qeMRSigner is the simulated vendor's signer of quoting enclaves.
func qeMRSigner() [32]byte { return derive("qe mrsigner") }

// pckSerial is the serial number of a platform's PCK certificate at one level.
func pckSerial(seed, level uint32) *big.Int { return serial("pck", seed, level) }

func attributes(flags byte) [16]byte { return [16]byte{0: flags, 8: xfrmAVX} }
