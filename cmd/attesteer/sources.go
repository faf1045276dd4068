// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
)

// askedUsage lists what names somebody who is asked for endorsements.
const askedUsage = "intel, azure, azure-vm, alibaba:REGION, the URL of a PCS or PCCS, ledger:URL of a node, or a qcnl.conf of Intel's client"

// ledgerPrefix begins the name of a ledger, by one of its nodes.
const ledgerPrefix = "ledger:"

// isService reports whether a name is a URL.
func isService(name string) bool { return strings.Contains(name, "://") }

// isAsked reports whether a source is somebody to be asked, and no folder. A
// folder of the same name as a service is reached with ./ before it.
func isAsked(name string) bool {
	_, known := endorse.KnownService(name)
	return known || isService(name) || isConf(name) || strings.HasPrefix(name, ledgerPrefix) ||
		strings.HasPrefix(name, "alibaba:") || strings.HasPrefix(name, "alibaba-vpc:")
}

// nodeOf returns the node whose ledger a source is: that of ledger:URL, or of
// the URL of a node's API.
func nodeOf(name string) (node string, ok bool) {
	if rest, ok := strings.CutPrefix(name, ledgerPrefix); ok {
		name = rest
	} else if u, err := url.Parse(name); err != nil || !isService(name) ||
		u.Path != "/v1/endorsements" && strings.TrimRight(u.Path, "/") != "/v1" {
		return "", false
	}
	for _, part := range []string{"/v1/endorsements", "/v1/", "/v1", "/"} {
		name = strings.TrimSuffix(name, part)
	}
	return name, true
}

// endorser is somebody who is asked for endorsements.
type endorser interface {
	endorse.Source
	Name() string
	Fetch(ctx context.Context, d endorse.Document) (*endorse.Fetched, error)
	Close()
}

var (
	_ endorser = (*endorse.PCS)(nil)
	_ endorser = (*endorse.Split)(nil)
	_ endorser = ledgerSource{}
)

// ledgerSource is a ledger, of which nothing is under way after a call.
type ledgerSource struct {
	*endorse.Ledger
	idle func()
}

// Close lets connections go.
func (l ledgerSource) Close() { l.idle() }

// openAsked returns whom a source names. Nobody is asked for anything yet.
func (a *app) openAsked(name string, f serviceFlags, cfg endorse.PCSConfig) (endorser, error) {
	if node, ok := nodeOf(name); ok {
		return a.openLedger(node, f, cfg)
	}
	if isConf(name) {
		return asAsked(a.openConf(name, f, cfg))
	}
	if known, ok := endorse.KnownService(name); ok {
		cfg.Custom = known.Custom
		return asAsked(a.openService(known.Base, f, cfg))
	}
	if !isService(name) {
		return nil, usagef("--endorsements: %q names no service: they are %s", name, askedUsage)
	}
	return asAsked(a.openService(name, f, cfg))
}

// asAsked makes nothing of an error, where an interface would hold a nil.
func asAsked[T endorser](one T, err error) (endorser, error) {
	if err != nil {
		return nil, err
	}
	return one, nil
}

// openLedger returns the ledger of a node. The token for another node does not
// go there: reading takes none.
func (a *app) openLedger(node string, f serviceFlags, cfg endorse.PCSConfig) (endorser, error) {
	u, err := url.Parse(node)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, usagef("--endorsements: %q is no address of a node, such as ledger:https://node.example:2000", withoutUser(node))
	}
	local := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	if u.Scheme == "http" && !local && !f.unsafeSkipTLS {
		return nil, usagef("--endorsements: %s: plain http is for this machine alone", node)
	}
	roots, err := f.rootCAs()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: idleConnection, TLSHandshakeTimeout: 3 * time.Second,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: roots,
			// A node here has a certificate that it made for itself, as a PCCS has:
			// what it gives is signed by the vendor.
			InsecureSkipVerify: f.unsafeSkipTLS || local && roots == nil, //nolint:gosec // see above
		},
	}
	caller := client.New(node, "", &http.Client{
		Transport: transport, Timeout: requestTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	list := func(ctx context.Context, filters url.Values) ([]rats.Endorsement, error) {
		got, err := caller.ListEndorsements(ctx, filters)
		if err != nil {
			return nil, err
		}
		out := make([]rats.Endorsement, 0, len(got.Endorsements))
		for _, e := range got.Endorsements {
			out = append(out, rats.Endorsement{Kind: e.Kind, Body: e.Body, Issuers: e.Issuers})
		}
		return out, nil
	}
	one := endorse.NewLedger(u.Host, list, cfg.Roots, time.Now, cfg.Report)
	return ledgerSource{one, transport.CloseIdleConnections}, nil
}

// openOrder returns those of names that are asked as one source, in their order.
func (a *app) openOrder(names []string, f serviceFlags, cfg endorse.PCSConfig, held map[string]endorse.Source) (*endorse.Order, error) {
	var all []endorse.Named
	make := func() *endorse.Order {
		return endorse.InOrder(endorse.OrderConfig{Roots: cfg.Roots, Evaluation: asNumber(cfg.Evaluation), Now: time.Now}, all...)
	}
	for _, name := range names {
		if folder := held[name]; folder != nil {
			all = append(all, endorse.Named{Name: name, Source: folder, Held: true})
		}
		if !isAsked(name) {
			continue
		}
		one, err := a.openAsked(name, f, cfg)
		if err != nil {
			make().Close()
			return nil, err
		}
		all = append(all, endorse.Named{Name: one.Name(), Source: one})
	}
	return make(), nil
}

// asNumber returns an evaluation that is a number, or nothing.
func asNumber(n dcap.EvaluationNumber) dcap.EvaluationNumber {
	if strings.Trim(string(n), "0123456789") != "" {
		return ""
	}
	return n
}

// fetcher is somebody who is asked for single documents.
type fetcher struct {
	endorser
	name string
}

func (f fetcher) close() { f.Close() }

// openFetchers returns those of --from, and those opened before an error too.
func (a *app) openFetchers(f fetchFlags) ([]fetcher, error) {
	var out []fetcher
	for _, name := range f.from {
		if !isAsked(name) {
			return out, usagef("--from: %q names no service: they are %s", name, askedUsage)
		}
		one, err := a.openAsked(name, f.serviceFlags, endorse.PCSConfig{Roots: trustedRoots(f.simulated)})
		if err != nil {
			return out, err
		}
		out = append(out, fetcher{one, one.Name()})
	}
	if len(out) == 0 {
		return nil, usagef("--from names nobody")
	}
	return out, nil
}

// fetchOne returns a document from the first who has one that holds, else the
// one issued last of those that do not. from is empty where nobody has it.
func (a *app) fetchOne(ctx context.Context, d endorse.Document, sources []fetcher) (e rats.Endorsement, from string, err error) {
	var best *endorse.Fetched
	for _, one := range sources {
		got, failed := one.Fetch(ctx, d)
		if now := time.Now(); got != nil && (best == nil || best.Stale(now) && !got.Stale(now) ||
			best.Stale(now) == got.Stale(now) && got.Info.Issued.After(best.Info.Issued)) {
			best, from = got, one.name
		}
		if failed == nil && !got.Stale(time.Now()) {
			return best.Endorsement, from, nil
		}
		if failed != nil {
			a.sayf("warning: %s: %s %s", d, one.name, rats.AsError(failed).Detail)
			if err == nil {
				err = failed
			}
		}
	}
	if best == nil {
		return e, "", err
	}
	return best.Endorsement, from, nil
}
