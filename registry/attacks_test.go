// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// The attacks of docs/records.md on freshness and replay, each by its name there.

// reparsed changes a quote outside of what its enclave signed.
func reparsed(t testing.TB, raw []byte, change func(*quote.Quote)) []byte {
	t.Helper()
	q, err := quote.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	change(q)
	return q.Marshal()
}

// certificates returns the DER of a PEM chain.
func certificates(chain []byte) (out [][]byte) {
	for rest := bytes.TrimRight(chain, "\x00"); ; {
		block, more := pem.Decode(rest)
		if block == nil {
			return out
		}
		out, rest = append(out, block.Bytes), more
	}
}

// resigned returns a certificate with (r, n−s) for its signature: other bytes that
// say and verify the same.
func resigned(t testing.TB, der []byte) []byte {
	t.Helper()
	var cert struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &cert); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(cert.Signature.Bytes, &sig); err != nil {
		t.Fatal(err)
	}
	var rs [64]byte
	sig.R.FillBytes(rs[:32])
	sig.S.FillBytes(rs[32:])
	rs = negated(rs)
	sig.S.SetBytes(rs[32:])
	raw, err := asn1.Marshal(sig)
	if err != nil {
		t.Fatal(err)
	}
	cert.Signature = asn1.BitString{Bytes: raw, BitLength: 8 * len(raw)}
	out, err := asn1.Marshal(cert)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// negated returns r ‖ n−s, which verifies as well as r ‖ s.
func negated(signature [64]byte) (out [64]byte) {
	n, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	s := new(big.Int).SetBytes(signature[32:])
	copy(out[:32], signature[:32])
	s.Sub(n, s).FillBytes(out[32:])
	return out
}

// enveloped returns evidence in an envelope of Open Enclave's: that of an enclave as
// a report, that of a trust domain behind a header.
func enveloped(raw []byte) []byte {
	if raw[4] == 0x81 { // the type of TEE in a quote
		out := binary.LittleEndian.AppendUint32(nil, 3)
		id, _ := hex.DecodeString("8ba70286c1cf11edafa10242ac120002") // TDX_QUOTE_ECDSA
		out = append(append(out, id...), 0, 0, 0, 0)
		out = binary.LittleEndian.AppendUint64(out, uint64(len(raw)))
		return append(out, raw...)
	}
	return asReport(raw)
}

// asReport returns a quote as an Open Enclave report.
func asReport(raw []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, 1)
	out = binary.LittleEndian.AppendUint32(out, 2)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(raw)))
	return append(out, raw...)
}

// notTwice submits disguised evidence of a quote that is on the ledger: it counts
// as that quote, or is refused as it is; it makes no record and extends none.
func notTwice(t *testing.T, disguise func([]byte) []byte, kinds ...rats.Kind) {
	t.Helper()
	for tee, raw := range map[rats.TEE][]byte{
		rats.SGX: quoteOf(t, simtee.Enclave{ReportData: [64]byte{1}}),
		rats.TDX: tdQuoteOf(t, simtee.TD{ReportData: [64]byte{1}}),
	} {
		c := endorsed(t)
		first := c.ok(c.submit(key(1), raw))
		before := c.record(first.RecordID)
		c.blockAt(c.now + record.Millis(time.Hour.Milliseconds()))
		again := disguise(raw)
		if bytes.Equal(again, raw) {
			t.Fatal("that is no disguise")
		}
		r := c.block(c.submit(key(1), again))[0]
		if r.Err == nil || !slices.Contains(kinds, r.Err.Kind) {
			t.Errorf("%s: got %v, want one of %v", tee, r.Err, kinds)
			continue
		}
		if r.Err.Kind == rats.Replayed && (r.RecordID != first.RecordID || r.Earlier != first.Tx) {
			t.Errorf("%s: record %x, transaction %x", tee, r.RecordID, r.Earlier)
		}
		if after := c.record(first.RecordID); after.Expires != before.Expires || after.Attestations != 1 || c.reg.EventCount() != 1 {
			t.Errorf("%s: the record changed: %+v", tee, after)
		}
	}
}

func TestAttackTheOtherSignatureRNMinusSIsTheSameEvidence(t *testing.T) {
	notTwice(t, func(raw []byte) []byte {
		return reparsed(t, raw, func(q *quote.Quote) { q.Signature = negated(q.Signature) })
	}, rats.Replayed)
}

func TestAttackTheOtherSignatureOfTheQuotingEnclaveIsTheSameEvidence(t *testing.T) {
	notTwice(t, func(raw []byte) []byte {
		return reparsed(t, raw, func(q *quote.Quote) { q.QEReportSignature = negated(q.QEReportSignature) })
	}, rats.Replayed)
}

func TestAttackPaddingIsTheSameEvidence(t *testing.T) {
	notTwice(t, func(raw []byte) []byte { return append(slices.Clone(raw), make([]byte, 300)...) }, rats.Replayed)
}

func TestAttackReEncodedCertificatesAreTheSameEvidence(t *testing.T) {
	with := func(change func(chain []byte) []byte) func([]byte) []byte {
		return func(raw []byte) []byte {
			return reparsed(t, raw, func(q *quote.Quote) { q.CertificationData.Data = change(q.CertificationData.Data) })
		}
	}
	t.Run("with other signatures", func(t *testing.T) {
		notTwice(t, with(func(chain []byte) (out []byte) {
			for _, der := range certificates(chain) {
				out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: resigned(t, der)})...)
			}
			return out
		}), rats.Replayed)
	})
	t.Run("with other ends of lines", func(t *testing.T) {
		notTwice(t, with(func(chain []byte) []byte { return bytes.ReplaceAll(chain, []byte("\n"), []byte("\r\n")) }), rats.Replayed)
	})
	t.Run("with words between them", func(t *testing.T) {
		notTwice(t, with(func(chain []byte) []byte { return append([]byte("certificates\n"), chain...) }), rats.Malformed)
	})
}

func TestAttackEvidenceInAnotherEnvelopeIsTheSameEvidence(t *testing.T) {
	notTwice(t, enveloped, rats.Replayed)
	notTwice(t, func(raw []byte) []byte { return enveloped(append(slices.Clone(raw), 0)) }, rats.Replayed)
}

func TestAttackTheSameEvidenceTwiceInABlockCountsOnce(t *testing.T) {
	c := endorsed(t)
	raw := quoteOf(t, simtee.Enclave{})
	padded := append(slices.Clone(raw), 0)
	out := c.block(c.submit(key(1), raw), c.submit(key(1), padded), c.submit(key(2), padded))
	if out[0].Err != nil || out[1].Err == nil || out[1].Err.Kind != rats.Replayed || out[2].Err != nil {
		t.Fatalf("%v, %v, %v", out[0].Err, out[1].Err, out[2].Err)
	}
	if rec := c.record(out[0].RecordID); len(rec.Listings) != 2 || rec.Attestations != 1 {
		t.Errorf("%+v", rec)
	}
}

func TestAttackAStrangerWhoSubmitsSomebodysQuoteFirstGainsNothing(t *testing.T) {
	owner, stranger := key(1), key(2)
	g := devGenesis()
	admitted := registrar(owner)
	g.Registrars = []string{hex.EncodeToString(admitted[:])}
	c := newChain(t, g)
	c.ok(c.publish(endorsementsAt(t, vendor(t, simtee.Faults{}), 0)...))

	enclaveKey := key(200)
	raw := quoteOf(t, keyed(enclaveKey))
	first := c.ok(c.submit(stranger, raw, func(s *record.Submission) { s.URL = "stranger.example" }))
	r := c.ok(c.submit(owner, raw, func(s *record.Submission) { s.URL = "owner.example" }))
	if r.RecordID != first.RecordID {
		t.Fatal("the owner got another record than the stranger")
	}
	rec := c.record(r.RecordID)
	if rec.TopListing(c.now).Registrar != admitted || *rec.View(c.now).URL != "owner.example" {
		t.Errorf("the stranger's listing stands first: %+v", rec.Listings)
	}
	// The stranger takes back what is its own, and nothing else.
	c.ok(c.withdrawal(stranger, rec.ID, nil))
	if rec = c.record(rec.ID); rec.State != record.Active || len(rec.Listings) != 1 || rec.Listings[0].Registrar != admitted {
		t.Errorf("after the stranger went: %s, %+v", rec.State, rec.Listings)
	}
	// The enclave's own key decides about the record, whoever brought it first.
	c.ok(c.withdrawal(owner, rec.ID, ed25519.Sign(enclaveKey, c.toSign(rec.ID))))
	if rec = c.record(rec.ID); rec.State != record.Withdrawn {
		t.Errorf("it is %s", rec.State)
	}
	c.refused(c.submit(key(3), raw), rats.Replayed, "withdrew")
}

func TestAttackOneRegistrarHasOneListing(t *testing.T) {
	c := endorsed(t)
	e := simtee.Enclave{}
	id := c.ok(c.submit(key(1), quoteOf(t, e), func(s *record.Submission) { s.URL = "one.example" })).RecordID
	for n := range uint32(5) { // new evidence of the same enclave
		e.AttestationKey = n + 1
		c.ok(c.submit(key(1), quoteOf(t, e), func(s *record.Submission) { s.URL = "other.example" }))
	}
	if rec := c.record(id); len(rec.Listings) != 1 || rec.Listings[0].URL != "other.example" || rec.Attestations != 6 {
		t.Errorf("%+v", rec)
	}
}

func TestAttackManyRegistrarsCannotFillARecordWithoutEnd(t *testing.T) {
	g := devGenesis()
	g.Parameters.MaxListings = 3
	c := newChain(t, g)
	c.ok(c.publish(endorsementsAt(t, vendor(t, simtee.Faults{}), 0)...))
	raw := quoteOf(t, simtee.Enclave{})
	id := c.ok(c.submit(key(1), raw)).RecordID
	for n := byte(2); n <= 3; n++ {
		c.ok(c.submit(key(n), raw))
	}
	for n := byte(4); n < 10; n++ {
		c.refused(c.submit(key(n), raw), rats.QuotaExceeded, "listings")
	}
	if rec := c.record(id); len(rec.Listings) != 3 {
		t.Errorf("%d listings", len(rec.Listings))
	}
}

// TestEveryAttackThatIsListedIsTried holds docs/records.md and the tests to one
// another.
func TestEveryAttackThatIsListedIsTried(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "records.md"))
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, name := range []string{"registry", "gateway"} {
		files, err := filepath.Glob(filepath.Join("..", name, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(source, -1) {
				written[name+" "+string(m[1])] = true
			}
		}
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("`(registry|gateway)` `(Test\\w+)`").FindAllSubmatch(page, -1) {
		name := string(m[1]) + " " + string(m[2])
		if listed[name] = true; !written[name] {
			t.Errorf("%s is listed, and there is no such test", name)
		}
	}
	for name := range written {
		if strings.Contains(name, " TestAttack") && !listed[name] {
			t.Errorf("%s is not listed", name)
		}
	}
}
