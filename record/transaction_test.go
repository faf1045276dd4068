// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"reflect"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// open decodes a transaction and checks its signature.
func open(b []byte) (*record.Opened, error) {
	o, err := record.Open(b)
	if err != nil {
		return nil, err
	}
	if o.Kind == record.KindRegistrar {
		err = o.Verify()
	}
	return o, err
}

// seal signs any body as a registrar would, whatever is wrong with it.
func seal(t testing.TB, k ed25519.PrivateKey, body any) []byte {
	t.Helper()
	return sealBytes(t, k, mustMarshal(t, body))
}

func sealBytes(t testing.TB, k ed25519.PrivateKey, body []byte) []byte {
	t.Helper()
	return mustMarshal(t, record.Envelope{
		Kind: record.KindRegistrar, Body: body,
		Signer: k.Public().(ed25519.PublicKey), Signature: ed25519.Sign(k, record.SignedBytes(body)),
	})
}

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := record.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustSign(t testing.TB, tx record.Transaction) []byte {
	t.Helper()
	b, err := record.Sign(key(1), tx)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatWasSignedIsWhatIsOpened(t *testing.T) {
	tx := sampleTransaction()
	b := mustSign(t, tx)
	o, err := open(b)
	if err != nil {
		t.Fatal(err)
	}
	if o.Kind != record.KindRegistrar || o.Tick != nil || !reflect.DeepEqual(*o.Tx, tx) {
		t.Errorf("got %+v", o)
	}
	if o.Registrar != record.Registrar(key(1).Public().(ed25519.PublicKey)) {
		t.Errorf("registrar %x", o.Registrar)
	}
	if o.Hash != record.TxHash(sha256.Sum256(b)) || o.Hash != record.HashTx(b) {
		t.Errorf("hash %x", o.Hash)
	}
}

func TestATickCarriesItsTime(t *testing.T) {
	b, err := record.NewTick(12345)
	if err != nil {
		t.Fatal(err)
	}
	o, err := open(b)
	if err != nil {
		t.Fatal(err)
	}
	if o.Kind != record.KindTime || o.Tick.Time != 12345 || o.Tx != nil || o.Registrar != (record.Registrar{}) {
		t.Errorf("got %+v", o)
	}
	if o.Verify() == nil {
		t.Error("a tick passed for signed")
	}
}

func TestTransactionsThatAreNotWellFormedAreRefused(t *testing.T) {
	edit := func(fn func(*record.Transaction)) []byte {
		tx := sampleTransaction()
		fn(&tx)
		return seal(t, key(1), tx)
	}
	envelope := func(fn func(*record.Envelope)) []byte {
		var e record.Envelope
		if err := record.Unmarshal(mustSign(t, sampleTransaction()), &e); err != nil {
			t.Fatal(err)
		}
		fn(&e)
		return mustMarshal(t, e)
	}
	tick := func(fn func(*record.Envelope)) []byte {
		e := record.Envelope{Kind: record.KindTime, Body: mustMarshal(t, record.TimeTick{Time: 1}), Signer: []byte{}, Signature: []byte{}}
		fn(&e)
		return mustMarshal(t, e)
	}
	good := mustSign(t, sampleTransaction())
	for _, tt := range []struct {
		name string
		tx   []byte
		want rats.Kind
	}{
		{"nothing", nil, rats.Malformed},
		{"one byte", []byte{0}, rats.Malformed},
		{"text", []byte("not a transaction"), rats.Malformed},
		{"something after the end", append(bytes.Clone(good), 0), rats.Malformed},
		{"over the size limit", make([]byte, record.MaxTransaction+1), rats.TooLarge},
		{"kind zero", envelope(func(e *record.Envelope) { e.Kind = 0 }), rats.Unsupported},
		{"a kind of the future", envelope(func(e *record.Envelope) { e.Kind = 4 }), rats.Unsupported},
		{"a key that is too short", envelope(func(e *record.Envelope) { e.Signer = e.Signer[1:] }), rats.Malformed},
		{"no key", envelope(func(e *record.Envelope) { e.Signer = []byte{} }), rats.Malformed},
		{"no signature", envelope(func(e *record.Envelope) { e.Signature = []byte{} }), rats.Malformed},
		{"a signature that is too long", envelope(func(e *record.Envelope) { e.Signature = append(e.Signature, 0) }), rats.Malformed},
		{"another registrar's key", envelope(func(e *record.Envelope) { e.Signer = key(2).Public().(ed25519.PublicKey) }), rats.BadSignature},
		{"a body that is no transaction", sealBytes(t, key(1), []byte{0xa0, 0}), rats.Malformed},
		{"an unknown field", seal(t, key(1), map[int]any{1: 1, 2: "c", 3: 1, 4: make([]byte, 16), 99: 1}), rats.Malformed},
		{"a nonce that is too short", seal(t, key(1), map[int]any{1: 1, 2: "c", 3: 1, 4: make([]byte, 15), 6: map[int]any{1: []byte{1}}}), rats.Malformed},
		{"version zero", edit(func(tx *record.Transaction) { tx.Version = 0 }), rats.Unsupported},
		{"the next version", edit(func(tx *record.Transaction) { tx.Version = 2 }), rats.Unsupported},
		{"the next version with a field of its own", seal(t, key(1), map[int]any{1: 2, 2: "c", 99: "new"}), rats.Unsupported},
		{"no content", edit(func(tx *record.Transaction) { tx.Endorsements, tx.Submission = nil, nil }), rats.Malformed},
		{"empty evidence", edit(func(tx *record.Transaction) { tx.Submission.Evidence = []byte{} }), rats.Malformed},
		{"evidence over its limit", edit(func(tx *record.Transaction) { tx.Submission.Evidence = make([]byte, record.MaxEvidence+1) }), rats.TooLarge},
		{"runtime data over their limit", edit(func(tx *record.Transaction) { tx.Submission.RuntimeData = make([]byte, record.MaxEvidence+1) }), rats.TooLarge},
		{"too many endorsements", edit(func(tx *record.Transaction) {
			tx.Endorsements = make([]rats.Endorsement, record.MaxEndorsements+1)
		}), rats.TooLarge},
		{"a negative duration", edit(func(tx *record.Transaction) { tx.Submission.ValidFor = -1 }), rats.Malformed},
		{"a URL over its limit", edit(func(tx *record.Transaction) { tx.Submission.URL = strings.Repeat("a", record.MaxURL+1) }), rats.Malformed},
		{"a URL with a line break", edit(func(tx *record.Transaction) { tx.Submission.URL = "a.example\n" }), rats.Malformed},
		{"a signed tick", tick(func(e *record.Envelope) { e.Signature = make([]byte, 64) }), rats.Malformed},
		{"a tick with a signer", tick(func(e *record.Envelope) { e.Signer = make([]byte, 32) }), rats.Malformed},
		{"a tick that spells nobody otherwise", tick(func(e *record.Envelope) { e.Signer, e.Signature = nil, nil }), rats.Malformed},
		{"a tick without a time", tick(func(e *record.Envelope) { e.Body = []byte{0xa0} }), rats.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := open(tt.tx); rats.KindOf(err) != tt.want {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestLimitsAreReachable(t *testing.T) {
	tx := sampleTransaction()
	tx.Submission.Evidence = make([]byte, record.MaxEvidence)
	tx.Submission.RuntimeData = make([]byte, record.MaxEvidence)
	tx.Submission.URL = "https://" + strings.Repeat("a", record.MaxURL-len("https://"))
	tx.Endorsements = make([]rats.Endorsement, record.MaxEndorsements)
	for i := range tx.Endorsements {
		tx.Endorsements[i] = rats.Endorsement{Kind: rats.TCBInfo, Body: []byte{}}
	}
	if _, err := open(mustSign(t, tx)); err != nil {
		t.Error(err)
	}
}

func TestURLs(t *testing.T) {
	for _, good := range []string{
		"", "yourdomain.example", "yourdomain.example:8443", "yourdomain.example/path?q=1#f", "localhost:80", "192.0.2.1",
		"http://a.example", "https://my.enclave.example", "HTTPS://A.EXAMPLE/", "https://[2001:db8::1]:443/x", "a_b.example",
	} {
		if err := record.CheckURL(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		" ", "a b", "a.example ", "\ta.example", "a\x00b", "a\x7fb", "é.example", "a\r\nSet-Cookie: x",
		"ftp://a.example", "javascript:alert(1)", "javascript://a.example/%0aalert(1)", "data:text/html,x", "file:///etc/passwd",
		"https://", "https:///path", "://a.example", "https://user:word@a.example", "user@a.example", "https://:443/", "/path",
	} {
		if err := record.CheckURL(bad); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%q: %v, want malformed", bad, err)
		}
	}
}

func TestAFlippedBitIsNeverTheSameTransaction(t *testing.T) {
	good := mustSign(t, sampleTransaction())
	for i := range len(good) * 8 {
		b := bytes.Clone(good)
		b[i/8] ^= 1 << (i % 8)
		if o, err := open(b); err == nil {
			t.Fatalf("bit %d: opened as %+v", i, o.Tx)
		}
	}
}

func TestATransactionCutShortIsMalformed(t *testing.T) {
	good := mustSign(t, sampleTransaction())
	for n := range len(good) {
		if _, err := open(good[:n]); rats.KindOf(err) != rats.Malformed {
			t.Fatalf("%d of %d bytes: %v, want malformed", n, len(good), err)
		}
	}
}

func TestASignatureIsForThisPurposeAlone(t *testing.T) {
	body := mustMarshal(t, sampleTransaction())
	bare := mustMarshal(t, record.Envelope{
		Kind: record.KindRegistrar, Body: body, Signer: key(1).Public().(ed25519.PublicKey), Signature: ed25519.Sign(key(1), body),
	})
	if _, err := open(bare); rats.KindOf(err) != rats.BadSignature {
		t.Errorf("a signature without the domain tag: %v, want bad_signature", err)
	}
}

func FuzzOpen(f *testing.F) {
	tx := sampleTransaction()
	f.Add(mustSign(f, tx))
	tx.Submission = nil
	f.Add(mustSign(f, tx))
	tick, err := record.NewTick(1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tick)
	tx = sampleTransaction()
	tx.Endorsements, tx.Submission = nil, nil
	tx.Withdrawal = &record.Withdrawal{ID: fill32(1), Signature: []byte("signature")}
	f.Add(mustSign(f, tx))
	f.Add([]byte{0x84, 1, 0xf6, 0xf6, 0xf6})
	f.Add(mustSignMotion(f, sampleBallot()))
	for _, p := range sampleProposals() {
		f.Add(mustSignMotion(f, sampleMotion(&p)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := record.Open(b)
		if err != nil {
			if k := rats.KindOf(err); k != rats.Malformed && k != rats.TooLarge && k != rats.Unsupported {
				t.Fatalf("%v", err)
			}
			return
		}
		bodies := 0
		for _, has := range []bool{o.Tx != nil, o.Tick != nil, o.Motion != nil} {
			if has {
				bodies++
			}
		}
		if bodies != 1 {
			t.Fatalf("%d bodies: %+v", bodies, o)
		}
		// What opens has one spelling only.
		var e record.Envelope
		if err := record.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		var body any = o.Tx
		switch {
		case o.Tick != nil:
			body = o.Tick
		case o.Motion != nil:
			body = o.Motion
		}
		if !bytes.Equal(mustMarshal(t, body), e.Body) || !bytes.Equal(mustMarshal(t, e), b) {
			t.Fatal("two spellings of one transaction")
		}
	})
}
