// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"reflect"
	"time"
)

// SaysTheSame reports whether another statement says the same of the same
// things: appraisals within both windows then come out alike by either, but for
// dates and digests. It may be false where only the order or the form differs.
func (s *Statement) SaysTheSame(other *Statement) bool {
	if s.key != other.key || (s.issuer == nil) != (other.issuer == nil) {
		return false
	}
	if s.issuer != nil && (s.issuer.SerialNumber.Cmp(other.issuer.SerialNumber) != 0 ||
		!bytes.Equal(s.issuer.RawIssuer, other.issuer.RawIssuer) || !bytes.Equal(s.issuer.RawSubjectPublicKeyInfo, other.issuer.RawSubjectPublicKeyInfo)) {
		return false
	}
	switch {
	case s.tcbInfo != nil:
		a, b := *s.tcbInfo, *other.tcbInfo
		a.Issued, a.NextUpdate, b.Issued, b.NextUpdate = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		return reflect.DeepEqual(a, b)
	case s.identity != nil:
		a, b := *s.identity, *other.identity
		a.Issued, a.NextUpdate, b.Issued, b.NextUpdate = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		return reflect.DeepEqual(a, b)
	case s.numbers != nil:
		return reflect.DeepEqual(s.numbers.Numbers, other.numbers.Numbers)
	case s.crl != nil:
		a, b := revokedEntries(s.crl.tbs), revokedEntries(other.crl.tbs)
		return bytes.Equal(a.text[a.at:a.end], b.text[b.at:b.end])
	default:
		return bytes.Equal(s.endorsement.Body, other.endorsement.Body)
	}
}
