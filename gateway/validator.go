// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// For how long others may keep an answer (RFC 9111 section 5.2.2).
const (
	// revalidated: it may be kept, and is asked for again before it is used. What a
	// record says depends on ledger time, which does not stand still.
	revalidated = "no-cache"
	// immutable is for what its own hash names (RFC 8246).
	immutable = "max-age=31536000, immutable"
)

// validated marks a read whose answers carry a strong validator: the hash of
// their bytes, so that it changes when and only when they do (RFC 9110 section
// 8.8.1). A caller that names it in If-None-Match gets 304 and no body.
func (g *Gateway) validated(op huma.Operation, keep string, vary ...string) huma.Operation {
	if op.Responses == nil {
		op.Responses = make(map[string]*huma.Response)
	}
	op.Responses["304"] = &huma.Response{Description: "What the caller has, by its If-None-Match, is what there is."}
	if op.Responses["200"] == nil {
		op.Responses["200"] = new(huma.Response)
	}
	for _, status := range []string{"200", "304"} {
		r := op.Responses[status]
		if r.Headers == nil {
			r.Headers = make(map[string]*huma.Param)
		}
		r.Headers["ETag"] = &huma.Param{
			Description: "changes when and only when the bytes of the answer do", Schema: &huma.Schema{Type: huma.TypeString},
		}
	}
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: "If-None-Match", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "the ETag of the answer that the caller has",
	})
	switch {
	case g.cfg.ReadsNeedToken:
		// Nobody else's cache may give it to those who have no token.
		keep, vary = "private, "+keep, append(vary, "Authorization")
	case keep == immutable:
		// A token that is shown, and not needed, keeps nobody from sharing it.
		keep = "public, " + keep
	}
	op.Middlewares = append(op.Middlewares, validate(keep, strings.Join(vary, ", ")))
	return op
}

func validate(keep, vary string) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		a, ok := overREST(ctx)
		if !ok {
			next(ctx)
			return
		}
		out := keepBack(a.Context(), a, nil, next)
		if out.status == http.StatusOK {
			tag := entityTag(out.body)
			out.header.Set("Etag", tag)
			out.header.Set("Cache-Control", keep)
			if vary != "" {
				out.header.Set("Vary", vary)
			}
			if noneMatch(a, tag) {
				out.header.Del("Content-Type")
				out.status, out.body = http.StatusNotModified, nil
			} else {
				// To HEAD, too, it is told, for which the server does not count.
				out.header.Set("Content-Length", strconv.Itoa(len(out.body)))
			}
		}
		out.write(a.requestContext)
	}
}

// entityTag names bytes by half of their SHA-256, which nobody finds twice by
// accident, and by trying gains nothing.
func entityTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:sha256.Size/2]) + `"`
}

// noneMatch reports whether a request's If-None-Match names a validator, by the
// weak comparison that it asks for (RFC 9110 section 13.1.2).
func noneMatch(ctx huma.Context, tag string) bool {
	found := false
	ctx.EachHeader(func(name, value string) {
		if !strings.EqualFold(name, "If-None-Match") {
			return
		}
		for _, one := range strings.Split(value, ",") { // our tags have no comma
			one = strings.TrimSpace(one)
			found = found || one == "*" || strings.TrimPrefix(one, "W/") == tag
		}
	})
	return found
}
