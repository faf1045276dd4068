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

// Endorsements returns what a [PKI] without faults endorses for SGX at a time.
func Endorsements(at time.Time) ([]rats.Endorsement, error) { return EndorsementsFor(rats.SGX, at) }

// EndorsementsFor returns what a [PKI] without faults endorses for a TEE.
func EndorsementsFor(tee rats.TEE, at time.Time) ([]rats.Endorsement, error) {
	pki, err := NewPKI(Faults{})
	if err != nil {
		return nil, err
	}
	return pki.EndorsementsFor(tee, at)
}

// Endorsements is [PKI.EndorsementsFor] SGX.
func (p *PKI) Endorsements(at time.Time) ([]rats.Endorsement, error) {
	return p.EndorsementsFor(rats.SGX, at)
}

// EndorsementsFor returns what quotes of a TEE are judged by: TCB info, QE
// identity, the root's CRL and that of the PCK CA, in this order, as issued at
// the start of at's day in UTC and valid for 30 days. They are the same for
// every time of one day; the CRLs are the same for both TEEs. The error is
// EndorsementUnavailable where the PKI's own certificates are not valid.
func (p *PKI) EndorsementsFor(tee rats.TEE, at time.Time) ([]rats.Endorsement, error) {
	out := make([]rats.Endorsement, 0, 6)
	for _, make := range []func() (rats.Endorsement, error){
		func() (rats.Endorsement, error) { return p.TCBInfo(tee, at) },
		func() (rats.Endorsement, error) { return p.QEIdentity(tee, at) },
		func() (rats.Endorsement, error) { return p.RootCRL(at) },
		func() (rats.Endorsement, error) { return p.PCKCRL(at) },
	} {
		e, err := make()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// issueDate returns when what is endorsed at a time was issued.
func issueDate(at time.Time) (time.Time, error) {
	if first, last := validity(); at.Before(first) || at.After(last) {
		return at, rats.Errorf(rats.EndorsementUnavailable,
			"simulated platform: no endorsements before %s or after %s", stamp(first), stamp(last))
	}
	return at.UTC().Truncate(24 * time.Hour), nil
}

// RootCRL returns the root's revocation list.
func (p *PKI) RootCRL(at time.Time) (rats.Endorsement, error) {
	der, err := p.crl(RootCA, p.root, at, nil)
	return rats.Endorsement{Kind: rats.RootCACRL, Body: der}, err
}

// PCKCRL returns the PCK CA's revocation list, with the platforms that the
// faults revoke.
func (p *PKI) PCKCRL(at time.Time) (rats.Endorsement, error) {
	var revoked []*big.Int
	for _, seed := range p.faults.RevokedPlatforms {
		for level := range tcbLevels() {
			revoked = append(revoked, pckSerial(seed, uint32(level)))
		}
	}
	der, err := p.crl(PCKCA, p.pckCA, at, revoked)
	return rats.Endorsement{Kind: rats.PCKCRL, Body: der, Issuers: [][]byte{p.pckCA.der}}, err
}

// Serial returns the serial number of the vendor's certificate for a role, for
// faults that put it on a CRL. That of PCK certificates differs by platform:
// see [Platform.Serial].
func (p *PKI) Serial(role Role) *big.Int {
	switch role {
	case RootCA:
		return p.root.cert.SerialNumber
	case PCKCA:
		return p.pckCA.cert.SerialNumber
	default:
		return p.tcbSigning.cert.SerialNumber
	}
}

// Revoke returns the entry of a CRL for a serial number.
func Revoke(serial *big.Int) x509.RevocationListEntry {
	since, _ := validity()
	return x509.RevocationListEntry{SerialNumber: serial, RevocationTime: since, ReasonCode: keyCompromise}
}

// crl returns by's revocation list in DER. Its number is the day's, so that
// later lists have greater numbers (RFC 5280 5.2.3).
func (p *PKI) crl(role Role, by issuer, at time.Time, serials []*big.Int) ([]byte, error) {
	issued, err := issueDate(at)
	if err != nil {
		return nil, err
	}
	list := &RevocationList{Role: role, Issuer: by.cert, Key: by.key, Template: &x509.RevocationList{
		SignatureAlgorithm: x509.ECDSAWithSHA256,
		Number:             big.NewInt(issued.Unix() / (24 * 60 * 60)),
		ThisUpdate:         issued,
		NextUpdate:         issued.Add(lifetime),
	}}
	for _, s := range serials {
		list.Template.RevokedCertificateEntries = append(list.Template.RevokedCertificateEntries, Revoke(s))
	}
	if p.faults.CRL != nil {
		p.faults.CRL(list)
	}
	// Whose key signs is for the fault to say, and whether the CA may sign lists.
	signer := *list.Issuer
	signer.PublicKey, signer.KeyUsage = list.Key.Public(), signer.KeyUsage|x509.KeyUsageCRLSign
	der, err := x509.CreateRevocationList(nil, list.Template, &signer, list.Key)
	if err != nil {
		return nil, internal("revocation list", err)
	}
	if list.TBS != nil {
		return resign(der, list.TBS, list.Key)
	}
	return der, nil
}
