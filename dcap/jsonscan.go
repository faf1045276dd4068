// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// Bounds on what is read as JSON: Intel's largest statements are about 30 KB
// and six levels deep.
const (
	maxJSON  = 1 << 20
	maxDepth = 32
)

// document is JSON text and where its parts stand in it. The nodes are all
// values and members' names in their order: a container stands before its
// parts, and a name before its member's value.
type document struct {
	text  []byte
	nodes []node
}

// node is a value or a name: text[start:end], quotes and brackets included.
type node struct {
	start, end uint32
	// next is the node after the value and all its parts. A name has none.
	next uint32
}

// scanner reads JSON by RFC 8259 in one pass. The first fault ends it.
type scanner struct {
	document
	at int
	// keys are those of the first members of each object that is open.
	keys []uint64
	err  error
}

// pairwise is how many names of an object are held against each other as they
// come. Intel's objects have up to twenty.
const pairwise = 24

// readJSON reads one JSON value, and refuses what encoding/json would let
// pass: duplicate members, deep nesting and invalid UTF-8.
func readJSON(data []byte) (value, error) {
	if len(data) > maxJSON {
		return value{}, rats.Errorf(rats.Malformed, "JSON of %d bytes is over %d", len(data), maxJSON)
	}
	// Every node but the first follows one of these bytes, so that the nodes
	// are allocated once and take at most twelve bytes for one.
	limit := 1
	for _, c := range []byte(",:[{") {
		limit += bytes.Count(data, []byte{c})
	}
	s := scanner{document: document{text: data, nodes: make([]node, 0, limit)}, keys: make([]uint64, 0, 2*pairwise)}
	s.scanValue(0)
	if s.space(); s.err == nil && s.at != len(data) {
		s.broken()
	}
	if s.err != nil {
		return value{}, s.err
	}
	return (&document{text: data, nodes: s.nodes}).value(0), nil
}

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = rats.Errorf(rats.Malformed, "JSON "+format, args...)
	}
}

func (s *scanner) broken() { s.fail("is broken at byte %d", s.at) }

// space skips white space and returns the byte that follows, zero at the end.
func (s *scanner) space() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) scanValue(depth int) {
	first := s.space()
	n := len(s.nodes)
	s.nodes = append(s.nodes, node{start: uint32(s.at)}) //nolint:gosec // at most maxJSON
	switch first {
	case '{':
		s.scanObject(depth)
	case '[':
		s.scanArray(depth)
	case '"':
		s.scanText()
	case 't':
		s.scanWord("true")
	case 'f':
		s.scanWord("false")
	case 'n':
		s.scanWord("null")
	default:
		s.scanNumber()
	}
	s.nodes[n].end, s.nodes[n].next = uint32(s.at), uint32(len(s.nodes)) //nolint:gosec // at most maxJSON
}

// open passes over a bracket and reports whether the container has parts.
func (s *scanner) open(depth int, closing byte) bool {
	if depth >= maxDepth {
		s.fail("is nested over %d deep", maxDepth)
		return false
	}
	s.at++
	if s.space() == closing {
		s.at++
		return false
	}
	return true
}

// more passes over what follows a part and reports whether another one comes.
func (s *scanner) more(closing byte) bool {
	if s.err != nil {
		return false
	}
	c := s.space()
	if c != ',' && c != closing {
		s.broken()
		return false
	}
	s.at++
	return c == ','
}

func (s *scanner) scanArray(depth int) {
	if !s.open(depth, ']') {
		return
	}
	for s.scanValue(depth + 1); s.more(']'); {
		s.scanValue(depth + 1)
	}
}

func (s *scanner) scanObject(depth int) {
	if !s.open(depth, '}') {
		return
	}
	first, keys := len(s.nodes), len(s.keys)
	members := 0
	for another := true; another; another = s.more('}') {
		s.scanName(first, keys)
		if s.space() != ':' {
			s.broken()
		}
		if s.err != nil {
			return
		}
		s.at++
		s.scanValue(depth + 1)
		members++
	}
	if members > pairwise {
		s.unique(first, members)
	}
	s.keys = s.keys[:keys]
}

// scanName reads the name of a member and holds it against the names that the
// object, whose first name is the node first, has so far.
func (s *scanner) scanName(first, keys int) {
	if s.space() != '"' {
		s.broken()
		return
	}
	start := s.at
	escaped := s.scanText()
	if s.err != nil {
		return
	}
	this := len(s.nodes)
	s.nodes = append(s.nodes, node{start: uint32(start), end: uint32(s.at)}) //nolint:gosec // at most maxJSON
	if len(s.keys)-keys >= pairwise {
		return // unique looks at them all
	}
	content := s.text[start+1 : s.at-1]
	if escaped {
		content = unescaped(content)
	}
	key := keyOf(content)
	if slices.Contains(s.keys[keys:], key) {
		for n := first; n < this; n = s.after(n + 1) {
			if bytes.Equal(s.string(n), content) {
				s.fail("has member %s twice", excerpt(content))
			}
		}
	}
	s.keys = append(s.keys, key)
}

// keyOf tells most names apart.
func keyOf(name []byte) uint64 {
	n := len(name)
	if n >= 8 {
		return binary.LittleEndian.Uint64(name) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(name[n-8:]), n)
	}
	key := uint64(0)
	for _, c := range name {
		key = key<<8 | uint64(c)
	}
	return key
}

// unique refuses members of one name: readers would differ on which counts.
func (s *scanner) unique(first, members int) {
	if s.err != nil {
		return
	}
	names := make([][]byte, 0, members)
	for n := first; n < len(s.nodes); n = s.after(n + 1) {
		names = append(names, s.string(n))
	}
	slices.SortFunc(names, bytes.Compare)
	for i := 1; i < len(names); i++ {
		if bytes.Equal(names[i], names[i-1]) {
			s.fail("has member %s twice", excerpt(names[i]))
		}
	}
}

// scanText passes over a string, quotes included, and reports whether it has
// escapes.
func (s *scanner) scanText() (escaped bool) {
	text, at := s.text, s.at+1
	for at < len(text) {
		if at+8 <= len(text) {
			special := notPlain(binary.LittleEndian.Uint64(text[at:]))
			at += bits.TrailingZeros64(special) / 8
			if special == 0 {
				continue
			}
		}
		switch c := text[at]; {
		case c == '"':
			s.at = at + 1
			return escaped
		case c == '\\':
			escaped = true
			n := escapeLen(text[at:])
			if n == 0 {
				s.at = at
				s.broken()
				return escaped
			}
			at += n
		case c < ' ':
			s.at = at
			s.broken()
			return escaped
		case c < utf8.RuneSelf:
			at++
		default:
			r, n := utf8.DecodeRune(text[at:])
			if r == utf8.RuneError && n == 1 {
				s.at = at
				s.fail("is not UTF-8 at byte %d", at)
				return escaped
			}
			at += n
		}
	}
	s.at = at
	s.broken()
	return escaped
}

// notPlain marks, of eight bytes, the first that is a quote, a backslash, a
// control character or not ASCII, by the highest bit of the lowest byte marked.
// It is zero if there is none.
func notPlain(w uint64) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^ones*'"', w^ones*'\\'
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (w-ones*' ')&^w | w) & high
}

// escapeLen returns the length of the escape that text begins with, zero if it
// is none.
func escapeLen(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(text[2:]); ok {
			return 6
		}
	}
	return 0
}

func (s *scanner) scanWord(word string) {
	if !bytes.HasPrefix(s.text[s.at:], []byte(word)) {
		s.broken()
		return
	}
	s.at += len(word)
}

// scanNumber passes over -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) scanNumber() {
	s.skip('-', '-')
	if !s.skip('0', '0') {
		s.scanDigits()
	}
	if s.skip('.', '.') {
		s.scanDigits()
	}
	if s.skip('e', 'E') {
		s.skip('+', '-')
		s.scanDigits()
	}
}

// skip passes over one byte if it is a or b.
func (s *scanner) skip(a, b byte) bool {
	if s.at < len(s.text) && (s.text[s.at] == a || s.text[s.at] == b) {
		s.at++
		return true
	}
	return false
}

// scanDigits passes over digits, at least one.
func (s *scanner) scanDigits() {
	start := s.at
	for s.at < len(s.text) && s.text[s.at]-'0' <= 9 {
		s.at++
	}
	if s.at == start {
		s.broken()
	}
}
