// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"time"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Inputs are all that an appraisal goes by once what the evidence proves by
// itself is verified: kept, they let it be judged again by newer endorsements
// and at other times without the evidence (see [Reappraise]). They vouch for
// themselves no more than a note does: whoever keeps them vouches for them.
type Inputs struct {
	TEE rats.TEE `cbor:"1,keyasint"`
	// Root names the trust root that vouched for the platform.
	Root string `cbor:"2,keyasint"`
	// CA is SHA-256 of the SubjectPublicKeyInfo of the PCK CA.
	CA [32]byte `cbor:"3,keyasint"`
	// FMSPC, PCEID, Components and PCESVN are those of the PCK certificate.
	FMSPC      [6]byte   `cbor:"4,keyasint"`
	PCEID      [2]byte   `cbor:"5,keyasint"`
	Components [16]uint8 `cbor:"6,keyasint"`
	PCESVN     uint16    `cbor:"7,keyasint"`
	// PCK is the platform's certificate, Issuer the CA's.
	PCK    CertificateInputs `cbor:"8,keyasint"`
	Issuer CertificateInputs `cbor:"9,keyasint"`
	QE     QEInputs          `cbor:"10,keyasint"`
	// TD is nil for SGX.
	TD *TDInputs `cbor:"11,keyasint,omitempty"`

	// names are the common names of PCK and issuer, for messages alone.
	names [2]string
}

// CertificateInputs is what is judged of a certificate at each time.
type CertificateInputs struct {
	// Serial is the serial number, big-endian.
	Serial []byte `cbor:"1,keyasint"`
	// NotBefore and NotAfter are seconds since the Unix epoch; both belong to
	// the window.
	NotBefore int64 `cbor:"2,keyasint"`
	NotAfter  int64 `cbor:"3,keyasint"`
}

// Window returns when the certificate holds, ends included.
func (c *CertificateInputs) Window() (from, until time.Time) {
	return time.Unix(c.NotBefore, 0).UTC(), time.Unix(c.NotAfter, 0).UTC()
}

// QEInputs is what an identity is compared with of a quoting enclave's report.
type QEInputs struct {
	MiscSelect [4]byte  `cbor:"1,keyasint"`
	Attributes [16]byte `cbor:"2,keyasint"`
	MRSigner   [32]byte `cbor:"3,keyasint"`
	ISVProdID  uint16   `cbor:"4,keyasint"`
	ISVSVN     uint16   `cbor:"5,keyasint"`
}

// TDInputs is what TCB info is compared with of a TD report.
type TDInputs struct {
	TEETCBSVN [16]byte `cbor:"1,keyasint"`
	// TEETCBSVN2 is nil in a report of TDX 1.0.
	TEETCBSVN2     *[16]byte `cbor:"2,keyasint,omitempty"`
	MRSignerSEAM   [48]byte  `cbor:"3,keyasint"`
	SEAMAttributes [8]byte   `cbor:"4,keyasint"`
}

// DeviceWindow returns when the device's certificates hold, ends included.
func (in *Inputs) DeviceWindow() (from, until time.Time) {
	from, until = in.PCK.Window()
	f, u := in.Issuer.Window()
	return later(from, f), earlier(until, u)
}

// inputsOf gathers what is judged of a quote and of the chain that certifies it.
func inputsOf(q *quote.Quote, c *chain, root string) *Inputs {
	in := &Inputs{
		TEE: q.TEE, Root: root, CA: c.ca256,
		FMSPC: c.ext.FMSPC, PCEID: c.ext.PCEID, Components: c.ext.Components, PCESVN: c.ext.PCESVN,
		PCK: certificateInputs(c.pck), Issuer: certificateInputs(c.ca),
		QE: QEInputs{
			MiscSelect: q.QEReport.MiscSelect, Attributes: q.QEReport.Attributes, MRSigner: q.QEReport.MRSigner,
			ISVProdID: q.QEReport.ISVProdID, ISVSVN: q.QEReport.ISVSVN,
		},
		names: [2]string{c.pck.Subject.CommonName, c.ca.Subject.CommonName},
	}
	if q.TD != nil {
		in.TD = &TDInputs{TEETCBSVN: q.TD.TEETCBSVN, MRSignerSEAM: q.TD.MRSignerSEAM, SEAMAttributes: q.TD.SEAMAttributes}
		if q.TD.TD15 != nil {
			svn := q.TD.TD15.TEETCBSVN2
			in.TD.TEETCBSVN2 = &svn
		}
	}
	return in
}

func certificateInputs(c *x509.Certificate) CertificateInputs {
	return CertificateInputs{Serial: c.SerialNumber.Bytes(), NotBefore: c.NotBefore.Unix(), NotAfter: c.NotAfter.Unix()}
}

// judged is a certificate whose revocation and dates are judged.
type judged struct {
	name   string
	serial *big.Int
	CertificateInputs
}

// device returns the certificates that vouch for the evidence: the PCK
// certificate and its CA's.
func (in *Inputs) device() [2]judged {
	names := in.names
	if names == [2]string{} {
		names = [2]string{"PCK", "PCK CA"}
	}
	return [2]judged{
		{names[0], new(big.Int).SetBytes(in.PCK.Serial), in.PCK},
		{names[1], new(big.Int).SetBytes(in.Issuer.Serial), in.Issuer},
	}
}

// scope names the PCK CA in the key of its revocation list.
func (in *Inputs) scope() string { return hex.EncodeToString(in.CA[:]) }

// Reappraise judges inputs by the statements of set at a time: what [Appraise]
// says of the evidence that they are of, from endorsements on. What the evidence
// proves by itself is not judged again: those checks are skipped. The root that
// once vouched has to be among the roots still, by its name: UntrustedRoot.
func Reappraise(in *Inputs, set *Set, opt Options, at time.Time) *Appraisal {
	a := newAppraisal(set, opt, at)
	a.again(in)
	a.out.Checks, a.out.Err = a.checks, a.first
	return a.out
}

func (a *appraisal) again(in *Inputs) {
	var err error
	if a.roots, err = a.memo.open(a.opt.Roots); err != nil {
		a.judge(checkChain, err)
		return
	}
	for i := range a.roots {
		if a.roots[i].Name == in.Root {
			a.root = &a.roots[i]
		}
	}
	if a.root == nil {
		a.judge(checkChain, rats.Errorf(rats.UntrustedRoot, "the root %q, which vouched for the platform, is not trusted", in.Root))
		return
	}
	a.out.Root = in.Root
	a.in = in
	a.endorse()
}
