// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
)

// RuntimeKey describes runtime data that are a public key.
type RuntimeKey struct {
	// Type is "rsa", "ecdsa" or "ed25519".
	Type string `json:"type"`
	// Bits is the size of the modulus, or of the curve's field.
	Bits int `json:"bits"`
	// SHA256 is that of the key's SubjectPublicKeyInfo in DER, whatever spelling
	// of it the report data are the hash of.
	SHA256 Hex `json:"sha256"`
}

// readRuntimeKey describes data that are a public key: SubjectPublicKeyInfo in
// DER, or one PEM block of it with at most white space and zero bytes around it,
// by which enclaves fill their buffers up. It returns nil for all other data.
func readRuntimeKey(data []byte) *RuntimeKey {
	der := data
	if block, rest := pem.Decode(data); block != nil {
		if block.Type != "PUBLIC KEY" || len(bytes.Trim(rest, "\x00 \t\r\n")) > 0 {
			return nil
		}
		der = block.Bytes
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(der)
	k := &RuntimeKey{SHA256: sum[:]}
	switch key := key.(type) {
	case *rsa.PublicKey:
		k.Type, k.Bits = "rsa", key.N.BitLen()
	case *ecdsa.PublicKey:
		k.Type, k.Bits = "ecdsa", key.Params().BitSize
	case ed25519.PublicKey:
		k.Type, k.Bits = "ed25519", 8*len(key)
	default:
		return nil
	}
	return k
}
