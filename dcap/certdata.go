// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// platformID is certification data of types 1 to 3 (SGX ECDSA Quote Library
// API A.4 table 9): it names a platform without certifying it.
//
//	0  n  PPID: 16 bytes (type 1), or encrypted to 256 (2) or 384 (3)
//	n 16  CPUSVN
//	+  2  PCE SVN, little-endian
//	+  2  PCE id
type platformID struct {
	// ppid is empty where it is encrypted: only Intel can read it then.
	ppid   []byte
	cpuSVN [16]byte
	pceSVN uint16
	pceID  [2]byte
}

func readPlatformID(d quote.CertificationData) (platformID, error) {
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
		return platformID{}, rats.Errorf(rats.Malformed, "certification data type %d with %d bytes, not %d", d.Type, len(d.Data), size+rest)
	}
	var p platformID
	if d.Type == quote.CertPPID {
		p.ppid = d.Data[:size]
	}
	b := d.Data[size:]
	copy(p.cpuSVN[:], b)
	p.pceSVN = binary.LittleEndian.Uint16(b[16:])
	copy(p.pceID[:], b[18:])
	return p, nil
}

// certifies reports whether an extension can be that of the platform.
func (p platformID) certifies(e *PCKExtension) bool {
	return (p.ppid == nil || bytes.Equal(p.ppid, e.PPID[:])) &&
		p.cpuSVN == e.CPUSVN && p.pceSVN == e.PCESVN && p.pceID == e.PCEID
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
		id, err := readPlatformID(d)
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
func (a *appraisal) named(id platformID) (*chain, error) {
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
