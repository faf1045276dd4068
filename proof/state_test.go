// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/tree"
)

// put brings a value into the state, and the state under the header.
func (c *chain) put(t testing.TB, key []byte, v any) {
	t.Helper()
	b, err := record.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	c.values[string(key)] = b
	c.state = c.state.Update([]tree.Change{{Key: key, Value: b}})
	app := record.AppHash(c.state.Root(), c.log.Root, c.log.Size)
	c.header.AppHash = app[:]
}

// verify signs the header anew and verifies a bundle with its entries edited.
func (c *chain) verify(t testing.TB, id record.ID, edit func(*proof.Bundle)) (*proof.Verdict, error) {
	t.Helper()
	b := c.bundle(t, id, c.commit(t, indexes(len(c.keys))...))
	if edit != nil {
		edit(b)
	}
	asCBOR, _ := spellings(t, b)
	b, err := proof.Decode(asCBOR)
	if err != nil {
		t.Fatal(err)
	}
	return proof.Verify(b, c.trust(t))
}

// TestWhatIsSignedMustBeWhatItSaysToo: validators signed these states, which no
// honest ledger gets into.
func TestWhatIsSignedMustBeWhatItSaysToo(t *testing.T) {
	other := record.NewID(rats.SGX, sumOf("other code"), make([]byte, 64))
	for name, change := range map[string]func(c *chain) record.ID{
		"a record under another's id": func(c *chain) record.ID {
			c.put(t, record.RecordKey(other), c.rec)
			return other
		},
		"a record with another's id in it": func(c *chain) record.ID {
			rec := c.rec
			rec.ID = other
			c.put(t, record.RecordKey(rec.ID), rec)
			return other
		},
		"a record of another subject": func(c *chain) record.ID {
			rec := c.rec
			rec.Subject = make([]byte, 64)
			c.put(t, record.RecordKey(rec.ID), rec)
			return rec.ID
		},
		"a record of another TEE": func(c *chain) record.ID {
			rec := c.rec
			rec.TEE = rats.TDX
			c.put(t, record.RecordKey(rec.ID), rec)
			return rec.ID
		},
		"a record that is a number": func(c *chain) record.ID {
			c.put(t, record.RecordKey(c.rec.ID), 7)
			return c.rec.ID
		},
		"a ledger time that is a record": func(c *chain) record.ID {
			c.put(t, record.TimeKey(), c.rec)
			return c.rec.ID
		},
		"an endorsement under another's key": func(c *chain) record.ID {
			e := record.EndorsementEntry{Key: rats.EndorsementKey{Kind: rats.RootCACRL, Scope: "other"}, SHA256: [32]byte(sumOf("crl"))}
			c.put(t, c.endorsementKey(t, "crl"), e)
			return c.rec.ID
		},
	} {
		c := newChain(t, 1, 1)
		if _, err := c.verify(t, c.rec.ID, nil); err != nil {
			t.Fatal(err)
		}
		id := change(c)
		if v, err := c.verify(t, id, nil); rats.KindOf(err) != rats.BindingMismatch || v != nil {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// TestEndorsementsThatAreNotShownAreNamed: an endorsement that was replaced is
// no longer in state, and its absence no error.
func TestEndorsementsThatAreNotShownAreNamed(t *testing.T) {
	c := newChain(t, 1)
	crl, gone := [32]byte(sumOf("crl")), [32]byte(sumOf("gone"))
	c.rec.AppraisedWith = append(c.rec.AppraisedWith, gone)
	c.put(t, record.RecordKey(c.rec.ID), c.rec)
	v, err := c.verify(t, c.rec.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Endorsements) != 1 || v.Endorsements[0].SHA256 != crl || !slices.Equal(v.NotShown, [][32]byte{gone}) {
		t.Errorf("shown %v, not shown %x", v.Endorsements, v.NotShown)
	}
	v, err = c.verify(t, c.rec.ID, func(b *proof.Bundle) { b.Entries = b.Entries[:2] })
	if err != nil || len(v.Endorsements) != 0 || !slices.Equal(v.NotShown, [][32]byte{crl, gone}) {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestForgedEntriesAreFound(t *testing.T) {
	c := newChain(t, 1, 1)
	later := newChain(t, 1, 1)
	later.put(t, record.TimeKey(), record.LedgerTime{Time: 1_900_000_000_000, Height: 42})
	nobody, neighbour := record.ID{9}, record.ID{10}
	for name, f := range map[string]struct {
		id    record.ID
		forge func(*proof.Bundle)
	}{
		"a value for what is absent": {nobody, func(b *proof.Bundle) { b.Entries[0].Value = c.values[string(record.RecordKey(c.rec.ID))] }},
		"presence of nobody":         {nobody, func(b *proof.Bundle) { b.Entries[0].Proof = c.state.Prove(record.RecordKey(c.rec.ID)) }},
		"absence of somebody": {c.rec.ID, func(b *proof.Bundle) {
			b.Entries[0].Value, b.Entries[0].Proof = nil, c.state.Prove(record.RecordKey(nobody))
		}},
		"an absence of another key":      {nobody, func(b *proof.Bundle) { b.Entries[0] = c.entry(record.RecordKey(neighbour)) }},
		"no value, which is not null":    {nobody, func(b *proof.Bundle) { b.Entries[0].Value = []byte{} }},
		"an endorsement beside nobody":   {nobody, func(b *proof.Bundle) { b.Entries = append(b.Entries, c.entry(c.endorsementKey(t, "crl"))) }},
		"ledger time of another state":   {c.rec.ID, func(b *proof.Bundle) { b.Entries[1] = later.entry(record.TimeKey()) }},
		"another value of ledger time":   {c.rec.ID, func(b *proof.Bundle) { b.Entries[1].Value = later.values[string(record.TimeKey())] }},
		"no ledger time":                 {c.rec.ID, func(b *proof.Bundle) { b.Entries = slices.Delete(b.Entries, 1, 2) }},
		"ledger time that is absent":     {c.rec.ID, func(b *proof.Bundle) { b.Entries[1] = c.entry([]byte("t2")) }},
		"time before the record":         {c.rec.ID, func(b *proof.Bundle) { b.Entries[0], b.Entries[1] = b.Entries[1], b.Entries[0] }},
		"an endorsement that is absent":  {c.rec.ID, func(b *proof.Bundle) { b.Entries[2] = c.entry(c.endorsementKey(t, "none")) }},
		"an endorsement of another key":  {c.rec.ID, func(b *proof.Bundle) { b.Entries[2].Key = c.endorsementKey(t, "other") }},
		"an endorsement's other value":   {c.rec.ID, func(b *proof.Bundle) { b.Entries[2].Value = c.values[string(c.endorsementKey(t, "other"))] }},
		"a proof of another entry":       {c.rec.ID, func(b *proof.Bundle) { b.Entries[0].Proof = b.Entries[1].Proof }},
		"another root of the log":        {c.rec.ID, func(b *proof.Bundle) { b.LogRoot = sumOf("forged") }},
		"a state before, with its roots": {c.rec.ID, func(b *proof.Bundle) { r := later.state.Root(); b.MapRoot = r[:] }},
		"validators in another order":    {c.rec.ID, func(b *proof.Bundle) { slices.Reverse(b.Validators) }},
		"a validator left out":           {c.rec.ID, func(b *proof.Bundle) { b.Validators = b.Validators[:1] }},
	} {
		if v, err := c.verify(t, f.id, f.forge); rats.KindOf(err) != rats.BindingMismatch || v != nil {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	for name, forge := range map[string]func(*proof.Bundle){
		"another round":             func(b *proof.Bundle) { b.Commit.Round++ },
		"another time of a vote":    func(b *proof.Bundle) { b.Commit.Signatures[1].Time.Nanos++ },
		"other parts":               func(b *proof.Bundle) { b.Commit.Parts.Total++ },
		"another time of the block": func(b *proof.Bundle) { b.Header.Time.Seconds++ },
		"another proposer":          func(b *proof.Bundle) { b.Header.Proposer[0] ^= 1 },
		"votes in another order":    func(b *proof.Bundle) { slices.Reverse(b.Commit.Signatures) },
		"another's vote":            func(b *proof.Bundle) { b.Commit.Signatures[1].Signature = b.Commit.Signatures[0].Signature },
		"a vote for another block":  func(b *proof.Bundle) { b.Commit.Signatures = otherVotes(t) },
		"no votes":                  func(b *proof.Bundle) { b.Commit.Signatures = nil },
	} {
		if v, err := c.verify(t, c.rec.ID, forge); !errors.Is(err, rats.BadSignature) || v != nil {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// otherVotes are the same validators' for another block of the same height.
func otherVotes(t testing.TB) []proof.Signature {
	c := newChain(t, 1, 1)
	c.header.DataHash = sumOf("other data")
	return c.bundle(t, c.rec.ID, c.commit(t, 0, 1)).Commit.Signatures
}

func BenchmarkVerify(b *testing.B) {
	for name, n := range map[string]int{"4 validators": 4, "100 validators": 100} {
		b.Run(name, func(b *testing.B) {
			c := newChain(b, bytesToPowers(n)...)
			asCBOR, asJSON := spellings(b, c.bundle(b, c.rec.ID, c.commit(b, indexes(n)...)))
			trust := c.trust(b)
			for b.Loop() {
				bundle, err := proof.Decode(asCBOR)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := proof.Verify(bundle, trust); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(asCBOR)), "bytes/CBOR")
			b.ReportMetric(float64(len(asJSON)), "bytes/JSON")
		})
	}
}
