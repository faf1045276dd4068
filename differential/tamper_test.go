// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
)

// tamperBase is a sample that ours and some peers accept.
type tamperBase struct {
	sample sample
	peers  []peer
}

// tamperBases returns, of each quote version, the first of the rows that most
// peers accept and ours too.
func tamperBases(t testing.TB, o ourselves, cases []realCase) []tamperBase {
	t.Helper()
	best := map[uint16]tamperBase{}
	for i := range cases {
		base := tamperBase{sample: cases[i].sample}
		if isDebug(base.sample.quote) {
			continue
		}
		for _, p := range peers() {
			if o.judge(&base.sample, p.policy(&base.sample)).accepted && p.judge(&base.sample).accepted {
				base.peers = append(base.peers, p)
			}
		}
		version := binary.LittleEndian.Uint16(base.sample.quote)
		if len(base.peers) > len(best[version].peers) {
			best[version] = base
		}
	}
	var out []tamperBase
	for _, version := range []uint16{3, 4, 5} {
		base := best[version]
		if len(base.peers) == 0 {
			t.Fatalf("no sample of version %d that ours and a peer accept", version)
		}
		t.Logf("version %d is tampered with in %s", version, base.sample.name)
		out = append(out, base)
	}
	return out
}

// change is a sample with one thing in it altered.
type change struct {
	sample sample
	part   string
}

// span is a part of the quote that signatures cover, or a signature.
type span struct {
	part     string
	from, to int
	step     int
}

// spans returns where the parts of a quote lie (Intel SGX DCAP Quote Format,
// A.4 of each version).
func spans(q []byte) []span {
	signed := map[uint16]int{3: 48 + 384, 4: 48 + 584, 5: 48 + 6 + 648}[binary.LittleEndian.Uint16(q)]
	signature := signed + 4
	key := signature + 64
	report := key + 64
	if binary.LittleEndian.Uint16(q) > 3 {
		report += 6 // type and size of the certification data around
	}
	auth := report + 384 + 64
	size := int(binary.LittleEndian.Uint16(q[auth:]))
	return []span{
		{"header and body", 0, signed, 1},
		{"quote signature", signature, key, 1},
		{"attestation key", key, key + 64, 1},
		{"QE report", report, report + 384, 1},
		{"QE report signature", report + 384, auth, 1},
		{"QE authentication data", auth + 2, auth + 2 + size, 1},
	}
}

// changes returns the sample with one bit flipped in every part that a
// signature covers and in every signature. Bits are taken in turn; of long
// parts, every so many bytes.
func changes(t testing.TB, s *sample) []change {
	t.Helper()
	var out []change
	add := func(part string, at int, alter func(*sample)) {
		c := change{sample: *s, part: fmt.Sprintf("%s, byte %d", part, at)}
		alter(&c.sample)
		out = append(out, c)
	}
	for _, p := range spans(s.quote) {
		for i := p.from; i < p.to; i += p.step {
			add(p.part, i-p.from, func(c *sample) { c.quote = flipped(s.quote, i) })
		}
	}
	for i := 0; i < len(bytes.TrimRight(s.quote, "\x00")); i += 97 {
		add("cut off", i, func(c *sample) { c.quote = s.quote[:i] })
	}
	for _, part := range []struct {
		name string
		in   func(*sample) *[]byte
		step int
	}{
		{"TCB info", func(c *sample) *[]byte { return &c.tcbInfo }, 61},
		{"QE identity", func(c *sample) *[]byte { return &c.qeIdentity }, 13},
	} {
		body := *part.in(s)
		sign := bytes.LastIndex(body, []byte(`"signature":"`)) + len(`"signature":"`)
		from, to := bytes.IndexByte(body[1:], '{')+1, bytes.LastIndexByte(body[:sign], '}')
		for i := from; i <= to; i += part.step {
			add(part.name+" body", i-from, func(c *sample) { *part.in(c) = flipped(body, i) })
		}
		for i := range 64 {
			add(part.name+" signature", i, func(c *sample) { *part.in(c) = hexFlipped(t, body, sign, i) })
		}
	}
	for i := 4; i < len(s.rootCRL); i += 5 {
		add("root CRL", i, func(c *sample) { c.rootCRL = flipped(s.rootCRL, i) })
	}
	for i := 4; i < len(s.pckCRL); i += 31 {
		add("PCK CRL", i, func(c *sample) { c.pckCRL = flipped(s.pckCRL, i) })
	}
	return append(out, chainChanges(t, s)...)
}

// chainChanges alters one character in every so many of the certificates' text.
// The last line of each is left: in its last character some bits mean nothing.
func chainChanges(t testing.TB, s *sample) []change {
	t.Helper()
	const begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
	var out []change
	for number, from := 0, 0; ; number++ {
		i := bytes.Index(s.quote[from:], []byte(begin))
		if i < 0 {
			break
		}
		from += i + len(begin)
		to := from + bytes.Index(s.quote[from:], []byte(end)) - 64
		for i := from; i < to; i += 23 {
			c := s.quote[i]
			if c <= ' ' {
				continue
			}
			altered := slices.Clone(s.quote)
			altered[i] = 'A'
			if c == 'A' {
				altered[i] = 'B'
			}
			changed := change{sample: *s, part: fmt.Sprintf("certificate %d, character %d", number, i-from)}
			changed.sample.quote = altered
			out = append(out, changed)
		}
	}
	if len(out) == 0 {
		t.Fatal("no certificates in the quote")
	}
	return out
}

// flipped returns b with one bit of byte i flipped.
func flipped(b []byte, i int) []byte {
	out := slices.Clone(b)
	out[i] ^= 1 << (i % 8)
	return out
}

// hexFlipped returns text with one bit flipped of byte i of what stands in hex
// from a place on.
func hexFlipped(t testing.TB, text []byte, from, i int) []byte {
	t.Helper()
	out := slices.Clone(text)
	digits := out[from+2*i : from+2*i+2]
	b, err := hex.DecodeString(string(digits))
	if err != nil {
		t.Fatal(err)
	}
	hex.Encode(digits, flipped(b, 0))
	return out
}
