// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// With -update the golden file is written anew. A change of it is a change of
// what validators sign: state machines of both sides of it do not agree.
var update = flag.Bool("update", false, "write testdata/encodings.txt anew")

const goldenFile = "testdata/encodings.txt"

// key is a registrar's, from a fixed seed.
func key(name byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{name}, ed25519.SeedSize))
}

func fill32(b byte) (out [32]byte) {
	for i := range out {
		out[i] = b
	}
	return out
}

func sampleTransaction() record.Transaction {
	return record.Transaction{
		Version: record.TransactionVersion, ChainID: "attesteer-test", NotAfter: 1_750_420_800_000,
		Nonce: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		Endorsements: []rats.Endorsement{
			{Kind: rats.TCBInfo, Body: []byte("body"), Issuers: [][]byte{[]byte("certificate")}},
			{Kind: rats.RootCACRL, Body: []byte("list")},
		},
		Submission: &record.Submission{
			Evidence: []byte("evidence"), URL: "yourdomain.example", ValidFor: 172_800_000, RuntimeData: []byte("data"),
		},
	}
}

func sampleRecord() record.Record {
	return record.Record{
		ID: record.NewID(rats.SGX, bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 64)), TEE: rats.SGX,
		Fingerprint: bytes.Repeat([]byte{7}, 32), Subject: bytes.Repeat([]byte{8}, 64),
		Listings: []record.Listing{
			{Registrar: fill32(1), URL: "https://a.example/", Since: 10, Expires: 20, Admitted: true},
			{Registrar: fill32(2), Since: 11, Expires: 30},
		},
		FirstAttested: 10, LastAttested: 11, Expires: 30, ValidUntil: 40, Attestations: 2,
		State: record.Active, Tier: rats.Warning, BuildMode: rats.Production, Status: rats.SWHardeningNeeded,
		StatusSince: 10, StatusReason: record.ReasonAttested, MRSigner: bytes.Repeat([]byte{9}, 32),
		FMSPC: []byte{0, 0x60, 0x6a, 0, 0, 0}, Advisories: []string{"INTEL-SA-00615"}, TrustRoot: rats.IntelRoot,
		Freshness: record.Freshness{Kind: record.FreshnessBlock, Height: 5}, EvidenceSHA256: fill32(3),
		AppraisedWith: [][32]byte{fill32(4), fill32(5)}, Height: 6, Tx: fill32(6), Sequence: 1, ISVProdID: 3, ISVSVN: 4,
		Key: []byte("key"), WithdrawnHeight: 2, WithdrawnAt: 9,
		WillChange: &record.WillChange{At: 50, To: rats.OutOfDate, Reason: record.ReasonRecovery},
		Envelope:   []rats.Format{rats.OEEvidence, rats.SGXQuoteV3}, Claims: []record.Claim{{Name: "name", Value: []byte("value")}},
	}
}

// encodings are the names and bytes that the golden file holds.
func encodings(t *testing.T) [][2]string {
	t.Helper()
	var out [][2]string
	add := func(name string, b []byte, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, [2]string{name, hex.EncodeToString(b)})
	}
	cbor := func(name string, v any) {
		b, err := record.Marshal(v)
		add(name, b, err)
	}
	tick, err := record.NewTick(1_750_420_800_000)
	add("time tick", tick, err)
	signed, err := record.Sign(key(1), sampleTransaction())
	add("registrar transaction", signed, err)
	withdrawal := sampleTransaction()
	withdrawal.Endorsements, withdrawal.Submission = nil, nil
	withdrawal.Withdrawal = &record.Withdrawal{ID: fill32(1), Signature: []byte("signature")}
	signed, err = record.Sign(key(1), withdrawal)
	add("registrar transaction that withdraws", signed, err)
	add("what withdraws", record.WithdrawalBytes("attesteer-test", fill32(1), fill32(2)), nil)
	governanceEncodings(t, add)
	cbor("record", sampleRecord())
	cbor("event", record.Event{Sequence: 9, Kind: record.Listed, Time: 8, Height: 7, Tx: fill32(6), Record: sampleRecord()})
	cbor("ledger time", record.LedgerTime{Time: 1, ClockOffset: -2, Height: 3})
	entryKey := rats.EndorsementKey{Kind: rats.TCBInfo, TEE: rats.SGX, Scope: "00606a000000", EvaluationDataNumber: 19, Version: 3}
	cbor("endorsement entry", record.EndorsementEntry{
		Key: entryKey, SHA256: fill32(1), Issued: 2, NextUpdate: 3, ValidFrom: 4, ValidUntil: 5, Envelope: fill32(6),
	})
	cbor("replay entry", record.ReplayEntry{Record: fill32(1), Tx: fill32(2), First: 3})
	svn := [16]byte{1}
	cbor("watch", record.Watch{
		DCAP: &dcap.Inputs{
			TEE: rats.TDX, Root: rats.IntelRoot, CA: fill32(1), FMSPC: [6]byte{2}, PCEID: [2]byte{3}, Components: [16]uint8{4}, PCESVN: 5,
			PCK: dcap.CertificateInputs{Serial: []byte{6}, NotBefore: 7, NotAfter: 8}, Issuer: dcap.CertificateInputs{Serial: []byte{9}},
			QE: dcap.QEInputs{ISVProdID: 1, ISVSVN: 2}, TD: &dcap.TDInputs{TEETCBSVN2: &svn},
		},
		RestsOn: []rats.EndorsementKey{entryKey}, Deadline: 10,
	})
	cbor("sweep", record.Sweep{Next: fill32(1), Until: fill32(2), Wrapped: true})
	cbor("block entry", record.BlockEntry{Height: 1, Time: 2})

	add("key of a record", record.RecordKey(fill32(1)), nil)
	add("key of ledger time", record.TimeKey(), nil)
	add("key of the genesis", record.GenesisKey(), nil)
	b, err := record.EndorsementEntryKey(entryKey)
	add("key of an endorsement", b, err)
	b, err = record.EndorsementEntryKey(rats.EndorsementKey{Kind: rats.RootCACRL, Scope: "ab"})
	add("key of a revocation list", b, err)
	add("key of evidence", record.ReplayEntryKey(fill32(1)), nil)
	add("key of a nonce", record.NonceKey(fill32(1), [16]byte{2}), nil)
	add("key of a watch", record.WatchKey(fill32(1)), nil)
	add("key of the sweep", record.SweepKey(), nil)
	add("key of a block", record.BlockKey(fill32(1)), nil)

	id := record.NewID(rats.SGX, []byte("fingerprint"), []byte("subject"))
	add("id", id[:], nil)
	hash := record.AppHash(fill32(1), fill32(2), 3)
	add("app hash", hash[:], nil)
	return out
}

func TestEncodingsNeverChange(t *testing.T) {
	var text strings.Builder
	for _, e := range encodings(t) {
		text.WriteString(e[0] + ": " + e[1] + "\n")
	}
	if *update {
		if err := os.WriteFile(goldenFile, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(text.String(), "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("line %d of %s is no longer what is encoded:\nwant %s\ngot  %s", i+1, goldenFile, line, strings.Join(got[i:min(i+1, len(got))], ""))
		}
	}
}

func TestPartsOfAnIDCannotBeShiftedIntoEachOther(t *testing.T) {
	a := record.NewID(rats.SGX, []byte("ab"), []byte("c"))
	for _, b := range []record.ID{
		record.NewID(rats.SGX, []byte("a"), []byte("bc")),
		record.NewID("sgxa", []byte("b"), []byte("c")),
		record.NewID(rats.SGX, []byte("abc"), nil),
	} {
		if a == b {
			t.Error("two enclaves share an id")
		}
	}
}

func TestKeysOfDifferentKindsNeverMeet(t *testing.T) {
	entry, err := record.EndorsementEntryKey(rats.EndorsementKey{Kind: rats.TCBInfo})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[byte]bool{}
	for _, k := range [][]byte{
		record.RecordKey(record.ID{}), record.TimeKey(), record.GenesisKey(), entry,
		record.ReplayEntryKey([32]byte{}), record.NonceKey(record.Registrar{}, [16]byte{}), record.BlockKey([32]byte{}),
		record.WatchKey(record.ID{}), record.SweepKey(),
	} {
		if seen[k[0]] {
			t.Errorf("two kinds of keys begin with %q", k[0])
		}
		seen[k[0]] = true
	}
}
