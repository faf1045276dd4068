// SPDX-License-Identifier: Apache-2.0

package certificate_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

func selfMade(t testing.TB, dir string, now time.Time, names ...string) *certificate.Keeper {
	t.Helper()
	k, err := certificate.SelfMade(dir, names, now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestASelfMadeCertificateIsMadeOnceAndNamesWhatItShould(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	k := selfMade(t, dir, start, "localhost", "127.0.0.1", "::1", "Node.Example.", "[2001:db8::1]", "*.wild.example", "localhost")
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "node.example", "2001:db8::1", "any.wild.example"} {
		if err := k.Leaf().VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if err := k.Leaf().VerifyHostname("other.example"); err == nil {
		t.Error("it names what it was not asked to")
	}
	if !k.SelfSigned() || k.Leaf().IsCA || len(k.Warnings(start)) != 0 {
		t.Errorf("self-signed: %v, an authority's: %v, %q", k.SelfSigned(), k.Leaf().IsCA, k.Warnings(start))
	}
	for name, mode := range map[string]os.FileMode{"": 0o700, certificate.KeyFile: 0o600} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != mode {
			t.Errorf("%q: %v %v, want %v", name, st.Mode(), err, mode)
		}
	}
	again := selfMade(t, dir, start.Add(100*day), "localhost", "node.example", "*.wild.example")
	if again.Fingerprint() != k.Fingerprint() {
		t.Error("the second start made another certificate")
	}
}

func TestARenewalKeepsTheKey(t *testing.T) {
	dir := t.TempDir()
	k := selfMade(t, dir, start, "localhost")
	first, pin := k.Fingerprint(), certificate.PinOf(k.Leaf())
	if changed, err := k.Reload(start.Add(200*day), false); changed || err != nil {
		t.Errorf("after 200 days: %v %v", changed, err)
	}
	late := start.Add(300 * day)
	if changed, err := k.Reload(late, false); !changed || err != nil {
		t.Fatalf("after 300 days: %v %v", changed, err)
	}
	if k.Fingerprint() == first || certificate.PinOf(k.Leaf()) != pin {
		t.Error("the key changed, or the certificate did not")
	}
	if left := k.NotAfter().Sub(late); left < 300*day {
		t.Errorf("the new one lasts %v", left)
	}
	// One that has ended while nobody ran is no obstacle, nor is a new name.
	for at, names := range map[time.Time][]string{start.Add(2000 * day): {"localhost"}, start.Add(2001 * day): {"localhost", "new.example"}} {
		next := selfMade(t, dir, at, names...)
		if certificate.PinOf(next.Leaf()) != pin || next.Leaf().VerifyHostname(names[len(names)-1]) != nil || len(next.Warnings(at)) != 0 {
			t.Errorf("%v: %v, %q", at, next.Leaf().DNSNames, next.Warnings(at))
		}
	}
}

func TestADamagedFolderCostsNobodyTheirPin(t *testing.T) {
	for name, c := range map[string]struct {
		change func(dir string) error
		// is what the start fails with; nil is for those that mend it.
		is error
	}{
		"the certificate is gone": {func(dir string) error { return os.Remove(filepath.Join(dir, certificate.CertFile)) }, nil},
		"the certificate is spoilt": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, certificate.CertFile), []byte("x"), 0o600)
		}, nil},
		"the key is gone": {func(dir string) error { return os.Remove(filepath.Join(dir, certificate.KeyFile)) }, rats.NotFound},
		"the key is spoilt": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, certificate.KeyFile), []byte("x"), 0o600)
		}, rats.Malformed},
		"others may read the key":    {func(dir string) error { return os.Chmod(filepath.Join(dir, certificate.KeyFile), 0o644) }, secretfile.ErrMode},
		"the group may read the key": {func(dir string) error { return os.Chmod(filepath.Join(dir, certificate.KeyFile), 0o640) }, secretfile.ErrMode},
		"the key is of another kind": {func(dir string) error { return os.WriteFile(filepath.Join(dir, certificate.KeyFile), edKey(t), 0o600) }, rats.Unsupported},
		"the certificate is another's": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, certificate.CertFile), newAuthority(t).issue(t, newECDSA(t), start, start.Add(day), "localhost"), 0o600)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			pin := certificate.PinOf(selfMade(t, dir, start, "localhost").Leaf())
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			k, err := certificate.SelfMade(dir, []string{"localhost"}, start)
			switch {
			case c.is == nil && (err != nil || certificate.PinOf(k.Leaf()) != pin):
				t.Errorf("it was not mended: %v", err)
			case c.is != nil && !errors.Is(err, c.is):
				t.Errorf("%v, want %v", err, c.is)
			}
		})
	}
}

func TestNamesThatNoCertificateCanHaveAreRefused(t *testing.T) {
	for name, good := range map[string]bool{
		"localhost": true, "a.example": true, "a.example.": true, "127.0.0.1": true, "::1": true, "[::1]": true,
		"*.a.example": true, "my_host": true, "UPPER.example": true, "xn--bcher-kva.example": true,
		"": false, "*": false, "a..b": false, "-a": false, "a-.b": false, "https://a": false, "a b": false, "a:1": false,
		"bücher.example": false, "a.*.b": false, strings.Repeat("a", 64): false, strings.Repeat("a.", 127) + "a": false,
	} {
		if err := certificate.CheckName(name); good != (err == nil) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestClientsTrustByPinByAuthorityOrByBoth(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	k := selfMade(t, dir, now, "localhost", "127.0.0.1")
	pin, other := certificate.PinOf(k.Leaf()), certificate.Pin{1}
	address := show(t, k)
	own, err := os.ReadFile(filepath.Join(dir, certificate.CertFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := func(text []byte) *x509.CertPool {
		pool, err := certificate.ParseRoots(text)
		if err != nil {
			t.Fatal(err)
		}
		return pool
	}
	stranger := roots(inPEM("CERTIFICATE", newAuthority(t).cert.Raw))
	for name, c := range map[string]struct {
		pins  []certificate.Pin
		roots *x509.CertPool
		host  string
		good  bool
	}{
		"the system's authorities":             {nil, nil, "127.0.0.1", false},
		"its pin":                              {[]certificate.Pin{pin}, nil, "127.0.0.1", true},
		"its pin, whatever it is called":       {[]certificate.Pin{pin}, nil, "elsewhere.example", true},
		"one of two pins":                      {[]certificate.Pin{other, pin}, nil, "127.0.0.1", true},
		"another pin":                          {[]certificate.Pin{other}, nil, "127.0.0.1", false},
		"itself as authority":                  {nil, roots(own), "localhost", true},
		"itself, for another name":             {nil, roots(own), "elsewhere.example", false},
		"another authority":                    {nil, stranger, "127.0.0.1", false},
		"its pin and itself":                   {[]certificate.Pin{pin}, roots(own), "127.0.0.1", true},
		"its pin and another authority":        {[]certificate.Pin{pin}, stranger, "127.0.0.1", false},
		"another pin and itself":               {[]certificate.Pin{other}, roots(own), "127.0.0.1", false},
		"its pin and itself, for another name": {[]certificate.Pin{pin}, roots(own), "elsewhere.example", false},
	} {
		config := certificate.ClientConfig(c.pins, c.roots)
		config.ServerName = c.host
		conn, err := tls.Dial("tcp", address, config)
		if good := err == nil; good != c.good {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// show serves what a keeper holds, and returns where.
func show(t testing.TB, k *certificate.Keeper) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", k.ServerConfig())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

func TestAPinIsHeldAgainstResumedSessionsToo(t *testing.T) {
	now := time.Now()
	k := selfMade(t, t.TempDir(), now, "localhost")
	address := show(t, k)
	cache := tls.NewLRUClientSessionCache(4)
	get := func(pin certificate.Pin) (resumed bool, err error) {
		config := certificate.ClientConfig([]certificate.Pin{pin}, nil)
		config.ClientSessionCache = cache
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		resp, err := c.Get("https://" + address)
		if err != nil {
			return false, err
		}
		_ = resp.Body.Close()
		return resp.TLS.DidResume, nil
	}
	if _, err := get(certificate.PinOf(k.Leaf())); err != nil {
		t.Fatal(err)
	}
	if resumed, err := get(certificate.PinOf(k.Leaf())); err != nil || !resumed {
		t.Fatalf("resumed: %v, %v", resumed, err)
	}
	if _, err := get(certificate.Pin{1}); rats.KindOf(err) != rats.BindingMismatch {
		t.Errorf("a resumed session passes with another pin: %v", err)
	}
}

func TestPinsAreWrittenAsCurlReadsThem(t *testing.T) {
	p := certificate.Pin{0: 0xfb, 31: 1}
	if got := p.String(); got != "sha256//+wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=" {
		t.Error(got)
	}
	if back, err := certificate.ParsePin(p.String()); err != nil || back != p {
		t.Errorf("%v %v", back, err)
	}
	for _, text := range []string{"", "sha256//", "+wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=", "sha256//+wAA", "sha256/+wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=", "sha256//+wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAF=", p.String() + "\n"} {
		if _, err := certificate.ParsePin(text); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%q: %v", text, err)
		}
	}
}
