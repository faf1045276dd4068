// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Retry is how Intel's client goes on with a service that fails: where it cannot
// be reached, takes too long or answers 503, and over nothing else.
type Retry struct {
	// Times are tries after the first.
	Times int
	// Delay is the wait before each; 0 stands for 1, 2, 4 and so on seconds.
	Delay time.Duration
}

// maxPatience bounds what is done to get one document, whatever was configured.
const maxPatience = 5 * time.Minute

// before returns the wait before a try after the first, which n counts from 0.
func (r *Retry) before(n int) time.Duration {
	if r.Delay > 0 {
		return r.Delay
	}
	return min(time.Second<<min(n, 16), maxPatience)
}

// patience is how long one document may take whose requests may take timeout
// each. Without a Retry one more try has to fit in.
func (r *Retry) patience(timeout time.Duration) time.Duration {
	if r == nil {
		return timeout
	}
	total := timeout
	for n := 0; n < r.Times && total < maxPatience; n++ {
		total += min(r.before(n), maxPatience) + timeout
	}
	return min(total, max(maxPatience, timeout))
}

// after says whether another try follows the one, counted from 0, that had a
// fault, and after which wait.
func (r *Retry) after(f *fault, n int) (pause time.Duration, again bool) {
	switch {
	case f == nil:
		return 0, false
	case r == nil:
		return f.hold, n == 0 && f.class == down && f.hold > 0 && f.hold <= maxRetryPause
	default:
		return r.before(n), f.passing && n < r.Times
	}
}

// isPassing reports whether a call failed before anything was said: no name, no
// connection, or no answer in time.
func isPassing(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var timeout net.Error
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial" ||
		errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// Pair is a header or a parameter of a request.
type Pair struct{ Name, Value string }

// Custom is what goes along with requests.
type Custom struct {
	Headers []Pair
	// Params are appended to URLs as they are, without being escaped, as Intel's
	// client does.
	Params []Pair
}

// query returns parameters as they are appended. Errors are Malformed.
func (c Custom) query() (string, error) {
	var b strings.Builder
	for _, p := range c.Params {
		b.WriteString("&" + p.Name + "=" + p.Value)
	}
	if _, err := url.ParseRequestURI("/?" + b.String()); err != nil || strings.ContainsAny(b.String(), " #") {
		return "", rats.Errorf(rats.Malformed, "parameters that go along with requests are not escaped as in a URL")
	}
	for _, h := range c.Headers {
		if h.Name == "" || strings.ContainsAny(h.Name, " \t\r\n:") || strings.ContainsAny(h.Value, "\r\n\x00") {
			return "", rats.Errorf(rats.Malformed, "%q is no header of a request", h.Name)
		}
	}
	return b.String(), nil
}
