// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"

	"github.com/attesteer/attesteer/rats"
)

// Intel's root as it stands in each of the root certificates that circulate:
// they have one key and one name, and different validities.
const (
	intelRootKey = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC6nEwMDIYZOj/iPWsCzaEKi71OiO" +
		"SLRFhWGjbnBVJfVnkY4u3IjkDYYL0MxO4mqsyYjlBalTVYxFP2sJBK5zlA=="
	intelRootName = "MGgxGjAYBgNVBAMMEUludGVsIFNHWCBSb290IENBMRowGAYDVQQKDBFJbnRlbCBD" +
		"b3Jwb3JhdGlvbjEUMBIGA1UEBwwLU2FudGEgQ2xhcmExCzAJBgNVBAgMAkNBMQswCQYDVQQGEwJVUw=="
)

// Intel returns the pinned root of Intel SGX and TDX, "Intel SGX Root CA". Its
// key's SHA-256 (SubjectPublicKeyInfo) is
// a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e.
func Intel() rats.TrustRoot {
	return rats.TrustRoot{
		Name: rats.IntelRoot, Subject: mustDecode(intelRootName), PublicKey: mustDecode(intelRootKey),
	}
}

func mustDecode(text string) []byte {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err) // the constants above
	}
	return b
}

// root is a trust root whose key is ready for use.
type root struct {
	rats.TrustRoot
	key *ecdsa.PublicKey
}

// openRoots reads the keys of roots; nil stands for the vendor's pinned one.
func openRoots(roots []rats.TrustRoot) ([]root, error) {
	if roots == nil {
		roots = []rats.TrustRoot{Intel()}
	}
	out := make([]root, 0, len(roots))
	for _, r := range roots {
		parsed, err := x509.ParsePKIXPublicKey(r.PublicKey)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "trust root %s: %w", r.Name, err)
		}
		key, ok := parsed.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() {
			return nil, rats.Errorf(rats.Unsupported, "trust root %s: not a P-256 key", r.Name)
		}
		// A chain is followed by name, so a name has one key.
		if rootNamed(out, r.Subject) != nil {
			return nil, rats.Errorf(rats.Malformed, "trust root %s: another one has its distinguished name", r.Name)
		}
		out = append(out, root{r, key})
	}
	return out, nil
}

// rootNamed returns the root that bears a name (raw DER), or nil.
func rootNamed(roots []root, name []byte) *root {
	for i := range roots {
		if bytes.Equal(roots[i].Subject, name) {
			return &roots[i]
		}
	}
	return nil
}

// keyScope names a signer in an endorsement's key: SHA-256 of its
// SubjectPublicKeyInfo in hex.
func keyScope(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}
