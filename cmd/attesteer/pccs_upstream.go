// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/rats"
)

// upstreamFlags say whom a PCCS asks.
type upstreamFlags struct {
	upstreams     []string
	rootCRL       string
	tlsCA         string
	unsafeSkipTLS bool
}

// Words before a URL that say what answers there.
const (
	isPCS  = "pcs+"
	isPCCS = "pccs+"
)

func (f *upstreamFlags) register(fl *pflag.FlagSet) {
	fl.StringSliceVar(&f.upstreams, "upstream", []string{endorse.IntelPCS}, "service to ask, in this order: Intel's by its URL, another PCCS by its own; pcs+URL for what stands in for Intel's, ledger:URL for the ledger of a node (repeatable)")
	fl.StringVar(&f.rootCRL, "upstream-root-crl", "", "URL of the root's revocation list, where it is not Intel's own (default: Intel's, or what another PCCS has)")
	fl.StringVar(&f.tlsCA, "upstream-tls-ca", "", "certificates in PEM that vouch for upstreams (default: the system's)")
	fl.BoolVar(&f.unsafeSkipTLS, "unsafe-upstream-skip-tls", false, "ask upstreams over TLS that nobody vouches for, or over plain http")
}

// upstreams returns those that are asked; none in mode offline.
func (a *app) upstreams(f upstreamFlags, mode pccs.Mode) ([]pccs.Upstream, error) {
	if mode == pccs.Offline {
		return nil, nil
	}
	var authorities *x509.CertPool
	if f.tlsCA != "" {
		b, err := os.ReadFile(f.tlsCA)
		if err != nil {
			return nil, fileError("read", f.tlsCA, err)
		}
		authorities = x509.NewCertPool()
		if !authorities.AppendCertsFromPEM(b) {
			return nil, usagef("--upstream-tls-ca %s: no certificate in PEM", f.tlsCA)
		}
	}
	key, err := a.apiKey()
	if err != nil {
		return nil, err
	}
	var out []pccs.Upstream
	for _, text := range f.upstreams {
		if node, ok := strings.CutPrefix(text, ledgerPrefix); ok {
			one, err := a.ledgerUpstream(node, f.unsafeSkipTLS)
			if err != nil {
				return nil, usagef("--upstream %s: %s", withoutUser(text), rats.AsError(err).Detail)
			}
			out = append(out, one)
			continue
		}
		one, err := openUpstream(text, key, pccs.UpstreamConfig{
			RootCRL: f.rootCRL, RootCAs: authorities, UnsafeSkipTLS: f.unsafeSkipTLS, Proxy: http.ProxyFromEnvironment,
		})
		if err != nil {
			return nil, usagef("--upstream %s: %s", withoutUser(text), rats.AsError(err).Detail)
		}
		out = append(out, one)
	}
	return out, nil
}

// openUpstream returns the service that a text names. One that is not Intel's is
// another cache unless it is said to be none.
func openUpstream(text, key string, cfg pccs.UpstreamConfig) (pccs.Upstream, error) {
	base, stands := strings.CutPrefix(text, isPCS)
	base, cache := strings.CutPrefix(base, isPCCS)
	u, err := url.Parse(base)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "no URL")
	}
	intels := strings.HasSuffix(u.Hostname(), ".trustedservices.intel.com")
	cfg.Base, cfg.PCCS = base, cache || !stands && !intels
	if !cfg.PCCS && takesKey(base) {
		cfg.APIKey = key
	}
	return pccs.NewUpstream(cfg)
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
