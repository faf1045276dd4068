// SPDX-License-Identifier: Apache-2.0

package certificate_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

// pair is two files, written as certbot or a secret's volume does.
type pair struct {
	ca        authority
	cert, key string
}

func newPair(t testing.TB) (*pair, *certificate.Keeper) {
	t.Helper()
	dir := t.TempDir()
	p := &pair{newAuthority(t), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	key := newECDSA(t)
	p.writeCert(t, key, start.Add(90*day))
	p.writeKey(t, key)
	k, err := certificate.Open(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	return p, k
}

func (p *pair) writeCert(t testing.TB, key *ecdsa.PrivateKey, end time.Time) {
	t.Helper()
	replace(t, p.cert, p.ca.issue(t, key, start, end, "x.example"))
}

func (p *pair) writeKey(t testing.TB, key *ecdsa.PrivateKey) {
	t.Helper()
	replace(t, p.key, pkcs8(t, key))
}

// replace puts another file in the place of one.
func replace(t testing.TB, path string, b []byte) {
	t.Helper()
	write(t, path+".new", b, 0o600)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// unchanged demands that a reload says nothing and does nothing.
func unchanged(t *testing.T, k *certificate.Keeper) {
	t.Helper()
	if changed, err := k.Reload(start, false); changed || err != nil {
		t.Errorf("changed: %v, %v", changed, err)
	}
}

func TestAnotherPairIsTakenOnceItIsWhole(t *testing.T) {
	p, k := newPair(t)
	before := certificate.PinOf(k.Leaf())
	unchanged(t, k)
	next := newECDSA(t)
	p.writeKey(t, next)
	changed, err := k.Reload(start, false)
	if changed || rats.KindOf(err) != rats.BindingMismatch {
		t.Errorf("with the key alone: %v %v", changed, err)
	}
	unchanged(t, k) // it is said once
	if _, err := k.Reload(start, true); err == nil {
		t.Error("who asks hears nothing of what was said already")
	}
	if certificate.PinOf(k.Leaf()) != before {
		t.Error("half a pair is shown")
	}
	p.writeCert(t, next, start.Add(120*day))
	if changed, err := k.Reload(start, false); !changed || err != nil {
		t.Errorf("with both: %v %v", changed, err)
	}
	unchanged(t, k)
	if certificate.PinOf(k.Leaf()) == before || !k.NotAfter().Equal(start.Add(120*day)) {
		t.Error("the pair before is shown")
	}
	if taken, refused := k.Reloads(); taken != 1 || refused != 2 {
		t.Errorf("%d taken, %d refused", taken, refused)
	}
}

func TestAFaultIsSaidOnceAndAnotherAgain(t *testing.T) {
	p, k := newPair(t)
	good, err := os.ReadFile(p.cert)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func() error
		is     error
	}{
		{func() error { return os.Remove(p.cert) }, os.ErrNotExist},
		{func() error { return os.WriteFile(p.cert, good[:200], 0o600) }, rats.Malformed},
		{func() error { return errors.Join(os.WriteFile(p.cert, good, 0o600), os.Chmod(p.key, 0o644)) }, secretfile.ErrMode},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if changed, err := k.Reload(start, false); changed || !errors.Is(err, c.is) {
			t.Errorf("%v %v, want %v", changed, err, c.is)
		}
		unchanged(t, k)
	}
	if err := os.Chmod(p.key, 0o600); err != nil {
		t.Fatal(err)
	}
	unchanged(t, k) // the same pair as ever
	if err := os.Chmod(p.key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Reload(start, false); !errors.Is(err, secretfile.ErrMode) {
		t.Errorf("a fault that came back is not said: %v", err)
	}
}

func TestSymbolicLinksMayBeSwappedUnderneath(t *testing.T) {
	// As in a volume of Kubernetes: the files are links into a folder that is a
	// link itself, which is swapped in one step.
	dir := t.TempDir()
	ca := newAuthority(t)
	fill := func(name string) certificate.Pin {
		key := newECDSA(t)
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "tls.crt"), ca.issue(t, key, start, start.Add(90*day), "x.example"), 0o600)
		write(t, filepath.Join(dir, name, "tls.key"), pkcs8(t, key), 0o600)
		link := filepath.Join(dir, "..data")
		if err := errors.Join(os.Symlink(name, link+".new"), os.Rename(link+".new", link)); err != nil {
			t.Fatal(err)
		}
		pair, err := certificate.Load(filepath.Join(dir, name, "tls.crt"), filepath.Join(dir, name, "tls.key"))
		if err != nil {
			t.Fatal(err)
		}
		return certificate.PinOf(pair.Leaf)
	}
	fill("first")
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	k, err := certificate.Open(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	second := fill("second")
	if changed, err := k.Reload(start, false); !changed || err != nil || certificate.PinOf(k.Leaf()) != second {
		t.Errorf("changed: %v, %v", changed, err)
	}
}

func TestAPairOutsideItsTimeReplacesNoneThatIsInIt(t *testing.T) {
	p, k := newPair(t)
	key := newECDSA(t)
	p.writeKey(t, key)
	p.writeCert(t, key, start.Add(time.Hour))
	later := start.Add(2 * time.Hour)
	if changed, err := k.Reload(later, false); changed || err == nil || !strings.Contains(err.Error(), "ended 2026-03-01T13:00:00Z") {
		t.Errorf("an ended one: %v %v", changed, err)
	}
	if w := k.Warnings(later); len(w) != 0 {
		t.Errorf("%q", w)
	}
	// When both have ended, the files say what is meant.
	late := start.Add(91 * day)
	if changed, err := k.Reload(late, false); !changed || err != nil {
		t.Errorf("after the end of both: %v %v", changed, err)
	}
	if w := k.Warnings(late); len(w) != 1 || !strings.Contains(w[0], "ended") {
		t.Errorf("%q", w)
	}
}

func TestConnectionsThatAreOpenOutliveAReload(t *testing.T) {
	p, k := newPair(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", k.ServerConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go echo(l)
	roots := x509.NewCertPool()
	roots.AddCert(p.ca.cert)
	config := &tls.Config{RootCAs: roots, ServerName: "x.example", Time: func() time.Time { return start }}
	dial := func() *tls.Conn {
		conn, err := tls.Dial("tcp", l.Addr().String(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	old := dial()
	key := newECDSA(t)
	p.writeKey(t, key)
	p.writeCert(t, key, start.Add(90*day))
	if changed, err := k.Reload(start, false); !changed || err != nil {
		t.Fatalf("%v %v", changed, err)
	}
	fresh := dial()
	if !key.PublicKey.Equal(fresh.ConnectionState().PeerCertificates[0].PublicKey) {
		t.Error("a new connection sees the certificate before")
	}
	for _, conn := range []*tls.Conn{old, fresh} {
		b := make([]byte, 2)
		if _, err := conn.Write([]byte("hi")); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(b); err != nil || string(b[:1]) != "h" {
			t.Errorf("%q %v", b, err)
		}
	}
}

// echo answers every connection with what it says.
func echo(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			b := make([]byte, 16)
			for {
				n, err := conn.Read(b)
				if err != nil {
					return
				}
				_, _ = conn.Write(b[:n])
			}
		}()
	}
}

func TestWhatClientsWillNotLikeIsWarnedOf(t *testing.T) {
	ca := newAuthority(t)
	key := newECDSA(t)
	for name, c := range map[string]struct {
		text []byte
		says []string
	}{
		"nothing":      {ca.issue(t, key, start.Add(-day), start.Add(day), "x.example"), nil},
		"no name":      {ca.issue(t, key, start.Add(-day), start.Add(day)), []string{"no subject alternative names"}},
		"not yet":      {ca.issue(t, key, start.Add(time.Hour), start.Add(day), "x.example"), []string{"not valid before 2026-03-01T13:00:00Z"}},
		"over":         {ca.issue(t, key, start.Add(-day), start.Add(-time.Hour), "x.example"), []string{"ended 2026-03-01T11:00:00Z"}},
		"both of them": {ca.issue(t, key, start.Add(-day), start.Add(-time.Hour)), []string{"ended", "alternative names"}},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "c"), c.text, 0o644)
		write(t, filepath.Join(dir, "k"), pkcs8(t, key), 0o600)
		k, err := certificate.Open(filepath.Join(dir, "c"), filepath.Join(dir, "k"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := k.Warnings(start)
		if len(got) != len(c.says) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.says[i]) {
				t.Errorf("%s: %q", name, got)
			}
		}
		if k.SelfSigned() {
			t.Errorf("%s: taken for self-signed", name)
		}
	}
}

func TestTheEndIsToldOfAThirtyASevenAndADayBefore(t *testing.T) {
	at := func(life time.Duration, lefts ...time.Duration) []time.Duration {
		key, ca := newECDSA(t), newAuthority(t)
		dir := t.TempDir()
		write(t, filepath.Join(dir, "c"), ca.issue(t, key, start, start.Add(life), "x.example"), 0o644)
		write(t, filepath.Join(dir, "k"), pkcs8(t, key), 0o600)
		pair, err := certificate.Load(filepath.Join(dir, "c"), filepath.Join(dir, "k"))
		if err != nil {
			t.Fatal(err)
		}
		var w certificate.Watch
		var told []time.Duration
		for _, left := range lefts {
			if got, due := w.Due(pair.Leaf, start.Add(life-left)); due {
				told = append(told, got)
			}
		}
		return told
	}
	for name, c := range map[string]struct {
		life        time.Duration
		lefts, want []time.Duration
	}{
		"a year": {365 * day,
			[]time.Duration{200 * day, 31 * day, 30 * day, 29 * day, 8 * day, 7 * day, 6 * day, 2 * day, day, time.Hour, 0, -time.Hour},
			[]time.Duration{30 * day, 7 * day, day, 0}},
		"ninety days, seen late":        {90 * day, []time.Duration{5 * day, 4 * day, time.Hour}, []time.Duration{5 * day, time.Hour}},
		"a week":                        {7 * day, []time.Duration{6 * day, 3 * day, day, 0}, []time.Duration{day, 0}},
		"a day":                         {day, []time.Duration{20 * time.Hour, time.Hour, -1, -2}, []time.Duration{-1}},
		"seen for the first time ended": {90 * day, []time.Duration{-day, -2 * day}, []time.Duration{-day}},
	} {
		if got := at(c.life, c.lefts...); !equal(got, c.want) {
			t.Errorf("%s: told with %v left, want %v", name, got, c.want)
		}
	}
}

func equal(a, b []time.Duration) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
