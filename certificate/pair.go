// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

const (
	// maxFile bounds a file of certificates or of a key, in bytes.
	maxFile = 1 << 20
	// minRSA is the smallest modulus that clients take (CA/Browser Forum
	// Baseline Requirements 6.1.5).
	minRSA = 2048
)

// Load reads a certificate with the chain that vouches for it, in PEM and its
// own first, and its private key: PKCS #8, PKCS #1 or SEC 1, of RSA, ECDSA or
// Ed25519. Both may stand in one file. The file of the key may not be open to
// others, but for what [secretfile.ReadHanded] lets pass. An error is a
// [*secretfile.Error].
func Load(certFile, keyFile string) (*tls.Certificate, error) {
	certPEM, err := readOpen(certFile)
	if err != nil {
		return nil, err
	}
	keyPEM, _, err := secretfile.ReadHanded(keyFile, maxFile)
	if err != nil {
		return nil, err
	}
	chain, err := parseChain(certPEM)
	if err != nil {
		return nil, secretfile.Fault(certFile, err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, secretfile.Fault(keyFile, err)
	}
	if err := fits(chain, key, certFile); err != nil {
		return nil, secretfile.Fault(keyFile, err)
	}
	out := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		out.Certificate = append(out.Certificate, c.Raw)
	}
	return out, nil
}

// readOpen reads a file that anyone may read.
func readOpen(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, secretfile.Fault(path, err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = secretfile.ErrLarge
	}
	return b, secretfile.Fault(path, err)
}

// parseChain returns the certificates in PEM, and passes over what else there is.
func parseChain(text []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	other := ""
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			other = block.Type
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "certificate %d: %w", len(chain)+1, err)
		}
		chain = append(chain, c)
	}
	switch {
	case len(chain) > 0:
		return chain, nil
	case other != "":
		return nil, rats.Errorf(rats.Malformed, "holds no certificate, but a %s: are the two files exchanged?", other)
	default:
		return nil, rats.Errorf(rats.Malformed, "%s", noPEM("certificate", text, func(b []byte) error {
			_, err := x509.ParseCertificate(b)
			return err
		}))
	}
}

// noPEM says what a file holds in which no PEM is found.
func noPEM(what string, content []byte, parse func([]byte) error) string {
	if len(bytes.TrimSpace(content)) == 0 {
		return "is empty"
	}
	if parse(content) == nil {
		return "holds a " + what + " in DER: PEM is wanted"
	}
	return "holds no " + what + " in PEM"
}

// parseKey returns the private key in PEM.
func parseKey(text []byte) (crypto.Signer, error) {
	rest, other := text, ""
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if _, old := block.Headers["DEK-Info"]; old || block.Type == "ENCRYPTED PRIVATE KEY" {
			return nil, rats.Errorf(rats.Unsupported, "the key is encrypted: a server starts without anyone to ask for its password")
		}
		switch block.Type {
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			return parseKeyDER(block.Bytes)
		default:
			other = block.Type
		}
	}
	if other == "CERTIFICATE" {
		return nil, rats.Errorf(rats.Malformed, "holds no private key, but a certificate: are the two files exchanged?")
	}
	return nil, rats.Errorf(rats.Malformed, "%s", noPEM("private key", rest, func(b []byte) error {
		_, err := parseKeyDER(b)
		return err
	}))
}

func parseKeyDER(der []byte) (crypto.Signer, error) {
	var key any
	var err error
	if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		if k, e := x509.ParsePKCS1PrivateKey(der); e == nil {
			key, err = k, nil
		} else if k, e := x509.ParseECPrivateKey(der); e == nil {
			key, err = k, nil
		}
	}
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "the private key is neither of PKCS #8, nor of PKCS #1, nor of SEC 1")
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSA {
			return nil, rats.Errorf(rats.Unsupported, "an RSA key of %d bits: clients demand at least %d", k.N.BitLen(), minRSA)
		}
		return k, nil
	default:
		return nil, rats.Errorf(rats.Unsupported, "the private key is neither of RSA, nor of ECDSA, nor of Ed25519")
	}
}

// fits holds a key against the first certificate of a chain.
func fits(chain []*x509.Certificate, key crypto.Signer, certFile string) error {
	for i, c := range chain {
		public, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !public.Equal(key.Public()) {
			continue
		}
		if i > 0 {
			return rats.Errorf(rats.BindingMismatch, "the key of certificate %d in %s: the server's own has to come first there", i+1, certFile)
		}
		return nil
	}
	return rats.Errorf(rats.BindingMismatch, "not the key of the certificate in %s", certFile)
}

// inTime says what is wrong with a certificate's time.
func inTime(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return errors.New("not valid before " + c.NotBefore.UTC().Format(time.RFC3339))
	case now.After(c.NotAfter):
		return errors.New("ended " + c.NotAfter.UTC().Format(time.RFC3339))
	default:
		return nil
	}
}
