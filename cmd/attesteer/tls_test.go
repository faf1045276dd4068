// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/attesteer/attesteer/certificate"
)

// writePair writes a new key and a certificate for it, as two files.
func writePair(t testing.TB, dir string, life time.Duration) (cert, key string, pin certificate.Pin) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-400 * 24 * time.Hour), NotAfter: time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, certificate.PinOf(c)
}

// shownAt returns the pin of the key that a server shows.
func shownAt(t testing.TB, address string) certificate.Pin {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing was said
	return certificate.PinOf(conn.ConnectionState().PeerCertificates[0])
}

func TestARenewedCertificateIsShownAfterASignal(t *testing.T) {
	dir := t.TempDir()
	cert, key, first := writePair(t, dir, 20*24*time.Hour)
	f := frontFlags{listen: "127.0.0.1:0", tlsCert: cert, tlsKey: key}
	s, err := openFront(f, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	logged := new(safeBuffer)
	served := s.serve(http.NotFoundHandler(), slog.New(slog.NewTextHandler(logged, nil)))
	address := s.listener.Addr().String()
	if got := shownAt(t, address); got != first {
		t.Errorf("%v, want %v", got, first)
	}
	hangUp := func(words string) {
		t.Helper()
		before := strings.Count(logged.String(), words)
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Signal(syscall.SIGHUP)
		}
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); strings.Count(logged.String(), words) == before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the log does not say %q:\n%s", words, logged)
			}
		}
	}
	hangUp("the certificate is the same")
	// Another key alone is half of a renewal.
	old, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	_, _, second := writePair(t, dir, 90*24*time.Hour)
	whole, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, old, 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp("the one before goes on")
	if got := shownAt(t, address); got != first {
		t.Errorf("half a pair is shown: %v", got)
	}
	if err := os.WriteFile(cert, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp("another certificate is shown")
	if got := shownAt(t, address); got != second {
		t.Errorf("%v, want %v", got, second)
	}
	if n := strings.Count(logged.String(), "the certificate ends soon"); n != 1 { // of the first, within 30 days
		t.Errorf("its end was told of %d times\n%s", n, logged)
	}
	if strings.Contains(logged.String(), "PRIVATE") {
		t.Error("the log shows a key")
	}
	if cut, err := s.shutdown(t.Context()); cut || err != nil {
		t.Errorf("%v %v", cut, err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

func TestWhatCannotBeServedIsSaidBeforeANodeStarts(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := writePair(t, dir, time.Hour)
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	_, otherKey, _ := writePair(t, other, time.Hour)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"a certificate without its key":     {[]string{"--tls-cert", cert}, "go together"},
		"two ways":                          {[]string{"--tls-cert", cert, "--tls-key", key, "--tls-self-signed"}, "which one is meant?"},
		"a name for nothing":                {[]string{"--tls-name", "x.example"}, "--tls-name is for --tls-self-signed"},
		"a name that is none":               {[]string{"--tls-self-signed", "--tls-name", "https://x"}, "neither a host name nor an address"},
		"a pair that does not fit":          {[]string{"--tls-cert", cert, "--tls-key", otherKey}, "not the key of the certificate"},
		"the two exchanged":                 {[]string{"--tls-cert", key, "--tls-key", cert}, "exchanged?"},
		"a file that is not there":          {[]string{"--tls-cert", cert, "--tls-key", filepath.Join(dir, "none")}, "none: no such file"},
		"a proxy that is everybody":         {[]string{"--trusted-proxy", "0.0.0.0/0"}, "is everybody"},
		"a proxy that is none":              {[]string{"--trusted-proxy", "proxy.example"}, "neither an address nor a network"},
		"a header that nobody trusts":       {[]string{"--trusted-proxy-header", "X-Real-IP"}, "neither X-Forwarded-For nor Forwarded"},
		"fewer connections than none":       {[]string{"--max-connections", "-1"}, "less than none"},
		"a drain that ends before it began": {[]string{"--drain", "-1s"}, "not negative"},
	} {
		home := filepath.Join(t.TempDir(), "home")
		code, _, errs := command(t, append([]string{"serve", "--home", home, "--network", "test", "--listen", "127.0.0.1:0"}, c.args...)...)
		if code != exitUsage || !strings.Contains(errs, c.says) || !strings.Contains(errs, "hint: ") {
			t.Errorf("%s: exit %d\n%s", name, code, errs)
		}
		if _, err := os.Stat(filepath.Join(home, "data")); err == nil {
			t.Errorf("%s: a home was made", name)
		}
	}
}

// TestANodeWithACertificateOfItsOwn follows one from its first start: its key is
// printed, clients pin it, and it stays.
func TestANodeWithACertificateOfItsOwn(t *testing.T) {
	home := t.TempDir()
	p := startNode(t, home, "--network", "dev", "--demo", "--tls-self-signed", "--tls-name", "node.example", "--drain-delay", "10m")
	if !strings.HasPrefix(p.url, "https://") {
		t.Fatal(p.url)
	}
	pair, err := certificate.Load(filepath.Join(home, "config", "tls", certificate.CertFile), filepath.Join(home, "config", "tls", certificate.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	pin := certificate.PinOf(pair.Leaf).String()
	if err := pair.Leaf.VerifyHostname("node.example"); err != nil {
		t.Error(err)
	}
	for _, line := range []string{"its key: " + pin, "--node-pin " + pin, "curl --insecure --pinnedpubkey " + pin} {
		p.says(t, regexp.MustCompile(regexp.QuoteMeta(line)))
	}
	wrong := certificate.Pin{1}.String()
	ca := filepath.Join(home, "config", "tls", certificate.CertFile)
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"by its pin":             {[]string{"--node", p.url, "--node-pin", pin}, 0, "demo.enclave.example"},
		"by one of two pins":     {[]string{"--node", p.url, "--node-pin", wrong + "," + pin}, 0, "demo.enclave.example"},
		"by its certificate":     {[]string{"--node", p.url, "--node-ca", ca}, 0, "demo.enclave.example"},
		"by nothing":             {[]string{"--node", p.url}, 1, "hint: name its key by --node-pin"},
		"by another pin":         {[]string{"--node", p.url, "--node-pin", wrong}, 10, "is not pinned"},
		"by a word":              {[]string{"--node", p.url, "--node-pin", "x"}, 2, "is no pin"},
		"by its pin without TLS": {[]string{"--node", "http" + strings.TrimPrefix(p.url, "https"), "--node-pin", pin}, 2, "without https"},
	} {
		code, out, errs := command(t, append([]string{"enclaves", "list", "--json"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%s: exit %d, want %d\n%s%s", name, code, c.code, out, errs)
		}
	}
	for _, args := range [][]string{{"healthcheck", "--ready", "--node", p.url, "--node-pin", pin}, {"healthcheck", "--listen", strings.TrimPrefix(p.url, "https://")}} {
		if code, out, errs := command(t, args...); code != 0 {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errs)
		}
	}

	t.Run("the first signal drains it and the second ends it", func(t *testing.T) {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		ready := func(args ...string) int {
			code, _, _ := command(t, append([]string{"healthcheck", "--node", p.url, "--node-pin", pin}, args...)...)
			return code
		}
		for end := time.Now().Add(patience); ready("--ready") == 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it says that it is ready for more")
			}
		}
		if ready() != 0 {
			t.Error("who comes all the same is not served")
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.done:
		case <-time.After(patience):
			t.Fatalf("still running after a second signal\n%s", p.stderr)
		}
		var exit *exec.ExitError
		if !errors.As(p.err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
			t.Errorf("%v\n%s", p.err, p.stderr)
		}
	})
	t.Run("and its key is the same when it starts again", func(t *testing.T) {
		again := startNode(t, home, "--tls-self-signed", "--tls-name", "other.example")
		if got := shownAt(t, strings.TrimPrefix(again.url, "https://")).String(); got != pin {
			t.Errorf("%s, want %s", got, pin)
		}
		if err := again.stop(t); err != nil {
			t.Errorf("%v\n%s", err, again.stderr)
		}
	})
}
