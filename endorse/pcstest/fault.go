// SPDX-License-Identifier: Apache-2.0

package pcstest

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// Down hangs up without an answer.
func Down() Fault {
	return instead(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// Hanging answers nothing until the caller gives up, or until is closed.
func Hanging(until <-chan struct{}) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-until:
				next.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})
	}
}

// Status answers with a status and nothing else.
func Status(status int) Fault {
	return instead(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// Busy answers so often with a status that asks to come again, then as it should.
func Busy(times, status int, after time.Duration) Fault {
	left := make(chan struct{}, times)
	for range times {
		left <- struct{}{}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-left:
				w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)))
				w.WriteHeader(status)
				_, _ = w.Write([]byte("Server is currently unable to process the request."))
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// WebPage answers 200 with a page, as a proxy or a captive portal does.
func WebPage() Fault {
	return instead(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>Sign in</title>"))
	})
}

// Redirect sends the caller elsewhere.
func Redirect(to string) Fault {
	return instead(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
}

// Half hangs up in the middle of the answer.
func Half() Fault {
	return changed(func(w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// Huge answers with more than anybody should read.
func Huge() Fault {
	return changed(func(w http.ResponseWriter, body []byte) {
		_, _ = w.Write(append(body, bytes.Repeat([]byte(" "), 2<<20)...))
	})
}

// Compressed answers in gzip, which nobody asked for.
func Compressed() Fault {
	return changed(func(w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(body)
		_ = z.Close()
	})
}

// Forged changes what the answer says, and not its signature: a digit of a
// statement's evaluation number, a bit in the middle of a list.
func Forged() Fault {
	return changed(func(w http.ResponseWriter, body []byte) {
		const number = `"tcbEvaluationDataNumber":`
		body = bytes.Clone(body)
		if i := bytes.Index(body, []byte(number)); i >= 0 {
			i += len(number)
			body[i] = '1' + (body[i]-'0')%9
		} else {
			body[len(body)/2] ^= 1
		}
		_, _ = w.Write(body)
	})
}

// Headless leaves the issuer chains out.
func Headless() Fault {
	return withHeader(func(h http.Header, name string) { delete(h, name) })
}

// Chained answers with another issuer chain, as it stands in the header.
func Chained(chain string) Fault {
	return withHeader(func(h http.Header, name string) { h[name] = []string{chain} })
}

func instead(answer http.HandlerFunc) Fault {
	return func(http.Handler) http.Handler { return answer }
}

// recorded has a handler answer into memory, and sends what becomes of that; a
// refusal stays as it is.
func recorded(send func(w http.ResponseWriter, got *httptest.ResponseRecorder)) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got := httptest.NewRecorder()
			next.ServeHTTP(got, r)
			for name, values := range got.Header() {
				w.Header()[name] = values
			}
			if got.Code != http.StatusOK {
				w.WriteHeader(got.Code)
				_, _ = w.Write(got.Body.Bytes())
				return
			}
			send(w, got)
		})
	}
}

func changed(send func(w http.ResponseWriter, body []byte)) Fault {
	return recorded(func(w http.ResponseWriter, got *httptest.ResponseRecorder) { send(w, got.Body.Bytes()) })
}

func withHeader(change func(h http.Header, name string)) Fault {
	return recorded(func(w http.ResponseWriter, got *httptest.ResponseRecorder) {
		for name := range w.Header() {
			if strings.Contains(name, "Issuer-Chain") {
				change(w.Header(), name)
			}
		}
		_, _ = w.Write(got.Body.Bytes())
	})
}
