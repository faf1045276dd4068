// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"slices"

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

// intelAnchors returns SHA-256 of the root certificates that circulate. Each
// bears the pinned name and key and is signed by that key, so that it need not
// be read and verified anew in every chain that carries it.
func intelAnchors() [3][32]byte {
	return [3][32]byte{
		{
			0x72, 0xf9, 0xc2, 0x49, 0x8a, 0x06, 0x7b, 0x1e, 0xea, 0x50, 0x22, 0x2d, 0x8c, 0x95, 0xbf, 0xe8,
			0xa8, 0xeb, 0x3e, 0xaa, 0x63, 0x52, 0x53, 0x57, 0x5c, 0xb1, 0xd3, 0x1d, 0xff, 0xad, 0xb1, 0x9c,
		},
		{
			0xfc, 0x64, 0xf8, 0x07, 0x6d, 0x79, 0xa4, 0xfe, 0xe9, 0xd1, 0xd4, 0x73, 0xd7, 0x4c, 0x89, 0xeb,
			0x8d, 0x8f, 0xd5, 0x5c, 0x5a, 0xba, 0xfe, 0xab, 0xeb, 0xa7, 0x36, 0x6d, 0x20, 0x42, 0x94, 0x04,
		},
		{
			0x44, 0xa0, 0x19, 0x6b, 0x2b, 0x99, 0xf8, 0x89, 0xb8, 0xe1, 0x49, 0xe9, 0x5b, 0x80, 0x7a, 0x35,
			0x0e, 0x74, 0x24, 0x96, 0x43, 0x99, 0xe8, 0x85, 0xa7, 0xcb, 0xb8, 0xcc, 0xfa, 0xb6, 0x74, 0xd3,
		},
	}
}

// root is a trust root whose key is ready for use.
type root struct {
	rats.TrustRoot
	key *ecdsa.PublicKey
	id  rootID
}

// openRoots reads the keys of roots; nil stands for the vendor's pinned one.
func openRoots(roots []rats.TrustRoot) ([]root, error) {
	if roots == nil {
		roots = []rats.TrustRoot{Intel()}
	}
	out := make([]root, 0, len(roots))
	for _, r := range cloneRoots(roots) {
		parsed, err := x509.ParsePKIXPublicKey(r.PublicKey)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "trust root %s: %w", r.Name, err)
		}
		if _, other := parsed.(*rsa.PublicKey); other {
			continue // a root of IAS reports, which vouches for nothing here
		}
		key, ok := parsed.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() {
			return nil, rats.Errorf(rats.Unsupported, "trust root %s: not a P-256 key", r.Name)
		}
		// A chain is followed by name, so a name has one key.
		if rootNamed(out, r.Subject) != nil {
			return nil, rats.Errorf(rats.Malformed, "trust root %s: another one has its distinguished name", r.Name)
		}
		name := sha256.Sum256(r.Subject)
		out = append(out, root{r, key, sha256.Sum256(append(name[:], r.PublicKey...))})
	}
	return out, nil
}

// cloneRoots returns roots that share nothing with those of the caller; nil
// stays nil.
func cloneRoots(roots []rats.TrustRoot) []rats.TrustRoot {
	out := slices.Clone(roots)
	for i := range out {
		out[i].Subject, out[i].PublicKey = bytes.Clone(out[i].Subject), bytes.Clone(out[i].PublicKey)
	}
	return out
}

func sameRoot(a, b rats.TrustRoot) bool {
	return a.Name == b.Name && bytes.Equal(a.Subject, b.Subject) && bytes.Equal(a.PublicKey, b.PublicKey)
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

// rootOf returns the root with an id, or nil.
func rootOf(roots []root, id rootID) *root {
	for i := range roots {
		if roots[i].id == id {
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
