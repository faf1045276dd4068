// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// pemOf is the lab's chain as PEM.
func pemOf(l *lab) string { return string(l.quote.CertificationData.Data) }

// TestChainsAreReadAsPlatformsWriteThem, and nothing else is taken for one.
func TestChainsAreReadAsPlatformsWriteThem(t *testing.T) {
	l := newLab(t)
	text := pemOf(l)
	const boundary = "-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----"
	tests := []struct {
		name string
		data string
		want rats.Kind
	}{
		{"as it is", text, rats.None},
		{"a NUL at the end", text + "\x00", rats.None},
		{"several NULs", text + "\x00\x00\x00", rats.None},
		{"no newline at the end", strings.TrimSuffix(text, "\n"), rats.None},
		{"no newline at the end but a NUL", strings.TrimSuffix(text, "\n") + "\x00", rats.None},
		{"END and BEGIN on one line", strings.ReplaceAll(text, boundary, strings.ReplaceAll(boundary, "\n", "")), rats.None},
		{"CR and LF", strings.ReplaceAll(text, "\n", "\r\n"), rats.None},
		{"empty lines between", strings.ReplaceAll(text, boundary, strings.ReplaceAll(boundary, "\n", "\n\n \n")), rats.None},
		{"one line of base64", oneLine(text), rats.None},

		{"empty", "", rats.Malformed},
		{"NULs alone", "\x00\x00", rats.Malformed},
		{"white space alone", "\n \n", rats.Malformed},
		{"text before", "Subject: Intel\n" + text, rats.Malformed},
		{"text after", text + "more", rats.Malformed},
		{"text between", strings.Replace(text, boundary, strings.Replace(boundary, "\n", "\nx\n", 1), 1), rats.Malformed},
		{"a NUL between", strings.Replace(text, boundary, strings.Replace(boundary, "\n", "\x00", 1), 1), rats.Malformed},
		{"no END", text[:len(text)-20], rats.Malformed},
		{"no base64", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", rats.Malformed},
		{"no certificate", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}})), rats.Malformed},
		{"an empty certificate", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", rats.Malformed},
		{"another PEM type", strings.ReplaceAll(text, " CERTIFICATE", " TRUSTED CERTIFICATE"), rats.Malformed},
		{"PEM headers", strings.Replace(text, "CERTIFICATE-----\n", "CERTIFICATE-----\nA: b\n\n", 1), rats.Malformed},
		{"nine certificates", strings.Repeat(text, 3), rats.Malformed},
		{"DER in place of PEM", string(l.pck.der), rats.Malformed},
		{"a certificate with a byte after it", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: append(bytes.Clone(l.pck.der), 0)})), rats.Malformed},
		{"a root certificate that cannot be read", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.root.der[:99]})) + chainOf(&l.pck, &l.ca), rats.UntrustedRoot},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := l.evidence()
			q.CertificationData.Data = []byte(tt.data)
			a := dcap.Appraise(q, nil, dcap.Options{Roots: l.trust()}, noon)
			kind, decided := a.Err.Kind, a.Root == "lab"
			if decided != (tt.want == rats.None) || !decided && kind != tt.want {
				t.Errorf("%v, root %q, want %q", a.Err, a.Root, tt.want)
			}
		})
	}
}

func chainOf(parts ...*part) string {
	var b strings.Builder
	for _, p := range parts {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.der}))
	}
	return b.String()
}

func oneLine(text string) string {
	var b strings.Builder
	for _, line := range strings.SplitAfter(text, "\n") {
		if strings.HasPrefix(line, "-----") {
			b.WriteString(line)
		} else {
			b.WriteString(strings.TrimSpace(line))
		}
	}
	return b.String()
}

// TestTheSGXExtensionIsReadByASN1 with five or seven elements, each as the
// profile has it.
func TestTheSGXExtensionIsReadByASN1(t *testing.T) {
	type ext = map[int]any
	tcb := func(e ext) ext { return e[2].(ext) }
	tests := []struct {
		name string
		edit func(ext)
		want rats.Kind
	}{
		{"seven elements", func(ext) {}, rats.None},
		{"five elements", func(e ext) { delete(e, 6); delete(e, 7) }, rats.None},
		{"no flags in the configuration, which are optional", func(e ext) { e[7] = ext{} }, rats.None},
		{"six elements", func(e ext) { delete(e, 7) }, rats.Malformed},
		{"eight elements", func(e ext) { e[8] = 1 }, rats.Malformed},
		{"seven with one foreign", func(e ext) { delete(e, 7); e[8] = 1 }, rats.Malformed},
		{"a long PPID", func(e ext) { e[1] = make([]byte, 17) }, rats.Malformed},
		{"a short FMSPC", func(e ext) { e[4] = make([]byte, 5) }, rats.Malformed},
		{"a long PCE id", func(e ext) { e[3] = make([]byte, 3) }, rats.Malformed},
		{"an FMSPC that is a number", func(e ext) { e[4] = 7 }, rats.Malformed},
		{"an SGX type that is a plain number", func(e ext) { e[5] = 1 }, rats.Malformed},
		{"a short instance id", func(e ext) { e[6] = make([]byte, 4) }, rats.Malformed},
		{"a flag that is a number", func(e ext) { e[7] = ext{1: 1} }, rats.Malformed},
		{"a component of 256", func(e ext) { tcb(e)[4] = 256 }, rats.Malformed},
		{"a negative component", func(e ext) { tcb(e)[4] = -1 }, rats.Malformed},
		{"a component that is huge", func(e ext) { tcb(e)[4] = 1 << 40 }, rats.Malformed},
		{"a PCESVN of 65536", func(e ext) { tcb(e)[17] = 65536 }, rats.Malformed},
		{"a short CPUSVN", func(e ext) { tcb(e)[18] = make([]byte, 15) }, rats.Malformed},
		{"a missing component", func(e ext) { delete(tcb(e), 16) }, rats.Malformed},
		{"a TCB element too many", func(e ext) { tcb(e)[19] = 1 }, rats.Malformed},
		{"a TCB that is a number", func(e ext) { e[2] = 5 }, rats.Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, func(l *lab) { tt.edit(l.ext) })
			if _, err := dcap.Needs(l.evidence()); rats.KindOf(err) != tt.want {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestTheSGXExtensionHoldsNothingTwiceAndNothingElse(t *testing.T) {
	encodeList := func(list []extMember, tail ...byte) []byte {
		der, err := asn1.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return append(der, tail...)
	}
	whole := members(t, extOID, labExtension())
	twice := append(append([]extMember{}, whole[:6]...), whole[5])
	foreign := append(append([]extMember{}, whole[:6]...), extMember{asn1.ObjectIdentifier{1, 2, 3}, 1})
	for name, der := range map[string][]byte{
		"an element twice":  encodeList(twice),
		"a foreign element": encodeList(foreign),
		"a byte after it":   encodeList(whole, 0),
		"no sequence":       {0x04, 0x00},
		"nothing":           {},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(l *lab) {
				l.ext = nil
				l.pck.ExtraExtensions = extension(der)
			})
			if _, err := dcap.Needs(l.evidence()); rats.KindOf(err) != rats.Malformed {
				t.Errorf("%v, want malformed", err)
			}
		})
	}
}
