// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"sync"
)

// Facts remembers what cannot change: that this key signed that digest, and
// what the certificates of a chain say. It changes speed and nothing else;
// dates, revocation, statuses and whom to trust are judged anew each time. It
// is bounded and safe for concurrent use. A nil *Facts remembers nothing.
type Facts struct {
	mu sync.Mutex // guards what follows
	// signatures that verified, by key, digest and signature.
	signatures memory[struct{}]
	// chains as read, by the digest of their text, of platforms that a root
	// vouched for.
	chains memory[*chain]
}

// maxChains bounds how many chains are kept: each takes about 15 kB.
const maxChains = 2048

// NewFacts returns an empty memory for about capacity signatures, 32 bytes
// each, and at most a sixteenth as many certificate chains.
func NewFacts(capacity int) *Facts {
	return &Facts{
		signatures: memory[struct{}]{limit: capacity / 2},
		chains:     memory[*chain]{limit: min(capacity/16, maxChains) / 2},
	}
}

// memory is a bounded map of two generations: when the young one is full it
// becomes the old one, and what was old and not asked for since is dropped.
type memory[V any] struct {
	limit      int
	young, old map[[32]byte]V
}

func (m *memory[V]) get(name [32]byte) (V, bool) {
	if v, ok := m.young[name]; ok {
		return v, true
	}
	v, ok := m.old[name]
	if ok {
		m.put(name, v) // what is used stays
	}
	return v, ok
}

func (m *memory[V]) put(name [32]byte, v V) {
	if m.young == nil || len(m.young) >= m.limit {
		m.old, m.young = m.young, make(map[[32]byte]V)
	}
	m.young[name] = v
}

// holds reports whether key signed digest with the ASN.1 signature sig,
// from memory if it can.
func (f *Facts) holds(key *ecdsa.PublicKey, digest [32]byte, sig []byte) bool {
	if f == nil {
		return ecdsa.VerifyASN1(key, digest[:], sig)
	}
	point, err := key.Bytes()
	if err != nil {
		return false
	}
	h := sha256.New()
	h.Write(point)
	h.Write(digest[:])
	h.Write(sig)
	name := [32]byte(h.Sum(nil))
	f.mu.Lock()
	_, known := f.signatures.get(name)
	f.mu.Unlock()
	if known {
		return true
	}
	if !ecdsa.VerifyASN1(key, digest[:], sig) {
		return false
	}
	f.mu.Lock()
	f.signatures.put(name, struct{}{})
	f.mu.Unlock()
	return true
}

// chain returns the chain whose text has a digest, or nil.
func (f *Facts) chain(text [32]byte) *chain {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c, _ := f.chains.get(text)
	return c
}

// keepChain remembers a chain that a root vouched for.
func (f *Facts) keepChain(text [32]byte, c *chain) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chains.put(text, c)
}

// signatureDER turns r ‖ s (32 bytes each, big-endian) into the ASN.1 form
// that crypto/ecdsa takes: SEQUENCE { INTEGER r, INTEGER s }.
func signatureDER(raw []byte) []byte {
	body := append(integerDER(raw[:32]), integerDER(raw[32:64])...)
	return append([]byte{0x30, byte(len(body))}, body...) //nolint:gosec // at most 70
}

// integerDER encodes a big-endian unsigned integer of at most 32 bytes.
func integerDER(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	if b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return append([]byte{0x02, byte(len(b))}, b...) //nolint:gosec // at most 33
}
