// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// sgxMembers edits the elements of the SGX extension.
func sgxMembers(f func([]extensionElement) []extensionElement) edit {
	return sgxValue(func(der []byte) []byte { return mustMarshal(f(mustUnmarshal(der))) })
}

// inMember edits the elements within element n (from 1 on) of the extension.
func inMember(n int, f func([]extensionElement) []extensionElement) edit {
	return sgxMembers(func(all []extensionElement) []extensionElement {
		all[n-1].Value = asn1.RawValue{FullBytes: mustMarshal(f(mustUnmarshal(all[n-1].Value.FullBytes)))}
		return all
	})
}

// sgxValue edits the DER of the extension's value.
func sgxValue(f func([]byte) []byte) edit {
	return template(simtee.PCK, func(t *x509.Certificate) {
		before := t.ExtraExtensions[0].Value
		if t.ExtraExtensions[0].Value = f(bytes.Clone(before)); bytes.Equal(before, t.ExtraExtensions[0].Value) {
			panic("the edit of the extension changes nothing")
		}
	})
}

func mustMarshal(v any) []byte {
	der, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return der
}

func mustUnmarshal(der []byte) (out []extensionElement) {
	if _, err := asn1.Unmarshal(der, &out); err != nil {
		panic(err)
	}
	return out
}

func valued(n int, v any) func([]extensionElement) []extensionElement {
	return func(all []extensionElement) []extensionElement {
		all[n-1].Value = asn1.RawValue{FullBytes: mustMarshal(v)}
		return all
	}
}

func removed(n int) func([]extensionElement) []extensionElement {
	return func(all []extensionElement) []extensionElement { return slices.Delete(all, n-1, n) }
}

func doubled(n int) func([]extensionElement) []extensionElement {
	return func(all []extensionElement) []extensionElement { return append(all, all[n-1]) }
}

func renumbered(n, last int) func([]extensionElement) []extensionElement {
	return func(all []extensionElement) []extensionElement {
		id := slices.Clone(all[n-1].ID)
		id[len(id)-1] = last
		all[n-1].ID = id
		return all
	}
}

func reversed(all []extensionElement) []extensionElement {
	slices.Reverse(all)
	return all
}

func pckExtension() family {
	const clause = profileClause + ", 1.3.5"
	f := family{name: "pck-extension"}
	add := func(name, text string, w want, edits ...edit) {
		f.cases = append(f.cases, testCase{name, clause, text, w, edits, ""})
	}
	bad := refused(rats.Malformed)
	names := []string{"ppid", "tcb", "pce-id", "fmspc", "sgx-type", "instance-id", "configuration"}
	for i, name := range names {
		add("lacks-"+name, "the extension lacks "+name+", and has six elements", bad, sgxMembers(removed(i+1)))
	}
	add("processor-lacks-fmspc", "the extension of a Processor CA's certificate has four elements", bad, processor(), sgxMembers(removed(4)))
	add("eight-elements", "the extension has eight elements, one of them twice", bad, sgxMembers(doubled(4)))
	add("one-twice", "the extension has the FMSPC in the place of the PCE id too", bad, sgxMembers(renumbered(3, 4)))
	add("foreign-element", "the extension has an element 9 in the place of the configuration", bad, sgxMembers(renumbered(7, 9)))
	for _, c := range []struct {
		name   string
		n, len int
	}{{"ppid", 1, 15}, {"ppid", 1, 17}, {"pce-id", 3, 1}, {"pce-id", 3, 3}, {"fmspc", 4, 5}, {"fmspc", 4, 7}, {"instance-id", 6, 15}} {
		add(fmt.Sprintf("%s-of-%d-bytes", c.name, c.len), fmt.Sprintf("the extension's %s has %d bytes", c.name, c.len), bad,
			sgxMembers(valued(c.n, make([]byte, c.len))))
	}
	add("ppid-is-a-number", "the extension's PPID is an INTEGER", bad, sgxMembers(valued(1, 1)))
	add("sgx-type-is-a-number", "the SGX type is an INTEGER, not an ENUMERATED", bad, sgxMembers(valued(5, 1)))
	add("tcb-is-a-string", "the TCB is an OCTET STRING", bad, sgxMembers(valued(2, make([]byte, 16))))
	add("tcb-lacks-component-1", "the TCB lacks component 1", bad, inMember(2, removed(1)))
	add("tcb-lacks-component-16", "the TCB lacks component 16", bad, inMember(2, removed(16)))
	add("tcb-lacks-pcesvn", "the TCB lacks PCESVN", bad, inMember(2, removed(17)))
	add("tcb-lacks-cpusvn", "the TCB lacks CPUSVN", bad, inMember(2, removed(18)))
	add("tcb-component-twice", "the TCB has component 2 in the place of component 1 too", bad, inMember(2, renumbered(1, 2)))
	add("tcb-nineteen-elements", "the TCB has 19 elements", bad, inMember(2, doubled(1)))
	add("component-256", "a component SVN is 256", bad, inMember(2, valued(3, 256)))
	add("component-negative", "a component SVN is -1", bad, inMember(2, valued(3, -1)))
	add("component-is-a-string", "a component SVN is an OCTET STRING", bad, inMember(2, valued(3, []byte{3})))
	add("pcesvn-65536", "PCESVN is 65536", bad, inMember(2, valued(17, 65536)))
	add("cpusvn-of-15-bytes", "CPUSVN has 15 bytes", bad, inMember(2, valued(18, make([]byte, 15))))
	add("flag-is-a-number", "the flag dynamicPlatform is an INTEGER", bad, inMember(7, valued(1, 1)))
	add("foreign-oid", "an element's identifier is not below the extension's", bad, sgxMembers(func(all []extensionElement) []extensionElement {
		all[0].ID = asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 2, 1}
		return all
	}))
	add("trailing-bytes", "two bytes follow the extension's value", bad, sgxValue(func(der []byte) []byte { return append(der, 5, 0) }))
	add("cut", "the last byte of the extension's value is missing", bad, sgxValue(func(der []byte) []byte { return der[:len(der)-1] }))
	add("empty", "the extension's value is empty", bad, sgxValue(func([]byte) []byte { return nil }))
	add("elements-in-another-order", "the extension's elements stand in the reverse order", accepted(), sgxMembers(reversed))
	add("components-in-another-order", "the TCB's elements stand in the reverse order", accepted(), inMember(2, reversed))
	add("flags-absent", "the configuration lists no flag", accepted(), inMember(7, func([]extensionElement) []extensionElement { return nil }))
	for i, name := range []string{"standard", "scalable", "scalable-with-integrity"} {
		add("sgx-type-"+name, "the SGX type is "+strings.ReplaceAll(name, "-", " "), accepted(), extension(func(e *dcap.PCKExtension) { e.SGXType = i }))
	}
	add("flags", "the platform caches keys and has no SMT", accepted(), extension(func(e *dcap.PCKExtension) {
		e.Platform.DynamicPlatform, e.Platform.CachedKeys, e.Platform.SMTEnabled = false, true, false
	}))
	return f
}

func certificationData() family {
	f := family{name: "certification-data"}
	add := func(name, text string, w want, edits ...edit) *testCase {
		f.cases = append(f.cases, testCase{name, sgxLayout + " table 9", text, w, edits, ""})
		return &f.cases[len(f.cases)-1]
	}
	kind := func(n uint16) edit { return form(func(f *simtee.Form) { f.Certification = n }) }
	data := func(g func([]byte) []byte) edit {
		return signed(func(q *quote.Quote) { q.CertificationData.Data = g(bytes.Clone(q.CertificationData.Data)) })
	}
	missing := refused(rats.EndorsementUnavailable)
	lengths := map[uint16]int{1: 36, 2: 276, 3: 404}
	for n := quote.CertPPID; n <= quote.CertPPIDRSA3072; n++ {
		for _, name := range []string{"sgx-v3", "tdx-v4"} {
			add(fmt.Sprintf("type-%d-%s", n, name), fmt.Sprintf("the quote names its platform by data of type %d; its PCK certificate is an endorsement", n),
				accepted(), formNamed(name, kind(n), pckCertificate())...).note = "Intel's library is given the PCK certificate by its caller."
		}
		add(fmt.Sprintf("type-%d-without-certificate", n), fmt.Sprintf("the quote names its platform by data of type %d; nobody has its PCK certificate", n),
			missing, kind(n))
		add(fmt.Sprintf("type-%d-short", n), fmt.Sprintf("data of type %d have one byte less than %d", n, lengths[n]), refused(rats.Malformed),
			kind(n), pckCertificate(), data(func(b []byte) []byte { return b[:len(b)-1] }))
		add(fmt.Sprintf("type-%d-long", n), fmt.Sprintf("data of type %d have one byte more than %d", n, lengths[n]), refused(rats.Malformed),
			kind(n), pckCertificate(), data(func(b []byte) []byte { return append(b, 0) }))
		add(fmt.Sprintf("type-%d-another-tcb", n), "the only PCK certificate is of another CPUSVN than the quote names", missing,
			kind(n), pckCertificate(), data(flip(-20)))
		add(fmt.Sprintf("type-%d-another-pcesvn", n), "the only PCK certificate is of another PCESVN than the quote names", missing,
			kind(n), pckCertificate(), data(flip(-4)))
		add(fmt.Sprintf("type-%d-another-pce", n), "the only PCK certificate is of another PCE than the quote names", missing,
			kind(n), pckCertificate(), data(flip(-1)))
	}
	add("type-1-another-ppid", "the only PCK certificate is of another platform than the quote names", missing, kind(1), pckCertificate(), data(flip(0)))
	neighbour := having(func(s *scene) (rats.Endorsement, error) {
		m, err := s.pki.NewPlatform(2, s.enclave.TCB)
		if err != nil {
			return rats.Endorsement{}, err
		}
		return m.PCKCertificate(), nil
	})
	add("type-2-of-two-platforms", "of two platforms with one TCB the one is meant whose key signed the QE report", accepted(), kind(2), neighbour, pckCertificate())
	add("type-2-of-the-neighbour", "the only PCK certificate that fits is a neighbour's, whose key did not sign the QE report", refused(rats.BadSignature), kind(2), neighbour)
	for _, name := range []string{"sgx-v3", "tdx-v4"} {
		add("type-4-"+name, "the quote carries its PCK certificate alone; the CA's comes with its revocation list", accepted(), formNamed(name, kind(4))...)
		add("type-7-"+name, "the quote carries a platform manifest, from before the platform was certified", refused(rats.Unsupported), formNamed(name, kind(7))...)
	}
	add("type-4-without-ca", "the quote carries its PCK certificate alone, and nobody has the CA's", missing, kind(4), lacking(rats.PCKCRL))
	add("type-4-of-two", "data of type 4 hold two certificates", refused(rats.Malformed), kind(4), data(func(b []byte) []byte { return append(b, b...) }))
	add("type-4-of-a-ca", "data of type 4 hold the CA's certificate", refused(rats.Malformed), kind(4),
		data(func([]byte) []byte { return []byte(others()[1]) }))
	add("type-4-not-pem", "data of type 4 are not PEM", refused(rats.Malformed), kind(4), data(func([]byte) []byte { return []byte("certificate") }))
	add("type-4-signature", "the signature of the lone PCK certificate is broken", refused(rats.BadSignature), kind(4), shown(simtee.PCK, flip(-1)))
	add("type-5-called-4", "a chain is labelled as type 4", refused(rats.Malformed), signed(func(q *quote.Quote) { q.CertificationData.Type = 4 }))
	add("type-5-called-1", "a chain is labelled as type 1", refused(rats.Malformed), signed(func(q *quote.Quote) { q.CertificationData.Type = 1 }))
	return f
}
