// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto/x509"
	"math/big"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// lifetime is how long endorsements hold, as long as Intel's do.
const lifetime = 30 * 24 * time.Hour

// keyCompromise is the reason of every revocation (RFC 5280 5.3.1).
const keyCompromise = 1

// Endorsements returns what a [PKI] without faults endorses at a time.
func Endorsements(at time.Time) ([]rats.Endorsement, error) {
	pki, err := NewPKI(Faults{})
	if err != nil {
		return nil, err
	}
	return pki.Endorsements(at)
}

// Endorsements returns TCB info, QE identity, the root's CRL and that of the
// PCK CA, in this order, as issued at the start of at's day in UTC and valid
// for 30 days. They are the same for every time of one day. The error is
// EndorsementUnavailable where the PKI's own certificates are not valid.
func (p *PKI) Endorsements(at time.Time) ([]rats.Endorsement, error) {
	if first, last := validity(); at.Before(first) || at.After(last) {
		return nil, rats.Errorf(rats.EndorsementUnavailable,
			"simulated platform: no endorsements before %s or after %s", stamp(first), stamp(last))
	}
	issued := at.UTC().Truncate(24 * time.Hour)
	tcbInfo, err := p.tcbInfo(issued)
	if err != nil {
		return nil, err
	}
	identity, err := p.qeIdentity(issued)
	if err != nil {
		return nil, err
	}
	rootCRL, err := crl(p.root, issued, nil)
	if err != nil {
		return nil, err
	}
	pckCRL, err := crl(p.pckCA, issued, p.revoked())
	if err != nil {
		return nil, err
	}
	signer := [][]byte{p.tcbSigning.cert.Raw}
	return []rats.Endorsement{
		{Kind: rats.TCBInfo, Body: tcbInfo, Issuers: signer},
		{Kind: rats.QEIdentity, Body: identity, Issuers: signer},
		{Kind: rats.RootCACRL, Body: rootCRL},
		{Kind: rats.PCKCRL, Body: pckCRL, Issuers: [][]byte{p.pckCA.cert.Raw}},
	}, nil
}

// revoked returns the serial numbers that the faults put on the PCK CA's CRL.
func (p *PKI) revoked() []*big.Int {
	var out []*big.Int
	for _, seed := range p.faults.RevokedPlatforms {
		for level := range tcbLevels() {
			out = append(out, pckSerial(seed, uint32(level)))
		}
	}
	return out
}

// crl returns by's revocation list in DER. Its number is the day's, so that
// later lists have greater numbers (RFC 5280 5.2.3).
func crl(by issuer, issued time.Time, serials []*big.Int) ([]byte, error) {
	since, _ := validity()
	list := &x509.RevocationList{
		SignatureAlgorithm: x509.ECDSAWithSHA256,
		Number:             big.NewInt(issued.Unix() / (24 * 60 * 60)),
		ThisUpdate:         issued,
		NextUpdate:         issued.Add(lifetime),
	}
	for _, s := range serials {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: s, RevocationTime: since, ReasonCode: keyCompromise})
	}
	der, err := x509.CreateRevocationList(nil, list, by.cert, by.key)
	if err != nil {
		return nil, internal("revocation list", err)
	}
	return der, nil
}
