// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// answerSchema names the form of the files.
const answerSchema = "attesteer/answer/v1"

// maxCached bounds the answers in one folder; what is more drops the eldest.
const maxCached = 4096

// AnswerCache keeps what services answered in files, one for each URL, so that
// a program that is run again does not ask again. Nothing is trusted of what it
// holds: what is read is checked as an answer is. It is safe for concurrent use,
// by several processes too, since a file is replaced in one step.
type AnswerCache struct{ dir string }

// NewAnswerCache returns the cache in a folder. That is made when there is
// something to be kept, for its owner alone: which platforms somebody asks for is
// nobody else's business.
func NewAnswerCache(dir string) *AnswerCache { return &AnswerCache{dir: dir} }

// cachedAnswer is one file.
type cachedAnswer struct {
	Schema string `json:"schema"`
	// URL is what was asked for; of a PCK certificate without the encrypted PPID,
	// which differs from call to call.
	URL         string           `json:"url"`
	Fetched     time.Time        `json:"fetched"`
	Endorsement rats.Endorsement `json:"endorsement"`
}

// nameOf returns the file for a URL, and the URL as it stands in there.
func (*AnswerCache) nameOf(where string) (name, key string) {
	if u, err := url.Parse(where); err == nil && u.Query().Has("encrypted_ppid") {
		q := u.Query()
		q.Del("encrypted_ppid")
		u.RawQuery = q.Encode()
		where = u.String()
	}
	digest := sha256.Sum256([]byte(where))
	return hex.EncodeToString(digest[:]) + ".json", where
}

// load returns the answer for a URL, or nil.
func (c *AnswerCache) load(where string) *cachedAnswer {
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return nil
	}
	defer root.Close() //nolint:errcheck // nothing was written
	name, key := c.nameOf(where)
	f, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, 2*maxAnswer))
	var a cachedAnswer
	if err != nil || json.Unmarshal(b, &a) != nil || a.Schema != answerSchema || a.URL != key {
		return nil
	}
	return &a
}

// keep writes an answer down. That it cannot costs a call the next time, and no more.
func (c *AnswerCache) keep(where string, f *Fetched) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return
	}
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return
	}
	defer root.Close() //nolint:errcheck // files were closed, with their errors looked at
	name, key := c.nameOf(where)
	b, err := json.Marshal(cachedAnswer{answerSchema, key, f.At.UTC(), f.Endorsement})
	if err != nil {
		return
	}
	if _, err := writeFile(root, name, b); err == nil {
		c.prune()
	}
}

// prune drops the eldest files while there are too many.
func (c *AnswerCache) prune() {
	entries, err := os.ReadDir(c.dir)
	if err != nil || len(entries) <= maxCached {
		return
	}
	var eldest os.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() &&
			(eldest == nil || info.ModTime().Before(eldest.ModTime())) {
			eldest = info
		}
	}
	if root, err := os.OpenRoot(c.dir); err == nil && eldest != nil {
		_ = discard(root, eldest.Name()) // a file more than there should be
		_ = root.Close()
	}
}

// keepsNone reports whether each answer is asked for when it is needed.
func (s *PCS) keepsNone() bool { return s.hold != nil && *s.hold <= 0 }

// recall returns what the cache has of a document that is new enough and holds;
// nil is nothing.
func (s *PCS) recall(d Document) *Fetched {
	if s.cache == nil || s.hold == nil || s.keepsNone() || s.memory.look(d) != nil {
		return nil // what is in memory is at least as new
	}
	where, err := s.place.locate(d)
	if err != nil {
		return nil
	}
	a := s.cache.load(where)
	now := s.now()
	if a == nil || a.Endorsement.Kind != d.Kind || a.Fetched.After(now) || !now.Before(a.Fetched.Add(*s.hold)) {
		return nil
	}
	got, err := s.check(d, a.Endorsement)
	if err != nil || got.Stale(now) {
		return nil
	}
	got.At = a.Fetched
	return got
}

// store writes an answer into the cache, where there is one.
func (s *PCS) store(f *Fetched) {
	if s.cache == nil || s.hold == nil || s.keepsNone() {
		return
	}
	if where, err := s.place.locate(f.Document); err == nil {
		s.cache.keep(where, f)
	}
}
