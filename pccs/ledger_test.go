// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// node is a ledger's node as a PCCS sees it: it keeps the latest of each key.
type node struct {
	mu    sync.Mutex // guards what follows
	held  map[rats.EndorsementKey]rats.Endorsement
	order []rats.EndorsementKey
	fault error
	calls int
	// refuses are kinds that it will not take.
	refuses map[rats.EndorsementKind]bool
	// spoil changes what it says.
	spoil func(*client.Endorsement)
	now   func() time.Time
}

func newNode(now func() time.Time, items ...rats.Endorsement) *node {
	n := &node{held: make(map[rats.EndorsementKey]rats.Endorsement), refuses: make(map[rats.EndorsementKind]bool), now: now}
	for _, e := range items {
		n.take(e)
	}
	return n
}

func (n *node) take(e rats.Endorsement) (known bool) {
	info, err := attesteer.CheckEndorsement(e, append(attesteer.Roots(), simtee.Root()))
	if err != nil {
		panic(err)
	}
	before, ok := n.held[info.Key]
	if !ok {
		n.order = append(n.order, info.Key)
	}
	n.held[info.Key] = e
	return ok && before.Digest() == e.Digest()
}

func (n *node) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = err
}

func (n *node) asked() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls
}

func (n *node) ListEndorsements(_ context.Context, filters url.Values) (*client.EndorsementList, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls++
	if n.fault != nil {
		return nil, n.fault
	}
	out := &client.EndorsementList{}
	for _, key := range n.order {
		info, err := attesteer.CheckEndorsement(n.held[key], append(attesteer.Roots(), simtee.Root()))
		if err != nil {
			return nil, err
		}
		number := strconv.FormatUint(uint64(key.EvaluationDataNumber), 10)
		for name, value := range map[string]string{
			"kind": string(key.Kind), "tee": string(key.TEE), "fmspc": key.Scope, "evaluation_data_number": number,
		} {
			if want := filters.Get(name); want != "" && want != value {
				info = nil
				break
			}
		}
		if info == nil {
			continue
		}
		row := client.Endorsement{
			Kind: key.Kind, TEE: key.TEE, Scope: key.Scope, EvaluationDataNumber: key.EvaluationDataNumber, Version: key.Version,
			SHA256: hex.EncodeToString(info.SHA256[:]), Issued: info.Issued, NextUpdate: info.NextUpdate,
			Stale: n.now().After(info.NextUpdate),
		}
		if filters.Get("body") == "true" {
			row.Body, row.Issuers = n.held[key].Body, n.held[key].Issuers
		}
		if n.spoil != nil {
			n.spoil(&row)
		}
		out.Endorsements = append(out.Endorsements, row)
	}
	return out, nil
}

func (n *node) PushEndorsements(_ context.Context, items []rats.Endorsement) (*client.Pushed, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls++
	if n.fault != nil {
		return nil, n.fault
	}
	out := &client.Pushed{}
	for _, e := range items {
		digest := e.Digest()
		one := client.PushedEndorsement{Kind: e.Kind, SHA256: hex.EncodeToString(digest[:])}
		switch {
		case n.refuses[e.Kind]:
			out.Refused = append(out.Refused, client.RefusedEndorsement{SHA256: one.SHA256, Kind: rats.Unsupported, Detail: "not here"})
		case n.take(e):
			out.Known = append(out.Known, one)
		default:
			out.Taken = append(out.Taken, one)
		}
	}
	if len(out.Taken)+len(out.Known) == 0 {
		return nil, &client.Refusal{Status: 422, Err: rats.Errorf(rats.Unsupported, "not here")}
	}
	return out, nil
}

// ledgerOf returns a node's ledger as an upstream.
func ledgerOf(t testing.TB, n *node) pccs.Upstream {
	t.Helper()
	return pccs.NewLedger(pccs.LedgerConfig{
		Node: n, RootCertificates: [][]byte{pccs.IntelRootCertificate(), newPKI(t, simtee.Faults{}).RootCertificate()},
	})
}

func artefact(t testing.TB, l *lab, k store.Key) *store.Artefact {
	t.Helper()
	a, err := l.Artefact(t.Context(), k)
	if err != nil {
		t.Fatalf("%s: %v", k, err)
	}
	return a
}

// ledgerKeys are all that a ledger can fill a cache with for simulated platforms.
func ledgerKeys() []store.Key {
	keys := []store.Key{
		{Kind: store.RootCRL, Version: 4}, {Kind: store.PCKCRL, Scope: store.PlatformCA, Version: 4},
		{Kind: store.PCKCRL, Scope: store.ProcessorCA, Version: 4},
		{Kind: store.QVEIdentity, TEE: rats.SGX, Update: store.Standard, Version: 4},
	}
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		keys = append(keys, tcbKey(tee, store.Standard), qeKey(tee, store.Standard), tcbKey(tee, store.Early),
			store.Key{Kind: store.EvaluationNumbers, TEE: tee, Version: 4})
	}
	return keys
}

func TestWhatACacheFetchedFillsAnotherThroughALedgerWhenTheVendorIsDown(t *testing.T) {
	t.Parallel()
	first := newLab(t, setup{})
	ledger := newNode(first.clock.Now)
	for _, k := range ledgerKeys() {
		artefact(t, first, k)
	}
	// The list of another root on the same ledger is passed over.
	pusher := pccs.NewPusher(pccs.PusherConfig{Node: ledger, Store: first.store})
	if err := pusher.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	// TCB info of the early update is that of the standard one here.
	if got := pusher.Standing(); got.Pushed != len(ledgerKeys()) || got.Refused != 0 || got.Pending != 0 || got.Fault != "" {
		t.Errorf("standing: %+v", got)
	}

	vendorURL := first.url
	second := newLab(t, setup{upstreams: []pccs.Upstream{upstream(t, vendorURL, setup{}), ledgerOf(t, ledger)}})
	first.pcs.Break("", pcstest.Status(503))
	for _, k := range ledgerKeys() {
		a, want := artefact(t, second, k), artefact(t, first, k)
		if a.Digest != want.Digest || a.Source != "ledger" {
			t.Errorf("%s is not what the first had, or is from %s", k, a.Source)
		}
		if string(a.Chain) != string(want.Chain) {
			t.Errorf("%s has another chain than the vendor's service gives:\n%s", k, a.Chain)
		}
	}
	// What came from the ledger is not pushed there again.
	back := pccs.NewPusher(pccs.PusherConfig{Node: ledger, Store: second.store})
	before := ledger.asked()
	if err := back.Push(t.Context()); err != nil || ledger.asked() != before {
		t.Errorf("%v, %d calls", err, ledger.asked()-before)
	}
	// Once the vendor is back, what it says counts.
	first.pcs.Mend()
	fresh := newLab(t, setup{upstreams: []pccs.Upstream{upstream(t, vendorURL, setup{}), ledgerOf(t, ledger)}})
	if a := artefact(t, fresh, tcbKey(rats.SGX, store.Standard)); a.Source == "ledger" {
		t.Error("the ledger came before the vendor")
	}
}

func TestALedgerWhoseNodeLiesOrIsDownFillsNothing(t *testing.T) {
	t.Parallel()
	clock := &clock{now: start()}
	for name, spoil := range map[string]func(*client.Endorsement){
		"a flipped bit":     func(e *client.Endorsement) { e.Body = append([]byte{}, e.Body...); e.Body[len(e.Body)/2] ^= 1 },
		"another issuer":    func(e *client.Endorsement) { e.Issuers = [][]byte{newPKI(t, simtee.Faults{}).RootCertificate()} },
		"no issuer":         func(e *client.Endorsement) { e.Issuers = nil },
		"nothing":           func(e *client.Endorsement) { e.Body = nil },
		"another FMSPC":     func(e *client.Endorsement) { e.Version, e.Scope = 9, "000000000000" },
		"rubbish for a CRL": func(e *client.Endorsement) { e.Body = []byte("rubbish") },
	} {
		n := newNode(clock.Now, vendor(t, simtee.Faults{}, start())...)
		n.spoil = spoil
		l := newLab(t, setup{upstreams: []pccs.Upstream{ledgerOf(t, n)}})
		if a, err := l.Artefact(t.Context(), tcbKey(rats.SGX, store.Standard)); err == nil {
			t.Errorf("%s: took %s", name, a.Key)
		}
		if all, err := l.store.Artefacts(t.Context()); err != nil || len(all) != 0 && name != "another FMSPC" {
			t.Errorf("%s: %d are kept, %v", name, len(all), err)
		}
	}
	n := newNode(clock.Now)
	n.fail(errors.New("connection refused"))
	l := newLab(t, setup{upstreams: []pccs.Upstream{ledgerOf(t, n)}})
	_, err := l.Artefact(t.Context(), tcbKey(rats.SGX, store.Standard))
	wantStatus(t, err, 502)
	n.fail(nil)
	l = newLab(t, setup{upstreams: []pccs.Upstream{ledgerOf(t, newNode(clock.Now))}})
	_, err = l.Artefact(t.Context(), store.Key{Kind: store.FMSPCs})
	wantStatus(t, err, 404)
	_, err = l.PCKCert(t.Context(), request(1))
	wantStatus(t, err, 404)
}

func TestOfSeveralEvaluationsOnALedgerTheOneThatWasStandardIsTaken(t *testing.T) {
	t.Parallel()
	clock := &clock{now: start()}
	n := newNode(clock.Now, recovering(t)...)
	number := func(a *store.Artefact) uint32 {
		s, err := attesteer.CheckEndorsement(rats.Endorsement{Kind: rats.TCBInfo, Body: a.Body, Issuers: tcbIssuers(t)}, []rats.TrustRoot{simtee.Root()})
		if err != nil {
			t.Fatal(err)
		}
		return s.Key.EvaluationDataNumber
	}
	// A new cache knows of none: the highest that TCB info and identities share.
	l := newLab(t, setup{upstreams: []pccs.Upstream{ledgerOf(t, n)}})
	if got := number(artefact(t, l, tcbKey(rats.SGX, store.Standard))); got != 22 {
		t.Errorf("a new cache takes number %d", got)
	}
	if got := number(artefact(t, l, tcbKey(rats.SGX, "21"))); got != 21 {
		t.Errorf("asked for number 21: %d", got)
	}
	// One that knows the standard one stays with it.
	source := newLab(t, setup{})
	known := newLab(t, setup{upstreams: []pccs.Upstream{upstream(t, source.url, setup{}), ledgerOf(t, n)}})
	artefact(t, known, qeKey(rats.SGX, store.Standard)) // number 20
	source.pcs.Break("", pcstest.Status(503))
	if got := number(artefact(t, known, tcbKey(rats.SGX, store.Standard))); got != 20 {
		t.Errorf("a cache that had number 20 takes number %d", got)
	}
	// What is stale comes last.
	newer := recovering(t)
	clock.advance(40 * 24 * time.Hour)
	for _, e := range vendor(t, revised(21), clock.Now()) {
		if e.Kind == rats.TCBInfo || e.Kind == rats.QEIdentity {
			newer = append(newer, e)
		}
	}
	later := newLab(t, setup{upstreams: []pccs.Upstream{ledgerOf(t, newNode(clock.Now, newer...))}})
	later.clock.advance(40 * 24 * time.Hour)
	if got := number(artefact(t, later, tcbKey(rats.SGX, store.Standard))); got != 21 {
		t.Errorf("with all others stale it takes number %d", got)
	}
}

func tcbIssuers(t testing.TB) [][]byte {
	t.Helper()
	e, err := newPKI(t, simtee.Faults{}).TCBInfo(rats.SGX, start())
	if err != nil {
		t.Fatal(err)
	}
	return e.Issuers
}

func TestWhatALedgerDoesNotTakeNowIsPushedLaterAndWhatItRefusesNever(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	n := newNode(l.clock.Now)
	n.fail(errors.New("connection refused"))
	for _, k := range []store.Key{tcbKey(rats.SGX, store.Standard), qeKey(rats.SGX, store.Standard)} {
		artefact(t, l, k) // answered, whatever the ledger does
	}
	pusher := pccs.NewPusher(pccs.PusherConfig{Node: n, Store: l.store, Look: time.Millisecond})
	if err := pusher.Push(t.Context()); err == nil {
		t.Fatal("pushed to nobody")
	}
	if got := pusher.Standing(); got.Pending != 3 || got.Pushed != 0 || got.Fault == "" {
		t.Errorf("standing: %+v", got)
	}
	n.mu.Lock()
	n.fault, n.refuses[rats.QEIdentity] = nil, true
	n.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pusher.Run(ctx) }()
	await(t, func() bool {
		s := pusher.Standing()
		return s.Pushed == 2 && s.Refused == 1 && s.Pending == 0 && s.Fault == ""
	})
	// What becomes current later goes too, and nothing twice.
	artefact(t, l, tcbKey(rats.TDX, store.Standard))
	await(t, func() bool { return pusher.Standing().Pushed == 3 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	before := n.asked()
	if err := pusher.Push(t.Context()); err != nil || n.asked() != before {
		t.Errorf("%v, %d calls for nothing new", err, n.asked()-before)
	}
	// A ledger that refuses everything is asked one by one, and no more.
	n.refuses[rats.TCBInfo], n.refuses[rats.RootCACRL] = true, true
	again := pccs.NewPusher(pccs.PusherConfig{Node: n, Store: l.store})
	if err := again.Push(t.Context()); err != nil || again.Standing().Refused != 4 {
		t.Errorf("%v, %+v", err, again.Standing())
	}
}

// await waits until what is to become true has.
func await(t testing.TB, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come true")
		}
	}
}
