// SPDX-License-Identifier: Apache-2.0

package evcert

import "encoding/binary"

// Major types of CBOR (RFC 8949 section 3.1).
const (
	majorUnsigned = 0
	majorBytes    = 2
	majorText     = 3
	majorArray    = 4
	majorMap      = 5
	majorTag      = 6
	majorSimple   = 7
)

// oneByte says in the head of an item that its argument is the next byte; lesser
// values are the argument itself, and the ones up to eightBytes say that two,
// four or eight bytes are (RFC 8949 section 3).
const (
	oneByte    = 24
	eightBytes = 27
)

// maxDepth bounds how deep what is passed over lies in itself.
const maxDepth = 4

// cbor reads items of definite length (RFC 8949 section 3). Their heads may be
// longer than they need be: some encoders write numbers so, and nothing is
// encoded anew here. It stays bad once it met anything else.
type cbor struct {
	rest []byte
	bad  bool
}

// next reports whether an item of a major type comes.
func (c *cbor) next(major byte) bool {
	return !c.bad && len(c.rest) > 0 && c.rest[0]>>5 == major
}

// head reads the head of an item of a major type and returns its argument.
func (c *cbor) head(major byte) uint64 {
	if !c.next(major) {
		c.bad = true
		return 0
	}
	_, n := c.any()
	return n
}

// any reads the head of whatever item comes.
func (c *cbor) any() (major byte, n uint64) {
	if c.bad || len(c.rest) == 0 {
		c.bad = true
		return 0, 0
	}
	major, info := c.rest[0]>>5, c.rest[0]&31
	c.rest = c.rest[1:]
	if info < oneByte {
		return major, uint64(info)
	}
	size := 1 << (info - oneByte)
	if info > eightBytes || len(c.rest) < size {
		c.bad = true
		return 0, 0
	}
	var wide [8]byte
	copy(wide[8-size:], c.rest)
	n, c.rest = binary.BigEndian.Uint64(wide[:]), c.rest[size:]
	if major == majorSimple && info == oneByte && n < 32 {
		// Not well-formed (section 3.3).
		c.bad = true
	}
	return major, n
}

// take returns the next n bytes, not nil unless it is bad.
func (c *cbor) take(n uint64) []byte {
	if c.bad || n > uint64(len(c.rest)) {
		c.bad = true
		return nil
	}
	out := c.rest[:n:n]
	c.rest = c.rest[n:]
	return out
}

func (c *cbor) bytes() []byte { return c.take(c.head(majorBytes)) }

// skip passes over one item.
func (c *cbor) skip(depth int) {
	if depth > maxDepth {
		c.bad = true
	}
	switch major, n := c.any(); {
	case c.bad:
	case major == majorBytes, major == majorText:
		c.take(n)
	case major == majorArray, major == majorMap:
		if n > uint64(len(c.rest)) {
			c.bad = true
			return
		}
		if major == majorMap {
			n *= 2
		}
		for i := uint64(0); i < n && !c.bad; i++ {
			c.skip(depth + 1)
		}
	case major == majorTag:
		c.skip(depth + 1)
	}
}
