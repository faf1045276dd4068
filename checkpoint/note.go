// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/attesteer/attesteer/rats"
)

// MaxNote bounds a signed checkpoint, in bytes.
const MaxNote = 1 << 16

// Types of keys (C2SP signed-note, "Signature types").
const (
	plainKey     = 0x01 // Ed25519 over the note's text
	cosigningKey = 0x04 // Ed25519 over a time and the note's text
)

// Key is a public key of a log or of a witness, with its name.
type Key struct {
	// Name has neither spaces nor "+".
	Name   string
	Public ed25519.PublicKey
	// Witness: the key's signatures are cosignatures.
	Witness bool
}

// Sign returns the signed note of a checkpoint. The key's name is the origin.
func Sign(c Checkpoint, key ed25519.PrivateKey) ([]byte, error) {
	k := Key{Name: c.Origin, Public: ed25519.PublicKey(key[ed25519.SeedSize:])}
	if err := k.check(); err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: c.text()}, signer{k, func(msg []byte) []byte { return ed25519.Sign(key, msg) }})
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "checkpoint: %w", err)
	}
	return signed, nil
}

// Cosign adds a witness's cosignature to a signed checkpoint, dated at. A witness
// does so once it has seen that the log grew out of what it cosigned before.
func Cosign(signed []byte, name string, key ed25519.PrivateKey, at time.Time) ([]byte, error) {
	k := Key{Name: name, Public: ed25519.PublicKey(key[ed25519.SeedSize:]), Witness: true}
	if err := k.check(); err != nil {
		return nil, err
	}
	n, err := note.Open(signed, note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		n, err = unverified.Note, nil
	}
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "checkpoint: %w", err)
	}
	out, err := note.Sign(n, signer{k, func(msg []byte) []byte {
		stamp := binary.BigEndian.AppendUint64(nil, uint64(at.Unix())) //nolint:gosec // after 1970
		return append(stamp, ed25519.Sign(key, cosigned(at.Unix(), msg))...)
	}})
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "checkpoint: %w", err)
	}
	return out, nil
}

// Witnessed is a cosignature that verified.
type Witnessed struct {
	Name string
	// Time is when the witness says that it saw the checkpoint.
	Time time.Time
}

// Open verifies a signed checkpoint by the log's key, and returns it with the
// cosignatures of those witnesses that are known. Signatures by other keys count
// for nothing, and a wrong one by a known key refuses the whole. The errors are
// Malformed, BadSignature, TooLarge, and UntrustedRoot where the log's own
// signature is missing.
func Open(signed []byte, log Key, witnesses ...Key) (Checkpoint, []Witnessed, error) {
	if len(signed) > MaxNote {
		return Checkpoint{}, nil, rats.Errorf(rats.TooLarge, "checkpoint of %d bytes is over %d", len(signed), MaxNote)
	}
	var known []note.Verifier
	for _, k := range append([]Key{log}, witnesses...) {
		if err := k.check(); err != nil {
			return Checkpoint{}, nil, err
		}
		known = append(known, verifier{k})
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	var invalid *note.InvalidSignatureError
	var unverified *note.UnverifiedNoteError
	switch {
	case errors.As(err, &invalid):
		return Checkpoint{}, nil, rats.Errorf(rats.BadSignature, "checkpoint: the signature of %s does not verify", invalid.Name)
	case errors.As(err, &unverified):
		return Checkpoint{}, nil, unsigned(log)
	case err != nil:
		return Checkpoint{}, nil, rats.Errorf(rats.Malformed, "checkpoint: %w", err)
	}
	c, err := parse(n.Text)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	if c.Origin != log.Name {
		return Checkpoint{}, nil, rats.Errorf(rats.UntrustedRoot, "checkpoint: it is of %q, not of %q", c.Origin, log.Name)
	}
	own := false
	var seen []Witnessed
	for _, s := range n.Sigs {
		if s.Name == log.Name && s.Hash == log.hash() {
			own = true
			continue
		}
		at, err := stampOf(s.Base64)
		if err != nil {
			return Checkpoint{}, nil, err
		}
		seen = append(seen, Witnessed{Name: s.Name, Time: at})
	}
	if !own {
		return Checkpoint{}, nil, unsigned(log)
	}
	return c, seen, nil
}

func unsigned(log Key) error {
	return rats.Errorf(rats.UntrustedRoot, "checkpoint: it is not signed by %s", log.Name)
}

// String returns the key in the form of C2SP signed-note: name, the hash that
// signatures name it by, and the key.
func (k Key) String() string {
	return fmt.Sprintf("%s+%08x+%s", k.Name, k.hash(), base64.StdEncoding.EncodeToString(append([]byte{k.kind()}, k.Public...)))
}

// ParseKey reads what String writes. The error is Malformed, or Unsupported for
// a key of another type.
func ParseKey(text string) (Key, error) {
	parts := strings.SplitN(strings.TrimSpace(text), "+", 3)
	if len(parts) != 3 {
		return Key{}, malformed("a key is NAME+HASH+KEY")
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil || len(parts[1]) != 8 {
		return Key{}, malformed("a key's hash is 8 hex digits")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) == 0 {
		return Key{}, malformed("a key is in base64")
	}
	if raw[0] != plainKey && raw[0] != cosigningKey {
		return Key{}, rats.Errorf(rats.Unsupported, "checkpoint: a key of type %d", raw[0])
	}
	k := Key{Name: parts[0], Public: raw[1:], Witness: raw[0] == cosigningKey}
	if err := k.check(); err != nil {
		return Key{}, err
	}
	if uint64(k.hash()) != hash {
		return Key{}, malformed("a key whose hash is of another")
	}
	return k, nil
}

func (k Key) check() error {
	if len(k.Public) != ed25519.PublicKeySize {
		return malformed("a key has 32 bytes")
	}
	if k.Name == "" || strings.ContainsFunc(k.Name, func(r rune) bool { return r == '+' || r <= ' ' || r == '\u00a0' || r == '\ufffd' }) {
		return malformed("a key's name has neither spaces nor +")
	}
	return nil
}

func (k Key) kind() byte {
	if k.Witness {
		return cosigningKey
	}
	return plainKey
}

// hash is the key's in signatures (C2SP signed-note, "Key ID").
func (k Key) hash() uint32 {
	sum := sha256.Sum256(slices.Concat([]byte(k.Name), []byte{'\n', k.kind()}, k.Public))
	return binary.BigEndian.Uint32(sum[:])
}

// signer and verifier are what the library asks for.
type signer struct {
	key  Key
	sign func(msg []byte) []byte
}

func (s signer) Name() string                    { return s.key.Name }
func (s signer) KeyHash() uint32                 { return s.key.hash() }
func (s signer) Sign(msg []byte) ([]byte, error) { return s.sign(msg), nil }

type verifier struct{ key Key }

func (v verifier) Name() string    { return v.key.Name }
func (v verifier) KeyHash() uint32 { return v.key.hash() }

func (v verifier) Verify(msg, sig []byte) bool {
	if !v.key.Witness {
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(v.key.Public, msg, sig)
	}
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	at := int64(binary.BigEndian.Uint64(sig)) //nolint:gosec // a time past int64 is negative, and refused
	return at >= 0 && ed25519.Verify(v.key.Public, cosigned(at, msg), sig[8:])
}

// cosigned is what a witness signs (C2SP tlog-cosignature, cosignature/v1).
func cosigned(at int64, text []byte) []byte {
	return slices.Concat(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), text)
}

// stampOf reads the time of a cosignature: the key's hash stands before it.
func stampOf(text string) (time.Time, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != 4+8+ed25519.SignatureSize {
		return time.Time{}, malformed("a cosignature has a time and 64 bytes")
	}
	return time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC(), nil //nolint:gosec // verified before
}
