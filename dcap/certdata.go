// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// PlatformName is how evidence names its platform where it does not carry the
// certificate: what certification data of types 1 to 3 say (SGX ECDSA Quote
// Library API A.4 table 9), and the id of the quoting enclave. It is comparable.
//
//	0  n  PPID: 16 bytes (type 1), or encrypted to 256 (2) or 384 (3)
//	n 16  CPUSVN
//	+  2  PCE SVN, little-endian
//	+  2  PCE id
type PlatformName struct {
	// QEID is the platform id that Intel's quoting enclave writes into the
	// header's user data. Nothing is trusted of it: it is what a cache of
	// certificates is asked by.
	QEID [16]byte
	// PPID is the provisioning id of 16 bytes; empty where it is encrypted: only
	// Intel can read it then.
	PPID string
	// EncryptedPPID are the 384 bytes under Intel's RSA-3072 key that its service
	// is asked by; empty in data of types 1 and 2.
	EncryptedPPID string
	CPUSVN        [16]byte
	PCESVN        uint16
	// PCEID are the two bytes as they stand in the quote.
	PCEID [2]byte
}

// NameOf returns how a quote names its platform. named is false where it carries
// its PCK certificate instead; the error is Malformed for data of a wrong length.
func NameOf(q *quote.Quote) (p PlatformName, named bool, err error) {
	d := q.CertificationData
	switch d.Type {
	case quote.CertPPID, quote.CertPPIDRSA2048, quote.CertPPIDRSA3072:
	default:
		return p, false, nil
	}
	if p, err = readPlatformName(d); err != nil {
		return p, false, err
	}
	p.QEID = [16]byte(q.Header.UserData[:16])
	return p, true, nil
}

func readPlatformName(d quote.CertificationData) (PlatformName, error) {
	const rest = 16 + 2 + 2
	var size int
	switch d.Type {
	case quote.CertPPID:
		size = 16
	case quote.CertPPIDRSA2048:
		size = 256
	default:
		size = 384
	}
	if len(d.Data) != size+rest {
		return PlatformName{}, rats.Errorf(rats.Malformed, "certification data type %d with %d bytes, not %d", d.Type, len(d.Data), size+rest)
	}
	var p PlatformName
	switch d.Type {
	case quote.CertPPID:
		p.PPID = string(d.Data[:size])
	case quote.CertPPIDRSA3072:
		p.EncryptedPPID = string(d.Data[:size])
	}
	b := d.Data[size:]
	copy(p.CPUSVN[:], b)
	p.PCESVN = binary.LittleEndian.Uint16(b[16:])
	copy(p.PCEID[:], b[18:])
	return p, nil
}

// Certifies reports whether a PCK certificate, as an endorsement, can be that of
// the platform at the TCB that is named. It checks no signature. Where the PPID
// is encrypted, other platforms of the same TCB have such a certificate too.
func (p PlatformName) Certifies(e rats.Endorsement) bool {
	s, err := Parse(e)
	return err == nil && s.pck != nil && p.certifies(&s.pck.ext)
}

// certifies reports whether an extension can be that of the platform.
func (p PlatformName) certifies(e *PCKExtension) bool {
	return (p.PPID == "" || p.PPID == string(e.PPID[:])) &&
		p.CPUSVN == e.CPUSVN && p.PCESVN == e.PCESVN && p.PCEID == e.PCEID
}

// certification returns the PCK certificate chain of a quote: the one that it
// carries, or the one that it names, out of the set. Whatever its type, the
// data must at least be what the type says, so that a type that was tampered
// with is malformed and not merely undecided.
func (a *appraisal) certification() (*chain, error) {
	d := a.q.CertificationData
	switch d.Type {
	case quote.CertPCKChain:
		return openChain(d.Data, a.set.authorities)
	case quote.CertPCKLeaf:
		leaf, err := loneLeaf(d.Data)
		if err != nil {
			return nil, err
		}
		return a.adopt(leaf)
	case quote.CertPPID, quote.CertPPIDRSA2048, quote.CertPPIDRSA3072:
		id, err := readPlatformName(d)
		if err != nil {
			return nil, err
		}
		return a.named(id)
	case quote.CertPlatformManifest:
		return nil, rats.Errorf(rats.Unsupported,
			"certification data type 7 is a platform manifest, from before Intel certified the platform: register it and quote again")
	default:
		return nil, rats.Errorf(rats.Unsupported, "certification data type %d in a version %d quote", d.Type, a.q.Header.Version)
	}
}

// loneLeaf reads certification data type 4: a PCK certificate without issuers.
func loneLeaf(data []byte) (*x509.Certificate, error) {
	ders, err := splitPEM(data)
	if err != nil {
		return nil, err
	}
	if len(ders) != 1 {
		return nil, rats.Errorf(rats.Malformed, "certification data type 4 with %d certificates", len(ders))
	}
	c, err := parseCertificate(ders[0])
	if err != nil {
		return nil, err
	}
	if !hasSGXExtension(c) {
		return nil, rats.Errorf(rats.Malformed, "certification data type 4 without a PCK certificate")
	}
	return c, nil
}

// adopt finds the CA of a lone PCK certificate among those whose revocation
// lists or PCK certificates the set holds. The first that verifies is as good
// as any other: they have one name and key.
func (a *appraisal) adopt(leaf *x509.Certificate) (*chain, error) {
	var first *chain
	for _, ca := range a.set.authorities {
		if !bytes.Equal(ca.RawSubject, leaf.RawIssuer) {
			continue
		}
		c, err := newChain(leaf, ca)
		if err != nil {
			return nil, err
		}
		if _, err := c.verify(a.roots, a.memo); err == nil {
			return c, nil
		}
		if first == nil {
			first = c
		}
	}
	if first != nil {
		return first, nil
	}
	return nil, rats.Errorf(rats.EndorsementUnavailable,
		"the quote carries its PCK certificate alone (certification data type 4): the issuer's, %q, is missing", leaf.Issuer.CommonName)
}

// named finds the PCK certificate of a platform in the set. Where the PPID is
// encrypted several platforms can have the same TCB: the one whose key signed
// the QE report is meant. If none did, the first that a root vouches for is
// returned, and the signature found not to verify.
func (a *appraisal) named(id PlatformName) (*chain, error) {
	var vouched, any *chain
	for _, s := range a.set.pckCertificates {
		if !id.certifies(&s.pck.ext) {
			continue
		}
		if any == nil {
			any = s.pck
		}
		if _, err := s.pck.verify(a.roots, a.memo); err != nil {
			continue
		}
		if a.signedQEReport(s.pck) {
			if within(a.at, s.pck.pck.NotBefore, s.pck.pck.NotAfter) {
				return s.pck, nil
			}
			vouched = s.pck
		}
		if vouched == nil {
			vouched = s.pck
		}
	}
	switch {
	case vouched != nil:
		return vouched, nil
	case any != nil:
		return any, nil
	}
	return nil, rats.Errorf(rats.EndorsementUnavailable,
		"the quote names its platform by PPID (certification data type %d): its PCK certificate is missing", a.q.CertificationData.Type)
}

// signedQEReport reports whether a platform's key signed the QE report.
func (a *appraisal) signedQEReport(c *chain) bool {
	key, err := publicKey(c.pck)
	return err == nil && a.memo.reported(c.pck.RawSubjectPublicKeyInfo, key, a.q.QEReportRaw, &a.q.QEReportSignature)
}

// signers returns those PCK certificates whose key signed the QE report, or all
// where none did: the FMSPC must not be that of another platform of the same TCB.
func (a *appraisal) signers(certificates []*Statement) []*Statement {
	var out []*Statement
	for _, s := range certificates {
		if s.pck != nil && a.signedQEReport(s.pck) {
			out = append(out, s)
		}
	}
	if out == nil {
		return certificates
	}
	return out
}
