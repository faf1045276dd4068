// SPDX-License-Identifier: Apache-2.0

package ear_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

func ring(t testing.TB, dir string) *ear.Ring {
	t.Helper()
	r, err := ear.OpenRing(dir, issued)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func signerID(t testing.TB, r *ear.Ring, at time.Time) string {
	t.Helper()
	k, err := r.Signer(at)
	if err != nil {
		t.Fatal(err)
	}
	return k.Public().ID
}

func published(t testing.TB, r *ear.Ring, at time.Time) []string {
	t.Helper()
	set, err := r.Public(at)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, 0, len(set.Keys))
	for _, k := range set.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}

func rotate(t testing.TB, r *ear.Ring, alg ear.Algorithm, at time.Time, withdraw bool) string {
	t.Helper()
	k, err := r.Rotate(alg, at, withdraw)
	if err != nil {
		t.Fatal(err)
	}
	return k.Public().ID
}

func write(t testing.TB, path string, b []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestAKeyIsNamedByItsThumbprint holds names against RFC 8037 appendix A.3 and
// RFC 7638 section 3, by which the second was computed apart from this package.
func TestAKeyIsNamedByItsThumbprint(t *testing.T) {
	for text, want := range map[string]string{
		keyEdDSA: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
		keyES256: "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
	} {
		if got := key(t, text).Public().ID; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestTheFirstStartMakesAKeyAndTheNextFindsIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config", "ear")
	first := signerID(t, ring(t, dir), issued)
	if again := signerID(t, ring(t, dir), issued); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, first+".jwk"): 0o600} {
		st, err := os.Stat(path)
		if err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v %v", path, st.Mode(), err)
		}
	}
}

func TestAReplacedKeyIsPublishedAsLongAsItsTokensLast(t *testing.T) {
	dir := t.TempDir()
	node := ring(t, dir)
	first := signerID(t, node, issued)
	old, err := node.Signer(issued)
	if err != nil {
		t.Fatal(err)
	}
	// Another process rotates; the running node goes on with the new key.
	at := issued.Add(24 * time.Hour)
	second := rotate(t, ring(t, dir), ear.EdDSA, at, false)
	if got := signerID(t, node, at); got != second {
		t.Errorf("%s signs, want %s", got, second)
	}
	if got := published(t, node, at); !slices.Equal(got, []string{second, first}) {
		t.Errorf("%v", got)
	}
	with := claims("")
	with.IssuedAt, with.Lifetime = at, ear.MaxLifetime
	last := sign(t, old, genuine(t), with) // begun before the node saw the new key
	for _, late := range []time.Duration{0, ear.MaxLifetime - time.Second} {
		set, err := node.Public(at.Add(late))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ear.Verify(last, set, at.Add(late)); err != nil {
			t.Errorf("after %v: %v", late, err)
		}
	}
	if got := published(t, node, at.Add(2*ear.MaxLifetime)); !slices.Equal(got, []string{second}) {
		t.Errorf("%v", got)
	}
	// Nothing of the private half is left, and the next rotation clears the rest.
	b, err := os.ReadFile(filepath.Join(dir, first+".jwk"))
	if err != nil || strings.Contains(string(b), `"d"`) {
		t.Errorf("%s %v", b, err)
	}
	third := rotate(t, node, ear.ES256, at.Add(48*time.Hour), false)
	if _, err := os.Stat(filepath.Join(dir, first+".jwk")); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
	if got := published(t, node, at.Add(48*time.Hour)); !slices.Equal(got, []string{third, second}) {
		t.Errorf("%v", got)
	}
}

func TestAWithdrawnKeyIsGoneAtOnce(t *testing.T) {
	dir := t.TempDir()
	node := ring(t, dir)
	write(t, filepath.Join(dir, "mine.pem"), pemOf(t), 0o600)
	third := rotate(t, node, ear.ES256, time.Now(), true)
	if got := published(t, node, time.Now()); !slices.Equal(got, []string{third}) {
		t.Errorf("%v", got)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v %v", files, err)
	}
}

// TestRotationsWithinASecondStandInOrder: files keep whole seconds.
func TestRotationsWithinASecondStandInOrder(t *testing.T) {
	r := ring(t, t.TempDir())
	ids := []string{signerID(t, r, issued)}
	for range 5 {
		ids = append([]string{rotate(t, r, ear.ES256, issued, false)}, ids...)
		if got := published(t, r, issued); !slices.Equal(got, ids) {
			t.Fatalf("%v, want %v", got, ids)
		}
	}
}

func pemOf(t testing.TB) []byte {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestAnOperatorsPEMSignsAndStaysAsItIs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mine.pem")
	text := pemOf(t)
	write(t, path, text, 0o600)
	if err := os.Chtimes(path, issued, issued); err != nil {
		t.Fatal(err)
	}
	r := ring(t, dir)
	k, err := r.Signer(issued)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ear.ParseKey(text, issued)
	if err != nil || k.Public() != want.Public() || !k.Created().Equal(issued.Truncate(time.Second)) {
		t.Errorf("%v %v %v", k.Public(), k.Created(), err)
	}
	second := rotate(t, r, ear.ES256, issued.Add(time.Hour), false)
	if got := published(t, r, issued.Add(time.Hour)); !slices.Equal(got, []string{second, want.Public().ID}) {
		t.Errorf("%v", got)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != string(text) {
		t.Errorf("%v", err)
	}
}

func TestAFileThatOthersMayReadIsNoKey(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o610} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.jwk"), []byte(keyES256), mode)
		if _, err := ear.OpenRing(dir, issued); !errors.Is(err, secretfile.ErrMode) {
			t.Errorf("%v: %v", mode, err)
		}
	}
}

func TestAFileThatIsNoKeyIsNamed(t *testing.T) {
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(big)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(from, to string) string { return strings.Replace(keyES256, from, to, 1) }
	for name, text := range map[string]string{
		"empty.jwk": "", "text.jwk": "key", "public.jwk": edit(`"d"`, `"dd"`),
		"halves.jwk": edit("jpsQnnGQ", "jpsQnnGR"), "curve.jwk": edit("P-256", "P-384"), "off.jwk": edit("f83OJ3D2", "g83OJ3D2"),
		"short.jwk": edit("jpsQnnGQmL-Y", ""), "alg.jwk": edit(`"kty"`, `"alg":"ES384","kty"`),
		"rsa.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"bad.pem": string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der[:9]})),
		"big.jwk": keyES256 + strings.Repeat(" ", 20000),
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, name), []byte(text), 0o600)
		write(t, filepath.Join(dir, "notes.txt"), nil, 0o644)
		if _, err := ear.OpenRing(dir, issued); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAKeySetIsReadForWhatItHoldsOfUse(t *testing.T) {
	usable, err := json.Marshal(setOf(key(t, keyES256), key(t, keyEdDSA)))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(usable), `"d"`) || strings.Contains(string(usable), `"iat"`) {
		t.Errorf("%s", usable)
	}
	others := `{"kty":"RSA","n":"AQ","e":"AQAB"},{"kty":1},7,{"kty":"oct","k":"AAAA"},` +
		strings.Replace(keyES256, `"kty"`, `"use":"enc","kty"`, 1) + `,`
	set, err := ear.ParseKeySet([]byte(strings.Replace(string(usable), `[`, `[`+others, 1)))
	if err != nil || !slices.Equal(set.Keys, setOf(key(t, keyES256), key(t, keyEdDSA)).Keys) {
		t.Errorf("%v %v", set, err)
	}
	for _, text := range []string{"", "[]", "{}", `{"keys":{}}`, `{"keys":null}`} {
		if _, err := ear.ParseKeySet([]byte(text)); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: %v", text, err)
		}
	}
}
