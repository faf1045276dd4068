// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// Limits on what is kept, which keep a hostile input from filling the memory of
// everybody who reads it.
const (
	// MaxContent is the greatest length of one body, chain, certificate, manifest
	// or policy, in bytes. Intel's are under 1 MiB.
	MaxContent = 16 << 20
	// maxText is that of names: QE identities, URLs, sources.
	maxText = 4096
)

// prepare returns b as it is kept: names in their case, times in whole
// microseconds, digests computed. What an engine could not keep is Malformed or
// TooLarge, the same for both.
func (b *Batch) prepare() (*Batch, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	p := &Batch{Mark: b.Mark}
	for _, id := range b.ReplacePCK {
		p.ReplacePCK = append(p.ReplacePCK, id.normal())
	}
	for _, a := range b.Artefacts {
		a.Key, a.Digest = a.normal(), sha256.Sum256(a.Body)
		a.Issued, a.NextUpdate, a.Fetched = fromMicros(a.Issued.UnixMicro()), fromMicros(a.NextUpdate.UnixMicro()), fromMicros(a.Fetched.UnixMicro())
		if !slices.Contains(Kinds(), a.Kind) || len(a.Body) == 0 {
			return nil, rats.Errorf(rats.Malformed, "store: %q with %d bytes is no artefact", a.Kind, len(a.Body))
		}
		p.Artefacts = append(p.Artefacts, a)
	}
	for _, m := range b.Platforms {
		m.PlatformID, m.FMSPC, m.CA = m.PlatformID.normal(), strings.ToUpper(m.FMSPC), strings.ToLower(m.CA)
		p.Platforms = append(p.Platforms, m)
	}
	for _, r := range b.RawTCBs {
		p.RawTCBs = append(p.RawTCBs, RawTCB{r.PlatformID.normal(), strings.ToUpper(r.CPUSVN), strings.ToUpper(r.PCESVN), strings.ToUpper(r.TCBm)})
	}
	for _, c := range b.PCKCerts {
		c.PlatformID, c.TCBm = c.PlatformID.normal(), strings.ToUpper(c.TCBm)
		p.PCKCerts = append(p.PCKCerts, c)
	}
	if b.Chains != nil {
		p.Chains = make(map[string][]byte, len(b.Chains))
	}
	for ca, chain := range b.Chains {
		p.Chains[strings.ToLower(ca)] = chain
	}
	for _, y := range b.Policies {
		y.ID, y.FMSPC = strings.ToLower(y.ID), strings.ToUpper(y.FMSPC)
		p.Policies = append(p.Policies, y)
	}
	for _, q := range b.Enqueue {
		q.PlatformID, q.CPUSVN, q.PCESVN = q.PlatformID.normal(), strings.ToUpper(q.CPUSVN), strings.ToUpper(q.PCESVN)
		if !q.State.valid() {
			return nil, rats.Errorf(rats.Malformed, "store: no state %d of the queue", q.State)
		}
		p.Enqueue = append(p.Enqueue, q)
	}
	for id, state := range b.Mark {
		if !state.valid() {
			return nil, rats.Errorf(rats.Malformed, "store: no state %d of the queue for %d", state, id)
		}
	}
	return p, nil
}

// check looks at the lengths of everything and the bytes of every text.
func (b *Batch) check() error {
	var c checker
	for i := range b.ReplacePCK {
		c.platform(b.ReplacePCK[i])
	}
	for i := range b.Artefacts {
		a := &b.Artefacts[i]
		c.text(string(a.TEE), a.Scope, a.Update, a.Source)
		c.content(a.Body, a.Chain)
	}
	for i := range b.Platforms {
		m := &b.Platforms[i]
		c.platform(m.PlatformID)
		c.text(m.FMSPC, m.CA)
		c.content(m.EncryptedPPID, m.Manifest)
	}
	for i := range b.RawTCBs {
		r := &b.RawTCBs[i]
		c.platform(r.PlatformID)
		c.text(r.CPUSVN, r.PCESVN, r.TCBm)
	}
	for i := range b.PCKCerts {
		p := &b.PCKCerts[i]
		c.platform(p.PlatformID)
		c.text(p.TCBm)
		c.content(p.Cert, p.TCB)
	}
	for ca, chain := range b.Chains {
		c.text(ca)
		c.content(chain)
	}
	for i := range b.Policies {
		y := &b.Policies[i]
		c.text(y.ID, y.FMSPC)
		c.content(y.JWT)
	}
	for i := range b.Enqueue {
		q := &b.Enqueue[i]
		c.platform(q.PlatformID)
		c.text(q.CPUSVN, q.PCESVN)
		c.content(q.EncryptedPPID, q.Manifest)
	}
	return c.err
}

// checker keeps the first thing that is wrong.
type checker struct{ err error }

func (c *checker) text(all ...string) {
	for _, s := range all {
		switch {
		case c.err != nil:
		case len(s) > maxText:
			c.err = rats.Errorf(rats.TooLarge, "store: a name of %d bytes, over %d", len(s), maxText)
		case !isText(s):
			c.err = rats.Errorf(rats.Malformed, "store: %q is no text", s)
		}
	}
}

func (c *checker) platform(id PlatformID) {
	c.text(id.QEID, id.PCEID)
	if c.err == nil && id.QEID == "" {
		c.err = rats.Errorf(rats.Malformed, "store: a platform without a QE identity")
	}
}

func (c *checker) content(all ...[]byte) {
	for _, b := range all {
		if c.err == nil && len(b) > MaxContent {
			c.err = rats.Errorf(rats.TooLarge, "store: %d bytes in one piece, over %d", len(b), MaxContent)
		}
	}
}

// fromMicros returns a time kept as microseconds since 1970; the zero time
// comes back as such.
func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

// given returns b for a column that is never null.
func given(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// orNil returns b, and nil where it is empty.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// number returns 1 for true.
func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// isText reports whether s is what both engines can keep in a column of text.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// askable reports whether all texts among args can be asked for. Nothing is kept
// under others.
func askable(args []any) bool {
	return !slices.ContainsFunc(args, func(arg any) bool {
		s, is := arg.(string)
		return is && !isText(s)
	})
}
