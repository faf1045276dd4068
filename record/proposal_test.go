// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func keyOf(name byte) record.PublicKey {
	return record.PublicKey(key(name).Public().(ed25519.PublicKey))
}

// sampleProposals returns one of each kind.
func sampleProposals() []record.Proposal {
	p := record.Parameters{
		DefaultDuration: 3, MinDuration: 2, MaxDuration: 4, MaxUnfresh: 5, FreshnessWindow: 6, MaxTransactionLife: 7,
		MaxListings: 8, RegistrarQuota: 9, UnknownQuota: 10, PlatformQuota: 11, EvaluationDelay: 12,
	}
	return []record.Proposal{
		{Closes: 1_750_420_800_000, Reason: "its operator left", Leap: true, Validators: []record.Validator{
			{Key: keyOf(1), Governance: keyOf(2)}, {Key: keyOf(3), Governance: keyOf(4), Power: 10},
		}},
		{Closes: 1_750_420_800_001, NotBefore: 1_750_420_900_000, Parameters: &p, Replaces: fill32(1)},
		{Closes: 1_750_420_800_002, Replaces: fill32(2), Policy: &record.NetworkPolicy{
			AllowDebug: true, Registrars: []string{keyOf(5).String()},
			Manufacturers: []rats.TrustRoot{{Name: "acme", Subject: []byte("subject"), PublicKey: []byte("key")}},
		}},
		{Closes: 1_750_420_800_003, Activation: &record.Activation{Version: 5, Height: 250_000}},
	}
}

func sampleMotion(p *record.Proposal) record.Motion {
	return record.Motion{Version: 1, ChainID: "attesteer-test", NotAfter: 1_750_420_800_000, Nonce: [16]byte{1, 2, 3}, Proposal: p}
}

func sampleBallot() record.Motion {
	m := sampleMotion(nil)
	m.Ballot = &record.Ballot{Number: 7, Digest: fill32(9), Approve: true}
	return m
}

func sampleEntry() record.ProposalEntry {
	return record.ProposalEntry{
		Number: 7, Digest: fill32(9), Proposer: keyOf(2), Opened: 1, Height: 2, Tx: fill32(3), Proposal: sampleProposals()[0],
		Votes: []record.CastVote{{Governance: keyOf(2), Approve: true}, {Governance: keyOf(4)}},
		State: record.ProposalRejected, Since: 4, SinceHeight: 5, Yes: 10, No: 20, Total: 30,
	}
}

func mustSignMotion(t testing.TB, m record.Motion) []byte {
	t.Helper()
	b, err := record.SignMotion(key(2), m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAMotionOpensAsItWasSigned(t *testing.T) {
	motions := []record.Motion{sampleBallot()}
	for _, p := range sampleProposals() {
		motions = append(motions, sampleMotion(&p))
	}
	for _, m := range motions {
		o, err := record.Open(mustSignMotion(t, m))
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Verify(); err != nil {
			t.Error(err)
		}
		got, want := mustMarshal(t, o.Motion), mustMarshal(t, m)
		if !bytes.Equal(got, want) || o.Tx != nil || o.Tick != nil || record.PublicKey(o.Registrar) != keyOf(2) {
			t.Errorf("%+v", o)
		}
	}
}

func TestNoBitOfAMotionCanBeChangedOrLeftOut(t *testing.T) {
	p := sampleProposals()[0]
	for _, m := range []record.Motion{sampleBallot(), sampleMotion(&p)} {
		good := mustSignMotion(t, m)
		for i := range len(good) * 8 {
			b := bytes.Clone(good)
			b[i/8] ^= 1 << (i % 8)
			if o, err := record.Open(b); err == nil && o.Verify() == nil {
				t.Fatalf("bit %d can be changed", i)
			}
		}
		for n := range good {
			if _, err := record.Open(good[:n]); err == nil {
				t.Fatalf("%d of %d bytes open", n, len(good))
			}
		}
	}
}

// TestASignatureOfAnotherPurposeIsNoMotions: one key may be a registrar's and a
// validator's.
func TestASignatureOfAnotherPurposeIsNoMotions(t *testing.T) {
	body := mustMarshal(t, sampleBallot())
	for name, signed := range map[string][]byte{"no tag": body, "a registrar's tag": record.SignedBytes(body)} {
		b := mustMarshal(t, record.Envelope{
			Kind: record.KindGovernance, Body: body, Signer: key(2)[ed25519.SeedSize:], Signature: ed25519.Sign(key(2), signed),
		})
		o, err := record.Open(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Verify(); rats.KindOf(err) != rats.BadSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMotionsThatAreNotWellFormedAreRefused(t *testing.T) {
	seal := func(body []byte) []byte {
		return mustMarshal(t, record.Envelope{
			Kind: record.KindGovernance, Body: body, Signer: key(2)[ed25519.SeedSize:], Signature: ed25519.Sign(key(2), record.GovernanceBytes(body)),
		})
	}
	both, future := sampleBallot(), sampleBallot()
	p := sampleProposals()[3]
	both.Proposal, future.Version = &p, 2
	for _, c := range []struct {
		name string
		body []byte
		want rats.Kind
	}{
		{"neither", mustMarshal(t, sampleMotion(nil)), rats.Malformed},
		{"both", mustMarshal(t, both), rats.Malformed},
		{"a later version", mustMarshal(t, future), rats.Unsupported},
		{"a large one", make([]byte, record.MaxMotion+1), rats.TooLarge},
		{"a registrar's", mustMarshal(t, sampleTransaction()), rats.Malformed},
		{"nothing", nil, rats.Malformed},
	} {
		if _, err := record.Open(seal(c.body)); rats.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// Nor is it signed.
	for _, m := range []record.Motion{sampleMotion(nil), both} {
		if _, err := record.SignMotion(key(2), m); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

// TestAProposalIsTheSameInJSON: who votes names what a node showed.
func TestAProposalIsTheSameInJSON(t *testing.T) {
	for _, p := range sampleProposals() {
		want, err := p.Digest()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var again record.Proposal
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if got, err := again.Digest(); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestTheTallyCountsThePowerOfThoseWhoAreThere(t *testing.T) {
	e := sampleEntry()
	set := []record.Validator{{Key: keyOf(1), Governance: keyOf(2), Power: 3}, {Key: keyOf(7), Governance: keyOf(8), Power: 4}}
	if yes, no, total := e.Tally(set); yes != 3 || no != 0 || total != 7 {
		t.Errorf("%d for, %d against, of %d", yes, no, total)
	}
}

// governanceEncodings are those of what validators decide on.
func governanceEncodings(t *testing.T, add func(name string, b []byte, err error)) {
	t.Helper()
	cbor := func(name string, v any) {
		b, err := record.Marshal(v)
		add(name, b, err)
	}
	ballot, err := record.SignMotion(key(2), sampleBallot())
	add("ballot", ballot, err)
	for _, p := range sampleProposals() {
		made, err := record.SignMotion(key(2), sampleMotion(&p))
		add("proposal of "+string(p.Kind()), made, err)
	}
	cbor("proposal entry", sampleEntry())
	all := sampleProposals()
	cbor("governance", record.Governance{
		Parameters: *all[1].Parameters, Policy: *all[2].Policy, Validators: all[0].Validators, Version: 4, Next: all[3].Activation,
		Proposals: 9, Open: []uint64{8}, Decided: []uint64{1, 2},
	})
	by := keyOf(2)
	cbor("event of a proposal", record.Event{Sequence: 1, Kind: record.ProposalMade, Time: 2, Height: 3, Tx: fill32(4), Act: &record.Act{
		Number: 5, By: &by, Approve: true, Proposal: &all[3],
	}})
	cbor("event of a decision", record.Event{
		Sequence: 1, Kind: record.ProposalSettled + record.EventKind(record.ProposalPassed), Time: 2, Height: 3,
		Act: &record.Act{Number: 5, Yes: 6, No: 7, Total: 8},
	})
	cbor("event of a version", record.Event{Sequence: 1, Kind: record.VersionBegan, Time: 2, Height: 3, Act: &record.Act{Version: 5}})
	add("key of the governance", record.GovernanceKey(), nil)
	add("key of a proposal", record.ProposalKey(7), nil)
}
