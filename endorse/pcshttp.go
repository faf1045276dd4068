// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Bounds on one document. Intel's largest are some 60 kB, and answered within a
// second.
const (
	maxAnswer      = 1 << 20
	maxHeaders     = 64 << 10
	connectTimeout = 3 * time.Second
	// documentTimeout is for one request, and for all that is done to get one
	// document unless there is more to be done than one more try.
	documentTimeout = 8 * time.Second
	// retryPause is how long a second try waits where the service does not say.
	retryPause = 300 * time.Millisecond
	// maxRetryPause is the longest wait that leaves the second try some time.
	maxRetryPause = 3 * time.Second
	connections   = 8
	idleTimeout   = 30 * time.Second
)

// keyHeader carries the key of a subscription, which Intel takes and does not
// ask for since version 4.
const keyHeader = "Ocp-Apim-Subscription-Key"

// fault is why a document was not had.
type fault struct {
	class faultClass
	err   error
	// hold is how long the service wants to be left alone; zero if it did not say.
	hold time.Duration
	// passing: it could not be reached, took too long, or says that it is
	// unavailable for now (503), which is what Intel's client tries again.
	passing bool
}

// faultClass says what follows from a fault.
type faultClass int

const (
	// down: the service as a whole does not answer as it should.
	down faultClass = iota + 1
	// absent: the service answers, and does not have or give the document.
	absent
	// forged: the service answers with what does not verify, or is something else.
	forged
)

func unreachable(err error) *fault { return &fault{class: down, err: err} }
func garbled(err error) *fault     { return &fault{class: down, err: err} }
func refused(err error) *fault     { return &fault{class: forged, err: err} }

// answered is a successful answer.
type answered struct {
	header http.Header
	body   []byte
}

// newClient returns a client for one host. It follows no redirect: the services
// have none, and a key would go along.
func newClient(target *url.URL, cfg PCSConfig) (*http.Client, error) {
	local := isLoopback(target.Hostname())
	if target.Scheme == "http" && !local && !isLinkLocal(target.Hostname()) && !cfg.UnsafeSkipTLS {
		return nil, rats.Errorf(rats.Malformed, "%s: plain http is for this machine alone", target.Redacted())
	}
	dialer := &net.Dialer{Timeout: connectTimeout}
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: connectTimeout,
		TLSClientConfig:    &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		DisableCompression: true, MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections,
		IdleConnTimeout: idleTimeout, MaxResponseHeaderBytes: maxHeaders, ForceAttemptHTTP2: true,
	}
	if local {
		dialer.Control = loopbackOnly
	} else if !isLinkLocal(target.Hostname()) {
		transport.Proxy = cfg.Proxy
	}
	// A PCCS on this machine has a certificate that it made for itself. What it
	// says is signed by the vendor all the same.
	transport.TLSClientConfig.InsecureSkipVerify = cfg.UnsafeSkipTLS || local && cfg.RootCAs == nil
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isLinkLocal reports whether a host is an address that no router passes on (RFC
// 3927): clouds answer a machine's questions about itself there, over plain http.
func isLinkLocal(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLinkLocalUnicast()
}

// loopbackOnly refuses connections that leave the machine, whatever a name that
// should be its own was resolved to.
func loopbackOnly(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil || !isLoopback(host) {
		return rats.Errorf(rats.EndorsementUnavailable, "%s is not this machine", address)
	}
	return nil
}

// get asks for a document, and again as it was configured.
func (s *PCS) get(ctx context.Context, d Document) (*answered, *fault) {
	where, err := s.place.locate(d)
	if err != nil {
		return nil, &fault{class: absent, err: err}
	}
	c := call{client: s.client, key: s.apiKey, headers: s.custom}
	switch {
	case d.Kind == rats.PCKCertificate:
		c.headers = slices.Concat(s.custom, s.certificates)
	case d.Kind == rats.RootCACRL && !s.place.ownsRootCRL():
		c = call{client: s.rootClient} // may be another host
	}
	for n := 0; ; n++ {
		a, f := s.try(ctx, c, where)
		pause, again := s.retry.after(f, n)
		if !again || s.wait(ctx, pause) != nil {
			return a, f
		}
	}
}

// call is how a request is made.
type call struct {
	client  *http.Client
	key     string
	headers []Pair
}

func (s *PCS) try(ctx context.Context, c call, where string) (*answered, *fault) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, &fault{class: absent, err: err}
	}
	req.Header.Set("User-Agent", "attesteer")
	for _, h := range c.headers {
		req.Header.Set(h.Name, h.Value)
	}
	if c.key != "" {
		req.Header.Set(keyHeader, c.key)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		f := unreachable(plainly(err))
		f.passing = isPassing(err)
		return nil, f
	}
	defer resp.Body.Close() //nolint:errcheck // read as far as it is of use
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if f := judge(resp); f != nil {
		return nil, f // what a refusal says besides is of no use
	}
	switch {
	case err != nil:
		return nil, unreachable(plainly(err))
	case len(body) > maxAnswer:
		return nil, garbled(rats.Errorf(rats.TooLarge, "answered with more than %d bytes", maxAnswer))
	case resp.Header.Get("Content-Encoding") != "":
		return nil, garbled(rats.Errorf(rats.Malformed, "answered in compressed form, unasked"))
	}
	return &answered{header: resp.Header, body: body}, nil
}

// judge reads the status of an answer (PCS API v4, Response codes).
func judge(resp *http.Response) *fault {
	status := resp.StatusCode
	err := rats.Errorf(rats.EndorsementUnavailable, "answered %d %s", status, http.StatusText(status))
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusTooManyRequests || status >= 500:
		return &fault{
			class: down, err: err, hold: max(retryAfter(resp.Header), retryPause), passing: status == http.StatusServiceUnavailable,
		}
	case status == http.StatusNotFound:
		return &fault{class: absent, err: rats.Errorf(rats.EndorsementUnavailable, "does not have it (404)")}
	case status == http.StatusGone:
		return &fault{class: absent, err: rats.Errorf(rats.EndorsementUnavailable, "has it no longer (410)")}
	case status >= 300 && status < 400:
		return garbled(rats.Errorf(rats.EndorsementUnavailable, "answered with a redirection (%d), which is not followed", status))
	case status >= 400:
		return &fault{class: absent, err: err}
	default:
		return garbled(err)
	}
}

// retryAfter reads seconds (RFC 9110 section 10.2.3). A date would take a clock
// that agrees with the service's: the circuit breaker's pause does as well.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// plainly says why a call came to nothing, without addresses and Go's own words.
func plainly(err error) error {
	var own *rats.Error
	var number syscall.Errno
	var dns *net.DNSError
	var verification *tls.CertificateVerificationError
	var timeout net.Error
	say := func(what string) error { return rats.Errorf(rats.EndorsementUnavailable, "%s", what) }
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &verification):
		return say("has a certificate that is not trusted: " + verification.Err.Error())
	case errors.As(err, &dns):
		return say("has a name that is not known")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return say("did not answer in time")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return say("cut its answer short")
	case errors.As(err, &number):
		return say("cannot be reached: " + number.Error())
	case errors.Is(err, io.EOF):
		return say("hung up without an answer")
	case errors.Is(err, context.Canceled):
		return say("was not waited for")
	default:
		return say("cannot be asked")
	}
}
