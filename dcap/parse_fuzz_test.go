// SPDX-License-Identifier: Apache-2.0

package dcap

import "testing"

// FuzzRevocationList: what is taken crypto/x509 takes too, and reads alike.
func FuzzRevocationList(f *testing.F) {
	whole := wholeList()
	f.Add(whole.der())
	whole.entries = nil
	f.Add(whole.der())
	whole.entries = tlv(tagSequence, entryOf([]byte{4}, extensionOf("\x2a\x03", []byte{5, 0}, tlv(tagBoolean, []byte{0xff}))))
	whole.issuer, whole.until = derName(tagPrintableString, "a"), derText(tagGeneralizedTime, "20991231235959Z")
	f.Add(whole.der())
	f.Fuzz(func(t *testing.T, data []byte) { holdAgainstX509(t, data) })
}

// FuzzPCKExtension: what is taken encoding/asn1 takes too, and reads alike, and
// the other way round.
func FuzzPCKExtension(f *testing.F) {
	f.Add(seedExtension(f))
	f.Add(platformExtension())
	f.Fuzz(func(t *testing.T, data []byte) { holdAgainstASN1(t, data) })
}
