// SPDX-License-Identifier: Apache-2.0

package epid_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
)

// refused reports whether evidence is refused as a forgery or as no evidence.
func refused(b []byte, roots []rats.TrustRoot) bool {
	ev, err := epid.Parse(b)
	if err != nil {
		return errors.Is(err, rats.Malformed) || errors.Is(err, rats.Unsupported)
	}
	switch a := epid.Appraise(ev, roots, late()); kindOf(a) {
	case rats.BadSignature, rats.UntrustedRoot, rats.Malformed, rats.Unsupported, rats.BindingMismatch:
		return true
	default:
		return false
	}
}

// TestNoBitOfWhatIsSignedCanBeFlipped: of body, signature and certificate, in
// every form in which they come.
func TestNoBitOfWhatIsSignedCanBeFlipped(t *testing.T) {
	r := firstSigned(t)
	signature, err := base64.StdEncoding.DecodeString(r.signature)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(b []byte, bit int) []byte {
		b = bytes.Clone(b)
		b[bit/8] ^= 1 << (bit % 8)
		return b
	}
	leaf := epid.SigningCertificate()
	if refused(wrapped(t, r.body, signature, leaf), nil) {
		t.Fatal("it is refused as it is")
	}
	for bit := 0; bit < 8*len(r.body); bit++ {
		if !refused(slots(flip(r.body, bit), signature), nil) {
			t.Fatalf("bit %d of the body", bit)
		}
	}
	for bit := 0; bit < 8*len(signature); bit++ {
		if !refused(slots(r.body, flip(signature, bit)), nil) {
			t.Fatalf("bit %d of the signature", bit)
		}
	}
	for bit := 0; bit < 8*len(leaf); bit++ {
		if !refused(wrapped(t, r.body, signature, flip(leaf, bit)), nil) {
			t.Fatalf("bit %d of the certificate", bit)
		}
	}
}

func TestNoBitOfACarryingCertificateCanBeFlipped(t *testing.T) {
	l := newLab(t)
	der := l.comment()
	roots := []rats.TrustRoot{l.root}
	if refused(der, roots) {
		t.Fatal("it is refused as it is")
	}
	for bit := 0; bit < 8*len(der); bit += 3 {
		b := bytes.Clone(der)
		b[bit/8] ^= 1 << (bit % 8)
		if !refused(b, roots) {
			t.Fatalf("bit %d", bit)
		}
	}
}

func TestEvidenceCutAnywhereIsMalformed(t *testing.T) {
	l := newLab(t)
	body := l.body()
	forms := map[string][]byte{
		"JSON": l.envelope(), "a certificate": l.comment(), "a pair": slots(body, l.sign(body)), "a body": body,
	}
	if r := reports(t)[9]; r.status() == epid.GroupOutOfDate {
		forms["a pair of members"] = slots(fields(t, r.body), []byte(r.signature))
	}
	for form, b := range forms {
		for n := range b {
			if _, err := epid.Parse(b[:n]); !errors.Is(err, rats.Malformed) {
				t.Fatalf("%s cut to %d bytes: %v", form, n, err)
			}
		}
		if _, err := epid.Parse(append(bytes.Clone(b), 'x')); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s with a byte after it: %v", form, err)
		}
	}
}

// TestHostileEncodingsOfAPairAreMalformed: each has a slot that says more, less
// or something else than is there.
func TestHostileEncodingsOfAPairAreMalformed(t *testing.T) {
	l := newLab(t)
	body := l.body()
	good := slots(body, l.sign(body))
	huge := bytes.Repeat([]byte{0xff}, 32)
	number := func(n byte) []byte { return append(make([]byte, 31), n) }
	second := 64 + 32 + (len(body)+31)/32*32
	for _, tt := range []struct {
		name string
		at   int
		slot []byte
	}{
		{"the second offset is huge", 32, huge},
		{"the second offset is negative as 32 bits", 32, append(make([]byte, 28), 0x80, 0, 0, 0)},
		{"the second offset points at the first value", 32, number(64)},
		{"the second offset points into the head", 32, number(0)},
		{"the second offset points into a value", 32, number(97)},
		{"the first length is huge", 64, huge},
		{"the first length is one short of a wrap", 64, append(make([]byte, 28), 0x7f, 0xff, 0xff, 0xff)},
		{"the first length is zero", 64, number(0)},
		{"the second length is over the end", second, number(255)},
		{"the second length reaches past the end", second, append(make([]byte, 30), 1, 1)},
	} {
		b := bytes.Clone(good)
		copy(b[tt.at:], tt.slot)
		if _, err := epid.Parse(b); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// What pads a value is zero.
	if n := len(body) % 32; n == 0 {
		t.Fatal("the body needs no padding")
	}
	b := bytes.Clone(good)
	b[second-1] = 1
	if _, err := epid.Parse(b); !errors.Is(err, rats.Malformed) {
		t.Errorf("padded with a one: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	l := newLab(f)
	body := l.body()
	for _, b := range [][]byte{l.envelope(), l.comment(), l.paper(true), slots(body, l.sign(body)), body} {
		f.Add(b)
	}
	if r := firstSigned(f); r.body != nil {
		f.Add(slots(fields(f, reports(f)[9].body), []byte(r.signature)))
	}
	roots := []rats.TrustRoot{l.root}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		ev, err := epid.Parse(b)
		if err != nil {
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported || ev != nil {
				t.Fatalf("kind %q", kind)
			}
			return
		}
		a := epid.Appraise(ev, roots, late())
		if a.Err == nil && a.Status == "" || a.Status != "" && a.Root == "" {
			t.Errorf("%v, status %q, root %q", a.Err, a.Status, a.Root)
		}
		if !bytes.Equal(b, before) {
			t.Error("the input was written to")
		}
	})
}

func FuzzReport(f *testing.F) {
	f.Add(newLab(f).body())
	for _, r := range reports(f) {
		f.Add(r.body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := epid.ParseReport(b)
		if err != nil {
			if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.Unsupported {
				t.Fatalf("kind %q", kind)
			}
			return
		}
		if q := r.Quote.Marshal(); len(q) != epid.QuoteSize {
			t.Errorf("a quote of %d bytes", len(q))
		}
	})
}

func FuzzPlatformInfo(f *testing.F) {
	f.Add(make([]byte, 105))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := epid.ParsePlatformInfo(b)
		if (err == nil) != (p != nil) {
			t.Error("both or neither")
		}
		if p != nil {
			p.Flags()
		}
	})
}

func FuzzQuote(f *testing.F) {
	f.Add(make([]byte, 432))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := epid.ParseQuote(b)
		if err == nil && !bytes.Equal(q.Marshal(), b) {
			t.Error("it is not written as it was read")
		}
	})
}
