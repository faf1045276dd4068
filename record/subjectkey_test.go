// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// signer is a key of an enclave's and how it signs.
type signer struct {
	name      string
	algorithm record.Algorithm
	public    crypto.PublicKey
	sign      func(message []byte) ([]byte, error)
}

func signers(t testing.TB) []signer {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ed := key(7)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	sha := func(m []byte) []byte { s := sha256.Sum256(m); return s[:] }
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	return []signer{
		{"Ed25519", record.Ed25519, ed.Public(), func(m []byte) ([]byte, error) { return ed25519.Sign(ed, m), nil }},
		{"P-256", record.ECDSAP256, p256.Public(), func(m []byte) ([]byte, error) { return ecdsa.SignASN1(rand.Reader, p256, sha(m)) }},
		{"P-384", record.ECDSAP384, p384.Public(), func(m []byte) ([]byte, error) {
			s := sha512.Sum384(m)
			return ecdsa.SignASN1(rand.Reader, p384, s[:])
		}},
		{"RSA PSS", record.RSA, r.Public(), func(m []byte) ([]byte, error) { return r.Sign(rand.Reader, sha(m), pss) }},
		{"RSA PKCS #1 v1.5", record.RSA, r.Public(), func(m []byte) ([]byte, error) { return r.Sign(rand.Reader, sha(m), crypto.SHA256) }},
	}
}

// spellings returns a public key in DER and in PEM.
func spellings(t testing.TB, public crypto.PublicKey) map[string][]byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}
}

func TestEachKindOfKeySignsInEachSpelling(t *testing.T) {
	message := []byte("message")
	for _, s := range signers(t) {
		signature, err := s.sign(message)
		if err != nil {
			t.Fatal(err)
		}
		for spelling, data := range spellings(t, s.public) {
			k, err := record.ReadKey(data)
			if err != nil || k.Algorithm != s.algorithm {
				t.Fatalf("%s in %s: %v, %v", s.name, spelling, k, err)
			}
			if err := k.Verify(message, signature); err != nil {
				t.Errorf("%s in %s: %v", s.name, spelling, err)
			}
			if err := k.Verify([]byte("another"), signature); !errors.Is(err, rats.BadSignature) {
				t.Errorf("%s signed what it did not: %v", s.name, err)
			}
			for _, at := range []int{0, len(signature) / 2, len(signature) - 1} {
				other := bytes.Clone(signature)
				other[at] ^= 1
				if err := k.Verify(message, other); !errors.Is(err, rats.BadSignature) {
					t.Errorf("%s: a flipped bit in byte %d: %v", s.name, at, err)
				}
			}
			if err := k.Verify(message, nil); !errors.Is(err, rats.BadSignature) {
				t.Errorf("%s: no signature: %v", s.name, err)
			}
		}
	}
}

func TestWhatIsNoKeyOfAnEnclaveIsNotRead(t *testing.T) {
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed := spellings(t, key(1).Public())
	for name, c := range map[string]struct {
		data []byte
		kind rats.Kind
	}{
		"nothing":                   {nil, rats.Malformed},
		"prose":                     {[]byte("runtime data"), rats.Malformed},
		"too long":                  {bytes.Repeat([]byte{'0'}, record.MaxKey+1), rats.Malformed},
		"P-521":                     {spellings(t, p521.Public())["DER"], rats.Unsupported},
		"two keys":                  {append(bytes.Clone(ed["PEM"]), ed["PEM"]...), rats.Malformed},
		"a private key":             {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ed["DER"]}), rats.Malformed},
		"trailing bytes":            {append(bytes.Clone(ed["DER"]), 0), rats.Malformed},
		"an Ed25519 key of order 4": {spellings(t, ed25519.PublicKey(make([]byte, 32)))["DER"], rats.Unsupported},
	} {
		if _, err := record.ReadKey(c.data); !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
}

// The points whose order divides eight, in their canonical spelling and those
// that decoders take besides (RFC 8032 5.1.3 takes y below p alone).
var smallPoints = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

func TestReportDataOfWhichAnyoneCouldForgeSignaturesAreNobodysKey(t *testing.T) {
	for _, text := range smallPoints {
		point, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, sign := range []byte{0, 0x80} {
			point[31] = point[31]&0x7f | sign
			r := record.Record{Subject: append(bytes.Clone(point), make([]byte, 32)...)}
			if _, err := r.SubjectKey(); !errors.Is(err, rats.BindingMismatch) {
				t.Errorf("%x: %v", point, err)
			}
		}
	}
}

func TestTheSubjectsKeyIsTheOneShownOrTheSubjectItself(t *testing.T) {
	message := []byte("message")
	signature := ed25519.Sign(key(3), message)
	own := append(bytes.Clone(key(3).Public().(ed25519.PublicKey)), make([]byte, 32)...)
	for name, r := range map[string]record.Record{
		"itself": {Subject: own},
		"shown":  {Subject: make([]byte, 64), Key: spellings(t, key(3).Public())["PEM"]},
	} {
		k, err := r.SubjectKey()
		if err != nil || k.Verify(message, signature) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	half := bytes.Clone(own)
	half[63] = 1
	for name, subject := range map[string][]byte{"not followed by zeros": half, "too short": own[:32], "none": nil} {
		r := record.Record{Subject: subject}
		if _, err := r.SubjectKey(); !errors.Is(err, rats.BindingMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatWithdrawsNamesLedgerRecordAndTransaction(t *testing.T) {
	all := map[string]bool{}
	for _, b := range [][]byte{
		record.WithdrawalBytes("a", record.ID{1}, record.TxHash{2}), record.WithdrawalBytes("b", record.ID{1}, record.TxHash{2}),
		record.WithdrawalBytes("a", record.ID{2}, record.TxHash{2}), record.WithdrawalBytes("a", record.ID{1}, record.TxHash{1}),
	} {
		all[string(b)] = true
	}
	if len(all) != 4 {
		t.Error("two withdrawals look alike")
	}
}

func FuzzKeysThatAreReadVerify(f *testing.F) {
	for _, s := range signers(f) {
		for _, data := range spellings(f, s.public) {
			f.Add(data)
		}
	}
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := record.ReadKey(data)
		if err != nil {
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported {
				t.Fatalf("%v", err)
			}
			return
		}
		if k.Verify(data, data) == nil {
			t.Fatal("a key is its own signature")
		}
	})
}

func TestAKeyThatIsCutShortOrHasAFlippedBitSignsNothing(t *testing.T) {
	message := []byte("message")
	for _, s := range signers(t) {
		data := spellings(t, s.public)["DER"]
		signature, err := s.sign(message)
		if err != nil {
			t.Fatal(err)
		}
		for n := range data {
			if _, err := record.ReadKey(data[:n]); err == nil {
				t.Fatalf("%s: %d of %d bytes are read", s.name, n, len(data))
			}
		}
		if s.algorithm == record.RSA {
			continue // a bit of the modulus makes another key, whose signatures take long to refuse one by one
		}
		for bit := range 8 * len(data) {
			other := bytes.Clone(data)
			other[bit/8] ^= 1 << (bit % 8)
			if k, err := record.ReadKey(other); err == nil && k.Verify(message, signature) == nil {
				t.Errorf("%s: with bit %d flipped it signed the message", s.name, bit)
			}
		}
	}
}
