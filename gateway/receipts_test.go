// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"crypto/ed25519"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/explorer"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/simtee"
)

// settled asks for a receipt until it is pending no more.
func (h *house) settled(t testing.TB, tx string) client.Receipt {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		r := h.get(t, "/v1/receipts/"+tx)
		if r.status != http.StatusOK {
			t.Fatalf("%d %s", r.status, r.body)
		}
		got := as[client.Receipt](t, r.body)
		if got.Status != client.ReceiptPending {
			return got
		}
		if r.header.Get("Retry-After") == "" {
			t.Fatal("pending, without a word when to ask again")
		}
	}
	t.Fatal("pending for ever")
	return client.Receipt{}
}

// receipted posts evidence and returns the receipt that it gets.
func (h *house) receipted(t testing.TB, raw []byte, header ...string) (client.Receipt, reply) {
	t.Helper()
	r := h.post(t, "/v1/evidence", "secret-word", evidenceJSON(raw), append([]string{"Prefer", "respond-async"}, header...)...)
	if r.status != http.StatusAccepted {
		t.Fatalf("%d %s", r.status, r.body)
	}
	return as[client.Receipt](t, r.body), r
}

func TestAReceiptIsGivenAtOnceAndTellsWhatBecameOfTheEvidence(t *testing.T) {
	h := open(t, "dev", nil)
	got, r := h.receipted(t, quote(t, 1, simtee.Enclave{}))
	if got.Status != client.ReceiptPending || got.Recorded != nil || got.Problem != nil || len(got.Tx) != 64 || got.Receipt != got.Tx {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]string{
		"Location": "/v1/receipts/" + got.Tx, "Preference-Applied": "respond-async", "Retry-After": "1", "Vary": "Prefer",
	} {
		if r.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, r.header.Get(name), want)
		}
	}
	end := h.settled(t, got.Tx)
	if end.Status != client.ReceiptRecorded || end.Recorded == nil || end.Recorded.Tx != got.Tx || end.Recorded.Height == 0 ||
		end.Recorded.Result == nil || !end.Recorded.Result.Accepted {
		t.Fatalf("%+v", end)
	}
	if v, err := h.client("").Get(t.Context(), end.Recorded.Record.ID); err != nil || v.Tx != got.Tx {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestWhatIsRefusedBeforeABlockGetsNoReceipt(t *testing.T) {
	h := open(t, "dev", nil)
	forged := quote(t, 1, simtee.Enclave{})
	forged[100] ^= 1
	ask := func(body string) reply { return h.post(t, "/v1/evidence", "any", body, "Prefer", "respond-async") }
	ask(evidenceJSON(forged)).wants(t, http.StatusUnprocessableEntity, rats.BadSignature)
	ask(evidenceJSON(forged[:99])).wants(t, http.StatusBadRequest, rats.Malformed)
	ask(`{}`).wants(t, http.StatusBadRequest, rats.Malformed)
	raw := quote(t, 2, simtee.Enclave{})
	first, err := h.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: raw})
	if err != nil {
		t.Fatal(err)
	}
	if p := ask(evidenceJSON(raw)).wants(t, http.StatusConflict, rats.Replayed); p.Tx != first.Tx {
		t.Errorf("%+v", p)
	}
}

func TestAWaitIsHonouredUpToItsBound(t *testing.T) {
	h := open(t, "dev", nil)
	n := uint64(0)
	post := func(prefer ...string) reply {
		n++
		var header []string
		for _, p := range prefer {
			header = append(header, "Prefer", p)
		}
		return h.post(t, "/v1/evidence", "any", evidenceJSON(quote(t, n, simtee.Enclave{})), header...)
	}
	for _, c := range []struct{ prefer, applied string }{
		{"respond-async, wait=30", "respond-async, wait=30"},
		{"wait=30", "wait=30"},
		{`return=minimal; foo="a,b", WAIT = "30" ; x=1, wait=0`, "wait=30"},
		{"respond-async, wait=99999", "respond-async"}, // longer than it may be: waits as long as it may
	} {
		r := post(c.prefer)
		if r.status != http.StatusCreated || r.header.Get("Preference-Applied") != c.applied {
			t.Errorf("%s: %d %q %.200s", c.prefer, r.status, r.header.Get("Preference-Applied"), r.body)
		}
		if got := as[client.Recorded](t, r.body); r.header.Get("Location") != "/v1/enclaves/"+got.Record.ID {
			t.Errorf("%s: %s", c.prefer, r.header.Get("Location"))
		}
	}
	for _, prefer := range []string{"wait=0", "respond-async, wait=-1", "respond-async,wait=soon"} {
		if r := post(prefer); r.status != http.StatusAccepted {
			t.Errorf("%s: %d %s", prefer, r.status, r.body)
		}
	}
	for _, prefer := range []string{"", "wait=x", "return=minimal", "respond-asynchronously"} {
		if r := post(prefer); r.status != http.StatusCreated || r.header.Get("Preference-Applied") != "" {
			t.Errorf("%s: %d %s", prefer, r.status, r.body)
		}
	}
}

func TestTwoPreferHeadersAreOneList(t *testing.T) {
	h := open(t, "dev", nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/v1/evidence", strings.NewReader(evidenceJSON(quote(t, 1, simtee.Enclave{}))))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer any"}, "Prefer": {"wait=30", "respond-async"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is read
	if got := resp.Header.Get("Preference-Applied"); resp.StatusCode != http.StatusCreated || got != "respond-async, wait=30" {
		t.Errorf("%d %q", resp.StatusCode, got)
	}
}

// TestOfTheSameEvidenceOnItsWayTwiceOneReceiptIsRefused: both pass the check
// before the block, and the block decides.
func TestOfTheSameEvidenceOnItsWayTwiceOneReceiptIsRefused(t *testing.T) {
	h := open(t, "dev", nil)
	h.lives(t, 1) // what follows needs no endorsements along
	raw := quote(t, 2, simtee.Enclave{})
	var mu sync.Mutex
	var given []string
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r := h.post(t, "/v1/evidence", "secret-word", evidenceJSON(raw), "Prefer", "respond-async")
			if r.status == http.StatusConflict {
				return // another's block was faster
			}
			mu.Lock()
			defer mu.Unlock()
			given = append(given, as[client.Receipt](t, r.body).Tx)
		})
	}
	all.Wait()
	recorded := ""
	for _, tx := range given {
		switch end := h.settled(t, tx); {
		case end.Status == client.ReceiptRecorded && recorded == "":
			recorded = tx
		case end.Status != client.ReceiptRefused || end.Problem.Kind != rats.Replayed || end.Problem.Status != http.StatusConflict:
			t.Errorf("%+v", end)
		}
	}
	if recorded == "" {
		t.Errorf("%d receipts, and none was recorded", len(given))
	}
}

func TestAReceiptOfNothingIsNotFoundAndABadNameMalformed(t *testing.T) {
	h := open(t, "dev", nil)
	h.get(t, "/v1/receipts/"+strings.Repeat("ab", 32)).wants(t, http.StatusNotFound, rats.NotFound)
	h.get(t, "/v1/receipts/abc").wants(t, http.StatusBadRequest, rats.Malformed)
	h.get(t, "/v1/receipts/"+strings.Repeat("ab", 31)).wants(t, http.StatusBadRequest, rats.Malformed)
}

func TestEveryRecordedTransactionIsAReceipt(t *testing.T) {
	h := open(t, "dev", nil)
	got, err := h.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 1, simtee.Enclave{})})
	if err != nil {
		t.Fatal(err)
	}
	end := h.settled(t, strings.ToUpper(got.Tx))
	if end.Status != client.ReceiptRecorded || end.Tx != got.Tx || end.Recorded.Record.ID != got.Record.ID || end.Recorded.Height != got.Height {
		t.Errorf("%+v", end)
	}
}

// station is a node that can be left and come back to.
type station struct {
	home, file string
	key        ed25519.PrivateKey
	// ahead is how much its clock is.
	ahead time.Duration
}

// visit starts the node and its gateway, or another gateway where the pool is
// replaced, until the test is done with it.
func (s *station) visit(t *testing.T, change func(*gateway.Config)) (h *house, leave func()) {
	t.Helper()
	h = &house{home: s.home, logged: new(logbook)}
	root := simtee.Root()
	ahead := s.ahead
	clock := func() time.Time { return time.Now().Add(ahead) }
	var err error
	if h.node, err = ledger.Start(t.Context(), ledger.Config{Home: s.home, Network: "dev", SimulatedRoot: &root, Now: clock}); err != nil {
		t.Fatal(err)
	}
	index, err := explorer.OpenIndex(t.Context(), explorer.IndexConfig{Path: filepath.Join(s.home, "index.sqlite")}, h.node.Registry())
	if err != nil {
		t.Fatal(err)
	}
	gc := gateway.Config{
		Ledger: adapter{h.node}, Registry: h.node.Registry(), Index: index, Transactions: index, Pool: pool{h.node},
		Receipts: s.file, Source: simtee.Source{}, Key: s.key, Network: "dev", Tokens: words{}, Now: clock,
	}
	if change != nil {
		change(&gc)
	}
	if h.gateway, err = gateway.New(gc); err != nil {
		t.Fatal(err)
	}
	server := gateway.Server(h.gateway)
	h.url = serve(t, server)
	return h, func() {
		t.Helper()
		for _, end := range []func() error{server.Close, h.gateway.Close, index.Close} {
			if err := end(); err != nil {
				t.Error(err)
			}
		}
		stopNode(t, h.node)
	}
}

func newStation(t *testing.T) *station {
	t.Helper()
	home := t.TempDir()
	key, err := ledger.LoadRegistrarKey(home)
	if err != nil {
		t.Fatal(err)
	}
	return &station{home: home, file: filepath.Join(home, "receipts"), key: key}
}

// TestAReceiptOutlivesTheNode leaves a node at once after the receipt, again and
// again: whatever stage the transaction was at, the receipt is answered for.
func TestAReceiptOutlivesTheNode(t *testing.T) {
	s := newStation(t)
	var given []string
	for n := range uint64(4) {
		h, leave := s.visit(t, nil)
		for _, tx := range given {
			h.settled(t, tx)
		}
		got, _ := h.receipted(t, quote(t, n, simtee.Enclave{}))
		given = append(given, got.Tx)
		leave()
	}
	h, leave := s.visit(t, nil)
	defer leave()
	for _, tx := range given {
		if end := h.settled(t, tx); end.Status != client.ReceiptRecorded || end.Recorded.Tx != tx {
			t.Errorf("%+v", end)
		}
	}
	if n := h.node.Registry().EventCount(); n != uint64(len(given)) {
		t.Errorf("%d events of %d submissions", n, len(given))
	}
}

// TestWhatNeverReachedABlockEntersThePoolAgain has the node end with a pool that
// lost what entered it.
func TestWhatNeverReachedABlockEntersThePoolAgain(t *testing.T) {
	s := newStation(t)
	lost := newRoom()
	h, leave := s.visit(t, func(gc *gateway.Config) { gc.Pool = lost })
	got, _ := h.receipted(t, quote(t, 1, simtee.Enclave{}))
	if r := h.get(t, "/v1/receipts/"+got.Tx); as[client.Receipt](t, r.body).Status != client.ReceiptPending || h.node.Registry().EventCount() != 0 {
		t.Fatalf("%s", r.body)
	}
	leave()
	h, leave = s.visit(t, nil)
	defer leave()
	if end := h.settled(t, got.Tx); end.Status != client.ReceiptRecorded || end.Recorded.Tx != got.Tx {
		t.Errorf("%+v", end)
	}
}

// TestATransactionWhoseTimeIsOverIsRefusedWithAWord has the node away for longer
// than a transaction lives.
func TestATransactionWhoseTimeIsOverIsRefusedWithAWord(t *testing.T) {
	s := newStation(t)
	h, leave := s.visit(t, func(gc *gateway.Config) { gc.Pool = newRoom() })
	got, _ := h.receipted(t, quote(t, 1, simtee.Enclave{}))
	leave()
	s.ahead = 10 * time.Minute
	h, leave = s.visit(t, nil)
	h.lives(t, 2) // ledger time goes on
	end := h.settled(t, got.Tx)
	if end.Status != client.ReceiptRefused || end.Problem.Kind != rats.Expired || !strings.Contains(end.Problem.Detail, "submit the evidence again") {
		t.Errorf("%+v", end)
	}
	leave()
	// That is told after a restart too, and the transaction does not come back.
	h, leave = s.visit(t, nil)
	defer leave()
	if again := h.settled(t, got.Tx); again.Status != client.ReceiptRefused || again.Problem.Detail != end.Problem.Detail {
		t.Errorf("%+v", again)
	}
}

func TestReceiptsEndAfterADayButForWhatTheLedgerKnows(t *testing.T) {
	s := newStation(t)
	var mu sync.Mutex
	ahead := time.Duration(0)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(ahead)
	}
	refusing := newRoom()
	h, leave := s.visit(t, func(gc *gateway.Config) { gc.Pool, gc.Now = refusing, clock })
	defer func() { leave() }()
	refused, _ := h.receipted(t, quote(t, 1, simtee.Enclave{}))
	refusing.outcome <- verdict{result: registry.TxResult{Err: rats.Errorf(rats.Replayed, "recorded before")}}
	if end := h.settled(t, refused.Tx); end.Status != client.ReceiptRefused || end.Problem.Kind != rats.Replayed {
		t.Fatalf("%+v", end)
	}
	recorded, err := h.client("any").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 2, simtee.Enclave{})})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	ahead = 24*time.Hour + time.Minute
	mu.Unlock()
	h.get(t, "/v1/receipts/"+refused.Tx).wants(t, http.StatusNotFound, rats.NotFound)
	if end := h.settled(t, recorded.Tx); end.Status != client.ReceiptRecorded || end.Recorded.Result != nil {
		t.Errorf("%+v", end)
	}
}

// TestADamagedFileOfReceiptsIsPutAsideAndTheRestCounts, and a line that does not
// end was never acknowledged.
func TestADamagedFileOfReceiptsIsPutAsideAndTheRestCounts(t *testing.T) {
	s := newStation(t)
	h, leave := s.visit(t, func(gc *gateway.Config) { gc.Pool = newRoom() })
	got, _ := h.receipted(t, quote(t, 1, simtee.Enclave{}))
	leave()
	b, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(s.file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	damaged := append([]byte("{damaged\n{\"hash\":\"00\",\"at\":\"2026-01-01T00:00:00Z\"}\n"), b...)
	damaged = append(damaged, b[:len(b)/2]...)
	if err := os.WriteFile(s.file, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	h, leave = s.visit(t, nil)
	defer leave()
	if end := h.settled(t, got.Tx); end.Status != client.ReceiptRecorded {
		t.Errorf("%+v", end)
	}
	if aside, err := os.ReadFile(s.file + ".damaged"); err != nil || !bytes.Equal(aside, damaged) {
		t.Errorf("%d bytes, %v", len(aside), err)
	}
}

// TestWithoutRoomForAReceiptTheVerdictIsWaitedFor: nothing is promised that is not
// kept.
func TestWithoutRoomForAReceiptTheVerdictIsWaitedFor(t *testing.T) {
	h := open(t, "dev", nil)
	if err := h.gateway.Close(); err != nil { // gives no receipts any more
		t.Fatal(err)
	}
	r := h.post(t, "/v1/evidence", "any", evidenceJSON(quote(t, 1, simtee.Enclave{})), "Prefer", "respond-async")
	if r.status != http.StatusCreated || r.header.Get("Preference-Applied") != "" {
		t.Errorf("%d %s", r.status, r.body)
	}
}
