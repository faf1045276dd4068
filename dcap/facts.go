// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"sync"
)

// Facts remembers signatures that verified: that this key signed that digest.
// Such a fact never changes, so remembering it changes speed and nothing else;
// dates, revocation and statuses are judged anew each time. It is bounded and
// safe for concurrent use. A nil *Facts remembers nothing.
type Facts struct {
	limit int

	mu sync.Mutex // guards what follows
	// Two generations: when young is full it becomes old, and old is dropped.
	young, old map[[32]byte]struct{}
}

// NewFacts returns an empty memory for about capacity facts, 32 bytes each.
func NewFacts(capacity int) *Facts {
	limit := max(capacity/2, 1)
	return &Facts{limit: limit, young: make(map[[32]byte]struct{})}
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
	if f.knows(name) {
		return true
	}
	if !ecdsa.VerifyASN1(key, digest[:], sig) {
		return false
	}
	f.learn(name)
	return true
}

func (f *Facts) knows(name [32]byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.young[name]; ok {
		return true
	}
	_, ok := f.old[name]
	if ok {
		f.add(name) // what is used stays
	}
	return ok
}

func (f *Facts) learn(name [32]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.add(name)
}

// add is called with mu held.
func (f *Facts) add(name [32]byte) {
	if len(f.young) >= f.limit {
		f.old, f.young = f.young, make(map[[32]byte]struct{}, f.limit)
	}
	f.young[name] = struct{}{}
}

// signatureDER turns r ‖ s (32 bytes each, big-endian) into the ASN.1 form
// that crypto/ecdsa takes: SEQUENCE { INTEGER r, INTEGER s }.
func signatureDER(raw []byte) []byte {
	body := append(integerDER(raw[:32]), integerDER(raw[32:64])...)
	return append([]byte{0x30, byte(len(body))}, body...)
}

// integerDER encodes a big-endian unsigned integer of at most 32 bytes.
func integerDER(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	if b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return append([]byte{0x02, byte(len(b))}, b...)
}
