// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// Clauses that the cases of quotes cite.
const (
	sgxLayout = "SGX ECDSA Quote Library API A.4"
	tdxLayout = "TDX DCAP Quoting Library API A.3"
)

// quoteForm is one of the forms in which a quote can come.
type quoteForm struct {
	name, text, clause string
	edits              []edit
}

func forms() []quoteForm {
	return []quoteForm{
		{"sgx-v3", "a version 3 quote of an enclave", sgxLayout, nil},
		{"sgx-v4", "a version 4 quote of an enclave", tdxLayout, []edit{version(4)}},
		{"sgx-v5", "a version 5 quote of an enclave, body type 1", tdxLayout, []edit{version(5)}},
		{"tdx-v4", "a version 4 quote of a trust domain", tdxLayout, []edit{forTDX(quote.BodyTD10)}},
		{"tdx-v5-td10", "a version 5 quote of a trust domain, body type 2 (TDX 1.0)", tdxLayout, []edit{forTDX(quote.BodyTD10), version(5)}},
		{"tdx-v5-td15", "a version 5 quote of a trust domain, body type 3 (TDX 1.5)", tdxLayout, []edit{forTDX(quote.BodyTD15)}},
		{"tdx-v5-td15ext", "a version 5 quote of a trust domain, body type 4 (TDX 1.5, extended)", tdxLayout, []edit{forTDX(quote.BodyTD15Ext)}},
	}
}

// formNamed returns the edits that make a quote of a form, and then more.
func formNamed(name string, more ...edit) []edit {
	for _, f := range forms() {
		if f.name == name {
			return append(append([]edit{}, f.edits...), more...)
		}
	}
	panic("no form " + name)
}

func quoteForms() family {
	f := family{name: "quote-form"}
	for _, form := range forms() {
		f.cases = append(f.cases, testCase{form.name, form.clause, form.text + ", with all well", accepted(), form.edits, ""})
	}
	for _, n := range []int{0, 1, 20, 1000} {
		f.cases = append(f.cases, testCase{
			fmt.Sprintf("qe-auth-data-%d", n), sgxLayout + " table 8",
			fmt.Sprintf("the QE authentication data have %d bytes: any length is allowed", n), accepted(),
			[]edit{form(func(f *simtee.Form) { f.QEAuthData = make([]byte, n) })}, "",
		})
	}
	for _, name := range []string{"sgx-v3", "tdx-v4", "tdx-v5-td15"} {
		f.cases = append(f.cases, testCase{
			"padding-" + name, sgxLayout + " table 2", "zeros follow the quote, as real platforms pad their buffers", accepted(),
			formNamed(name, form(func(f *simtee.Form) { f.Padding = 406 })), "",
		})
	}
	f.cases = append(f.cases, testCase{
		"padding-not-zero", sgxLayout + " table 2", "bytes that are not zero follow the quote; nobody signed them and nobody reads them", accepted(),
		[]edit{written(func(b []byte) []byte { return append(b, "padding"...) })}, "",
	})
	return f
}

func header(f func(*quote.Header)) edit { return reported(func(q *quote.Quote) { f(&q.Header) }) }

func quoteHeaders() family {
	const table = sgxLayout + " table 3"
	f := family{name: "quote-header"}
	for _, v := range []uint16{0, 1, 2, 6, 0xffff} {
		text := fmt.Sprintf("the version is %d", v)
		if v == 1 || v == 2 {
			text += ", that of an EPID quote"
		}
		f.cases = append(f.cases, testCase{
			fmt.Sprintf("version-%d", v), table, text, refused(rats.Unsupported),
			[]edit{header(func(h *quote.Header) { h.Version = v })}, "",
		})
	}
	f.cases = append(f.cases, testCase{
		"not-a-quote", table, "version and vendor are of nothing known", refused(rats.Malformed),
		[]edit{header(func(h *quote.Header) { h.Version, h.QEVendorID = 7, [16]byte{1} })}, "",
	})
	for _, name := range []string{"sgx-v3", "sgx-v4", "sgx-v5", "tdx-v4", "tdx-v5-td15"} {
		for _, kind := range []uint16{0, 1, 3, 4} {
			if kind != 3 && name != "sgx-v3" && name != "tdx-v4" {
				continue
			}
			f.cases = append(f.cases, testCase{
				fmt.Sprintf("key-type-%d-%s", kind, name), table, fmt.Sprintf("the attestation key type is %d, not 2 (ECDSA P-256)", kind),
				refused(rats.Unsupported), formNamed(name, header(func(h *quote.Header) { h.AttestationKeyType = kind })), "",
			})
		}
		f.cases = append(f.cases, testCase{
			"vendor-" + name, table, "the quoting enclave's vendor is not Intel", refused(rats.Unsupported),
			formNamed(name, header(func(h *quote.Header) { h.QEVendorID[15] ^= 1 })), "",
		})
	}
	f.cases = append(f.cases,
		testCase{
			"reserved-v3", table, "bytes 4 to 7, which are reserved in version 3, are not zero", refused(rats.Malformed),
			[]edit{header(func(h *quote.Header) { h.TEEType = 1 })}, "",
		},
		testCase{
			"tdx-in-v3", table, "the TEE type is TDX's, which version 3 does not have", refused(rats.Malformed),
			[]edit{header(func(h *quote.Header) { h.TEEType = quote.TEETypeTDX })}, "",
		},
	)
	for _, name := range []string{"sgx-v4", "tdx-v4", "sgx-v5", "tdx-v5-td15"} {
		f.cases = append(f.cases, testCase{
			"tee-type-" + name, tdxLayout, "the TEE type is neither SGX's nor TDX's", refused(rats.Unsupported),
			formNamed(name, header(func(h *quote.Header) { h.TEEType = 0x82 })), "",
		})
	}
	return f
}

// Where the parts of a quote stand whose lengths the cases change: the
// signature length, and in it the sizes of outer certification data (from
// version 4 on), of QE authentication data, and of certification data.
type layout struct{ signature, outer, auth, certification int }

func layoutOf(name string) layout {
	at := map[string]int{"sgx-v3": 432, "sgx-v4": 432, "sgx-v5": 438, "tdx-v4": 632, "tdx-v5-td15": 48 + 6 + 648}[name]
	l := layout{signature: at, outer: at + 4 + 128 + 2}
	l.auth = at + 4 + 128 + 384 + 64
	if !strings.HasSuffix(name, "v3") {
		l.auth += 6
	}
	l.certification = l.auth + 2 + 32 + 2
	return l
}

// add32 adds to a number of a quote, little-endian.
func add32(at int, by int64) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[at:], uint32(int64(binary.LittleEndian.Uint32(b[at:]))+by))
		return b
	}
}

func put32(at int, v uint32) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[at:], v)
		return b
	}
}

func put16(at int, v uint16) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.LittleEndian.PutUint16(b[at:], v)
		return b
	}
}

func cut(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:n] } }

func extended(n int) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, make([]byte, n)...) }
}

func quoteSizes() family {
	f := family{name: "quote-size"}
	add := func(name, form, text string, kind rats.Kind, edits ...func([]byte) []byte) *testCase {
		var all []edit
		for _, e := range edits {
			all = append(all, written(e))
		}
		f.cases = append(f.cases, testCase{name, sgxLayout + " tables 2, 4, 8, 9", text, refused(kind), formNamed(form, all...), ""})
		return &f.cases[len(f.cases)-1]
	}
	for _, n := range []int{0, 1, 47, 48, 432, 1019} {
		add(fmt.Sprintf("cut-at-%d", n), "sgx-v3", fmt.Sprintf("there are %d bytes, under the least length of 1020", n), rats.Malformed, cut(n))
	}
	for _, name := range []string{"sgx-v3", "sgx-v4", "sgx-v5", "tdx-v4", "tdx-v5-td15"} {
		l := layoutOf(name)
		add("last-byte-"+name, name, "the last byte is missing", rats.Malformed, func(b []byte) []byte { return b[:len(b)-1] })
		add("cut-in-certification-"+name, name, "the quote ends within the certification data", rats.Malformed, cut(l.certification+40))
		add("signature-length-more-"+name, name, "the signature length is one more than is there", rats.Malformed, add32(l.signature, 1))
		add("signature-length-less-"+name, name, "the signature length is one less than its parts take", rats.Malformed, add32(l.signature, -1))
		add("certification-more-"+name, name, "the certification data's size is one more than is there", rats.Malformed, add32(l.certification, 1))
		add("certification-less-"+name, name, "the certification data's size leaves a byte over", rats.Malformed, add32(l.certification, -1))
		add("certification-most-"+name, name, "the certification data's size is 4294967295", rats.Malformed, put32(l.certification, 1<<32-1))
		add("auth-data-most-"+name, name, "the QE authentication data's size is 65535", rats.Malformed, put16(l.auth, 1<<16-1))
		add("certification-type-8-"+name, name, "the certification data's type is 8, which does not exist", rats.Unsupported, put16(l.certification-2, 8))
	}
	l := layoutOf("sgx-v3")
	add("signature-length-0", "sgx-v3", "the signature length is zero", rats.Malformed, put32(l.signature, 0))
	add("signature-length-127", "sgx-v3", "the signature length does not reach over signature and key", rats.Malformed, put32(l.signature, 127))
	add("signature-length-most", "sgx-v3", "the signature length is 4294967295", rats.Malformed, put32(l.signature, 1<<32-1))
	add("certification-type-0", "sgx-v3", "the certification data's type is 0, which does not exist", rats.Unsupported, put16(l.certification-2, 0))
	add("certification-type-6-v3", "sgx-v3", "the certification data's type is 6, which version 3 does not have", rats.Unsupported, put16(l.certification-2, 6))
	add("slack-v3", "sgx-v3", "the authentication data have four bytes more than their parts take", rats.Malformed,
		extended(4), add32(l.signature, 4)).note = "Intel's library lets this pass in version 3. The bytes are signed by nobody and read by nobody; no platform writes them."
	for _, name := range []string{"sgx-v4", "tdx-v4", "tdx-v5-td15"} {
		l := layoutOf(name)
		add("outer-type-5-"+name, name, "the QE report is wrapped in certification data of type 5, not 6", rats.Unsupported, put16(l.outer-2, 5))
		add("outer-type-0-"+name, name, "the QE report is wrapped in certification data of type 0, not 6", rats.Unsupported, put16(l.outer-2, 0))
		add("outer-more-"+name, name, "the size of the type 6 data is one more than is there", rats.Malformed, add32(l.outer, 1))
		add("outer-less-"+name, name, "the size of the type 6 data leaves a byte over", rats.Malformed, add32(l.outer, -1))
		add("outer-most-"+name, name, "the size of the type 6 data is 4294967295", rats.Malformed, put32(l.outer, 1<<32-1))
		add("nested-"+name, name, "certification data of type 6 hold others of type 6", rats.Malformed, put16(l.certification-2, 6))
		add("slack-"+name, name, "four bytes follow the type 6 data within the authentication data", rats.Malformed,
			extended(4), add32(l.signature, 4)).note = "Intel's library lets slack after the type 6 data pass; no platform writes it."
		add("slack-inside-"+name, name, "four bytes follow the inner certification data within the type 6 data", rats.Malformed,
			extended(4), add32(l.signature, 4), add32(l.outer, 4))
	}
	f.cases = append(f.cases, testCase{
		"certification-empty", sgxLayout + " table 9", "the certification data are empty", refused(rats.Malformed),
		[]edit{signed(func(q *quote.Quote) { q.CertificationData.Data = nil })}, "",
	})
	return f
}

func quoteBodies() family {
	f := family{name: "quote-body"}
	const kindAt, sizeAt = 48, 50
	add := func(name, form, text string, kind rats.Kind, edits ...func([]byte) []byte) {
		var all []edit
		for _, e := range edits {
			all = append(all, written(e))
		}
		f.cases = append(f.cases, testCase{name, tdxLayout + ", quote body descriptor", text, refused(kind), formNamed(form, all...), ""})
	}
	for _, v := range []uint16{0, 5, 0xffff} {
		add(fmt.Sprintf("type-%d-sgx", v), "sgx-v5", fmt.Sprintf("the body type is %d, which does not exist", v), rats.Unsupported, put16(kindAt, v))
		add(fmt.Sprintf("type-%d-tdx", v), "tdx-v5-td15", fmt.Sprintf("the body type is %d, which does not exist", v), rats.Unsupported, put16(kindAt, v))
	}
	for _, name := range []string{"sgx-v5", "tdx-v5-td10", "tdx-v5-td15", "tdx-v5-td15ext"} {
		add("size-more-"+name, name, "the body's size is one more than its type's", rats.Malformed, add32(sizeAt, 1))
		add("size-less-"+name, name, "the body's size is one less than its type's", rats.Malformed, add32(sizeAt, -1))
		add("size-0-"+name, name, "the body's size is zero", rats.Malformed, put32(sizeAt, 0))
		add("size-most-"+name, name, "the body's size is 4294967295", rats.Malformed, put32(sizeAt, 1<<32-1))
	}
	add("td15-called-td10", "tdx-v5-td15", "the body type is 2 and the size that of type 3", rats.Malformed, put16(kindAt, 2))
	add("td10-called-td15", "tdx-v5-td10", "the body type is 3 and the size that of type 2", rats.Malformed, put16(kindAt, 3))
	add("td15-called-td15ext", "tdx-v5-td15", "the body type is 4 and the size that of type 3", rats.Malformed, put16(kindAt, 4))
	add("enclave-in-tdx", "sgx-v5", "the TEE type is TDX's and the body an enclave's", rats.Malformed, put32(4, quote.TEETypeTDX))
	add("td-in-sgx", "tdx-v5-td15", "the TEE type is SGX's and the body a trust domain's", rats.Malformed, put32(4, quote.TEETypeSGX))
	return f
}
