// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkRead is what an answer from memory costs beside what net/http takes.
func BenchmarkRead(b *testing.B) {
	s, platform := simulated(b)
	for name, path := range map[string]string{"tcb": readPaths(platform, b)[3], "pckcert": readPaths(platform, b)[0]} {
		s.want(s.get(path), http.StatusOK)
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			w := &sink{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				s.server.ServeHTTP(w, r)
			}
		})
	}
}

// sink is a writer that costs nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}
