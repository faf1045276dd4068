// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/qcnltest"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

const (
	goodUser  = "a user's token"
	goodAdmin = "an administrator's token"
)

// noon is the time at which tests with simulated platforms happen.
func noon() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// intel is a stand-in for Intel's service that has PCK certificates too.
type intel struct {
	*pcstest.PCS
	// certs answers pckcerts; nil is 404.
	certs http.HandlerFunc
	// asked counts the calls of pckcerts.
	asked atomic.Int64
}

func (p *intel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/pckcerts") {
		p.PCS.ServeHTTP(w, r)
		return
	}
	p.asked.Add(1)
	if p.certs == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	p.certs(w, r)
}

// pckCerts answers with one certificate of a platform.
func pckCerts(leaf, ca, root []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		cert, err := x509.ParseCertificate(leaf)
		if err != nil {
			panic(err)
		}
		ext, err := dcap.ReadPCKExtension(cert)
		if err != nil {
			panic(err)
		}
		kind := "platform"
		if strings.Contains(cert.Issuer.CommonName, "Processor") {
			kind = "processor"
		}
		tcb := map[string]int{"pcesvn": int(ext.PCESVN)}
		for i, svn := range ext.Components {
			tcb[fmt.Sprintf("sgxtcbcomp%02dsvn", i+1)] = int(svn)
		}
		h := w.Header()
		h["SGX-FMSPC"] = []string{hex.EncodeToString(ext.FMSPC[:])}
		h["SGX-PCK-Certificate-CA-Type"] = []string{kind}
		h["SGX-PCK-Certificate-Issuer-Chain"] = []string{escaped(pemOf(ca, root))}
		h["Content-Type"] = []string{"application/json"}
		_ = json.NewEncoder(w).Encode([]map[string]any{{"tcb": tcb, "tcbm": tcbmOf(ext), "cert": escaped(pemOf(leaf))}})
	}
}

func tcbmOf(ext *dcap.PCKExtension) string {
	return strings.ToUpper(hex.EncodeToString(ext.CPUSVN[:]) + hex.EncodeToString([]byte{byte(ext.PCESVN), byte(ext.PCESVN >> 8)}))
}

func pemOf(certs ...[]byte) string {
	var b bytes.Buffer
	for _, der := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return b.String()
}

func escaped(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// scene is a PCCS that is served, and a service that it asks.
type scene struct {
	testing.TB
	upstream *intel
	store    *store.Store
	service  *pccs.Service
	server   *pccs.Server
	// base is what a client has as pccs_url; site is what stands before it.
	base, site  string
	authorities *x509.CertPool
	now         atomic.Pointer[time.Time]
	logged      *bytes.Buffer
}

// setting changes what a scene is made of.
type setting func(*pccs.Config, *pccs.ServerConfig)

func mode(m pccs.Mode) setting {
	return func(c *pccs.Config, _ *pccs.ServerConfig) { c.Mode = m }
}

// open serves a PCCS over https on loopback, with what an upstream of it has.
func open(t testing.TB, at time.Time, root []byte, items []rats.Endorsement, settings ...setting) *scene {
	t.Helper()
	s := &scene{TB: t, upstream: new(intel), logged: new(bytes.Buffer)}
	s.now.Store(&at)
	var err error
	if s.upstream.PCS, err = pcstest.New(root, items...); err != nil {
		t.Fatal(err)
	}
	far := httptest.NewServer(s.upstream)
	t.Cleanup(far.Close)
	if s.store, err = store.Open(t.Context(), filepath.Join(t.TempDir(), "pccs.sqlite")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	one, err := pccs.NewUpstream(pccs.UpstreamConfig{Base: far.URL, RootCRL: far.URL + "/IntelSGXRootCA.der"})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return *s.now.Load() }
	var admin, user pccs.TokenHashes
	admin.Add(pccs.HashToken(goodAdmin))
	user.Add(pccs.HashToken(goodUser))
	service := pccs.Config{
		Store: s.store, Upstreams: []pccs.Upstream{one}, Mode: pccs.Lazy, Now: clock,
		Roots: []rats.TrustRoot{dcap.Intel(), simtee.Root()},
	}
	server := pccs.ServerConfig{User: user, Admin: admin, Now: clock, Log: slog.New(slog.NewTextHandler(s.logged, nil))}
	for _, set := range settings {
		set(&service, &server)
	}
	if s.service, err = pccs.New(service); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.service.Close)
	server.Service = s.service
	if s.server, err = pccs.NewServer(server); err != nil {
		t.Fatal(err)
	}
	near := httptest.NewUnstartedServer(s.server)
	near.EnableHTTP2 = true
	near.StartTLS()
	t.Cleanup(near.Close)
	s.site = near.URL
	s.base = near.URL + "/sgx/certification/v4/"
	s.authorities = x509.NewCertPool()
	s.authorities.AddCert(near.Certificate())
	return s
}

// simulated is a scene whose upstream has what vouches for simulated platforms.
func simulated(t testing.TB, settings ...setting) (*scene, *simtee.Platform) {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	platform, err := pki.NewPlatform(7, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	var items []rats.Endorsement
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		some, err := pki.EndorsementsFor(tee, noon())
		if err != nil {
			t.Fatal(err)
		}
		numbers, err := pki.EvaluationNumbers(tee, noon())
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, append(some, numbers)...)
	}
	s := open(t, noon(), pki.RootCertificate(), items, settings...)
	pck := platform.PCKCertificate()
	s.upstream.certs = pckCerts(pck.Body, pck.Issuers[0], pki.RootCertificate())
	return s, platform
}

// extensionOf returns what a platform's PCK certificate says of it.
func extensionOf(t testing.TB, p *simtee.Platform) *dcap.PCKExtension {
	t.Helper()
	cert, err := x509.ParseCertificate(p.PCKCertificate().Body)
	if err != nil {
		t.Fatal(err)
	}
	ext, err := dcap.ReadPCKExtension(cert)
	if err != nil {
		t.Fatal(err)
	}
	return ext
}

// named returns a platform as its quoting enclave names it.
func named(ext *dcap.PCKExtension) qcnltest.PCK {
	return qcnltest.PCK{
		QEID: ext.PPID[:], EncryptedPPID: bytes.Repeat([]byte{0x5a}, 384), CPUSVN: ext.CPUSVN,
		PCESVN: ext.PCESVN, PCEID: uint16(ext.PCEID[0])<<8 | uint16(ext.PCEID[1]),
	}
}

// client is Intel's, which trusts the scene's certificate.
func (s *scene) client(conf qcnltest.Conf) *qcnltest.Client {
	if conf.PCCSURL == "" {
		conf.PCCSURL = s.base
	}
	return qcnltest.New(conf, s.authorities)
}

// reply is all that came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// call asks a path of the site.
func (s *scene) call(method, path string, headers map[string]string, body []byte) reply {
	s.Helper()
	status, header, got, err := s.client(qcnltest.Conf{}).Call(context.Background(), method, s.site+path, headers, body)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{status, header, got}
}

func (s *scene) get(path string) reply {
	s.Helper()
	return s.call(http.MethodGet, path, nil, nil)
}

// admin asks with the administrator's token.
func (s *scene) admin(method, path string, body string) reply {
	s.Helper()
	return s.call(method, path, map[string]string{"admin-token": goodAdmin, "Content-Type": "application/json"}, []byte(body))
}

// want demands a status and shows what came instead.
func (s *scene) want(r reply, status int) reply {
	s.Helper()
	if r.status != status {
		s.Fatalf("status %d, want %d: %q %v", r.status, status, r.body, r.header)
	}
	return r
}
