// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// bound returns the report data that evidence is to be bound to: what the flags
// say, the enclave's key, a recent block, or key and block.
func (a *app) bound(ctx context.Context, f attestFlags) (data [64]byte, err error) {
	if err := fillHex(data[:], "--report-data", f.reportData, false); err != nil {
		return data, err
	}
	if f.key != "" {
		if f.reportData != "" {
			return data, usagef("--key and --report-data are two things to bind: choose one")
		}
		half, err := a.keyHalf(f.key)
		if err != nil {
			return data, err
		}
		copy(data[:], half[:])
	}
	if f.challenge {
		if [32]byte(data[32:]) != [32]byte{} {
			return data, usagef("--challenge takes the second half of the report data, and --report-data has something there")
		}
		c, err := a.dial(f.node).Challenge(ctx)
		if err != nil {
			return data, a.nodeError(f.node, err)
		}
		if err := fillHex(data[32:], "the node's challenge", c.Hash, true); err != nil {
			return data, err
		}
	}
	return data, nil
}

// keyHalf returns what stands for an enclave's key in its report data.
func (a *app) keyHalf(file string) (half [32]byte, err error) {
	raw, err := a.readInput(file)
	if err != nil {
		return half, err
	}
	if k, err := readSigner(raw); err == nil {
		if ed, ok := k.Public().(ed25519.PublicKey); ok {
			return [32]byte(ed), nil
		}
		return half, hinted{
			rats.Errorf(rats.Unsupported, "%s: a private key, and only an Ed25519 key is bound as it is", file),
			"bind the file of its public key: openssl pkey -in " + file + " -pubout -out public.pem",
		}
	}
	if _, err := record.ReadKey(raw); err != nil {
		var shape asn1.StructuralError
		if errors.As(err, &shape) { // what that says is for people who read ASN.1
			err = rats.Errorf(rats.Malformed, "%s: there is no key in it", file)
		}
		return half, hinted{err, "the file should hold one key as PEM or DER, such as openssl genpkey writes"}
	}
	der := raw
	if block, _ := pem.Decode(raw); block != nil {
		der = block.Bytes
	}
	if public, err := x509.ParsePKIXPublicKey(der); err == nil {
		if ed, ok := public.(ed25519.PublicKey); ok {
			return [32]byte(ed), nil
		}
	}
	return sha256.Sum256(raw), nil
}

// readSigner reads a private key: PKCS #8, SEC 1 or PKCS #1, in PEM.
func readSigner(raw []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, rats.Errorf(rats.Malformed, "no private key in PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, rats.Errorf(rats.Malformed, "PEM of %q is no private key", block.Type)
	}
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, rats.Errorf(rats.Unsupported, "a private key that signs nothing")
	}
	return signer, nil
}

// signAs signs a message as [record.Key] verifies it.
func signAs(key crypto.Signer, message []byte) ([]byte, error) {
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return k.Sign(rand.Reader, message, crypto.Hash(0))
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P384() {
			sum := sha512.Sum384(message)
			return ecdsa.SignASN1(rand.Reader, k, sum[:])
		}
		sum := sha256.Sum256(message)
		return ecdsa.SignASN1(rand.Reader, k, sum[:])
	case *rsa.PrivateKey:
		sum := sha256.Sum256(message)
		return rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], nil)
	default:
		return nil, rats.Errorf(rats.Unsupported, "the key is none of Ed25519, ECDSA and RSA")
	}
}
