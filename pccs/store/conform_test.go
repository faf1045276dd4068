// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

var (
	tcbKey  = store.Key{Kind: store.TCBInfo, TEE: rats.SGX, Scope: "00606a000000", Update: store.Standard, Version: 4}
	crlKey  = store.Key{Kind: store.CRL, Scope: "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der", Version: 4}
	machine = store.PlatformID{QEID: "0F0E0D0C0B0A09080706050403020100", PCEID: "0000"}
)

// day is midnight of a day of 2026.
func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

// artefact returns one that was issued on a day and fetched an hour later.
func artefact(key store.Key, issued int, body string) store.Artefact {
	return store.Artefact{
		Key: key, Body: []byte(body), Chain: []byte("chain of " + key.String()), Digest: sha256.Sum256([]byte(body)),
		Issued: day(issued), NextUpdate: day(issued + 30), Fetched: day(issued).Add(time.Hour), Source: "intel",
	}
}

func writeArtefacts(t testing.TB, s *store.Store, all ...store.Artefact) {
	t.Helper()
	must(t, s.Write(t.Context(), store.Batch{Artefacts: all}))
}

// is returns a function that compares what a call returned.
func is[T any](t testing.TB, want T) func(T, error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Error("want (-) and got (+):\n", diff)
		}
	}
}

// everything is a batch with each field set.
func everything() store.Batch {
	list := artefact(crlKey, 2, "\x30\x00\xff crl")
	list.Chain = nil
	return store.Batch{
		Artefacts: []store.Artefact{artefact(tcbKey, 1, `{"tcbInfo":{}}`), list},
		Platforms: []store.Platform{{PlatformID: machine, EncryptedPPID: []byte{1, 0, 255}, FMSPC: "00606A000000", CA: store.ProcessorCA, Seen: day(3)}},
		RawTCBs:   []store.RawTCB{{PlatformID: machine, CPUSVN: "AA", PCESVN: "0B00", TCBm: "AA0B00"}},
		PCKCerts: []store.PCKCert{
			{PlatformID: machine, TCBm: "AA0B00", Cert: []byte("-----BEGIN CERTIFICATE-----"), TCB: []byte(`{"pcesvn":11}`)},
			{PlatformID: machine, TCBm: "BB0B00", NotAvailable: true, TCB: []byte(`{"pcesvn":12}`)},
		},
		Chains:   map[string][]byte{store.ProcessorCA: []byte("PEM")},
		Policies: []store.Policy{{ID: "ab", Type: 2, JWT: []byte("a.b.c"), Default: true, FMSPC: "00606A000000"}},
		Enqueue:  []store.Queued{{PlatformID: machine, Manifest: []byte{0, 1}, State: store.New, Seen: day(4)}},
	}
}

func everythingWrittenIsReadBack(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	ctx, want := t.Context(), everything()
	must(t, open(t, dsn).Write(ctx, want))
	s := open(t, dsn) // as another process sees it
	bare := slices.Clone(want.Artefacts)
	for i := range bare {
		is(t, &want.Artefacts[i])(s.Artefact(ctx, want.Artefacts[i].Key))
		bare[i].Body = nil
	}
	slices.SortFunc(bare, func(a, b store.Artefact) int { return a.Key.Compare(b.Key) })
	is(t, bare)(s.Artefacts(ctx))
	slices.Reverse(want.Artefacts) // "crl" comes before "tcb_info"
	is(t, want.Artefacts)(s.ArtefactsWithBodies(ctx))
	is(t, &want.Platforms[0])(s.Platform(ctx, machine))
	is(t, want.Platforms)(s.Platforms(ctx))
	is(t, want.Platforms)(s.Platforms(ctx, "ffffffffffff", "00606a000000", "00606A000000"))
	is[[]store.Platform](t, nil)(s.Platforms(ctx, "ffffffffffff"))
	is(t, &want.RawTCBs[0])(s.RawTCB(ctx, machine, "AA", "0B00"))
	is(t, want.RawTCBs)(s.RawTCBs(ctx, machine))
	is(t, want.PCKCerts)(s.PCKCerts(ctx, machine))
	is(t, []byte("PEM"))(s.Chain(ctx, store.ProcessorCA))
	is(t, want.Policies)(s.Policies(ctx, "00606A000000"))
	is(t, want.Policies)(s.Policies(ctx, ""))
	queued := want.Enqueue
	queued[0].ID = 1
	is(t, queued)(s.Queue(ctx, store.New))
	is[[]store.Queued](t, nil)(s.Queue(ctx, store.NotAvailable))
}

func whatIsNotThereIsNotFound(t *testing.T, b *bench) {
	s, ctx := open(t, b.fresh(t)), t.Context()
	_, artefact := s.Artefact(ctx, tcbKey)
	_, platform := s.Platform(ctx, machine)
	_, raw := s.RawTCB(ctx, machine, "AA", "0B00")
	_, chain := s.Chain(ctx, store.PlatformCA)
	// What no engine can keep is not there either.
	odd := crlKey
	odd.Scope = "https://\xff"
	_, scope := s.Artefact(ctx, odd)
	_, nul := s.Platform(ctx, store.PlatformID{QEID: "\x00"})
	is[[]store.Platform](t, nil)(s.Platforms(ctx, "\x00"))
	for what, err := range map[string]error{"artefact": artefact, "platform": platform, "raw TCB": raw, "chain": chain, "no text": scope, "zero": nul} {
		if !errors.Is(err, rats.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	is[[]store.PCKCert](t, nil)(s.PCKCerts(ctx, machine))
	is[[]store.Artefact](t, nil)(s.Artefacts(ctx))
	is(t, store.Head{})(s.LogHead(ctx))
	is(t, store.Head{})(s.VerifyLog(ctx, store.Head{}))
	is[int64](t, 0)(s.Generation(ctx))
}

func namesAreFoundInEveryCase(t *testing.T, b *bench) {
	s, ctx := open(t, b.fresh(t)), t.Context()
	small := store.PlatformID{QEID: "abcdef", PCEID: "00ff"}
	key := tcbKey
	key.Scope, key.Update = strings.ToUpper(key.Scope), "STANDARD"
	must(t, s.Write(ctx, store.Batch{
		Artefacts: []store.Artefact{artefact(key, 1, "x")},
		Platforms: []store.Platform{{PlatformID: small, FMSPC: "00606a000000", CA: "PLATFORM"}},
		RawTCBs:   []store.RawTCB{{PlatformID: small, CPUSVN: "aa", PCESVN: "0b00", TCBm: "aa0b00"}},
		PCKCerts:  []store.PCKCert{{PlatformID: small, TCBm: "aa0b00", Cert: []byte("c")}},
		Chains:    map[string][]byte{"PLATFORM": []byte("PEM")},
	}))
	a, err := s.Artefact(ctx, key)
	must(t, err)
	if a.Key != tcbKey {
		t.Errorf("kept under %s", a.Key)
	}
	is(t, &store.Platform{PlatformID: store.PlatformID{QEID: "ABCDEF", PCEID: "00FF"}, FMSPC: "00606A000000", CA: "platform"})(s.Platform(ctx, small))
	raw, err := s.RawTCB(ctx, small, "aA", "0B00")
	must(t, err)
	certs, err := s.PCKCerts(ctx, small)
	must(t, err)
	if raw.TCBm != "AA0B00" || len(certs) != 1 || certs[0].TCBm != raw.TCBm {
		t.Errorf("raw TCB %v, certificates %v", raw, certs)
	}
	is(t, []byte("PEM"))(s.Chain(ctx, "Platform"))
}

func aBatchIsWrittenWholeOrNotAtAll(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	s, ctx := open(t, dsn), t.Context()
	b.run(t, dsn, `ALTER TABLE pccs_queue RENAME TO hidden`) // the last part of a batch
	if err := s.Write(ctx, everything()); err == nil {
		t.Fatal("written without a queue")
	}
	b.run(t, dsn, `ALTER TABLE hidden RENAME TO pccs_queue`)
	is[[]store.Artefact](t, nil)(s.Artefacts(ctx))
	is[[]store.Platform](t, nil)(s.Platforms(ctx))
	is[[]store.Version](t, nil)(s.Log(ctx, 0, 0))
	is[int64](t, 0)(s.Generation(ctx))
	must(t, s.Write(ctx, everything()))
	is[int64](t, 1)(s.Generation(ctx))
}

func whatCannotBeKeptIsRefused(t *testing.T, b *bench) {
	s, ctx := open(t, b.fresh(t)), t.Context()
	large := bytes.Repeat([]byte{1}, store.MaxContent+1)
	bad := func(change func(*store.Artefact)) store.Batch {
		a := artefact(tcbKey, 1, "x")
		change(&a)
		return store.Batch{Artefacts: []store.Artefact{artefact(crlKey, 1, "good"), a}}
	}
	for name, c := range map[string]struct {
		batch store.Batch
		want  rats.Kind
	}{
		"no kind":        {bad(func(a *store.Artefact) { a.Kind = "" }), rats.Malformed},
		"unknown kind":   {bad(func(a *store.Artefact) { a.Kind = "tcbinfo" }), rats.Malformed},
		"no body":        {bad(func(a *store.Artefact) { a.Body = nil }), rats.Malformed},
		"large body":     {bad(func(a *store.Artefact) { a.Body = large }), rats.TooLarge},
		"large chain":    {bad(func(a *store.Artefact) { a.Chain = large }), rats.TooLarge},
		"zero in a name": {bad(func(a *store.Artefact) { a.Scope = "a\x00b" }), rats.Malformed},
		"no text":        {bad(func(a *store.Artefact) { a.Source = "\xff" }), rats.Malformed},
		"long name":      {bad(func(a *store.Artefact) { a.Source = strings.Repeat("x", 4097) }), rats.TooLarge},
		"no identity":    {store.Batch{Platforms: []store.Platform{{}}}, rats.Malformed},
		"state":          {store.Batch{Enqueue: []store.Queued{{PlatformID: machine, State: 2}}}, rats.Malformed},
		"mark":           {store.Batch{Mark: map[int64]store.QueueState{1: 7}}, rats.Malformed},
		"manifest":       {store.Batch{Enqueue: []store.Queued{{PlatformID: machine, Manifest: large}}}, rats.TooLarge},
		"certificate":    {store.Batch{PCKCerts: []store.PCKCert{{PlatformID: machine, Cert: large}}}, rats.TooLarge},
		"policy":         {store.Batch{Policies: []store.Policy{{ID: "\x00"}}}, rats.Malformed},
		"chain":          {store.Batch{Chains: map[string][]byte{"processor": large}}, rats.TooLarge},
		"replace":        {store.Batch{ReplacePCK: []store.PlatformID{{}}}, rats.Malformed},
		"raw TCB":        {store.Batch{RawTCBs: []store.RawTCB{{PlatformID: machine, TCBm: "\xfe"}}}, rats.Malformed},
	} {
		if err := s.Write(ctx, c.batch); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	is[[]store.Artefact](t, nil)(s.Artefacts(ctx))
}

func certificatesOfAPlatformAreReplacedWhole(t *testing.T, b *bench) {
	s, ctx := open(t, b.fresh(t)), t.Context()
	other := store.PlatformID{QEID: "FF", PCEID: "0000"}
	cert := func(id store.PlatformID, tcbm string) store.PCKCert {
		return store.PCKCert{PlatformID: id, TCBm: tcbm, Cert: []byte(tcbm)}
	}
	must(t, s.Write(ctx, store.Batch{
		PCKCerts: []store.PCKCert{cert(machine, "01"), cert(machine, "02"), cert(other, "01")},
		RawTCBs:  []store.RawTCB{{PlatformID: machine, CPUSVN: "01", TCBm: "01"}},
	}))
	must(t, s.Write(ctx, store.Batch{ReplacePCK: []store.PlatformID{machine}, PCKCerts: []store.PCKCert{cert(machine, "03")}}))
	is(t, []store.PCKCert{cert(machine, "03")})(s.PCKCerts(ctx, machine))
	is(t, []store.PCKCert{cert(other, "01")})(s.PCKCerts(ctx, other))
	is(t, []store.RawTCB{{PlatformID: machine, CPUSVN: "01", TCBm: "01"}})(s.RawTCBs(ctx, machine))
}

func onePolicyOfAnFMSPCIsTheDefault(t *testing.T, b *bench) {
	s, ctx := open(t, b.fresh(t)), t.Context()
	policy := func(id, fmspc string, isDefault bool) store.Policy {
		return store.Policy{ID: id, JWT: []byte(id), FMSPC: fmspc, Default: isDefault}
	}
	must(t, s.Write(ctx, store.Batch{Policies: []store.Policy{policy("a", "1", true), policy("b", "2", true), policy("c", "1", false)}}))
	must(t, s.Write(ctx, store.Batch{Policies: []store.Policy{policy("d", "1", true)}}))
	is(t, []store.Policy{policy("a", "1", false), policy("c", "1", false), policy("d", "1", true)})(s.Policies(ctx, "1"))
	is(t, []store.Policy{policy("b", "2", true)})(s.Policies(ctx, "2"))
}

func generationMovesWithWhatIsServed(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	s, ctx := open(t, dsn), t.Context()
	other := open(t, dsn)
	all := everything()
	all.Enqueue = nil
	again := everything().Artefacts[:1]
	again[0].Fetched, again[0].Source = day(9), "ledger"
	seen := everything().Platforms
	seen[0].Seen = day(9)
	for _, step := range []struct {
		name  string
		batch store.Batch
		moves bool
	}{
		{"all", all, true},
		{"the same", all, false},
		{"older", store.Batch{Artefacts: []store.Artefact{artefact(tcbKey, 0, "older")}}, false},
		{"fetched again", store.Batch{Artefacts: again}, false},
		{"seen again", store.Batch{Platforms: seen}, false},
		{"queue", store.Batch{Enqueue: everything().Enqueue}, false},
		{"mark", store.Batch{Mark: map[int64]store.QueueState{1: store.Deleted}}, false},
		{"newer", store.Batch{Artefacts: []store.Artefact{artefact(tcbKey, 2, "newer")}}, true},
		{"chain", store.Batch{Chains: map[string][]byte{store.ProcessorCA: []byte("new")}}, true},
		{"certificate", store.Batch{PCKCerts: []store.PCKCert{{PlatformID: machine, TCBm: "BB0B00", Cert: []byte("now there")}}}, true},
		{"raw TCB", store.Batch{RawTCBs: []store.RawTCB{{PlatformID: machine, CPUSVN: "AA", PCESVN: "0B00", TCBm: "BB0B00"}}}, true},
		{"policy", store.Batch{Policies: []store.Policy{{ID: "zz", FMSPC: "00606A000000", Default: true}}}, true},
		{"platform", store.Batch{Platforms: []store.Platform{{PlatformID: machine, FMSPC: "1"}}}, true},
		{"removed", store.Batch{ReplacePCK: []store.PlatformID{machine}}, true},
		{"removed again", store.Batch{ReplacePCK: []store.PlatformID{machine}}, false},
		{"nothing", store.Batch{}, false},
	} {
		before, err := other.Generation(ctx)
		must(t, err)
		must(t, s.Write(ctx, step.batch))
		if step.name == "seen again" {
			is(t, &seen[0])(other.Platform(ctx, machine))
		}
		after, err := other.Generation(ctx)
		must(t, err)
		if moved := after > before; moved != step.moves || after < before {
			t.Errorf("%s: from %d to %d", step.name, before, after)
		}
	}
}

func aCancelledWriteWritesNothing(t *testing.T, b *bench) {
	s := open(t, b.fresh(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Write(ctx, everything()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	is[[]store.Artefact](t, nil)(s.Artefacts(t.Context()))
	must(t, s.Write(t.Context(), everything()))
}
