// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// Origins are the sites whose pages may call a node from a browser, beside its own
// (Fetch, section 3.2). The zero value is none: there is no cookie that pages could
// abuse, but a node may be where its callers' browsers reach it and others do not,
// and on a development network nothing else holds submissions off.
type Origins struct {
	any  bool
	each map[string]bool
}

// AnyOrigin stands for all sites.
const AnyOrigin = "*"

// ParseOrigins reads origins as browsers send them, such as https://app.example or
// http://localhost:5173, and [AnyOrigin].
func ParseOrigins(texts []string) (Origins, error) {
	o := Origins{each: make(map[string]bool)}
	for _, text := range texts {
		if text == AnyOrigin {
			o.any = true
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != text {
			return Origins{}, rats.Errorf(rats.Malformed, "%.100q is no origin such as https://app.example, without a path, nor *", text)
		}
		o.each[strings.ToLower(text)] = true
	}
	return o, nil
}

// allow reports whether pages of an origin may call.
func (o Origins) allow(origin string) bool {
	return origin != "" && (o.any || o.each[strings.ToLower(origin)])
}

// none reports whether there is no other site whose pages may.
func (o Origins) none() bool { return !o.any && len(o.each) == 0 }

// What pages may read of an answer beside its body, and send beside what every page
// may.
var (
	exposedHeaders = strings.Join([]string{
		"ETag", "Location", "Retry-After", "WWW-Authenticate", "Preference-Applied", replayedHeader, requestIDHeader,
	}, ", ")
	allowedHeaders = strings.Join([]string{
		"Authorization", "Content-Type", "Accept", idempotencyHeader, "If-None-Match", "Last-Event-ID", preferHeader,
	}, ", ")
)

// preflightLife is for how long a browser goes by what it was told, in seconds.
const preflightLife = "600"

// share tells a browser whether a page of another site may have the answer, and
// reports whether it only asks beforehand what may be sent.
func (g *Gateway) share(out *observed, r *http.Request) (preflight bool) {
	o := g.cfg.Origins
	if o.none() {
		return false
	}
	if !o.any {
		out.vary = "Origin"
	}
	origin := r.Header.Get("Origin")
	if !o.allow(origin) {
		return false
	}
	if o.any {
		origin = AnyOrigin
	}
	h := out.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", exposedHeaders)
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", allowedHeaders)
	h.Set("Access-Control-Max-Age", preflightLife)
	return true
}
