// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// Pin is the SHA-256 of a SubjectPublicKeyInfo (RFC 7469 section 2.4).
type Pin [sha256.Size]byte

// pinPrefix begins a pin as curl writes it.
const pinPrefix = "sha256//"

// PinOf returns the pin of a certificate's key.
func PinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// String returns the form that curl --pinnedpubkey takes: sha256// and base64.
func (p Pin) String() string { return pinPrefix + base64.StdEncoding.EncodeToString(p[:]) }

// ParsePin reads what [Pin.String] writes.
func ParsePin(text string) (Pin, error) {
	encoded, ok := strings.CutPrefix(text, pinPrefix)
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	// The decoder passes over line ends; there is one way to write a pin.
	if !ok || err != nil || len(b) != sha256.Size || Pin(b).String() != text {
		return Pin{}, rats.Errorf(rats.Malformed, "%q is no pin: %s and 32 bytes in base64", text, pinPrefix)
	}
	return Pin(b), nil
}

// ClientConfig returns the configuration of a client that trusts servers by
// their key, by authorities, or by both: with pins, the server has to have one
// of these keys; with roots, one of these has to vouch for its name. With pins
// alone neither name nor time of its certificate counts, since only the holder
// of the key can show it. With neither it is what the system trusts.
func ClientConfig(pins []Pin, roots *x509.CertPool) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	if len(pins) == 0 {
		return c
	}
	pins = slices.Clone(pins)
	c.InsecureSkipVerify = roots == nil // the pin decides, below
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return rats.Errorf(rats.BindingMismatch, "the server shows no certificate")
		}
		if has := PinOf(s.PeerCertificates[0]); !slices.Contains(pins, has) {
			return rats.Errorf(rats.BindingMismatch, "the server's key is %s, which is not pinned", has)
		}
		return nil
	}
	return c
}

// ParseRoots reads a file of authorities' certificates in PEM, or of a server's
// own.
func ParseRoots(text []byte) (*x509.CertPool, error) {
	chain, err := parseChain(text)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range chain {
		pool.AddCert(c)
	}
	return pool, nil
}

// serialNumber is positive and not zero (RFC 5280 section 4.1.2.2).
func serialNumber(random []byte) *big.Int {
	n := new(big.Int).SetBytes(random)
	return n.Add(n, big.NewInt(1))
}
