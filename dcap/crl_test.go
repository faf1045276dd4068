// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

func TestARevocationListMustBeWhole(t *testing.T) {
	critical := []pkix.Extension{{Id: []int{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}
	tests := []struct {
		name string
		edit func(*x509.RevocationList)
		der  func([]byte) []byte
		want rats.Kind
	}{
		{"as it is", nil, nil, rats.None},
		{"an extension that is not critical", func(r *x509.RevocationList) {
			r.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Value: []byte{5, 0}}}
		}, nil, rats.None},
		{"an issuing distribution point, which makes it partial", func(r *x509.RevocationList) { r.ExtraExtensions = critical }, nil, rats.Unsupported},
		{"an entry with a critical extension, which makes it another's", func(r *x509.RevocationList) {
			r.RevokedCertificateEntries[0].ExtraExtensions = critical
		}, nil, rats.Unsupported},
		{"empty", nil, func([]byte) []byte { return nil }, rats.Malformed},
		{"cut short", nil, func(b []byte) []byte { return b[:len(b)-1] }, rats.Malformed},
		{"a byte after it", nil, func(b []byte) []byte { return append(b, 0) }, rats.Malformed},
		{"a certificate", nil, func([]byte) []byte { return newLab(t).ca.der }, rats.Malformed},
		{"text", nil, func([]byte) []byte { return []byte("-----BEGIN X509 CRL-----") }, rats.Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			e := l.crl(&l.ca, tt.edit, 77)
			if tt.der != nil {
				e.Body = tt.der(e.Body)
			}
			s, err := dcap.Parse(e)
			if rats.KindOf(err) != tt.want {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			if err == nil {
				if err := s.Verify(l.trust(), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestNoBitOfAStatementIsIgnored: each flipped bit is refused, at parsing or at
// verifying, and by a kind that does not read "undecided".
func TestNoBitOfAStatementIsIgnored(t *testing.T) {
	l := newLab(t)
	roots := l.trust()
	for _, e := range l.endorsements() {
		for n := range len(e.Body) * 8 {
			changed := rats.Endorsement{Kind: e.Kind, Issuers: e.Issuers, Body: append([]byte{}, e.Body...)}
			changed.Body[n/8] ^= 1 << (n % 8)
			s, err := dcap.Parse(changed)
			if err == nil {
				err = s.Verify(roots, nil)
			}
			switch kind := rats.KindOf(err); {
			case kind == rats.None && sameSignature(e.Body, changed.Body):
				// Hex has two cases, and they mean the same.
			case kind == rats.None || kind.ExitCode() != 10 && kind.ExitCode() != 13 && kind.ExitCode() != 14:
				t.Fatalf("%s, bit %d of byte %d (%q): %v", e.Kind, n%8, n/8, e.Body[n/8], err)
			}
		}
	}
}

// sameSignature reports whether two statements differ only in the case of a
// digit of the signature, which stands last.
func sameSignature(a, b []byte) bool {
	for i := range a {
		if a[i] != b[i] {
			return i >= len(a)-131 && a[i]^b[i] == 'a'^'A'
		}
	}
	return true
}
