// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// drawFrame draws a frame with an opcode: its header and a payload that looks
// like Close frames.
func drawFrame(t *rapid.T, opcode byte) []byte {
	n := rapid.SampledFrom([]int{0, 1, 2, 125, 126, 127, 300, 65535, 65536}).Draw(t, "length")
	mask := byte(0)
	if rapid.Bool().Draw(t, "masked") {
		mask = maskBit
	}
	b := []byte{opcode | 0x80*byte(rapid.IntRange(0, 1).Draw(t, "final"))}
	switch {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if mask != 0 {
		b = append(b, 0x88, 0x88, 0x88, 0x88)
	}
	for range n {
		b = append(b, 0x88)
	}
	return b
}

func TestACloseFrameIsFoundHoweverItComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []byte
		for range rapid.IntRange(0, 4).Draw(t, "frames") {
			all = append(all, drawFrame(t, rapid.SampledFrom([]byte{0, 1, 2, 9, 10}).Draw(t, "opcode"))...)
		}
		want := len(all)
		if rapid.Bool().Draw(t, "closed") {
			all = append(all, drawFrame(t, opcodeClose)...)
		}
		var s frameScan
		for at := 0; at < len(all); {
			n := min(rapid.SampledFrom([]int{1, 2, 3, 7, 100, 1 << 17}).Draw(t, "read"), len(all)-at)
			found := s.closeIn(all[at : at+n])
			if at += found; found < n {
				if at != want {
					t.Fatalf("found at %d, not at %d", at, want)
				}
				return
			}
		}
		if want != len(all) {
			t.Fatalf("not found at %d of %d", want, len(all))
		}
	})
}

// FuzzFrames holds that nothing that comes upsets the scan, and that where it
// comes in parts makes no difference.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x81, 0x85, 1, 2, 3, 4, 'h', 'e', 'l', 'l', 'o', 0x88, 0x80}, uint8(3))
	f.Add([]byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x88}, uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		at := min(int(cut), len(b))
		var whole, parts frameScan
		want := whole.closeIn(b)
		got := parts.closeIn(b[:at])
		if got == at {
			got += parts.closeIn(b[at:])
		}
		if got != want {
			t.Errorf("%d in one part, %d in two", want, got)
		}
	})
}
