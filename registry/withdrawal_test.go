// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// withdrawal is a registrar's transaction that carries one.
func (c *chain) withdrawal(k ed25519.PrivateKey, id record.ID, signature []byte) []byte {
	return c.tx(k, func(tx *record.Transaction) { tx.Withdrawal = &record.Withdrawal{ID: id, Signature: signature} })
}

func (c *chain) record(id record.ID) record.Record {
	c.t.Helper()
	rec, err := c.reg.Record(id)
	if err != nil {
		c.t.Fatal(err)
	}
	return rec
}

// toSign is what the subject's key has to sign now to withdraw a record.
func (c *chain) toSign(id record.ID) []byte {
	return record.WithdrawalBytes("test-chain", id, c.record(id).Tx)
}

// lastEvent returns the newest event of a record.
func (c *chain) lastEvent(id record.ID) record.Event {
	c.t.Helper()
	h, err := c.reg.History(id)
	if err != nil {
		c.t.Fatal(err)
	}
	return h[len(h)-1]
}

// keyed is an enclave whose report data are an Ed25519 key of its own.
func keyed(k ed25519.PrivateKey) simtee.Enclave {
	e := simtee.Enclave{MREnclave: [32]byte{42}}
	copy(e.ReportData[:], k.Public().(ed25519.PublicKey))
	return e
}

// boundTo is e bound to the newest block.
func (c *chain) boundTo(e simtee.Enclave) simtee.Enclave {
	c.t.Helper()
	hash, _, _, ok := c.reg.Challenge()
	if !ok {
		c.t.Fatal("no challenge")
	}
	copy(e.ReportData[32:], hash[:])
	return e
}

func TestARegistrarWithdrawsItsOwnListingAndNothingElse(t *testing.T) {
	c := endorsed(t)
	q := quoteOf(t, simtee.Enclave{})
	id := c.ok(c.submit(key(1), q)).RecordID
	c.ok(c.submit(key(2), q, func(s *record.Submission) { s.ValidFor = (24 * time.Hour).Milliseconds() }))
	before := c.record(id)
	r := c.ok(c.withdrawal(key(1), id, nil))
	rec := c.record(id)
	if r.RecordID != id || !r.Recorded || len(rec.Listings) != 1 || rec.Listings[0].Registrar != registrar(key(2)) {
		t.Fatalf("%+v", rec.Listings)
	}
	if rec.Expires != before.Listings[1].Expires || rec.StateAt(c.now) != record.Active || rec.Status != before.Status {
		t.Errorf("expires %v, state %s", rec.Expires.Time(), rec.StateAt(c.now))
	}
	if e := c.lastEvent(id); e.Kind != record.Delisted || e.Tx != r.Tx || len(e.Record.Listings) != 1 {
		t.Errorf("%+v", e)
	}
	// The registrar's own evidence lists it again: its listing was its own to withdraw.
	c.ok(c.submit(key(1), q))
	if rec := c.record(id); len(rec.Listings) != 2 {
		t.Errorf("%d listings", len(rec.Listings))
	}
}

func TestARecordThatNobodyListsAnyMoreHasExpired(t *testing.T) {
	c := endorsed(t)
	q := quoteOf(t, simtee.Enclave{})
	id := c.ok(c.submit(key(1), q)).RecordID
	c.ok(c.withdrawal(key(1), id, nil))
	rec := c.record(id)
	if len(rec.Listings) != 0 || rec.Expires > c.now || rec.StateAt(c.now) != record.Expired {
		t.Errorf("%d listings, expires %v, %s", len(rec.Listings), rec.Expires.Time(), rec.StateAt(c.now))
	}
	c.block()
	if rec, e := c.record(id), c.lastEvent(id); rec.State != record.Expired || e.Kind != record.RanOut || e.Tx != (record.TxHash{}) {
		t.Errorf("%s, %s by %x", rec.State, e.Kind, e.Tx)
	}
	c.refused(c.withdrawal(key(1), id, nil), rats.Unauthorized, "does not list")
	c.ok(c.submit(key(3), q))
	if rec := c.record(id); rec.StateAt(c.now) != record.Active || len(rec.Listings) != 1 {
		t.Errorf("listed again it is %s", rec.StateAt(c.now))
	}
}

func TestNobodyWithdrawsAnothersListing(t *testing.T) {
	c := endorsed(t)
	id := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{}))).RecordID
	c.refused(c.withdrawal(key(2), id, nil), rats.Unauthorized)
	c.refused(c.withdrawal(key(1), record.ID{9}, nil), rats.NotFound)
	if rec := c.record(id); len(rec.Listings) != 1 || rec.StateAt(c.now) != record.Active {
		t.Errorf("%+v", rec)
	}
}

func TestTheSubjectsKeyWithdrawsTheWholeRecordWhoeverCarriesIt(t *testing.T) {
	c := endorsed(t)
	own := key(77)
	q := quoteOf(t, keyed(own))
	id := c.ok(c.submit(key(1), q)).RecordID
	c.ok(c.submit(key(2), q))
	signature := ed25519.Sign(own, c.toSign(id))
	r := c.ok(c.withdrawal(key(9), id, signature))
	rec := c.record(id)
	if rec.State != record.Withdrawn || rec.StateAt(c.now) != record.Withdrawn || len(rec.Listings) != 0 ||
		rec.StatusReason != record.ReasonWithdrawn || rec.StatusSince != c.now || rec.Tx != r.Tx ||
		rec.WithdrawnAt != c.now || rec.WithdrawnHeight != c.reg.Height() {
		t.Errorf("%+v", rec)
	}
	if e := c.lastEvent(id); e.Kind != record.WithdrawnByKey || e.Record.State != record.Withdrawn {
		t.Errorf("%+v", e)
	}
	if v := rec.View(c.now); v.Withdrawn == nil || v.Withdrawn.At != c.now || v.State != record.Withdrawn || v.Registrar != nil {
		t.Errorf("%+v", v)
	}
	c.refused(c.withdrawal(key(9), id, ed25519.Sign(own, c.toSign(id))), rats.Replayed)
}

func TestAPublicKeyThatTheSubjectIsTheHashOfWithdrawsTheRecord(t *testing.T) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(own.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})} {
		for _, fresh := range []bool{false, true} {
			c := endorsed(t)
			e := simtee.Enclave{}
			sum := sha256.Sum256(data)
			copy(e.ReportData[:], sum[:])
			if fresh {
				e = c.boundTo(e)
			}
			id := c.ok(c.submit(key(1), quoteOf(t, e), func(s *record.Submission) { s.RuntimeData = data })).RecordID
			rec := c.record(id)
			if !bytes.Equal(rec.Key, data) || (rec.Freshness.Kind == record.FreshnessBlock) != fresh {
				t.Fatalf("%s: kept %q, freshness %v", name, rec.Key, rec.Freshness)
			}
			message := sha256.Sum256(c.toSign(id))
			signature, err := ecdsa.SignASN1(rand.Reader, own, message[:])
			if err != nil {
				t.Fatal(err)
			}
			c.ok(c.withdrawal(key(2), id, signature))
			if got := c.record(id).State; got != record.Withdrawn {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

func TestRuntimeDataThatAreNoKeyAreNotKept(t *testing.T) {
	c := endorsed(t)
	data := []byte("a commitment")
	e := simtee.Enclave{}
	sum := sha256.Sum256(data)
	copy(e.ReportData[:], sum[:])
	id := c.ok(c.submit(key(1), quoteOf(t, e), func(s *record.Submission) { s.RuntimeData = data })).RecordID
	if rec := c.record(id); rec.Key != nil {
		t.Errorf("kept %q", rec.Key)
	}
	c.refused(c.submit(key(1), quoteOf(t, c.boundTo(e)), func(s *record.Submission) { s.RuntimeData = []byte("another") }), rats.BindingMismatch)
}

// Report data of zeros alone are common, and as an Ed25519 key they are a point
// of order four: whoever tries often enough finds a signature that verifies.
func TestForgedWithdrawalOfARecordWithoutReportDataIsRefused(t *testing.T) {
	c := endorsed(t)
	q := quoteOf(t, simtee.Enclave{})
	id := c.ok(c.submit(key(1), q)).RecordID
	// With s = 0 a signature verifies where R is −k·A, one of the four points
	// that the key generates: by chance, and k changes with the transaction.
	points := [][]byte{
		{0: 1, 31: 0}, append([]byte{0xec}, append(bytes.Repeat([]byte{0xff}, 30), 0x7f)...),
		make([]byte, 32), {31: 0x80},
	}
	var forged []byte
	for n := byte(2); forged == nil; n++ {
		for _, r := range points {
			if try := append(bytes.Clone(r), make([]byte, 32)...); ed25519.Verify(make([]byte, 32), c.toSign(id), try) {
				forged = try
			}
		}
		if forged == nil {
			c.ok(c.submit(key(n), q))
		}
	}
	c.refused(c.withdrawal(key(2), id, forged), rats.BindingMismatch, "nobody's key")
}

func TestAWithdrawalThatTheSubjectsKeyDidNotSignIsRefused(t *testing.T) {
	c := endorsed(t)
	own := key(77)
	id := c.ok(c.submit(key(1), quoteOf(t, keyed(own)))).RecordID
	other := c.ok(c.submit(key(1), quoteOf(t, simtee.Enclave{ReportData: [64]byte{1, 63: 1}}))).RecordID
	rec := c.record(id)
	for name, signature := range map[string][]byte{
		"another key":         ed25519.Sign(key(78), c.toSign(id)),
		"another ledger":      ed25519.Sign(own, record.WithdrawalBytes("another", id, rec.Tx)),
		"another record":      ed25519.Sign(own, record.WithdrawalBytes("test-chain", other, rec.Tx)),
		"another transaction": ed25519.Sign(own, record.WithdrawalBytes("test-chain", id, record.TxHash{1})),
		"one byte":            {1},
	} {
		if r := c.refused(c.withdrawal(key(1), id, signature), rats.BadSignature); r.RecordID != id {
			t.Errorf("%s: record %x", name, r.RecordID)
		}
	}
	c.refused(c.withdrawal(key(1), other, ed25519.Sign(own, c.toSign(other))), rats.BindingMismatch)
}

func TestAWithdrawalCountsOnce(t *testing.T) {
	c := endorsed(t)
	own := key(77)
	id := c.ok(c.submit(key(1), quoteOf(t, keyed(own)))).RecordID
	signature := ed25519.Sign(own, c.toSign(id))
	c.ok(c.withdrawal(key(1), id, signature))
	c.block()
	c.ok(c.submit(key(1), quoteOf(t, c.boundTo(keyed(own)))))
	if got := state(c, id); got != record.Active {
		t.Fatalf("revived it is %s", got)
	}
	c.refused(c.withdrawal(key(1), id, signature), rats.BadSignature)
	c.ok(c.withdrawal(key(1), id, ed25519.Sign(own, c.toSign(id))))
}

func TestOnlyEvidenceBoundToALaterBlockRevivesAWithdrawnRecord(t *testing.T) {
	c := endorsed(t)
	own := key(77)
	e := keyed(own)
	old := quoteOf(t, e)
	id := c.ok(c.submit(key(1), old)).RecordID
	before := quoteOf(t, c.boundTo(e)) // to the block before the withdrawal's
	unbound := e
	unbound.AttestationKey = 1
	c.ok(c.withdrawal(key(1), id, ed25519.Sign(own, c.toSign(id))))
	withdrawn := c.reg.Height()

	c.refused(c.submit(key(1), old), rats.Replayed, "withdrew")
	c.refused(c.submit(key(2), old), rats.Replayed, "withdrew")
	c.refused(c.submit(key(1), quoteOf(t, unbound)), rats.PolicyRejected, "later block")
	c.refused(c.submit(key(1), before), rats.PolicyRejected, "later block")
	c.refused(c.submit(key(1), quoteOf(t, boundAt(e, withdrawn))), rats.PolicyRejected, "later block")
	if got := c.record(id).State; got != record.Withdrawn {
		t.Fatalf("%s", got)
	}
	c.ok(c.submit(key(2), quoteOf(t, c.boundTo(e)), func(s *record.Submission) { s.URL = "new.example" }))
	rec := c.record(id)
	if rec.StateAt(c.now) != record.Active || rec.Freshness.Height <= withdrawn || rec.Attestations != 2 ||
		len(rec.Listings) != 1 || rec.Listings[0].Registrar != registrar(key(2)) || rec.StatusSince != c.now {
		t.Errorf("%+v", rec)
	}
	// What was made before the withdrawal stays worthless after it was revived.
	c.refused(c.submit(key(1), old), rats.Replayed)
	c.refused(c.submit(key(1), quoteOf(t, unbound)), rats.PolicyRejected)
	c.refused(c.submit(key(1), before), rats.PolicyRejected)
}

func TestABlockThatWithdrawsAndRevivesGivesTheSameStateEverywhere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := endorsed(t), endorsed(t)
		own := key(77)
		e := keyed(own)
		id := record.NewID(rats.SGX, e.MREnclave[:], e.ReportData[:])
		last := record.TxHash{}
		for range rapid.IntRange(1, 12).Draw(rt, "blocks") {
			var txs [][]byte
			for range rapid.IntRange(0, 3).Draw(rt, "size") {
				k := key(byte(rapid.IntRange(1, 3).Draw(rt, "registrar")))
				switch rapid.IntRange(0, 3).Draw(rt, "deed") {
				case 0:
					txs = append(txs, a.submit(k, quoteOf(t, e)))
				case 1:
					txs = append(txs, a.submit(k, quoteOf(t, a.boundTo(e))))
				case 2:
					txs = append(txs, a.withdrawal(k, id, nil))
				default:
					txs = append(txs, a.withdrawal(k, id, ed25519.Sign(own, record.WithdrawalBytes("test-chain", id, last))))
				}
			}
			a.block(txs...)
			reg, err := registry.Open(b.store)
			if err != nil {
				rt.Fatal(err)
			}
			b.reg = reg
			b.block(txs...)
			if a.reg.AppHash() != b.reg.AppHash() {
				rt.Fatalf("height %d: %x and %x", a.reg.Height(), a.reg.AppHash(), b.reg.AppHash())
			}
			if rec, err := a.reg.Record(id); err == nil {
				last = rec.Tx
				if rec.State == record.Withdrawn && len(rec.Listings) > 0 {
					rt.Fatal("a withdrawn record is listed")
				}
			}
		}
	})
}

func TestATransactionThatWithdrawsDoesNothingElse(t *testing.T) {
	c := endorsed(t)
	items, err := simtee.Endorsements(start())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*record.Transaction){
		"evidence":     func(tx *record.Transaction) { tx.Submission = &record.Submission{Evidence: []byte{1}} },
		"endorsements": func(tx *record.Transaction) { tx.Endorsements = items },
	} {
		r := c.reg.Check(c.tx(key(1), func(tx *record.Transaction) {
			tx.Withdrawal = &record.Withdrawal{}
			change(tx)
		}))
		if rats.KindOf(errOf(r)) != rats.Malformed {
			t.Errorf("beside %s: %v", name, r.Err)
		}
	}
	long := c.withdrawal(key(1), record.ID{}, make([]byte, record.MaxWithdrawalSignature+1))
	if r := c.reg.Check(long); rats.KindOf(errOf(r)) != rats.TooLarge {
		t.Errorf("%v", r.Err)
	}
}

func TestAStateOfAnotherVersionIsNotOpened(t *testing.T) {
	c := endorsed(t)
	meta := c.store.m["M"]
	at := bytes.LastIndexByte(meta, registry.StateVersion)
	meta[at]++
	if _, err := registry.Open(c.store); rats.KindOf(err) != rats.Unsupported {
		t.Errorf("%v", err)
	}
}

// state is a record's at ledger time.
func state(c *chain, id record.ID) record.State {
	rec := c.record(id)
	return rec.StateAt(c.now)
}

// boundAt is e bound to the block of a height.
func boundAt(e simtee.Enclave, height uint64) simtee.Enclave {
	hash := hashOf(height)
	copy(e.ReportData[32:], hash[:])
	return e
}
