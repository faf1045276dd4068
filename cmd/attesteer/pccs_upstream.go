// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// upstreamFlags say whom a PCCS asks.
type upstreamFlags struct {
	upstreams     []string
	rootCRL       string
	tlsCA         string
	unsafeSkipTLS bool
	// push is the node of a ledger on which is published what was fetched.
	push string
}

// isPCS before a URL says that what answers there stands in for Intel's service.
const isPCS = "pcs+"

func (f *upstreamFlags) register(fl *pflag.FlagSet) {
	fl.StringSliceVar(&f.upstreams, "upstream", []string{endorse.IntelPCS}, "whom to ask, in this order: Intel's service or another PCCS by its URL, pcs+URL for what stands in for Intel's, alibaba:REGION, ledger:URL of a node (repeatable)")
	fl.StringVar(&f.rootCRL, "upstream-root-crl", "", "URL of the root's revocation list, where it is not Intel's own (default: Intel's, or what another PCCS has)")
	fl.StringVar(&f.tlsCA, "upstream-tls-ca", "", "certificates in PEM that vouch for upstreams (default: the system's)")
	fl.StringVar(&f.push, "push", "", "address of a node, on whose ledger to publish what is fetched; its token is taken from ATTESTEER_TOKEN")
	trustFlags(fl)
	fl.BoolVar(&f.unsafeSkipTLS, "unsafe-upstream-skip-tls", false, "ask upstreams over TLS that nobody vouches for, or over plain http")
}

// upstreams returns those that are asked; none in mode offline.
func (a *app) upstreams(f upstreamFlags, mode pccs.Mode, simulated bool) ([]pccs.Upstream, error) {
	if mode == pccs.Offline {
		return nil, nil
	}
	authorities, err := f.authorities()
	if err != nil {
		return nil, err
	}
	key, err := a.apiKey()
	if err != nil {
		return nil, err
	}
	var out []pccs.Upstream
	for _, text := range f.upstreams {
		one, err := a.openUpstream(f, text, key, simulated, authorities)
		if err != nil {
			return nil, usagef("--upstream %s: %s", withoutUser(text), rats.AsError(err).Detail)
		}
		out = append(out, one)
	}
	return out, nil
}

// authorities returns those that vouch for upstreams; nil stands for the system's.
func (f *upstreamFlags) authorities() (*x509.CertPool, error) {
	if f.tlsCA == "" {
		return nil, nil //nolint:nilnil // nil has a meaning
	}
	b, err := os.ReadFile(f.tlsCA)
	if err != nil {
		return nil, fileError("read", f.tlsCA, err)
	}
	pool, err := certificate.ParseRoots(b)
	if err != nil {
		return nil, usagef("--upstream-tls-ca %s: %w", f.tlsCA, err)
	}
	return pool, nil
}

// openUpstream returns the service that a text names. One that is not Intel's is another
// cache unless it is said to be none.
func (a *app) openUpstream(f upstreamFlags, text, key string, simulated bool, authorities *x509.CertPool) (pccs.Upstream, error) {
	if node, ok := strings.CutPrefix(text, ledgerPrefix); ok {
		asked, err := a.ledgerNode(f, node, "", authorities)
		if err != nil {
			return nil, err
		}
		cfg := pccs.LedgerConfig{Node: asked}
		if simulated {
			pki, err := simtee.NewPKI(simtee.Faults{})
			if err != nil {
				return nil, err
			}
			cfg.RootCertificates = [][]byte{pccs.IntelRootCertificate(), pki.RootCertificate()}
		}
		return pccs.NewLedger(cfg), nil
	}
	base, stands := strings.CutPrefix(text, isPCS)
	if known, ok := endorse.KnownService(base); ok {
		base = known.Base
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "no URL")
	}
	cfg := pccs.UpstreamConfig{
		Base: base, PCCS: !stands && !strings.HasSuffix(u.Hostname(), ".trustedservices.intel.com"),
		RootCRL: f.rootCRL, RootCAs: authorities, UnsafeSkipTLS: f.unsafeSkipTLS, Proxy: http.ProxyFromEnvironment,
	}
	if !cfg.PCCS && takesKey(base) {
		cfg.APIKey = key
	}
	return pccs.NewUpstream(cfg)
}

// ledgerNode returns a client of the node of a ledger, who is believed to be it by
// --node-pin and --node-ca, or else as upstreams are.
func (a *app) ledgerNode(f upstreamFlags, address, token string, authorities *x509.CertPool) (*client.Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return nil, rats.Errorf(rats.Malformed, "no address of a node, such as ledger:https://node.example:2000")
	}
	local := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	if u.Scheme == "http" && !local && !f.unsafeSkipTLS {
		return nil, rats.Errorf(rats.Malformed, "plain http is for this machine alone")
	}
	transport := a.transport()
	if len(a.trust.pins) == 0 && a.trust.roots == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: idleConnection,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities, InsecureSkipVerify: f.unsafeSkipTLS}, //nolint:gosec // the flag says so
		}
	}
	return client.New(strings.TrimSuffix(address, "/"), token, &http.Client{
		Transport: transport, Timeout: requestTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}), nil
}

// pusher returns what publishes on a ledger what a cache fetches; nil if nothing
// is to.
func (a *app) pusher(f upstreamFlags, kept *store.Store, logger *slog.Logger) (*pccs.Pusher, error) {
	if f.push == "" {
		return nil, nil //nolint:nilnil // nil has a meaning
	}
	token, err := a.secret(tokenVariable)
	if err != nil {
		return nil, err
	}
	authorities, err := f.authorities()
	if err != nil {
		return nil, err
	}
	node, err := a.ledgerNode(f, strings.TrimPrefix(f.push, ledgerPrefix), token, authorities)
	if err != nil {
		return nil, usagef("--push %s: %s", withoutUser(f.push), rats.AsError(err).Detail)
	}
	return pccs.NewPusher(pccs.PusherConfig{Node: node, Store: kept, Log: logger}), nil
}

// apiKey returns the key of a subscription with Intel's PCS, by either name.
func (a *app) apiKey() (string, error) {
	key, err := a.secret(apiKeyVariable)
	if err != nil {
		return "", err
	}
	other, err := a.secret(containerAPIKey)
	switch {
	case err != nil:
		return "", err
	case key == "":
		return other, nil
	case other != "" && other != key:
		return "", usagef("%s and %s are both set, and differ: which one is meant?", apiKeyVariable, containerAPIKey)
	}
	return key, nil
}
