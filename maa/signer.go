// SPDX-License-Identifier: Apache-2.0

package maa

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"sync"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

const (
	// keyBits is the length of the key: 3,072 are worth 128 (NIST SP 800-57,
	// part 1, table 2).
	keyBits = 3072
	// certificateYears is for how long the key's certificate holds.
	certificateYears = 10
	maxFile          = 32 << 10
)

// Signer signs tokens with one RSA key.
type Signer struct {
	// load reads the key, and makes it where there is none yet, once.
	load func() (*pair, error)
}

// pair is a key and its certificate.
type pair struct {
	key         *rsa.PrivateKey
	certificate []byte // DER
	id          string
}

// Open returns the signer of a file in PEM, its key and its certificate. Where
// there is no file both are made when they are first asked for, since that takes
// a while and most nodes are never asked. A file that others than its owner may
// read is an error at once.
func Open(path string, now func() time.Time) (*Signer, error) {
	s := &Signer{load: sync.OnceValues(func() (*pair, error) { return load(path, now) })}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	_, err := s.load()
	return s, err
}

func load(path string, now func() time.Time) (*pair, error) {
	text, _, err := secretfile.Read(path, maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if text, err = generate(now()); err != nil {
			return nil, err
		}
		if err := secretfile.Write(path, text); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	p, err := parse(text)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "%s: %w", path, err)
	}
	return p, nil
}

// generate makes a key and a certificate that says nothing but that it is its.
func generate(now time.Time) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	name := pkix.Name{CommonName: "Attesteer tokens"}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: name, Issuer: name, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(certificateYears, 0, 0), BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})...), nil
}

func parse(text []byte) (*pair, error) {
	private, rest := pem.Decode(text)
	if private == nil || private.Type != "PRIVATE KEY" {
		return nil, errors.New("not a private key in PEM, and its certificate")
	}
	public, _ := pem.Decode(rest)
	if public == nil || public.Type != "CERTIFICATE" {
		return nil, errors.New("the key's certificate is not behind it")
	}
	secret, err := x509.ParsePKCS8PrivateKey(private.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := secret.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an RSA key")
	}
	cert, err := x509.ParseCertificate(public.Bytes)
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("the certificate is of another key")
	}
	id := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return &pair{key: key, certificate: public.Bytes, id: base64.StdEncoding.EncodeToString(id[:])}, nil
}

// SigningKey is the signer's key with its certificate (RFC 7517 sections 4 and 4.7, RFC
// 7518 section 6.3.1).
type SigningKey struct {
	KeyType   string `json:"kty" doc:"RSA"`
	Use       string `json:"use" doc:"sig"`
	Algorithm string `json:"alg" doc:"RS256"`
	KeyID     string `json:"kid" doc:"standard base64 of SHA-256 of the key"`
	N         string `json:"n" doc:"the modulus"`
	E         string `json:"e" doc:"the exponent"`
	// X5C is the certificate, in standard base64 of its DER.
	X5C []string `json:"x5c" nullable:"false" doc:"a certificate that the key signed itself: standard base64 of DER"`
}

// SigningKey returns the public half.
func (s *Signer) SigningKey() (SigningKey, error) {
	p, err := s.load()
	if err != nil {
		return SigningKey{}, err
	}
	return SigningKey{
		KeyType: "RSA", Use: "sig", Algorithm: "RS256", KeyID: p.id,
		N:   encode(p.key.N.Bytes()),
		E:   encode(big.NewInt(int64(p.key.E)).Bytes()),
		X5C: []string{base64.StdEncoding.EncodeToString(p.certificate)},
	}, nil
}

// sign makes a JWS in compact form (RFC 7515 section 7.1, RFC 7518 section 3.3).
// keys is where the key is published.
func (s *Signer) sign(claims any, keys string) (string, error) {
	p, err := s.load()
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		Keys      string `json:"jku"`
		KeyID     string `json:"kid"`
		Type      string `json:"typ"`
	}{"RS256", keys, p.id, "JWT"})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := encode(header) + "." + encode(body)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, p.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + encode(signature), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
