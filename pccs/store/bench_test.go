// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/pccs/store"
)

// filled returns a store with a hundred artefacts of 5 kB and as many platforms.
func filled(b *testing.B, at *bench) *store.Store {
	b.Helper()
	s := open(b, at.fresh(b))
	var batch store.Batch
	for i := range 100 {
		key := tcbKey
		key.Scope = fmt.Sprintf("%012x", i)
		batch.Artefacts = append(batch.Artefacts, artefact(key, 1, strings.Repeat(fmt.Sprintf("%05d", i), 1000)))
		id := store.PlatformID{QEID: fmt.Sprintf("%032X", i), PCEID: "0000"}
		batch.Platforms = append(batch.Platforms, store.Platform{PlatformID: id})
		for level := range 15 {
			batch.PCKCerts = append(batch.PCKCerts, store.PCKCert{PlatformID: id, TCBm: fmt.Sprintf("%036X", level), Cert: make([]byte, 1800)})
		}
	}
	must(b, s.Write(b.Context(), batch))
	return s
}

func benchmarks(b *testing.B, at *bench) {
	s := filled(b, at)
	key := tcbKey
	key.Scope = fmt.Sprintf("%012x", 50)
	id := store.PlatformID{QEID: fmt.Sprintf("%032X", 50), PCEID: "0000"}
	for name, f := range map[string]func() error{
		"Artefact":   func() error { _, err := s.Artefact(b.Context(), key); return err },
		"Artefacts":  func() error { _, err := s.Artefacts(b.Context()); return err },
		"PCKCerts":   func() error { _, err := s.PCKCerts(b.Context(), id); return err },
		"Generation": func() error { _, err := s.Generation(b.Context()); return err },
		"VerifyLog":  func() error { _, err := s.VerifyLog(b.Context()); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				must(b, f())
			}
		})
	}
	b.Run("Write", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n++
			must(b, s.Write(b.Context(), step("B", n)))
		}
	})
}

func BenchmarkSQLite(b *testing.B) { benchmarks(b, onSQLite()) }
