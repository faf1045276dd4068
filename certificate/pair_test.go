// SPDX-License-Identifier: Apache-2.0

package certificate_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

// start is the time of these tests.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newECDSA(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key := newECDSA(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: start.Add(-day), NotAfter: start.Add(3650 * day), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{c, key}
}

// issue returns a chain in PEM for a key.
func (a authority) issue(t testing.TB, key crypto.Signer, from, to time.Time, names ...string) []byte {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, NotBefore: from, NotAfter: to, DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return append(inPEM("CERTIFICATE", der), inPEM("CERTIFICATE", a.cert.Raw)...)
}

func inPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return inPEM("PRIVATE KEY", der)
}

func write(t testing.TB, path string, b []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, b, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask says
		t.Fatal(err)
	}
}

func TestAPairOfEveryUsualKindLoads(t *testing.T) {
	ca := newAuthority(t)
	ec := newECDSA(t)
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parameters := inPEM("EC PARAMETERS", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7})
	for name, c := range map[string]struct {
		key  crypto.Signer
		text []byte
	}{
		"ECDSA in PKCS #8":                        {ec, pkcs8(t, ec)},
		"ECDSA in SEC 1":                          {ec, inPEM("EC PRIVATE KEY", sec1)},
		"ECDSA in SEC 1 after its parameters":     {ec, append(parameters, inPEM("EC PRIVATE KEY", sec1)...)},
		"RSA in PKCS #8":                          {big, pkcs8(t, big)},
		"RSA in PKCS #1":                          {big, inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(big))},
		"Ed25519":                                 {ed, pkcs8(t, ed)},
		"a key after its certificate in one file": {ec, append(ca.issue(t, ec, start, start.Add(day), "x.example"), pkcs8(t, ec)...)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
			write(t, cert, ca.issue(t, c.key, start, start.Add(day), "x.example"), 0o644)
			write(t, key, c.text, 0o600)
			pair, err := certificate.Load(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			if len(pair.Certificate) != 2 || pair.Leaf.VerifyHostname("x.example") != nil {
				t.Errorf("%d certificates, the first for %v", len(pair.Certificate), pair.Leaf.DNSNames)
			}
		})
	}
}

func TestAPairThatCannotServeIsRefusedWithAReason(t *testing.T) {
	ca := newAuthority(t)
	key, other := newECDSA(t), newECDSA(t)
	chain := ca.issue(t, key, start, start.Add(day), "x.example")
	block, _ := pem.Decode(chain)
	small := inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(smallRSA(t)))
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecdh, err := curve.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	reversed := append(inPEM("CERTIFICATE", ca.cert.Raw), inPEM("CERTIFICATE", block.Bytes)...)
	for name, c := range map[string]struct {
		cert, key []byte
		kind      rats.Kind
		says      string
	}{
		"another's key":                   {chain, pkcs8(t, other), rats.BindingMismatch, "not the key of the certificate"},
		"the authority first":             {reversed, pkcs8(t, key), rats.BindingMismatch, "has to come first"},
		"the two files exchanged":         {pkcs8(t, key), chain, rats.Malformed, "exchanged?"},
		"no certificate":                  {[]byte("hello"), pkcs8(t, key), rats.Malformed, "holds no certificate in PEM"},
		"an empty certificate":            {nil, pkcs8(t, key), rats.Malformed, "cert.pem: malformed: is empty"},
		"a certificate in DER":            {block.Bytes, pkcs8(t, key), rats.Malformed, "in DER: PEM is wanted"},
		"a certificate cut short":         {inPEM("CERTIFICATE", block.Bytes[:100]), pkcs8(t, key), rats.Malformed, "certificate 1"},
		"a chain's second one cut short":  {append(inPEM("CERTIFICATE", block.Bytes), inPEM("CERTIFICATE", block.Bytes[:9])...), pkcs8(t, key), rats.Malformed, "certificate 2"},
		"a certificate as key":            {chain, chain, rats.Malformed, "no private key, but a certificate"},
		"no key":                          {chain, []byte("hello"), rats.Malformed, "key.pem: malformed: holds no private key in PEM"},
		"an empty key":                    {chain, nil, rats.Malformed, "key.pem: malformed: is empty"},
		"a key of nothing":                {chain, inPEM("PRIVATE KEY", []byte("hello")), rats.Malformed, "neither of PKCS #8"},
		"an encrypted key":                {chain, inPEM("ENCRYPTED PRIVATE KEY", []byte("hello")), rats.Unsupported, "encrypted"},
		"a key encrypted in the old form": {chain, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "x"}, Bytes: []byte("x")}), rats.Unsupported, "encrypted"},
		"a small RSA key":                 {chain, small, rats.Unsupported, "1024 bits"},
		"a key that cannot sign":          {chain, pkcs8(t, ecdh), rats.BindingMismatch, "not the key"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
			write(t, certFile, c.cert, 0o644)
			write(t, keyFile, c.key, 0o600)
			_, err := certificate.Load(certFile, keyFile)
			if rats.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v: …%s…", err, c.kind, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "PRIVATE KEY-----") {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

// smallRSA is a key of 1024 bits, which crypto/rsa makes no more.
func smallRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAKeyThatOthersMayReadIsRefused(t *testing.T) {
	ca, key := newAuthority(t), newECDSA(t)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, ca.issue(t, key, start, start.Add(day), "x.example"), 0o666)
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o644: false, 0o620: false, 0o601: false} {
		write(t, keyFile, pkcs8(t, key), 0o600)
		if err := os.Chmod(keyFile, mode); err != nil {
			t.Fatal(err)
		}
		_, err := certificate.Load(certFile, keyFile)
		var file *secretfile.Error
		if good != (err == nil) || !good && (!errors.Is(err, secretfile.ErrMode) || !errors.As(err, &file) || file.Path != keyFile) {
			t.Errorf("%v: %v", mode, err)
		}
		if err := os.Remove(keyFile); err != nil {
			t.Fatal(err)
		}
	}
}

func edKey(t testing.TB) []byte {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pkcs8(t, k)
}
