// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

// Where a node of one's own listens.
const (
	defaultListen = "127.0.0.1:2000"
	defaultNode   = "http://" + defaultListen
)

// requestTimeout bounds a call to a node; a submission waits for its block.
const requestTimeout = 60 * time.Second

const (
	idleConnection  = 90 * time.Second
	maxRedirections = 10
)

func nodeFlag(fl *pflag.FlagSet, node *string) {
	fl.StringVar(node, "node", defaultNode, "address of a node's API")
	annotate(fl.Lookup("node"), tokenAnnotation, "sent")
	trustFlags(fl)
}

// trustFlags are those that say whom to believe that it is the node. Their
// values are read by [app.readTrust].
func trustFlags(fl *pflag.FlagSet) {
	fl.String("node-ca", "", "certificates in PEM, one of which has to vouch for the node's (default: those that the system trusts)")
	fl.StringSlice("node-pin", nil, "SHA-256 of the key that the node has to have, as sha256//BASE64 (repeatable: one of them)")
}

// nodeTrust is which nodes are believed to be who they are: beside what the
// system trusts, or in its place.
type nodeTrust struct {
	pins  []certificate.Pin
	roots *x509.CertPool
}

// readTrust reads what [trustFlags] say.
func (a *app) readTrust(fl *pflag.FlagSet) error {
	ca, err := fl.GetString("node-ca")
	if err != nil {
		return nil // this command has none
	}
	pins, err := fl.GetStringSlice("node-pin")
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	for _, text := range pins {
		pin, err := certificate.ParsePin(text)
		if err != nil {
			return usagef("--node-pin: %w", err)
		}
		a.trust.pins = append(a.trust.pins, pin)
	}
	if ca != "" {
		b, err := os.ReadFile(ca)
		if err != nil {
			return fileError("read", ca, err)
		}
		if a.trust.roots, err = certificate.ParseRoots(b); err != nil {
			return secretfile.Fault(ca, err)
		}
	}
	return nil
}

// transport returns what calls of nodes go through.
func (a *app) transport() http.RoundTripper {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: idleConnection,
		TLSClientConfig: certificate.ClientConfig(a.trust.pins, a.trust.roots),
	}
	if len(a.trust.pins) == 0 && a.trust.roots == nil {
		return t
	}
	return secured{t}
}

// secured calls nobody without TLS: who named a key or an authority relies on
// its being looked at.
type secured struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (s secured) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, usagef("--node-pin and --node-ca: there is no key to look at without https")
	}
	return s.RoundTripper.RoundTrip(r)
}

// trustError says what to do about a node that is not believed; nil is for other
// errors.
func trustError(err error) error {
	var refused *tls.CertificateVerificationError
	switch {
	case errors.As(err, &refused):
		return hinted{err, "name its key by --node-pin, as it prints it when it starts, or its authority by --node-ca"}
	case rats.KindOf(err) == rats.BindingMismatch:
		return hinted{err, "compare it with what the node prints when it starts: somebody else may be answering"}
	default:
		return nil
	}
}

// staySecure refuses to be sent from https to where anyone may listen.
func staySecure(next *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= maxRedirections:
		return errors.New("too many redirections")
	case via[0].URL.Scheme == "https" && next.URL.Scheme != "https":
		return errors.New("redirected from https to " + next.URL.Scheme)
	default:
		return nil
	}
}

// dial returns a client of a node. The token came from the environment, since a
// secret on a command line is everybody's.
func (a *app) dial(node string) *client.Client {
	token := a.token
	if token == "" {
		token = "dev"
	}
	return client.New(node, token, &http.Client{
		Timeout: requestTimeout, Transport: a.transport(), CheckRedirect: staySecure,
	})
}
