// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"time"
)

// validity returns the window of every certificate, wide enough for whatever
// clock a development network starts at.
func validity() (notBefore, notAfter time.Time) {
	return time.Date(2018, time.January, 1, 0, 0, 0, 0, time.UTC), time.Date(2049, time.December, 31, 23, 59, 59, 0, time.UTC)
}

// issuer is a key with its certificate.
type issuer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	// der is what is shown of the certificate; faults can make it another than
	// cert's.
	der []byte
}

func name(common string) pkix.Name {
	return pkix.Name{CommonName: common, Organization: []string{"Attesteer Simulation"}}
}

// template returns what all certificates have in common.
func template(common string, usage x509.KeyUsage) *x509.Certificate {
	notBefore, notAfter := validity()
	return &x509.Certificate{
		Subject:               name(common),
		SerialNumber:          serial(common),
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              usage,
		BasicConstraintsValid: true,
		SignatureAlgorithm:    x509.ECDSAWithSHA256,
		// Intel's profile wants a distribution point in every certificate. This
		// one can never resolve (RFC 2606).
		CRLDistributionPoints: []string{"https://simulated.invalid/crl.der"},
	}
}

// authority returns the template of a CA below which pathLen more may stand.
func authority(common string, pathLen int) *x509.Certificate {
	t := template(common, x509.KeyUsageCertSign|x509.KeyUsageCRLSign)
	t.IsCA, t.MaxPathLen, t.MaxPathLenZero = true, pathLen, pathLen == 0
	return t
}

// leaf returns the template of a certificate that signs data.
func leaf(common string) *x509.Certificate {
	return template(common, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment)
}

// certify has by sign the template t for key.
func (p *PKI) certify(role Role, t *x509.Certificate, key *ecdsa.PrivateKey, by issuer) (issuer, error) {
	c := &Certificate{Role: role, Template: t, Key: key, Issuer: by.cert, SigningKey: by.key}
	if role == RootCA {
		c.Issuer = t
	}
	var err error
	if t.SubjectKeyId, err = keyID(key); err != nil {
		return issuer{}, err
	}
	if role == RootCA {
		// The root names itself as its authority, as Intel's does.
		t.AuthorityKeyId = t.SubjectKeyId
	}
	if p.faults.Certificate != nil {
		p.faults.Certificate(c)
	}
	return c.sign()
}

// sign makes the certificate.
func (c *Certificate) sign() (issuer, error) {
	by := *c.Issuer
	by.PublicKey = nil // which key signs is for the fault to say
	// A nil source of randomness selects RFC 6979.
	der, err := x509.CreateCertificate(nil, c.Template, &by, c.Key.Public(), c.SigningKey)
	if err != nil {
		return issuer{}, internal("certificate", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return issuer{}, internal("certificate", err)
	}
	if c.TBS != nil {
		if der, err = resign(der, c.TBS, c.SigningKey); err != nil {
			return issuer{}, err
		}
	}
	if c.Signed != nil {
		der = c.Signed(der)
	}
	return issuer{key: c.Key, cert: cert, der: der}, nil
}

// resign edits the first of the three parts of a signed object (RFC 5280 4.1.1
// and 5.1.1) and signs it anew.
func resign(der []byte, edit func([]byte) []byte, key *ecdsa.PrivateKey) ([]byte, error) {
	var whole struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &whole); err != nil {
		return nil, internal("signed object", err)
	}
	whole.TBS = asn1.RawValue{FullBytes: edit(whole.TBS.FullBytes)}
	digest := sha256.Sum256(whole.TBS.FullBytes)
	signature, err := signDER(key, digest)
	if err != nil {
		return nil, err
	}
	whole.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	if der, err = asn1.Marshal(whole); err != nil {
		return nil, internal("signed object", err)
	}
	return der, nil
}

// keyID returns 20 bytes that stand for a key in key identifiers.
func keyID(key *ecdsa.PrivateKey) ([]byte, error) {
	p, err := point(key)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(p[:])
	return id[:20], nil
}

// serial returns a positive serial number of at most 20 bytes (RFC 5280
// 4.1.2.2) for what label and numbers name.
func serial(label string, numbers ...uint32) *big.Int {
	s := derive("serial "+label, numbers...)
	s[0] = s[0]&0x3f | 0x40
	return new(big.Int).SetBytes(s[:20])
}

// pemOf returns certificates as concatenated PEM.
func pemOf(ders ...[]byte) (out []byte) {
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}
