// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// tlsKey returns a key of attested TLS and its SubjectPublicKeyInfo.
func tlsKey(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return k, spki
}

// certified returns a certificate for a key that carries a quote as Gramine does,
// signed by whom one likes.
func certified(t *testing.T, serial int64, of, by *ecdsa.PrivateKey, quote []byte) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "enclave"},
		NotBefore: start().Add(-time.Hour), NotAfter: start().AddDate(1, 0, 0),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 840, 113741, 1337, 6}, Value: quote}},
	}
	issuer := *template
	if by != of {
		issuer.Subject.CommonName = "a stranger"
	}
	der, err := x509.CreateCertificate(rand.Reader, template, &issuer, &of.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestAttackEvidenceInACertificateIsTheSameEvidence(t *testing.T) {
	c := endorsed(t)
	own, spki := tlsKey(t)
	other, _ := tlsKey(t)
	e := simtee.Enclave{}
	sum := sha256.Sum256(spki)
	copy(e.ReportData[:], sum[:])
	raw := quoteOf(t, e)
	first := c.ok(c.submit(key(1), raw))
	for name, der := range map[string][]byte{
		"its own certificate":      certified(t, 1, own, own, raw),
		"another of its own":       certified(t, 2, own, own, raw),
		"a stranger's for its key": certified(t, 3, own, other, raw),
		"with padding":             certified(t, 4, own, own, append(bytes.Clone(raw), make([]byte, 100)...)),
	} {
		r := c.block(c.submit(key(1), der))[0]
		switch {
		case r.Err == nil:
			t.Errorf("%s counts once more", name)
		case r.Err.Kind == rats.Replayed && (r.RecordID != first.RecordID || r.Earlier != first.Tx):
			t.Errorf("%s: record %x, transaction %x", name, r.RecordID, r.Earlier)
		case r.Err.Kind != rats.Replayed && name != "a stranger's for its key":
			t.Errorf("%s: %v", name, r.Err)
		}
	}
	c.refused(c.submit(key(1), certified(t, 5, other, other, raw)), rats.BindingMismatch)
	if rec := c.record(first.RecordID); rec.Attestations != 1 || len(rec.Key) != 0 {
		t.Errorf("%d attestations, key %x", rec.Attestations, rec.Key)
	}
	// Another registrar's listing shows the key, and is no attestation.
	c.ok(c.submit(key(2), certified(t, 6, own, own, raw)))
	if rec := c.record(first.RecordID); rec.Attestations != 1 || !bytes.Equal(rec.Key, spki) || len(rec.Listings) != 2 {
		t.Errorf("%d attestations, key %x, %d listings", rec.Attestations, rec.Key, len(rec.Listings))
	}
}
