// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Bounds on one call of an upstream. The largest answers are lists of PCK
// certificates of some 60 kB.
const (
	maxAnswer        = 2 << 20
	maxAnswerHeaders = 64 << 10
	maxReason        = 200
	connectTimeout   = 5 * time.Second
	answerTimeout    = 20 * time.Second
	retryPause       = 300 * time.Millisecond
	// maxRetryPause is the longest wait for which a caller is held up.
	maxRetryPause = 3 * time.Second
	// connections is far above what a service asks at once, since one slow call
	// is to hold up no other.
	connections = 64
	idleTimeout = 30 * time.Second
)

// keyHeader carries the key of a subscription. Since version 4 Intel takes a
// valid one and none at all, and refuses an empty one.
const keyHeader = "Ocp-Apim-Subscription-Key"

// reply is a successful answer.
type reply struct {
	header http.Header
	body   []byte
}

// newClient returns a client that follows no redirect: a PCS has none, and a
// key would go along.
func newClient(cfg UpstreamConfig) *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout}
	return &http.Client{
		Timeout: cfg.Timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: connectTimeout, Proxy: cfg.Proxy,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs,
				InsecureSkipVerify: cfg.UnsafeSkipTLS, //nolint:gosec // named unsafe; answers are signed
			},
			DisableCompression: true, MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections,
			IdleConnTimeout: idleTimeout, MaxResponseHeaderBytes: maxAnswerHeaders, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call asks for where, and once more where the upstream is overcharged or
// broken for the moment. A body makes it a POST of JSON. The key is sent to the
// upstream's own host alone.
func (u *httpUpstream) call(ctx context.Context, where string, body []byte) (*reply, *Fault) {
	r, f := u.try(ctx, where, body)
	if f == nil || f.Class != FaultDown && f.Class != FaultBusy || f.Hold <= 0 || f.Hold > maxRetryPause {
		return r, f
	}
	if waitFor(ctx, f.Hold) != nil {
		return nil, f
	}
	return u.try(ctx, where, body)
}

func (u *httpUpstream) try(ctx context.Context, where string, body []byte) (*reply, *Fault) {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, where, bytes.NewReader(body))
	if err != nil {
		return nil, u.down("cannot be asked for %q", where)
	}
	req.Header.Set("User-Agent", "attesteer")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if u.apiKey != "" && req.URL.Host == u.base.Host {
		req.Header.Set(keyHeader, u.apiKey)
	}
	resp, err := u.client.Do(req)
	if err != nil {
		return nil, u.failed(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read as far as it is of use
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if f := u.judge(resp, text); f != nil {
		return nil, f
	}
	switch {
	case err != nil:
		return nil, u.failed(err)
	case len(text) > maxAnswer:
		return nil, u.down("answered with more than %d bytes", maxAnswer)
	case resp.Header.Get("Content-Encoding") != "":
		return nil, u.down("answered in compressed form, unasked")
	case bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")):
		return nil, u.down("answered with a web page")
	}
	return &reply{header: resp.Header, body: text}, nil
}

// judge reads the status of an answer (PCS API v4, Response codes).
func (u *httpUpstream) judge(resp *http.Response, text []byte) *Fault {
	status := resp.StatusCode
	if status == http.StatusOK {
		return nil
	}
	f := u.down("answered %d %s%s", status, http.StatusText(status), reason(resp.Header, text))
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		f.Class, f.Hold = FaultBusy, max(retryAfter(resp.Header), retryPause)
	case status >= 500:
		f.Hold = retryPause
	case status == http.StatusNotFound || status == StatusUnknownPlatform || status == StatusNoCertificate:
		f.Class = FaultAbsent
	case status == http.StatusGone:
		f.Class = FaultGone
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.Class = FaultDenied
	case status >= 400:
		f.Class = FaultBad
	}
	return f
}

// reason returns what an upstream says for itself: Intel's in headers, a PCCS's
// in the body, and the id by which to ask Intel about the call.
func reason(h http.Header, text []byte) string {
	var parts []string
	for _, name := range []string{"Error-Code", "Error-Message"} {
		if v := h.Get(name); v != "" {
			parts = append(parts, legible(v))
		}
	}
	if t := bytes.TrimSpace(text); len(parts) == 0 && len(t) > 0 && t[0] != '<' {
		parts = append(parts, legible(string(t)))
	}
	if id := h.Get("Request-ID"); id != "" {
		parts = append(parts, "request "+legible(id))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// legible makes text from elsewhere fit for a line of a log.
func legible(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// retryAfter reads seconds (RFC 9110 section 10.2.3). A date would take a clock
// that agrees with the upstream's.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// down returns a fault of the upstream as a whole.
func (u *httpUpstream) down(format string, args ...any) *Fault {
	err := rats.Errorf(rats.EndorsementUnavailable, format, args...)
	err.Detail = u.name + " " + err.Detail
	return &Fault{Class: FaultDown, Err: err}
}

// failed says why a call came to nothing, without addresses and Go's own words.
func (u *httpUpstream) failed(err error) *Fault {
	var number syscall.Errno
	var dns *net.DNSError
	var verification *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &verification):
		return u.down("has a certificate that is not trusted: %s", verification.Err.Error())
	case errors.As(err, &dns):
		return u.down("has a name that is not known")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return u.down("did not answer in time")
	case errors.Is(err, context.Canceled):
		return u.down("was not waited for")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return again(u.down("cut its answer short"))
	case errors.As(err, &number):
		return again(u.down("cannot be reached: %s", number.Error()))
	case errors.Is(err, io.EOF):
		return again(u.down("hung up without an answer"))
	default:
		return u.down("cannot be asked")
	}
}

// again marks a fault after which a second try is worth while.
func again(f *Fault) *Fault {
	f.Hold = retryPause
	return f
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// parseBase reads the base URL of an upstream. One without a path is a host that
// serves Intel's paths.
func parseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, rats.Errorf(rats.Malformed, "%q is not the base URL of a PCS, such as %s", text, IntelPCS)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/sgx/certification/v4/"
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	if strings.HasSuffix(u.Path, "/v3/") {
		return nil, rats.Errorf(rats.Unsupported, "%q: PCS API v3 has ended", text)
	}
	return u, nil
}
