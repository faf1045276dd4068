// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/attesteer/attesteer/rats"
)

// Facts remembers what cannot change: that this key signed that digest, what
// the certificates of a chain say and which root vouches for them, and which
// root vouches for a statement. It changes speed and nothing else; dates,
// revocation, statuses and whom to trust are judged anew each time. Everything
// is remembered by content. It is bounded and safe for concurrent use. A nil
// *Facts remembers nothing.
type Facts struct {
	mu sync.Mutex // guards what follows
	// signatures that verified, by key, digest and signature.
	signatures memory[[32]byte, struct{}]
	// chains as read, by their text, with the root that vouches.
	chains memory[string, certified]
	// statements, by content and certificates, to the root that vouches.
	statements memory[statementName, rootID]
	// points are attestation keys whose signatures verified, by x ‖ y.
	points memory[[64]byte, *ecdsa.PublicKey]
	// opened are lists of roots whose keys are ready for use.
	opened []openedRoots
}

// rootID names a root by SHA-256 over its name and key.
type rootID [32]byte

// certified is a chain and the root that vouches for it.
type certified struct {
	chain *chain
	root  rootID
}

type openedRoots struct {
	roots []rats.TrustRoot
	ready []root
}

// Bounds: a chain takes about 15 kB, a list of roots 1 kB.
const (
	maxChains = 2048
	maxOpened = 8
)

// NewFacts returns an empty memory for about capacity signatures, 32 bytes
// each, and at most a sixteenth as many chains, statements and keys.
func NewFacts(capacity int) *Facts {
	return &Facts{
		signatures: memory[[32]byte, struct{}]{limit: max(1, capacity/2)},
		chains:     memory[string, certified]{limit: max(1, min(capacity/16, maxChains)/2)},
		statements: memory[statementName, rootID]{limit: max(1, capacity/16/2)},
		points:     memory[[64]byte, *ecdsa.PublicKey]{limit: max(1, capacity/16/2)},
	}
}

// forOnce returns a memory for one appraisal: of signatures alone, since nothing
// else is met twice.
func forOnce() *Facts { return &Facts{signatures: memory[[32]byte, struct{}]{limit: 64}} }

// memory is a bounded map of two generations: when the young one is full it
// becomes the old one, and what was old and not asked for since is dropped.
type memory[K comparable, V any] struct {
	limit      int
	young, old map[K]V
}

func (m *memory[K, V]) get(name K) (V, bool) {
	if v, ok := m.young[name]; ok {
		return v, true
	}
	v, ok := m.old[name]
	if ok {
		m.put(name, v) // what is used stays
	}
	return v, ok
}

func (m *memory[K, V]) put(name K, v V) {
	if m.limit == 0 {
		return
	}
	if m.young == nil || len(m.young) >= m.limit {
		m.old, m.young = m.young, make(map[K]V)
	}
	m.young[name] = v
}

// recall is get for a text, which is copied only where it must be.
func recall[V any](m *memory[string, V], text []byte) (V, bool) {
	if v, ok := m.young[string(text)]; ok {
		return v, true
	}
	v, ok := m.old[string(text)]
	if ok {
		m.put(string(text), v)
	}
	return v, ok
}

// What a signature's name begins with: the kind of key.
const (
	tagSPKI   = 1 // SubjectPublicKeyInfo of a certificate; signs a digest
	tagPoint  = 2 // x ‖ y of an attestation key; signs a digest
	tagReport = 3 // SubjectPublicKeyInfo; signs a QE report, which is named whole
)

// signatureName names a signature by key, what it signs (of one length for each
// tag) and the signature's bytes. The key's length stands before it, so that no
// two triples look alike.
func signatureName(tag byte, key, signed, sig []byte) [32]byte {
	b := make([]byte, 0, 640)                                           // enough for P-256, and then not on the heap
	b = binary.BigEndian.AppendUint16(append(b, tag), uint16(len(key))) //nolint:gosec // keys are far shorter
	b = append(b, key...)
	b = append(b, signed...)
	b = append(b, sig...)
	return sha256.Sum256(b)
}

// holds reports whether a certificate's P-256 key, whose SubjectPublicKeyInfo
// is spki, signed digest with the ASN.1 signature sig, from memory if it can.
func (f *Facts) holds(spki []byte, key *ecdsa.PublicKey, digest [32]byte, sig []byte) bool {
	if f == nil {
		return ecdsa.VerifyASN1(key, digest[:], sig)
	}
	name := signatureName(tagSPKI, spki, digest[:], sig)
	if f.remembers(name) {
		return true
	}
	if !ecdsa.VerifyASN1(key, digest[:], sig) {
		return false
	}
	f.remember(name)
	return true
}

// reported reports whether a PCK key, whose SubjectPublicKeyInfo is spki, signed
// a QE report with r ‖ s, from memory if it can.
func (f *Facts) reported(spki []byte, key *ecdsa.PublicKey, report []byte, rs *[64]byte) bool {
	name := signatureName(tagReport, spki, report, rs[:])
	if f.remembers(name) {
		return true
	}
	digest := sha256.Sum256(report)
	if !ecdsa.VerifyASN1(key, digest[:], signatureDER(rs[:])) {
		return false
	}
	f.remember(name)
	return true
}

// attested checks that an attestation key (x ‖ y) signed digest with r ‖ s,
// from memory if it can.
func (f *Facts) attested(point *[64]byte, digest [32]byte, rs *[64]byte) error {
	name := signatureName(tagPoint, point[:], digest[:], rs[:])
	if f.remembers(name) {
		return nil
	}
	key := f.point(point)
	if key == nil {
		var err error
		if key, err = pointOf(point); err != nil {
			return err
		}
	}
	if !ecdsa.VerifyASN1(key, digest[:], signatureDER(rs[:])) {
		return rats.Errorf(rats.BadSignature, "the attestation key did not sign this quote")
	}
	f.rememberPoint(name, point, key)
	return nil
}

// point returns an attestation key that was met before, or nil.
func (f *Facts) point(raw *[64]byte) *ecdsa.PublicKey {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key, _ := f.points.get(*raw)
	return key
}

// rememberPoint remembers a signature and the attestation key that made it.
func (f *Facts) rememberPoint(name [32]byte, raw *[64]byte, key *ecdsa.PublicKey) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signatures.put(name, struct{}{})
	if _, known := f.points.get(*raw); !known {
		f.points.put(*raw, key)
	}
}

// pointOf reads x ‖ y as a P-256 key.
func pointOf(raw *[64]byte) (*ecdsa.PublicKey, error) {
	var b [65]byte
	b[0] = 4 // uncompressed (SEC 1, 2.3.3)
	copy(b[1:], raw[:])
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), b[:])
	if err != nil {
		return nil, rats.Errorf(rats.BadSignature, "the attestation key is not a point of P-256")
	}
	return key, nil
}

func (f *Facts) remembers(name [32]byte) bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, known := f.signatures.get(name)
	return known
}

func (f *Facts) remember(name [32]byte) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signatures.put(name, struct{}{})
}

// maxChainText bounds the text of a chain that is remembered; real ones have
// under 4 kB.
const maxChainText = 16 << 10

// chain returns the chain of a text if one of the roots vouches for it.
func (f *Facts) chain(text []byte, roots []root) (*chain, *root) {
	if f == nil {
		return nil, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := recall(&f.chains, text)
	if !ok {
		return nil, nil
	}
	return c.chain, rootOf(roots, c.root)
}

// read returns the chain of a text, whichever root vouched for it, or nil.
func (f *Facts) read(text []byte) *chain {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c, _ := recall(&f.chains, text)
	return c.chain
}

// keepChain remembers a chain that a root vouched for.
func (f *Facts) keepChain(text []byte, c *chain, r *root) {
	if f == nil || f.chains.limit == 0 || len(text) > maxChainText {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chains.put(string(text), certified{c, r.id})
}

// vouches returns which of the roots vouched for a statement before, or nil.
func (f *Facts) vouches(statement statementName, roots []root) *root {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id, ok := f.statements.get(statement)
	if !ok {
		return nil
	}
	return rootOf(roots, id)
}

// keepVouched remembers that a root vouches for a statement.
func (f *Facts) keepVouched(statement statementName, r *root) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statements.put(statement, r.id)
}

// open returns the roots with their keys ready, and remembers them.
func (f *Facts) open(roots []rats.TrustRoot) ([]root, error) {
	if f == nil {
		return openRoots(roots)
	}
	if ready := f.readyRoots(roots); ready != nil {
		return ready, nil
	}
	ready, err := openRoots(roots)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.opened) < maxOpened {
		f.opened = append(f.opened, openedRoots{cloneRoots(roots), ready})
	}
	return ready, nil
}

func (f *Facts) readyRoots(roots []rats.TrustRoot) []root {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.opened {
		known := f.opened[i].roots
		if (known == nil) == (roots == nil) && slices.EqualFunc(known, roots, sameRoot) {
			return f.opened[i].ready
		}
	}
	return nil
}

// signatureDER turns r ‖ s (32 bytes each, big-endian) into the ASN.1 form
// that crypto/ecdsa takes: SEQUENCE { INTEGER r, INTEGER s }.
func signatureDER(raw []byte) []byte {
	out := append(make([]byte, 0, 72), 0x30, 0)
	out = appendIntegerDER(out, raw[:32])
	out = appendIntegerDER(out, raw[32:64])
	out[1] = byte(len(out) - 2) //nolint:gosec // at most 70
	return out
}

// appendIntegerDER encodes a big-endian unsigned integer of at most 32 bytes.
func appendIntegerDER(out, b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	pad := 0
	if b[0]&0x80 != 0 {
		pad = 1
	}
	out = append(out, 0x02, byte(len(b)+pad)) //nolint:gosec // at most 33
	if pad == 1 {
		out = append(out, 0)
	}
	return append(out, b...)
}
