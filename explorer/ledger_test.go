// SPDX-License-Identifier: Apache-2.0

package explorer_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// now is the ledger time of the tests.
var now = record.MillisOf(time.Date(2026, 11, 21, 4, 46, 37, 0, time.UTC))

const (
	day  = record.Millis(24 * 60 * 60 * 1000)
	hour = record.Millis(60 * 60 * 1000)
)

// ledger is a past and a present in memory, made of real records and events.
type ledger struct {
	mu      sync.Mutex
	chain   string
	time    record.Millis
	events  []record.Event
	records map[record.ID]record.Record
	broken  error
}

func newLedger() *ledger {
	return &ledger{chain: "attesteer-dev-7f3a", time: now, records: map[record.ID]record.Record{}}
}

// put writes r as it is after an event of the given kind, and returns it with
// what the ledger adds to it.
func (l *ledger) put(kind record.EventKind, r record.Record) record.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := uint64(len(l.events))
	r.Sequence = n
	if old, known := l.records[r.ID]; known {
		r.Sequence = old.Sequence
	}
	r.Height, r.Tx = 100+n, record.TxHash(fill("tx", n))
	l.records[r.ID] = r
	l.events = append(l.events, record.Event{Sequence: n, Kind: kind, Time: r.LastAttested, Height: r.Height, Tx: r.Tx, Record: r})
	return r
}

func (l *ledger) Events(from uint64, limit int) ([]record.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return nil, l.broken
	}
	if from > uint64(len(l.events)) {
		return nil, errors.New("no such event")
	}
	rest := l.events[from:]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (l *ledger) EventCount() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.events))
}

func (l *ledger) Time() record.Millis {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.time
}

func (l *ledger) ChainID() string { return l.chain }

// Refresh has nothing newer.
func (l *ledger) Refresh(*record.Record) error { return nil }

func (l *ledger) Height() uint64 { return 100 + l.EventCount() }

func (l *ledger) Record(id record.ID) (record.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.records[id]
	if !ok {
		return r, rats.Errorf(rats.NotFound, "no record %x", id)
	}
	return r, nil
}

func (l *ledger) History(id record.ID) ([]record.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []record.Event
	for _, e := range l.events {
		if e.Record.ID == id {
			out = append(out, e)
		}
	}
	return out, nil
}

// newest returns the records as a listing without a filter does.
func (l *ledger) newest() []record.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]record.Record, 0, len(l.records))
	for _, r := range l.records {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b record.Record) int { return int(b.Sequence) - int(a.Sequence) })
	return out
}

// fill returns 32 bytes that a name and a number decide.
func fill(name string, n uint64) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte(name), n))
}

// enclave returns the n-th enclave: production, up to date, listed once.
func enclave(n uint64) record.Record {
	fingerprint, vendor, key := fill("code", n), fill("vendor", n%3), fill("key", n)
	r := record.Record{
		TEE: rats.SGX, Fingerprint: fingerprint[:], MRSigner: vendor[:], Subject: append(key[:], make([]byte, 32)...),
		FirstAttested: now - 3*day, LastAttested: now - 2*hour, Expires: now + 28*day, ValidUntil: now + 20*day, Attestations: 1,
		State: record.Active, Tier: rats.Affirming, BuildMode: rats.Production, Status: rats.UpToDate,
		StatusSince: now - 3*day, StatusReason: record.ReasonAttested, FMSPC: []byte{0, 0x60, 0x6a, 0, 0, 0},
		TrustRoot: rats.IntelRoot, Freshness: record.Freshness{Kind: record.FreshnessNone},
		EvidenceSHA256: fill("evidence", n), AppraisedWith: [][32]byte{fill("tcb", 1), fill("qe", 1), fill("crl", 1)},
		ISVProdID: 1, ISVSVN: 4,
		Listings: []record.Listing{{
			Registrar: record.Registrar(fill("registrar", n%2)), URL: fmt.Sprintf("https://enclave-%d.example", n),
			Since: now - 3*day, Expires: now + 28*day, Admitted: true,
		}},
	}
	r.ID = record.NewID(r.TEE, r.Fingerprint, r.Subject)
	return r
}

// trustDomain returns the n-th trust domain: like an enclave, with a longer
// fingerprint and nobody's signature on the code.
func trustDomain(n uint64) record.Record {
	r := enclave(n)
	code := sha512.Sum384(r.Fingerprint)
	r.TEE, r.Fingerprint, r.MRSigner, r.ISVProdID, r.ISVSVN = rats.TDX, code[:], nil, 0, 0
	r.ID = record.NewID(r.TEE, r.Fingerprint, r.Subject)
	return r
}

// withStatus sets status and build mode and the tier that follows from them.
func withStatus(r record.Record, status rats.TCBStatus, mode rats.BuildMode) record.Record {
	r.Status, r.BuildMode, r.Tier = status, mode, rats.TierOf(status, mode)
	return r
}

func TestTheFakeLedgerNumbersItsEvents(t *testing.T) {
	l := newLedger()
	first := l.put(record.Recorded, enclave(1))
	second := l.put(record.Recorded, enclave(2))
	again := l.put(record.Attested, first)
	if first.Sequence != 0 || second.Sequence != 1 || again.Sequence != 0 || l.EventCount() != 3 {
		t.Fatalf("sequences %d %d %d, %d events", first.Sequence, second.Sequence, again.Sequence, l.EventCount())
	}
}
