// SPDX-License-Identifier: Apache-2.0

package qcnltest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Code is what the libraries return to their caller.
type Code uint32

// The codes, as QPL has them.
const (
	NetworkError       Code = 0xe019
	MessageError       Code = 0xe046
	UntrustedTLS       Code = 0xe065
	UnexpectedStatus   Code = 0xe044
	NoCacheData        Code = 0xe01b
	PlatformUnknown    Code = 0xe047
	CertsUnavailable   Code = 0xe049
	ServiceUnavailable Code = 0xe040
	InvalidConfig      Code = 0xb035
)

// Error is the code that a call ends with.
type Error struct {
	Code Code
	// Status is that of the last answer; zero if there was none.
	Status int
	URL    string
}

// Error names the code.
func (e *Error) Error() string {
	return fmt.Sprintf("%#x after status %d of %s", e.Code, e.Status, e.URL)
}

// CodeOf returns the code of an error; zero for what is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// Conf is what of sgx_default_qcnl.conf changes requests. Its zero values are
// the library's defaults, but for PCCSURL, which has to be given.
type Conf struct {
	// PCCSURL is put before each path as it is: without a slash at its end paths
	// come out wrong.
	PCCSURL string
	// CollateralService is PCCSURL unless it is given.
	CollateralService string
	// APIVersion is "3.0" or "3.1"; empty is 3.0.
	APIVersion string
	// Update is tcb_update_type: "standard", the default, or "early".
	Update     string
	RetryTimes int
	// Headers and Params go with pckcert, each a name and a value.
	Headers, Params [][2]string
	// CustomParam is what the caller of QPL passes on, in base 64.
	CustomParam string
}

// Client asks as QCNL does.
type Client struct {
	conf Conf
	http *http.Client
	// Pause waits before a try is repeated; nil does not.
	Pause func()
	// Asked are the requests so far, each by its URL as it was built.
	Asked []string
}

// New returns a client that trusts the given authorities for TLS; nil looks at no
// certificate, as use_secure_cert false does.
func New(conf Conf, authorities *x509.CertPool) *Client {
	if conf.CollateralService == "" {
		conf.CollateralService = conf.PCCSURL
	}
	if conf.APIVersion == "" {
		conf.APIVersion = "3.0"
	}
	if conf.Update == "" {
		conf.Update = "standard"
	}
	return &Client{conf: conf, http: &http.Client{
		Transport: &http.Transport{
			// libcurl compresses nothing unless it is told to, and each call has a handle
			// of its own, hence a connection.
			DisableCompression: true, DisableKeepAlives: true, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: authorities == nil, RootCAs: authorities}, //nolint:gosec // use_secure_cert false is what is imitated
		},
		// CURLOPT_FOLLOWLOCATION is off.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// response is what is left of an answer when its tries are over.
type response struct {
	// header has names in lower case; of one that came twice, the first value.
	header map[string]string
	body   []byte
}

// get asks, and again when the service says that it cannot now. Bytes of all
// tries end up in one buffer, one behind the other.
func (c *Client) get(ctx context.Context, url string, headers [][2]string) (*response, error) {
	out := &response{header: make(map[string]string)}
	for tries := c.conf.RetryTimes + 1; ; tries-- {
		c.Asked = append(c.Asked, url)
		status, err := c.once(ctx, url, headers, out)
		again := status == http.StatusServiceUnavailable || err != nil && !isUntrusted(err)
		switch {
		case err == nil && status == http.StatusOK && len(out.body) == 0:
			return nil, &Error{UnexpectedStatus, status, url}
		case err == nil && status == http.StatusOK:
			return out, nil
		case again && tries > 1:
			if c.Pause != nil {
				c.Pause()
			}
		case isUntrusted(err):
			return nil, &Error{UntrustedTLS, 0, url}
		case err != nil:
			return nil, errors.Join(&Error{NetworkError, 0, url}, err)
		default:
			return nil, &Error{codeOfStatus(status), status, url}
		}
	}
}

// once makes one request and adds what comes to out.
func (c *Client) once(ctx context.Context, url string, headers [][2]string, out *response) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	request.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {""}}
	for _, h := range headers {
		request.Header.Set(h[0], h[1])
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // it is read or it is not
	for name, values := range answer.Header {
		if name = strings.ToLower(name); out.header[name] == "" {
			out.header[name] = strings.TrimSpace(values[0])
		}
	}
	body, err := io.ReadAll(answer.Body)
	out.body = append(out.body, body...)
	return answer.StatusCode, err
}

func isUntrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	return errors.As(err, &verification)
}

func codeOfStatus(status int) Code {
	switch status {
	case http.StatusForbidden:
		return NetworkError
	case http.StatusNotFound:
		return NoCacheData
	case 461:
		return PlatformUnknown
	case 462:
		return CertsUnavailable
	case http.StatusServiceUnavailable:
		return ServiceUnavailable
	default:
		return UnexpectedStatus
	}
}
