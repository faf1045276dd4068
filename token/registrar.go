// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// NewRegistrar stands in a [Request] for a registrar that does not exist yet.
const NewRegistrar = "new"

// registrars is the folder of seeds: files named by the public key in hex, each
// the seed of 32 bytes (RFC 8032) in hex.
const registrars = "config/registrars"

func (s *Store) registrarPath(registrar string) string {
	return filepath.Join(s.home, filepath.FromSlash(registrars), registrar)
}

// makeRegistrar makes a key and returns its public half in hex.
func (s *Store) makeRegistrar() (string, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", rats.Errorf(rats.Internal, "registrar: %w", err)
	}
	name := hex.EncodeToString(public)
	return name, writePrivate(s.registrarPath(name), []byte(hex.EncodeToString(key.Seed())+"\n"))
}

// Key returns the private key of a registrar that tokens sign with, by its
// public key in lower-case hex. One that this home does not have is
// [rats.NotFound]; a file of it that cannot be used is a [*FileError].
func (s *Store) Key(registrar string) (ed25519.PrivateKey, error) {
	if !isRegistrar(registrar) {
		return nil, rats.Errorf(rats.Malformed, "registrar: not %d hex digits", 2*ed25519.PublicKeySize)
	}
	s.mu.Lock()
	key, ok := s.keys[registrar]
	s.mu.Unlock()
	if ok {
		return key, nil
	}
	path := s.registrarPath(registrar)
	b, _, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, rats.Errorf(rats.NotFound, "registrar %s: this node has no such key", registrar)
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fileError(path, rats.Errorf(rats.Malformed, "not a seed of %d bytes in hex", ed25519.SeedSize))
	}
	key = ed25519.NewKeyFromSeed(seed)
	if hex.EncodeToString(key[ed25519.SeedSize:]) != registrar {
		return nil, fileError(path, rats.Errorf(rats.Malformed, "the seed is another registrar's"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[registrar] = key
	return key, nil
}
