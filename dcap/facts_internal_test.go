// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"testing"
)

func TestTheMemoryIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	const capacity = 10
	m := memory[[32]byte, int]{limit: capacity / 2}
	name := func(n int) [32]byte {
		return sha256.Sum256(binary.BigEndian.AppendUint32(nil, uint32(n)))
	}
	m.put(name(0), 7)
	for n := range 1000 {
		m.put(name(n+1), n)
		if held := len(m.young) + len(m.old); held > capacity {
			t.Fatalf("%d facts, at most %d", held, capacity)
		}
		if v, ok := m.get(name(0)); !ok || v != 7 {
			t.Fatalf("what is asked for again and again was forgotten after %d", n)
		}
	}
	if _, ok := m.get(name(1)); ok {
		t.Error("what nobody asked for was kept")
	}
}

func TestOnlyWhatVerifiesIsRemembered(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("signed"))
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	f := NewFacts(10)
	other := sha256.Sum256([]byte("not signed"))
	for range 2 {
		if f.holds(spki, &key.PublicKey, other, sig) || len(f.signatures.young) != 0 {
			t.Fatal("a false signature holds, or is remembered")
		}
	}
	for range 2 {
		if !f.holds(spki, &key.PublicKey, digest, sig) || len(f.signatures.young) != 1 {
			t.Fatal("a true signature does not hold, or is not remembered")
		}
	}
	if f.holds(spki, &key.PublicKey, other, sig) {
		t.Error("the memory confuses two messages")
	}
}

// TestRawSignaturesBecomeStrictASN1 for integers of every length and both signs
// of their first bit.
func TestRawSignaturesBecomeStrictASN1(t *testing.T) {
	for _, r := range []string{"0", "1", "7f", "80", "ff", "100", "7fff", "8000",
		"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"8000000000000000000000000000000000000000000000000000000000000000",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"} {
		n, ok := new(big.Int).SetString(r, 16)
		if !ok {
			t.Fatal(r)
		}
		var raw [64]byte
		n.FillBytes(raw[:32])
		raw[63] = 1
		// RFC 3279 2.2.3 by the book: minimal two's complement.
		integer := n.Bytes()
		if len(integer) == 0 || integer[0] >= 0x80 {
			integer = append([]byte{0}, integer...)
		}
		want := append([]byte{0x30, byte(len(integer) + 5), 2, byte(len(integer))}, integer...)
		want = append(want, 2, 1, 1)
		if got := signatureDER(raw[:]); string(got) != string(want) {
			t.Errorf("%s: %x, want %x", r, got, want)
		}
	}
}
