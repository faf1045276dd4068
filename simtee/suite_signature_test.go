// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// mirrored turns r ‖ s into r ‖ n−s, which verifies as well (SEC 1, 4.1.4).
func mirrored(sig *[64]byte) {
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
}

// foreignSignature returns r ‖ s over a message by a key that is nobody's.
func foreignSignature(message []byte) [64]byte {
	sum := sha256.Sum256(message)
	return rawSignature(simtee.Key("intruder"), sum[:])
}

func rawSignature(key *ecdsa.PrivateKey, digest []byte) (out [64]byte) {
	der, err := key.Sign(nil, digest, crypto.SHA256)
	if err != nil {
		panic(err)
	}
	var value struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &value); err != nil {
		panic(err)
	}
	value.R.FillBytes(out[:32])
	value.S.FillBytes(out[32:])
	return out
}

// Clauses of the signatures of a quote and of the QE report, and of what the
// report binds.
const (
	byKey   = "SGX DCAP QVL 4.1.2.4.16"
	byPCK   = "SGX DCAP QVL 4.1.2.4.12"
	binding = "SGX DCAP QVL 4.1.2.4.13"
)

// flippedBits are the cases of one flipped bit in each part, in every form.
func flippedBits() (out []testCase) {
	for _, name := range []string{"sgx-v3", "sgx-v4", "sgx-v5", "tdx-v4", "tdx-v5-td15", "tdx-v5-td15ext"} {
		add := func(what, clause, text string, kind rats.Kind, e edit) {
			out = append(out, testCase{what + "-" + name, clause, text, refused(kind), formNamed(name, e), ""})
		}
		add("flipped", byKey, "one bit of the quote's signature is flipped", rats.BadSignature,
			signed(func(q *quote.Quote) { q.Signature[40] ^= 1 }))
		add("header", byKey, "one bit of the header's user data is flipped after signing", rats.BadSignature,
			signed(func(q *quote.Quote) { q.Header.UserData[19] ^= 1 }))
		add("report-data", byKey, "one bit of the report data is flipped after signing", rats.BadSignature,
			signed(func(q *quote.Quote) { q.ReportData()[0] ^= 1 }))
		add("measurement", byKey, "one bit of the measurement is flipped after signing", rats.BadSignature,
			signed(func(q *quote.Quote) {
				if q.TD != nil {
					q.TD.MRTD[0] ^= 1
				} else {
					q.SGX.MREnclave[0] ^= 1
				}
			}))
		add("qe-report", byPCK, "one bit of the QE report is flipped after signing", rats.BadSignature,
			signed(func(q *quote.Quote) { q.QEReport.MRSigner[0] ^= 1 }))
		add("qe-report-signature", byPCK, "one bit of the QE report's signature is flipped", rats.BadSignature,
			signed(func(q *quote.Quote) { q.QEReportSignature[40] ^= 1 }))
		add("qe-auth-data", binding, "one bit of the QE authentication data is flipped", rats.BindingMismatch,
			signed(func(q *quote.Quote) {
				q.QEAuthData = append([]byte(nil), q.QEAuthData...)
				q.QEAuthData[0] ^= 1
			}))
	}
	return out
}

func quoteSignatures() family {
	f := family{"quote-signature", flippedBits()}
	add := func(name, clause, text string, w want, e edit) {
		f.cases = append(f.cases, testCase{name, clause, text, w, []edit{e}, ""})
	}
	add("foreign-key", byKey, "another key than the attestation key signed the quote", refused(rats.BadSignature),
		signed(func(q *quote.Quote) { q.Signature = foreignSignature(q.Signed) }))
	add("foreign-attestation-key", byKey, "the attestation key is another, which signed the quote, and the QE report does not vouch for it",
		refused(rats.BindingMismatch), signed(func(q *quote.Quote) {
			b, err := simtee.Key("intruder").PublicKey.Bytes()
			if err != nil {
				panic(err)
			}
			copy(q.AttestationKey[:], b[1:])
			q.Signature = foreignSignature(q.Signed)
		}))
	add("zero", byKey, "the quote's signature is all zero", refused(rats.BadSignature), signed(func(q *quote.Quote) { q.Signature = [64]byte{} }))
	add("r-zero", byKey, "r of the quote's signature is zero", refused(rats.BadSignature), signed(func(q *quote.Quote) { clear(q.Signature[:32]) }))
	add("s-zero", byKey, "s of the quote's signature is zero", refused(rats.BadSignature), signed(func(q *quote.Quote) { clear(q.Signature[32:]) }))
	add("r-is-n", byKey, "r of the quote's signature is the group's order", refused(rats.BadSignature),
		signed(func(q *quote.Quote) { elliptic.P256().Params().N.FillBytes(q.Signature[:32]) }))
	add("mirrored", byKey, "s is replaced by the group's order less s: the signature verifies as well", accepted(),
		signed(func(q *quote.Quote) { mirrored(&q.Signature) }))
	add("mirrored-qe-report", byPCK, "s of the QE report's signature is replaced by the group's order less s", accepted(),
		signed(func(q *quote.Quote) { mirrored(&q.QEReportSignature) }))
	add("key-zero", byKey, "the attestation key is all zero, which is no point of the curve", refused(rats.BadSignature),
		signed(func(q *quote.Quote) { q.AttestationKey = [64]byte{} }))
	add("key-off-curve", byKey, "the attestation key is no point of the curve", refused(rats.BadSignature),
		signed(func(q *quote.Quote) { q.AttestationKey[63] ^= 1 }))
	add("qe-report-foreign-key", byPCK, "another key than the PCK certificate's signed the QE report", refused(rats.BadSignature),
		quotingEnclave(func(q *simtee.QuotingEnclave) { q.Key = simtee.Key("intruder") }))
	add("qe-report-data", binding, "the QE report, properly signed, vouches for another attestation key", refused(rats.BindingMismatch),
		quotingEnclave(func(q *simtee.QuotingEnclave) { q.Report.ReportData[31] ^= 1 }))
	add("qe-report-data-zero", binding, "the QE report, properly signed, vouches for nothing", refused(rats.BindingMismatch),
		quotingEnclave(func(q *simtee.QuotingEnclave) { q.Report.ReportData = [64]byte{} }))
	add("qe-report-data-second-half", binding, "the second half of the QE report's data is not zero", refused(rats.BindingMismatch),
		quotingEnclave(func(q *simtee.QuotingEnclave) { q.Report.ReportData[63] = 1 }))
	f.cases[len(f.cases)-1].note = "Intel's library compares the first half alone. Intel's quoting enclave writes zeros."
	f.cases = append(f.cases, testCase{
		"v5-descriptor-left-out", tdxLayout, "the signature of a version 5 quote covers header and body, but not the body's type and size between them",
		refused(rats.BadSignature), formNamed("tdx-v5-td15", attestedBy("other", func(q *quote.Quote) []byte {
			return append(append([]byte(nil), q.Signed[:quote.HeaderSize]...), q.Signed[quote.HeaderSize+6:]...)
		})), "",
	}, testCase{
		"v5-other-key", tdxLayout, "as in v5-descriptor-left-out, but the signature covers all that it should", accepted(),
		formNamed("tdx-v5-td15", attestedBy("other", func(q *quote.Quote) []byte { return q.Signed })), "",
	})
	return f
}

// attestedBy has the quoting enclave vouch for a named attestation key, which
// signs what message returns.
func attestedBy(label string, message func(*quote.Quote) []byte) edit {
	key := simtee.Key(label)
	uncompressed, err := key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	public, auth := uncompressed[1:], make([]byte, 32)
	return func(s *scene) {
		form(func(f *simtee.Form) { f.QEAuthData = auth })(s)
		quotingEnclave(func(q *simtee.QuotingEnclave) {
			sum := sha256.Sum256(append(append([]byte(nil), public...), auth...))
			copy(q.Report.ReportData[:], sum[:])
		})(s)
		signed(func(q *quote.Quote) {
			copy(q.AttestationKey[:], public)
			sum := sha256.Sum256(message(q))
			q.Signature = rawSignature(key, sum[:])
		})(s)
	}
}
