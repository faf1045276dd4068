// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

const (
	shieldingKeyPath = "config/shielding_key"
	shieldingBits    = 3072 // the original's
	pemKey           = "PRIVATE KEY"
)

// LoadShieldingKey returns the key to which callers of the gateway of this home
// may encrypt what they submit, and makes it when there is none:
// config/shielding_key, an RSA key of 3072 bits in PEM (PKCS #8, RFC 5958). A
// file that others than its owner may read is refused. It may be called before
// [Start]. Errors are *[HomeError].
func LoadShieldingKey(dir string) (*rsa.PrivateKey, error) {
	h := &home{dir: dir}
	if h.has(shieldingKeyPath) {
		return h.readShieldingKey()
	}
	// Two processes must not make two keys and each go on with its own.
	h, err := openHome(dir)
	if err != nil {
		return nil, err
	}
	key, err := h.makeShieldingKey()
	return key, errors.Join(err, h.close())
}

func (h *home) makeShieldingKey() (*rsa.PrivateKey, error) {
	if h.has(shieldingKeyPath) {
		return h.readShieldingKey()
	}
	key, err := rsa.GenerateKey(rand.Reader, shieldingBits)
	if err != nil {
		return nil, fmt.Errorf("shielding key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("shielding key: %w", err)
	}
	return key, h.write(shieldingKeyPath, pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), 0o600)
}

func (h *home) readShieldingKey() (*rsa.PrivateKey, error) {
	text, err := h.readSecret(shieldingKeyPath)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemKey {
		return nil, h.wrap(shieldingKeyPath, errors.New("holds no private key in PEM"))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || key.N.BitLen() != shieldingBits {
		return nil, h.wrap(shieldingKeyPath, fmt.Errorf("not an RSA key of %d bits", shieldingBits))
	}
	return key, nil
}
