// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// resting is a chain whose record rests on two endorsements, of which one has
// been refreshed since.
func resting(t testing.TB) (c *chain, shown func(places ...string) func(*proof.Bundle), until func(string) record.Millis) {
	t.Helper()
	c = newChain(t, 1, 1)
	start := record.MillisOf(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	until = func(name string) record.Millis {
		return start + map[string]record.Millis{"stored": 1, "refreshed": 3000, "crl": 2000, "device": 5000, "other": 9000}[name]
	}
	place := func(name string) rats.EndorsementKey { return rats.EndorsementKey{Kind: rats.TCBInfo, Scope: name} }
	w := record.Watch{
		DCAP: &dcap.Inputs{
			PCK:    dcap.CertificateInputs{Serial: []byte{1}, NotAfter: until("device").Time().Unix()},
			Issuer: dcap.CertificateInputs{Serial: []byte{2}, NotAfter: until("device").Time().Unix() + 1},
		},
		RestsOn: []rats.EndorsementKey{place("crl"), place("refreshed")}, Deadline: 1,
	}
	c.put(t, record.WatchKey(c.rec.ID), w)
	keys := map[string][]byte{}
	for _, name := range []string{"crl", "refreshed", "other"} {
		key, err := record.EndorsementEntryKey(place(name))
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = key
		c.put(t, key, record.EndorsementEntry{Key: place(name), SHA256: [32]byte(sumOf(name)), ValidUntil: until(name)})
	}
	c.rec.ValidUntil = until("stored")
	c.put(t, record.RecordKey(c.rec.ID), c.rec)
	shown = func(names ...string) func(*proof.Bundle) {
		return func(b *proof.Bundle) {
			b.Entries = append(slices.Clone(b.Entries[:2]), c.entry(record.WatchKey(c.rec.ID)))
			for _, name := range names {
				b.Entries = append(b.Entries, c.entry(keys[name]))
			}
		}
	}
	return c, shown, until
}

func TestUntilWhenAVerdictHoldsFollowsFromWhatIsProvenBesideIt(t *testing.T) {
	c, shown, until := resting(t)
	v, err := c.verify(t, c.rec.ID, shown("crl", "refreshed"))
	if err != nil || v.Record.ValidUntil != until("crl") || len(v.Endorsements) != 2 {
		t.Fatalf("%+v, %v", v, err)
	}
	if !slices.Equal(v.NotShown, [][32]byte{}) && len(v.NotShown) != 0 {
		t.Errorf("not shown: %x", v.NotShown)
	}
	// Whoever leaves one out shows nothing about the rest: what was written stands.
	for _, names := range [][]string{{"crl"}, {"refreshed"}, {}} {
		v, err := c.verify(t, c.rec.ID, shown(names...))
		if err != nil || v.Record.ValidUntil != until("stored") {
			t.Errorf("with %v until %v, %v", names, v.Record.ValidUntil, err)
		}
	}
	// A device that ends first ends it.
	c.put(t, record.WatchKey(c.rec.ID), record.Watch{DCAP: &dcap.Inputs{
		PCK: dcap.CertificateInputs{Serial: []byte{1}, NotAfter: 7}, Issuer: dcap.CertificateInputs{Serial: []byte{2}, NotAfter: 8},
	}, RestsOn: []rats.EndorsementKey{}})
	if v, err := c.verify(t, c.rec.ID, shown()); err != nil || v.Record.ValidUntil != 7000 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestWhatHasEndedIsNotProlongedByEndorsements(t *testing.T) {
	c, shown, until := resting(t)
	c.rec.State = record.Undecided
	c.put(t, record.RecordKey(c.rec.ID), c.rec)
	if v, err := c.verify(t, c.rec.ID, shown("crl", "refreshed")); err != nil || v.Record.ValidUntil != until("stored") {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestEndorsementsOnWhichARecordDoesNotRestAreRefused(t *testing.T) {
	c, shown, _ := resting(t)
	other := newChain(t, 1, 1)
	other.put(t, record.WatchKey(c.rec.ID), record.Watch{RestsOn: []rats.EndorsementKey{}})
	for name, edit := range map[string]func(*proof.Bundle){
		"another's place": shown("crl", "refreshed", "other"),
		"one twice":       shown("crl", "crl"),
		"without the note that says so": func(b *proof.Bundle) {
			shown("refreshed")(b)
			b.Entries = slices.Delete(b.Entries, 2, 3)
		},
		"by a note of another state": func(b *proof.Bundle) {
			shown("crl")(b)
			b.Entries[2] = other.entry(record.WatchKey(c.rec.ID))
		},
	} {
		if v, err := c.verify(t, c.rec.ID, edit); rats.KindOf(err) != rats.BindingMismatch {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}
