// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"crypto/x509/pkix"
	"strings"
	"testing"
	"unicode"

	"github.com/attesteer/attesteer/dcap"
)

// TestWhatCertificatesCallThemselvesIsQuoted: names come with the evidence, and
// errors go to terminals and logs.
func TestWhatCertificatesCallThemselvesIsQuoted(t *testing.T) {
	const escape = "\x1b[2J%s%n\r\n"
	critical := []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	for name, edit := range map[string]func(*lab){
		"a PCK certificate of another name": func(l *lab) { l.pck.Subject.CommonName = escape },
		"a CA of another name":              func(l *lab) { l.ca.Subject.CommonName = escape },
		"a CA that is none":                 func(l *lab) { l.ca.Subject.CommonName += escape; l.ca.IsCA = false },
		"a false signature":                 func(l *lab) { l.pck.Subject.CommonName += escape; l.pck.signer = newKey(l.t) },
		"an unknown root":                   func(l *lab) { l.ca.Subject.CommonName += escape; l.ca.issuer = l.signing.Certificate },
		"an unknown critical extension":     func(l *lab) { l.pck.Subject.CommonName += escape; l.pck.ExtraExtensions = critical },
		"a root certificate of that name":   func(l *lab) { l.chain[2] = &newLab(l.t, func(o *lab) { o.root.Subject.CommonName = escape }).root },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, edit)
			a := dcap.Appraise(l.evidence(), nil, dcap.Options{Roots: l.trust()}, noon)
			if a.Err == nil || a.Err.Check != "pck_chain" {
				t.Fatalf("%v, want a failure of the chain", a.Err)
			}
			if !strings.Contains(a.Err.Detail, `\x1b[2J%s%n\r\n`) {
				t.Errorf("%q does not show the name", a.Err.Detail)
			}
			if i := strings.IndexFunc(a.Err.Detail, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%q holds what a terminal would obey", a.Err.Detail)
			}
		})
	}
}
