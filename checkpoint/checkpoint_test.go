// SPDX-License-Identifier: Apache-2.0

package checkpoint_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/attesteer/attesteer/checkpoint"
	"github.com/attesteer/attesteer/rats"
)

func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return ed25519.PublicKey(k[ed25519.SeedSize:]) }

func sample() checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Origin: checkpoint.Origin("dev-1"), Size: 42, Root: sha256.Sum256([]byte("root"))}
}

func logKey() checkpoint.Key {
	return checkpoint.Key{Name: sample().Origin, Public: public(key("log"))}
}

func signed(t testing.TB) []byte {
	t.Helper()
	b, err := checkpoint.Sign(sample(), key("log"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestACheckpointIsSpelledAsWitnessesExpect(t *testing.T) {
	root := sha256.Sum256([]byte("root"))
	text := "attesteer/dev-1\n42\n" + base64.StdEncoding.EncodeToString(root[:]) + "\n"
	if !strings.HasPrefix(string(signed(t)), text+"\n\u2014 attesteer/dev-1 ") {
		t.Errorf("%s", signed(t))
	}
	// A reader of signed notes who knows nothing of us, but our key.
	v, err := note.NewVerifier(logKey().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signed(t), note.VerifierList(v))
	if err != nil || n.Text != text || len(n.Sigs) != 1 {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestACheckpointOpensWithItsWitnesses(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := signed(t)
	var witnesses []checkpoint.Key
	for _, name := range []string{"witness.example/a", "witness.example/b", "stranger.example"} {
		var err error
		if b, err = checkpoint.Cosign(b, name, key(name), at); err != nil {
			t.Fatal(err)
		}
		if name != "stranger.example" {
			witnesses = append(witnesses, checkpoint.Key{Name: name, Public: public(key(name)), Witness: true})
		}
	}
	c, seen, err := checkpoint.Open(b, logKey(), witnesses...)
	if err != nil {
		t.Fatal(err)
	}
	if c.Size != 42 || c.Root != sample().Root || len(seen) != 2 || seen[0].Name != "witness.example/a" || !seen[1].Time.Equal(at) {
		t.Errorf("%+v, %+v", c, seen)
	}
	// What a witness signs is the time and the text (tlog-cosignature).
	line := strings.Split(string(b), "\n")[5]
	raw, err := base64.StdEncoding.DecodeString(line[strings.LastIndex(line, " ")+1:])
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(b), "\n\n")
	msg := "cosignature/v1\ntime 1772366400\n" + text + "\n"
	if !ed25519.Verify(witnesses[0].Public, []byte(msg), raw[12:]) {
		t.Error("the cosignature is over something else")
	}
}

func TestWhatIsNotSignedByTheLogIsRefused(t *testing.T) {
	other := checkpoint.Key{Name: sample().Origin, Public: public(key("other"))}
	elsewhere := checkpoint.Key{Name: checkpoint.Origin("dev-2"), Public: public(key("log"))}
	witness := checkpoint.Key{Name: "witness.example", Public: public(key("w")), Witness: true}
	onlyWitnessed, err := checkpoint.Cosign(signed(t), witness.Name, key("w"), time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(onlyWitnessed), "\n")
	onlyWitnessed = []byte(strings.Join(append(lines[:4:4], lines[5:]...), ""))
	for name, tt := range map[string]struct {
		note []byte
		log  checkpoint.Key
		kind rats.Kind
	}{
		"another key":           {signed(t), other, rats.UntrustedRoot},
		"another log":           {signed(t), elsewhere, rats.UntrustedRoot},
		"a witness alone":       {onlyWitnessed, logKey(), rats.UntrustedRoot},
		"another size":          {bytes.Replace(signed(t), []byte("\n42\n"), []byte("\n43\n"), 1), logKey(), rats.BadSignature},
		"no note":               {[]byte("hello"), logKey(), rats.Malformed},
		"nothing":               {nil, logKey(), rats.Malformed},
		"something large":       {make([]byte, checkpoint.MaxNote+1), logKey(), rats.TooLarge},
		"a key of no length":    {signed(t), checkpoint.Key{Name: "a"}, rats.Malformed},
		"a key without a name":  {signed(t), checkpoint.Key{Public: public(key("log"))}, rats.Malformed},
		"a text without a root": {resigned(t, "attesteer/dev-1\n42\n"), logKey(), rats.Malformed},
		"a size with a sign":    {resigned(t, "attesteer/dev-1\n+42\n"+strings.Repeat("A", 43)+"=\n"), logKey(), rats.Malformed},
		"a short root":          {resigned(t, "attesteer/dev-1\n42\nAAAA\n"), logKey(), rats.Malformed},
	} {
		if _, _, err := checkpoint.Open(tt.note, tt.log, witness); rats.KindOf(err) != tt.kind {
			t.Errorf("%s: %v, want %v", name, err, tt.kind)
		}
	}
}

// textSigner signs any text as the log would.
type textSigner struct{ verifier note.Verifier }

func (s textSigner) Name() string                    { return s.verifier.Name() }
func (s textSigner) KeyHash() uint32                 { return s.verifier.KeyHash() }
func (s textSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(key("log"), msg), nil }

func resigned(t *testing.T, text string) []byte {
	t.Helper()
	v, err := note.NewVerifier(logKey().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := note.Sign(&note.Note{Text: text}, textSigner{v})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNoBitChangesWhatASignedCheckpointSays(t *testing.T) {
	witness := checkpoint.Key{Name: "witness.example", Public: public(key("w")), Witness: true}
	b, err := checkpoint.Cosign(signed(t), witness.Name, key("w"), time.Unix(1_772_366_400, 0))
	if err != nil {
		t.Fatal(err)
	}
	want, by, err := checkpoint.Open(b, logKey(), witness)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(b) * 8 {
		flipped := bytes.Clone(b)
		flipped[i/8] ^= 1 << (i % 8)
		c, seen, err := checkpoint.Open(flipped, logKey(), witness)
		// A witness whose name or key's hash changed is a stranger; and the last
		// letter of base64 has bits that stand for nothing.
		if err == nil && (c.Size != want.Size || c.Root != want.Root || len(seen) > 0 && seen[0] != by[0]) {
			t.Fatalf("bit %d: %+v, %+v", i, c, seen)
		}
	}
	for n := range b {
		if _, seen, err := checkpoint.Open(b[:n], logKey(), witness); err == nil && len(seen) > 0 {
			t.Fatalf("cut to %d bytes", n)
		}
	}
}

func TestKeysAreReadAsTheyAreWritten(t *testing.T) {
	for _, k := range []checkpoint.Key{logKey(), {Name: "witness.example", Public: public(key("w")), Witness: true}} {
		got, err := checkpoint.ParseKey(k.String())
		if err != nil || got.String() != k.String() || got.Witness != k.Witness {
			t.Errorf("%+v, %v", got, err)
		}
	}
	good := logKey().String()
	for name, text := range map[string]string{
		"nothing": "", "a word": "key", "another hash": strings.Replace(good, "+", "+0", 1),
		"another name": "x" + good, "no base64": good + "!",
	} {
		if _, err := checkpoint.ParseKey(text); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := checkpoint.ParseKey("a+00000000+" + base64.StdEncoding.EncodeToString(append([]byte{9}, make([]byte, 32)...))); rats.KindOf(err) != rats.Unsupported {
		t.Errorf("another type: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(signed(f))
	f.Add([]byte("a\n1\nAAAA\n\n\u2014 a AAAA\n"))
	log := logKey()
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := checkpoint.Open(data, log)
		if err == nil && (c.Size != 42 || c.Root != sample().Root) {
			t.Errorf("%+v was never signed", c)
		}
	})
}
