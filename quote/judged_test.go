// SPDX-License-Identifier: Apache-2.0

package quote_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// judgement is an edit of a quote and the kind of refusal that it gets.
type judgement struct {
	name string
	edit func(b []byte)
	want rats.Kind
}

func (j judgement) hold(t *testing.T, raw []byte) {
	t.Helper()
	b := bytes.Clone(raw)
	j.edit(b)
	q, err := quote.Parse(b)
	if got := rats.KindOf(err); got != j.want {
		t.Fatalf("kind %q (%v), want %q", got, err, j.want)
	}
	if err == nil {
		if !bytes.Equal(q.Marshal(), b) {
			t.Error("the marshalled quote differs")
		}
		return
	}
	var e *rats.Error
	if !errors.As(err, &e) || e.Spec == "" || e.Detail == "" {
		t.Errorf("error %#v lacks clause or detail", err)
	}
}

// TestEveryFieldThatLeadsTheParserIsJudgedInEveryVersion, and no other is.
func TestEveryFieldThatLeadsTheParserIsJudgedInEveryVersion(t *testing.T) {
	for _, f := range forms() {
		raw := f.raw()
		judgements := append(f.judgeHeader(), f.judgeSizes(len(raw))...)
		if f.outer != 0 {
			judgements = append(judgements, f.judgeOuter(len(raw))...)
		}
		if f.version == 5 {
			judgements = append(judgements, f.judgeDescriptor()...)
		}
		for _, j := range judgements {
			t.Run(f.name+": "+j.name, func(t *testing.T) { j.hold(t, raw) })
		}
	}
}

func (f form) judgeHeader() []judgement {
	u16, u32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	// What version 3 calls reserved names the TEE from version 4 on.
	tee := rats.Unsupported
	if f.version == 3 {
		tee = rats.Malformed
	}
	return []judgement{
		{"version 1 is an EPID quote", func(b []byte) { u16(b, 1) }, rats.Unsupported},
		{"version 6 is to come", func(b []byte) { u16(b, 6) }, rats.Unsupported},
		{"version 65,535 is to come", func(b []byte) { u16(b, 0xffff) }, rats.Unsupported},
		{"version 6 of another vendor is no quote", func(b []byte) { u16(b, 6); b[12]++ }, rats.Malformed},
		{"an ECDSA P-384 key is not read", func(b []byte) { u16(b[2:], 3) }, rats.Unsupported},
		{"key type 0 is not known", func(b []byte) { u16(b[2:], 0) }, rats.Unsupported},
		{"the high byte of the key type counts", func(b []byte) { b[3] = 1 }, rats.Unsupported},
		{"TEE type 1 is not known", func(b []byte) { u32(b[4:], 1) }, tee},
		{"TEE type 0x82 is not known", func(b []byte) { u32(b[4:], 0x82) }, tee},
		{"the high byte of the TEE type counts", func(b []byte) { b[7] = 1 }, tee},
		{"another vendor's quoting enclave is not known", func(b []byte) { b[20]++ }, rats.Unsupported},
		{"QE SVN, PCE SVN and user data are free", func(b []byte) {
			b[8]++
			b[9]++
			b[10]++
			b[11]++
			b[28]++
			b[47]++
		}, rats.None},
		{"the report is free", func(b []byte) {
			for i := f.at; i < f.sigLen; i++ {
				b[i]++
			}
		}, rats.None},
		{"signatures, key and QE report are free", func(b []byte) {
			for i := f.auth; i < f.auth+128; i++ {
				b[i]++
			}
			for i := f.qe; i < f.qeAuth; i++ {
				b[i]++
			}
		}, rats.None},
	}
}

func (f form) judgeSizes(length int) []judgement {
	u16, u32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	auth := uint32(length - f.auth)
	nested := rats.None
	if f.version >= 4 {
		nested = rats.Malformed
	}
	return []judgement{
		{"signature length one over", func(b []byte) { u32(b[f.sigLen:], auth+1) }, rats.Malformed},
		{"signature length one short", func(b []byte) { u32(b[f.sigLen:], auth-1) }, rats.Malformed},
		{"signature length zero", func(b []byte) { u32(b[f.sigLen:], 0) }, rats.Malformed},
		{"signature length of signature and key alone", func(b []byte) { u32(b[f.sigLen:], 128) }, rats.Malformed},
		{"signature length one below signature and key", func(b []byte) { u32(b[f.sigLen:], 127) }, rats.Malformed},
		{"signature length up to the QE report", func(b []byte) { u32(b[f.sigLen:], uint32(f.qe-f.auth)) }, rats.Malformed},
		{"signature length up to the QE authentication data", func(b []byte) { u32(b[f.sigLen:], uint32(f.qeAuth-f.auth)) }, rats.Malformed},
		{"signature length of 31 bits", func(b []byte) { u32(b[f.sigLen:], 1<<31) }, rats.Malformed},
		{"signature length of 32 bits", func(b []byte) { u32(b[f.sigLen:], 0xffffffff) }, rats.Malformed},
		{"QE authentication data one over", func(b []byte) { u16(b[f.qeAuth:], sampleQEAuth+1) }, rats.Malformed},
		{"QE authentication data one short", func(b []byte) { u16(b[f.qeAuth:], sampleQEAuth-1) }, rats.Malformed},
		{"QE authentication data up to the end", func(b []byte) { u16(b[f.qeAuth:], uint16(length-f.qeAuth-2)) }, rats.Malformed},
		{"QE authentication data of 16 bits", func(b []byte) { u16(b[f.qeAuth:], 0xffff) }, rats.Malformed},
		{"certification data one over", func(b []byte) { u32(b[f.cert()+2:], sampleCert+1) }, rats.Malformed},
		{"certification data one short", func(b []byte) { u32(b[f.cert()+2:], sampleCert-1) }, rats.Malformed},
		{"certification data of 32 bits", func(b []byte) { u32(b[f.cert()+2:], 0xffffffff) }, rats.Malformed},
		{"certification data whose low half would fit", func(b []byte) { u32(b[f.cert()+2:], 1<<16+sampleCert) }, rats.Malformed},
		{"certification data type 0", func(b []byte) { u16(b[f.cert():], 0) }, rats.Unsupported},
		{"certification data type 1", func(b []byte) { u16(b[f.cert():], 1) }, rats.None},
		{"certification data type 2", func(b []byte) { u16(b[f.cert():], 2) }, rats.None},
		{"certification data type 3", func(b []byte) { u16(b[f.cert():], 3) }, rats.None},
		{"certification data type 4", func(b []byte) { u16(b[f.cert():], 4) }, rats.None},
		{"certification data type 6 within type 6", func(b []byte) { u16(b[f.cert():], 6) }, nested},
		{"certification data type 7", func(b []byte) { u16(b[f.cert():], 7) }, rats.None},
		{"certification data type 8", func(b []byte) { u16(b[f.cert():], 8) }, rats.Unsupported},
		{"certification data type 261", func(b []byte) { u16(b[f.cert():], 261) }, rats.Unsupported},
		{"wrong sizes come before unknown types", func(b []byte) { u16(b[f.cert():], 8); b[f.cert()+2]++ }, rats.Malformed},
	}
}

// judgeOuter is about the certification data around the QE report.
func (f form) judgeOuter(length int) []judgement {
	u16, u32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	size := uint32(length - f.outer - 6)
	out := []judgement{
		{"outer size one over", func(b []byte) { u32(b[f.outer+2:], size+1) }, rats.Malformed},
		{"outer size one short", func(b []byte) { u32(b[f.outer+2:], size-1) }, rats.Malformed},
		{"outer size zero", func(b []byte) { u32(b[f.outer+2:], 0) }, rats.Malformed},
		{"outer size of 32 bits", func(b []byte) { u32(b[f.outer+2:], 0xffffffff) }, rats.Malformed},
		{"outer size whose low half would fit", func(b []byte) { u32(b[f.outer+2:], 1<<16+size) }, rats.Malformed},
		{"outer size as if the QE report ended the quote", func(b []byte) {
			u32(b[f.sigLen:], uint32(f.qeAuth-f.auth))
			u32(b[f.outer+2:], uint32(f.qeAuth-f.qe))
		}, rats.Malformed},
		{"outer size that leaves one byte less than there must be", func(b []byte) {
			u32(b[f.sigLen:], uint32(f.qeAuth+2+6-1-f.auth))
			u32(b[f.outer+2:], uint32(f.qeAuth+2+6-1-f.qe))
		}, rats.Malformed},
		{"slack after the outer data", func(b []byte) {
			u32(b[f.outer+2:], size-1)
			u32(b[f.cert()+2:], sampleCert-1)
		}, rats.Malformed},
		{"slack after the inner data", func(b []byte) { u32(b[f.cert()+2:], sampleCert-1) }, rats.Malformed},
		{"the last byte left to nobody is a tail", func(b []byte) {
			u32(b[f.sigLen:], uint32(length-f.auth-1))
			u32(b[f.outer+2:], size-1)
			u32(b[f.cert()+2:], sampleCert-1)
		}, rats.None},
	}
	for _, kind := range []uint16{0, 1, 4, 5, 7, 8, 262, 0xffff} {
		out = append(out, judgement{
			fmt.Sprintf("outer type %d is not the QE report's", kind),
			func(b []byte) { u16(b[f.outer:], kind) }, rats.Unsupported,
		})
	}
	return out
}

// judgeDescriptor is about type and size before the body of version 5.
func (f form) judgeDescriptor() []judgement {
	u16, u32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	size := uint32(f.sigLen - 54)
	sizes := map[uint16]uint32{1: 384, 2: 584, 3: 648, 4: 885}
	out := []judgement{
		{"body size one over", func(b []byte) { u32(b[50:], size+1) }, rats.Malformed},
		{"body size one short", func(b []byte) { u32(b[50:], size-1) }, rats.Malformed},
		{"body size zero", func(b []byte) { u32(b[50:], 0) }, rats.Malformed},
		{"body size of 32 bits", func(b []byte) { u32(b[50:], 0xffffffff) }, rats.Malformed},
		{"body size whose low half would fit", func(b []byte) { u32(b[50:], 1<<16+size) }, rats.Malformed},
		{"body type 0", func(b []byte) { u16(b[48:], 0) }, rats.Unsupported},
		{"body type 5", func(b []byte) { u16(b[48:], 5) }, rats.Unsupported},
		{"the high byte of the body type counts", func(b []byte) { b[49] = 1 }, rats.Unsupported},
		{"the other TEE in the header", func(b []byte) { b[4] ^= 0x81 }, rats.Malformed},
	}
	for other, its := range sizes {
		if other == f.bodyType {
			continue
		}
		out = append(out,
			judgement{fmt.Sprintf("body type %d with this size", other), func(b []byte) { u16(b[48:], other) }, rats.Malformed},
			judgement{fmt.Sprintf("this body type with the size of %d", other), func(b []byte) { u32(b[50:], its) }, rats.Malformed},
			// Either the TEE is another, or what follows is read at other offsets.
			judgement{fmt.Sprintf("body type %d with its own size", other), func(b []byte) { u16(b[48:], other); u32(b[50:], its) }, rats.Malformed})
	}
	return out
}

// TestOneVersionDoesNotReadAsAnother: bytes that say another version are
// refused, and never read at that version's offsets.
func TestOneVersionDoesNotReadAsAnother(t *testing.T) {
	for _, f := range forms() {
		for _, version := range []uint16{3, 4, 5} {
			if version == f.version {
				continue
			}
			raw := f.raw()
			binary.LittleEndian.PutUint16(raw, version)
			_, err := quote.Parse(raw)
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported {
				t.Errorf("%s as version %d: %v", f.name, version, err)
			}
		}
	}
}
