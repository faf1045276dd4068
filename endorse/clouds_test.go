// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

func TestServicesHaveNames(t *testing.T) {
	for name, want := range map[string]string{
		"intel":                   "https://api.trustedservices.intel.com/sgx/certification/v4/",
		"azure":                   "https://global.acccache.azure.net/sgx/certification/v4/",
		"azure-vm":                "http://169.254.169.254/metadata/THIM/sgx/certification/v4/",
		"alibaba:cn-hangzhou":     "https://sgx-dcap-server.cn-hangzhou.aliyuncs.com/sgx/certification/v4/",
		"alibaba-vpc:cn-hangzhou": "https://sgx-dcap-server-vpc.cn-hangzhou.aliyuncs.com/sgx/certification/v4/",
		"alibaba:":                "", "alibaba": "", "alibaba:a.b": "", "alibaba:evil.example/": "", "alibaba:-a": "", "aws": "", "": "", "Intel": "",
	} {
		cfg, known := endorse.KnownService(name)
		if known != (want != "") || cfg.Base != want {
			t.Errorf("%q: %q, %t", name, cfg.Base, known)
		}
		if cfg.Now = at; known {
			one, err := endorse.NewPCS(cfg)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			one.Close()
		}
	}
}

// cloud stands in for hosts of clouds: a proxy that takes whoever asks for them
// to stand-ins on this machine, with certificates in the clouds' names.
type cloud struct {
	proxy *url.URL
	roots *x509.CertPool
}

// newCloud starts stand-ins by their hosts.
func newCloud(t *testing.T, hosts map[string]http.Handler) *cloud {
	t.Helper()
	c := &cloud{roots: x509.NewCertPool()}
	addresses := make(map[string]string)
	for host, handler := range hosts {
		own := certificateFor(t, host)
		c.roots.AddCert(own.Leaf)
		server := httptest.NewUnstartedServer(pcstest.AtHost(host, handler))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
		server.StartTLS()
		t.Cleanup(server.Close)
		addresses[host+":443"] = server.Listener.Addr().String()
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, ok := addresses[r.Host]
		if r.Method != http.MethodConnect || !ok {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		tunnel(w, to)
	}))
	t.Cleanup(proxy.Close)
	var err error
	if c.proxy, err = url.Parse(proxy.URL); err != nil {
		t.Fatal(err)
	}
	return c
}

// certificateFor makes a certificate for a host, which vouches for itself.
func certificateFor(t *testing.T, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// tunnel connects a caller with an address.
func tunnel(w http.ResponseWriter, to string) {
	there, err := net.Dial("tcp", to) //nolint:noctx // ends with its test
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	here, rest, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = here.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	go func() { _, _ = io.Copy(there, bufio.NewReader(rest)); _ = there.Close() }()
	go func() { _, _ = io.Copy(here, there); _ = here.Close() }()
}

// source returns the service of a name as the cloud has it.
func (c *cloud) source(t *testing.T, name string) endorse.Named {
	t.Helper()
	cfg, ok := endorse.KnownService(name)
	if !ok {
		t.Fatalf("no service %q", name)
	}
	cfg.Proxy, cfg.RootCAs = http.ProxyURL(c.proxy), c.roots
	cfg.Now, cfg.Roots = at, []rats.TrustRoot{simtee.Root()}
	one, err := endorse.NewPCS(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(one.Close)
	return endorse.Named{Name: name, Source: one}
}

// TestCloudsAreAskedAtTheirHostsAndIntelWhereTheyLagBehind has Azure serve TCB
// info that has ended, as it does on purpose, Alibaba's region be down, and Intel
// have what is new.
func TestCloudsAreAskedAtTheirHostsAndIntelWhereTheyLagBehind(t *testing.T) {
	stand := func(pccs bool, items []rats.Endorsement) *pcstest.PCS {
		p, err := pcstest.New(nil, items...)
		if err != nil {
			t.Fatal(err)
		}
		p.PCCS = pccs
		return p
	}
	old := daysAgo(t, 90, 17)
	azure := stand(true, append(without(without(old, rats.RootCACRL), rats.PCKCRL), daysAgo(t, 1, 20)[2:]...))
	alibaba, intel := stand(true, nil), stand(false, daysAgo(t, 2, 20))
	alibaba.Break("", pcstest.Status(http.StatusServiceUnavailable))
	c := newCloud(t, map[string]http.Handler{
		"global.acccache.azure.net": azure, "sgx-dcap-server.cn-hangzhou.aliyuncs.com": alibaba,
		"api.trustedservices.intel.com": intel, "certificates.trustedservices.intel.com": intel,
	})
	cfg := endorse.OrderConfig{Roots: []rats.TrustRoot{simtee.Root()}, Hedge: never}
	order := endorse.InOrder(cfg, c.source(t, "azure"), c.source(t, "alibaba:cn-hangzhou"), c.source(t, "intel"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := order.Ask(ctx, simulatedNeeds(t), at())
	if got.Short != nil || got.Standard[rats.SGX] != 20 {
		t.Errorf("short %v, standard %v", got.Short, got.Standard)
	}
	from := make(map[rats.EndorsementKind]string)
	for _, g := range got.From {
		from[g.Info.Key.Kind] = g.Source
	}
	if from[rats.TCBInfo] != "intel" || from[rats.QEIdentity] != "intel" || from[rats.PCKCRL] != "azure" {
		t.Errorf("from %v", from)
	}
	var said []string
	for _, x := range got.Complaints {
		said = append(said, x.Source+": "+x.Err.Error())
	}
	all := strings.Join(said, "\n")
	if !strings.Contains(all, "azure: endorsement_expired: TCB info for SGX of FMSPC 00a51e000000: that of azure does not hold: it is stale") ||
		!strings.Contains(all, "alibaba:cn-hangzhou: endorsement_unavailable") || strings.Contains(all, "intel:") {
		t.Errorf("complaints:\n%s", all)
	}
	// While Azure is current, nobody else is asked.
	if err := azure.Set(daysAgo(t, 1, 20)...); err != nil {
		t.Fatal(err)
	}
	calls := len(intel.Calls(""))
	if got = endorse.InOrder(cfg, c.source(t, "azure"), c.source(t, "intel")).Ask(ctx, simulatedNeeds(t), at()); got.Short != nil || len(intel.Calls("")) != calls {
		t.Errorf("%v, Intel was asked %v", got.Short, intel.Calls("")[calls:])
	}
}
