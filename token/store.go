// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/ed25519"
	"crypto/subtle"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attesteer/attesteer/rats"
)

const (
	listPath = "config/tokens.json"
	lockPath = "config/tokens.lock"

	// maxTokens bounds how many are kept, good and ended.
	maxTokens = 10_000
	// keepEnded is how long a token that ended is remembered, so that its
	// bearer hears why it is refused.
	keepEnded = 365 * 24 * time.Hour
	// noDigest has the length of a digest.
	noDigest = "0000000000000000000000000000000000000000000000000000000000000000"
)

// ErrUnknown says that a text is no token of this node.
var ErrUnknown = errors.New("no token of this node")

// Store is the tokens of one home. What another process changes shows at the
// next call. It is safe for concurrent use.
type Store struct {
	home string

	mu sync.Mutex // guards what follows
	// entries are those of the file that seen describes, by id; seen is nil
	// where there was no file.
	entries map[string]Entry
	seen    os.FileInfo
	keys    map[string]ed25519.PrivateKey
	used    map[string]*use
	// unsaved: used differs from what is on disk.
	unsaved bool
}

// Open returns the tokens of a home, which need not exist yet. A file that
// cannot be read, or that others than its owner may use, is a [*FileError]; so
// is one with a registrar that a good token needs.
func Open(home string, at time.Time) (*Store, error) {
	s := &Store{home: home, keys: make(map[string]ed25519.PrivateKey), used: make(map[string]*use)}
	if err := s.load(); err != nil {
		return nil, err
	}
	if err := s.loadUse(at); err != nil {
		return nil, err
	}
	for _, e := range s.entries {
		if e.Registrar == "" || e.State(at) != Active {
			continue
		}
		if _, err := s.Key(e.Registrar); err != nil {
			return nil, fileError(s.path(listPath), err)
		}
	}
	return s, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.home, filepath.FromSlash(name)) }

// load reads the list again if it is another file than the one that was read.
// The caller holds mu, or is the only one.
func (s *Store) load() error {
	path := s.path(listPath)
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.entries, s.seen = nil, nil
		return nil
	case err != nil:
		return fileError(path, err)
	case s.seen != nil && unchanged(s.seen, st):
		return nil
	}
	entries, st, err := readList(path)
	if err != nil {
		return err
	}
	s.entries, s.seen = make(map[string]Entry, len(entries)), st
	for _, e := range entries {
		s.entries[e.ID] = e
	}
	return nil
}

// unchanged reports whether two infos are of one file with one content: each
// change makes a new file, and one by hand shows by its time, size or mode.
func unchanged(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}

// Verify returns the token that text is. One that is none of this node's is
// [rats.Unauthorized] and [ErrUnknown]; one that ended is [rats.Unauthorized].
// A list that cannot be read any more is a [*FileError], and no token is good
// until it can. The time it takes does not tell how near text came.
func (s *Store) Verify(text string, at time.Time) (Entry, error) {
	id, form := parse(text)
	switch form {
	case foreign:
		return Entry{}, rats.Errorf(rats.Unauthorized, "the token is %w", ErrUnknown)
	case mistyped:
		return Entry{}, rats.Errorf(rats.Unauthorized, "the token is mistyped, so it is %w", ErrUnknown)
	case whole, aged:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return Entry{}, err
	}
	e, known := s.entries[id]
	if !known {
		e.SHA256 = noDigest // no text has it, and it takes as long to compare
	}
	if subtle.ConstantTimeCompare([]byte(digest(text)), []byte(e.SHA256)) != 1 {
		return Entry{}, rats.Errorf(rats.Unauthorized, "the token is %w", ErrUnknown)
	}
	if err := e.good(at); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// Check says whether a token that was good once still is, and counts nothing:
// if not it is [rats.Unauthorized].
func (s *Store) Check(id string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.known(id)
	if err != nil {
		return err
	}
	return e.good(at)
}

// known returns a token by its id, which is no secret. The caller holds mu.
func (s *Store) known(id string) (Entry, error) {
	if err := s.load(); err != nil {
		return Entry{}, err
	}
	e, ok := s.entries[id]
	if !ok {
		return Entry{}, rats.Errorf(rats.Unauthorized, "the token is %w", ErrUnknown)
	}
	return e, nil
}

// good returns why a token is not good any more.
func (e *Entry) good(at time.Time) error {
	switch e.State(at) {
	case Revoked:
		return rats.Errorf(rats.Unauthorized, "the token was revoked")
	case Expired:
		return rats.Errorf(rats.Unauthorized, "the token expired at %s", e.Expires.Format(time.RFC3339))
	default:
		return nil
	}
}

// Request says what a token is to be.
type Request struct {
	Name   string
	Scopes Scopes
	// Expires is when it ends; zero is never.
	Expires            time.Time
	Submissions, Reads Quota
	// Registrar is whose name it submits in: empty for the node's, a public key
	// in hex for a registrar that an earlier token made, [NewRegistrar] for one
	// that is made now.
	Registrar string
}

// Made is a new token, the only time that its text is shown.
type Made struct {
	View
	Token string `json:"token" doc:"shown this once, and not kept"`
}

// Create makes a token. What is wrong with the request is [rats.Malformed], or
// [rats.NotFound] for a registrar whose key this home does not have.
func (s *Store) Create(r Request, at time.Time) (Made, error) {
	at = at.UTC().Truncate(time.Second)
	scopes, err := ParseScopes(textsOf(r.Scopes))
	if err != nil {
		return Made{}, err
	}
	if err := checkName(r.Name); err != nil {
		return Made{}, err
	}
	expires := r.Expires
	if !expires.IsZero() {
		if expires = expires.UTC().Truncate(time.Second); !expires.After(at) {
			return Made{}, rats.Errorf(rats.Malformed, "expires: not in the future")
		}
	}
	registrar := plainHex(r.Registrar)
	switch registrar {
	case "":
	case NewRegistrar:
		if registrar, err = s.makeRegistrar(); err != nil {
			return Made{}, err
		}
	default:
		if _, err := s.Key(registrar); err != nil {
			return Made{}, err
		}
	}
	e := Entry{
		Name: r.Name, Scopes: scopes, Created: at, Expires: expires,
		Submissions: r.Submissions, Reads: r.Reads, Registrar: registrar,
	}
	text, err := s.add(&e, at)
	if err != nil {
		return Made{}, err
	}
	return Made{View: e.view(at, time.Time{}), Token: text}, nil
}

// plainHex spells hex as it is kept, whatever case, white space and 0x it has.
func plainHex(text string) string {
	return strings.TrimPrefix(strings.ToLower(strings.Join(strings.Fields(text), "")), "0x")
}

// add gives an entry a token whose id is free, and writes it down.
func (s *Store) add(e *Entry, at time.Time) (text string, err error) {
	err = s.change(func(entries []Entry) ([]Entry, error) {
		for {
			text, e.ID = newText()
			if !slices.ContainsFunc(entries, func(o Entry) bool { return o.ID == e.ID }) {
				break
			}
		}
		e.SHA256 = digest(text)
		entries = slices.DeleteFunc(entries, func(o Entry) bool {
			end, ended := o.ended(at)
			return ended && at.Sub(end) > keepEnded
		})
		return append(entries, *e), nil
	})
	return text, err
}

// change replaces the list with what edit makes of it. Changes of several
// processes wait for each other.
func (s *Store) change(edit func([]Entry) ([]Entry, error)) error {
	return alone(s.path(lockPath), func() error {
		entries, _, err := readList(s.path(listPath))
		if err != nil {
			return err
		}
		if entries, err = edit(entries); err != nil {
			return err
		}
		return writeList(s.path(listPath), entries)
	})
}

// Revoke ends a token at once and for good. Revoking it again changes nothing;
// an id that is not known is [rats.NotFound].
func (s *Store) Revoke(id string, at time.Time) (View, error) {
	at, id = at.UTC().Truncate(time.Second), plainHex(id)
	var e Entry
	err := s.change(func(entries []Entry) ([]Entry, error) {
		i := slices.IndexFunc(entries, func(o Entry) bool { return o.ID == id })
		if i < 0 {
			return nil, rats.Errorf(rats.NotFound, "no token has that id")
		}
		if entries[i].Revoked.IsZero() {
			entries[i].Revoked = at
		}
		e = entries[i]
		return entries, nil
	})
	if err != nil {
		return View{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.view(at, s.lastUsed(id)), nil
}

// List returns the tokens as they stand at a time, oldest first.
func (s *Store) List(at time.Time) ([]View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return nil, err
	}
	out := make([]View, 0, len(s.entries))
	for _, e := range s.entries {
		out = append(out, e.view(at, s.lastUsed(e.ID)))
	}
	slices.SortFunc(out, func(a, b View) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}
