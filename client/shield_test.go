// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// shieldingKey is one key for all tests: it takes a while to make.
var shieldingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, client.ShieldingBits) })

func private(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := shieldingKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestCompactIntegersAreThoseOfTheSCALECodec(t *testing.T) {
	// The lengths are those at which another form begins.
	for n, want := range map[int]string{
		0: "00", 1: "04", 63: "fc", 64: "0101", 69: "1501", 16383: "fdff", 16384: "02000100",
		1<<30 - 1: "feffffff", 1 << 30: "0300000040",
	} {
		if got := hex.EncodeToString(client.AppendCompact(nil, n)); got != want {
			t.Errorf("compact(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestARequestIsItsShardAndItsCyphertext(t *testing.T) {
	shard := client.Shard{1, 2, 3}
	for n, length := range map[int]string{0: "00", 3: "0c", 64: "0101", 384: "0106", 20000: "82380100"} {
		r := client.Request{Shard: shard, Cyphertext: bytes.Repeat([]byte{7}, n)}
		want := hex.EncodeToString(shard[:]) + length + strings.Repeat("07", n)
		if got := hex.EncodeToString(r.Encode()); got != want {
			t.Errorf("%d bytes: %.100s, want %.100s", n, got, want)
		}
		back, err := client.DecodeRequest(r.Encode())
		if err != nil || back.Shard != shard || !bytes.Equal(back.Cyphertext, r.Cyphertext) {
			t.Errorf("%d bytes come back as %d, %v", n, len(back.Cyphertext), err)
		}
	}
	for name, tail := range map[string]string{
		"no length": "", "cut short": "0c0000", "too long": "0400ff", "a length that could be shorter": "010400",
		"one in four bytes that fits one": "0200000000", "half a length": "01", "a gigabyte": "0300000040",
		"the largest length": "feffffff",
	} {
		b, err := hex.DecodeString(hex.EncodeToString(shard[:]) + tail)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.DecodeRequest(b); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range 32 {
		if _, err := client.DecodeRequest(shard[:n]); !errors.Is(err, rats.Malformed) {
			t.Errorf("a shard of %d bytes: %v", n, err)
		}
	}
}

// FuzzDecodeRequest holds that what is read is what would be written.
func FuzzDecodeRequest(f *testing.F) {
	f.Add(client.Request{Cyphertext: []byte("x")}.Encode())
	f.Add(client.Request{Shard: client.Shard{9}, Cyphertext: make([]byte, 384)}.Encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := client.DecodeRequest(b)
		if err == nil && !bytes.Equal(r.Encode(), b) {
			t.Errorf("%x is read as %x", b, r.Encode())
		}
	})
}

func TestReturnedValuesAreReadAsTheyAreWritten(t *testing.T) {
	hash := bytes.Repeat([]byte{0xab}, 32)
	block := [32]byte(bytes.Repeat([]byte{0xcd}, 32))
	for text, v := range map[string]client.ReturnValue{
		"0x0000" + "00": {},
		"0x08aabb0000":  {Value: []byte{0xaa, 0xbb}},
		"0x80" + hex.EncodeToString(hash) + "000100":                                {Value: hash, Status: client.StatusOperation, Operation: client.Submitted},
		"0x80" + hex.EncodeToString(hash) + "010102":                                {Value: hash, Watch: true, Status: client.StatusOperation, Operation: client.Ready},
		"0x80" + hex.EncodeToString(hash) + "000104" + hex.EncodeToString(block[:]): {Value: hash, Status: client.StatusOperation, Operation: client.InBlock, Block: block},
		"0x80" + hex.EncodeToString(hash) + "00010a":                                {Value: hash, Status: client.StatusOperation, Operation: client.Invalid},
		"0x34" + "30" + hex.EncodeToString([]byte("malformed: x")) + "0002":         {Value: append([]byte{0x30}, "malformed: x"...), Status: client.StatusError},
	} {
		if got := v.Encode(); got != text {
			t.Errorf("%+v is %s, want %s", v, got, text)
		}
		back, err := client.DecodeReturnValue(text)
		if err != nil || back.Encode() != text {
			t.Errorf("%s: %+v, %v", text, back, err)
		}
		for cut := range len(text)/2 - 1 {
			if _, err := client.DecodeReturnValue(text[:2+2*cut]); !errors.Is(err, rats.Malformed) {
				t.Errorf("%s cut at %d: %v", text, cut, err)
			}
		}
		if _, err := client.DecodeReturnValue(text + "00"); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s with a byte more: %v", text, err)
		}
	}
	for _, text := range []string{"", "0x", "zz", "0x000200", "0x000003", "0x000001", "0x00000104"} {
		if v, err := client.DecodeReturnValue(text); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s: %+v, %v", text, v, err)
		}
	}
}

func TestAKeyIsShownLowestByteFirst(t *testing.T) {
	key := private(t)
	text, err := client.FormatShieldingKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var shown struct{ N, E []int }
	if err := json.Unmarshal(text, &shown); err != nil || len(shown.N) != 384 || len(shown.E) != 4 {
		t.Fatalf("%v in %s", err, text)
	}
	if !strings.HasPrefix(string(text), `{"n":[`) || !strings.HasSuffix(string(text), `],"e":[1,0,1,0]}`) || bytes.ContainsAny(text, " \n") {
		t.Errorf("%s", text)
	}
	n, power := new(big.Int), big.NewInt(1)
	for _, v := range shown.N {
		n.Add(n, new(big.Int).Mul(power, big.NewInt(int64(v))))
		power.Lsh(power, 8)
	}
	if n.Cmp(key.N) != 0 {
		t.Error("another modulus")
	}
	back, err := client.ParseShieldingKey(text)
	if err != nil || !back.Equal(&key.PublicKey) {
		t.Errorf("read back: %v", err)
	}
	// The original's keys have the exponent 1 + 1<<24.
	if other, err := client.ParseShieldingKey(bytes.Replace(text, []byte("[1,0,1,0]"), []byte("[1,0,0,1]"), 1)); err != nil || other.E != 1<<24+1 {
		t.Errorf("%+v, %v", other, err)
	}
	for name, bad := range map[string]string{
		"no JSON": "n", "null": "null", "nothing": "{}",
		"a number short":     strings.Replace(string(text), `{"n":[`+strings.Split(string(text)[6:], ",")[0]+",", `{"n":[`, 1),
		"a number too large": strings.Replace(string(text), `[1,0,1,0]`, `[257,0,1,0]`, 1),
		"a negative number":  strings.Replace(string(text), `[1,0,1,0]`, `[-1,0,1,0]`, 1),
		"an even exponent":   strings.Replace(string(text), `[1,0,1,0]`, `[0,0,1,0]`, 1),
		"exponent one":       strings.Replace(string(text), `[1,0,1,0]`, `[1,0,0,0]`, 1),
		"a vast exponent":    strings.Replace(string(text), `[1,0,1,0]`, `[1,0,1,255]`, 1),
		"base64":             `{"n":"AAAA","e":"AQAB"}`,
	} {
		if _, err := client.ParseShieldingKey([]byte(bad)); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	short, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.FormatShieldingKey(&short.PublicKey); err == nil {
		t.Error("a key of another size is shown")
	}
}

func TestWhatIsShieldedOpensWithThePrivateKey(t *testing.T) {
	key, shard := private(t), client.Shard{5}
	for _, n := range []int{1, 317, 318, 319, 1000, record.MaxTransaction} {
		tx := bytes.Repeat([]byte{byte(n)}, n)
		r, err := client.Shield(&key.PublicKey, shard, tx)
		if err != nil {
			t.Fatal(err)
		}
		rest, ok := bytes.CutPrefix(r.Cyphertext, []byte("attesteer/shield"))
		if !ok || len(rest) != 384+n+16 || len(r.Cyphertext) > client.MaxCyphertext {
			t.Fatalf("%d bytes become %d", n, len(rest))
		}
		secret, err := rsa.DecryptOAEP(sha256.New(), nil, key, rest[:384], nil)
		if err != nil || len(secret) != 32 {
			t.Fatal(err)
		}
		aead, err := client.ShieldAEAD(secret)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := aead.Open(nil, make([]byte, 12), rest[384:], shard[:]); err != nil || !bytes.Equal(got, tx) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, n := range []int{1, 318, 319, 2000} {
		tx := bytes.Repeat([]byte{byte(n)}, n)
		r, err := client.ShieldInBlocks(&key.PublicKey, shard, tx)
		if err != nil || len(r.Cyphertext) != 384*((n+317)/318) {
			t.Fatalf("%d bytes become %d, %v", n, len(r.Cyphertext), err)
		}
		var got []byte
		for block := range slices.Chunk(r.Cyphertext, 384) {
			part, err := rsa.DecryptOAEP(sha256.New(), nil, key, block, nil)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, part...)
		}
		if !bytes.Equal(got, tx) {
			t.Errorf("%d bytes come back otherwise", n)
		}
	}
	if _, err := client.Shield(&key.PublicKey, shard, make([]byte, record.MaxTransaction+1)); !errors.Is(err, rats.TooLarge) {
		t.Errorf("over the bound: %v", err)
	}
	if _, err := client.ShieldInBlocks(&key.PublicKey, shard, make([]byte, 128*318+1)); !errors.Is(err, rats.TooLarge) {
		t.Errorf("over the bound of blocks: %v", err)
	}
}

func TestAShardIsBase58(t *testing.T) {
	for text, digits := range map[string]string{
		strings.Repeat("1", 32):                        strings.Repeat("00", 32),
		"JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG": strings.Repeat("ff", 32),
		// Known from elsewhere: names of programs on another chain.
		"TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA": "06ddf6e1d765a193d9cbe146ceeb79ac1cb485ed5f5b37913a8cf5857eff00a9",
		"SysvarC1ock11111111111111111111111111111111": "06a7d51718c774c928566398691d5eb68b5eb8a39b4b6d5c73555b2100000000",
	} {
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		if got := client.Shard(b).String(); got != text {
			t.Errorf("%s is %s, want %s", digits, got, text)
		}
		if got, err := client.ParseShard(text); err != nil || !bytes.Equal(got[:], b) {
			t.Errorf("%s: %x, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "1", strings.Repeat("1", 31), strings.Repeat("1", 33), strings.Repeat("z", 44), strings.Repeat("z", 100000),
		"0" + strings.Repeat("1", 31), "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DI", "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5D é",
	} {
		if s, err := client.ParseShard(text); !errors.Is(err, rats.Malformed) {
			t.Errorf("%.50q: %x, %v", text, s, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := client.Shard{}
		binary.BigEndian.PutUint64(s[rapid.IntRange(0, 24).Draw(t, "at"):], rapid.Uint64().Draw(t, "bits"))
		if back, err := client.ParseShard(s.String()); err != nil || back != s {
			t.Errorf("%x is %s is %x, %v", s, s, back, err)
		}
	})
}

// FuzzDecodeReturnValue holds that what is read is what would be written.
func FuzzDecodeReturnValue(f *testing.F) {
	f.Add("0x08aabb0000")
	f.Add("0x0000010a")
	f.Add("0x000104" + strings.Repeat("cd", 32))
	f.Fuzz(func(t *testing.T, text string) {
		v, err := client.DecodeReturnValue(text)
		if err == nil && strings.TrimPrefix(v.Encode(), "0x") != strings.ToLower(strings.TrimPrefix(text, "0x")) {
			t.Errorf("%s is read as %s", text, v.Encode())
		}
	})
}

// FuzzParseShard holds that a shard has one spelling.
func FuzzParseShard(f *testing.F) {
	f.Add(strings.Repeat("1", 32))
	f.Add("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := client.ParseShard(text)
		if err == nil && s.String() != text {
			t.Errorf("%s is read as %s", text, s)
		}
	})
}
