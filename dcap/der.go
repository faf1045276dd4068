// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"time"
	"unicode/utf8"
)

// The tags of X.690 that Intel's profile uses.
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagOID             = 0x06
	tagEnumerated      = 0x0a
	tagUTF8String      = 0x0c
	tagPrintableString = 0x13
	tagIA5String       = 0x16
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
	tagSet             = 0x31
	tagContext0        = 0x80
	tagContext0Open    = 0xa0
)

// der reads text[at:end] element by element (X.690 clauses 8, 10 and 11): tags
// of one byte, definite lengths in their shortest form. The first fault ends
// it, and at stays where that was.
type der struct {
	text    []byte
	at, end int
	failed  bool
}

func newDER(text []byte) der { return der{text: text, end: len(text)} }

// more reports whether there is something left to read.
func (d *der) more() bool { return !d.failed && d.at < d.end }

// peek reports whether an element with the given tag comes next.
func (d *der) peek(tag byte) bool { return d.more() && d.text[d.at] == tag }

func (d *der) fail() { d.failed = true }

// next passes over an element and returns its tag and where its contents begin;
// they end where d is then.
func (d *der) next() (tag byte, contents int) {
	if d.failed || d.end-d.at < 2 {
		d.fail()
		return 0, d.at
	}
	tag = d.text[d.at]
	contents, length := d.at+2, int(d.text[d.at+1])
	if length >= 0x80 {
		contents, length = d.longLength(length &^ 0x80)
	}
	if tag&0x1f == 0x1f || length < 0 || length > d.end-contents {
		d.fail()
		return 0, d.at
	}
	d.at = contents + length
	return tag, contents
}

// longLength reads a length of size bytes, which is negative if it is not in
// its shortest form.
func (d *der) longLength(size int) (contents, length int) {
	contents = d.at + 2 + size
	if size < 1 || size > 3 || contents > d.end {
		return d.at, -1
	}
	for _, b := range d.text[d.at+2 : contents] {
		length = length<<8 | int(b)
	}
	if length < 0x80 || length>>(8*(size-1)) == 0 {
		return d.at, -1
	}
	return contents, length
}

// take reads the contents of an element with the given tag.
func (d *der) take(tag byte) []byte {
	start := d.at
	got, contents := d.next()
	if d.failed || got != tag {
		d.at = start
		d.fail()
		return nil
	}
	return d.text[contents:d.at:d.at]
}

// open returns a reader of the contents of an element with the given tag. What
// comes of it shows when it is closed.
func (d *der) open(tag byte) der {
	start := d.at
	got, contents := d.next()
	if d.failed || got != tag {
		d.at = start
		d.fail()
		return der{text: d.text, at: start, end: start, failed: true}
	}
	return der{text: d.text, at: contents, end: d.at}
}

// close ends the reading of an opened element, which must be used up.
func (d *der) close(in *der) {
	if in.failed || in.at != in.end {
		d.at = in.at
		d.fail()
	}
}

// integer reads the contents of an INTEGER or ENUMERATED: two's complement in
// the fewest bytes, at least one.
func (d *der) integer(tag byte) []byte {
	start := d.at
	b := d.take(tag)
	if len(b) == 0 || len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		d.at = start
		d.fail()
		return nil
	}
	return b
}

// boolean reads a BOOLEAN, of which DER knows two spellings.
func (d *der) boolean() bool {
	start := d.at
	b := d.take(tagBoolean)
	if len(b) != 1 || b[0] != 0 && b[0] != 0xff {
		d.at = start
		d.fail()
		return false
	}
	return b[0] != 0
}

// oid reads the contents of an OBJECT IDENTIFIER: arcs below 2^31, each in the
// fewest bytes.
func (d *der) oid() []byte {
	start := d.at
	b := d.take(tagOID)
	arc := uint64(0)
	ended := false // the byte before ended an arc
	for i, c := range b {
		if first := i == 0 || ended; first {
			arc = 0
			if c == 0x80 {
				ended = false
				break
			}
		}
		arc = arc<<7 | uint64(c&0x7f)
		ended = c < 0x80
		if arc >= 1<<31 {
			ended = false
			break
		}
	}
	if !ended {
		d.at = start
		d.fail()
		return nil
	}
	return b
}

// time reads a UTCTime or GeneralizedTime of the forms that RFC 5280 allows
// (4.1.2.5): with seconds, without fractions, in UTC.
func (d *der) time() (t time.Time) {
	start := d.at
	tag, contents := d.next()
	text := d.text[contents:d.at]
	var digits [14]byte
	ok := !d.failed
	switch {
	case tag == tagUTCTime && len(text) == 13:
		// 50 to 99 are 1950 to 1999 (RFC 5280 4.1.2.5.1).
		copy(digits[:], "20")
		if text[0] >= '5' {
			copy(digits[:], "19")
		}
		copy(digits[2:], text)
	case tag == tagGeneralizedTime && len(text) == 15:
		copy(digits[:], text)
	default:
		ok = false
	}
	if ok = ok && text[len(text)-1] == 'Z'; ok {
		t, ok = timeOf(digits)
	}
	if !ok {
		d.at = start
		d.fail()
	}
	return t
}

// name passes over a Name (RFC 5280 4.1.2.4) and returns it, header included.
// Its strings are of the kinds that a certificate may be issued with.
func (d *der) name() []byte {
	start := d.at
	rdns := d.open(tagSequence)
	for rdns.more() {
		rdn := rdns.open(tagSet)
		for rdn.more() {
			attribute := rdn.open(tagSequence)
			attribute.oid()
			attribute.directoryString()
			rdn.close(&attribute)
		}
		rdns.close(&rdn)
	}
	d.close(&rdns)
	return d.text[start:d.at:d.at]
}

func (d *der) directoryString() {
	start := d.at
	tag, contents := d.next()
	text := d.text[contents:d.at]
	ok := !d.failed
	switch tag {
	case tagPrintableString:
		for _, c := range text {
			ok = ok && printable(c)
		}
	case tagIA5String:
		for _, c := range text {
			ok = ok && c < utf8.RuneSelf
		}
	case tagUTF8String:
		ok = ok && utf8.Valid(text)
	default:
		ok = false
	}
	if !ok {
		d.at = start
		d.fail()
	}
}

// printable reports whether a PrintableString may hold c. Asterisk and
// ampersand are no part of it, and certificates have them all the same.
func printable(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', '\'' <= c && c <= ')', '+' <= c && c <= '/':
		return true
	}
	switch c {
	case ' ', ':', '=', '?', '*', '&':
		return true
	}
	return false
}
