// SPDX-License-Identifier: Apache-2.0

package ear

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

const (
	// margin is for how long after the end of its last token a key is still
	// published: clocks differ.
	margin = 10 * time.Minute
	// settle is how long after a change of the folder its time may not yet tell
	// of another one.
	settle = 2 * time.Second
	// maxKeyFile bounds a key file in bytes.
	maxKeyFile = 16 << 10
	keySuffix  = ".jwk"
	pemSuffix  = ".pem"
)

// Ring is a folder of keys: *.jwk, which Attesteer writes, and *.pem, which an
// operator may put there. The newest key signs. One that another has replaced
// stays published until every token that it may have signed has ended. A
// change of the folder is seen at the next call.
//
// A Ring is safe for concurrent use.
type Ring struct {
	dir string

	mu sync.Mutex // guards what follows
	// changed is the folder's time as of the last reading; zero before it.
	changed time.Time
	keys    []held
}

// held is a key and the file that holds it.
type held struct {
	*Key
	path string
}

// OpenRing opens a folder of keys. One that has none gets a key for ES256, and
// one that does not exist is made. A file that others than its owner may read,
// or that holds no key, is an error.
func OpenRing(dir string, now time.Time) (*Ring, error) {
	r := &Ring{dir: dir}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, rats.Errorf(rats.Internal, "keys: %w", err)
	}
	if err := r.load(now); err != nil {
		return nil, err
	}
	if len(r.keys) == 0 {
		if _, err := r.add(ES256, now); err != nil {
			return nil, err
		}
	}
	_, err := r.signer()
	return r, err
}

// Signer returns the key that signs.
func (r *Ring) Signer(now time.Time) (*Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(now); err != nil {
		return nil, err
	}
	return r.signer()
}

// signer returns the newest key. The caller holds mu.
func (r *Ring) signer() (*Key, error) {
	if len(r.keys) == 0 {
		return nil, rats.Errorf(rats.Internal, "keys: there is none in %s", r.dir)
	}
	k := r.keys[len(r.keys)-1]
	if k.private == nil {
		return nil, rats.Errorf(rats.Internal, "keys: the newest, %s, has no private half", k.path)
	}
	return k.Key, nil
}

// Public returns the keys by which tokens are verified, the one that signs first.
func (r *Ring) Public(now time.Time) (KeySet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(now); err != nil {
		return KeySet{}, err
	}
	s := KeySet{Keys: []JWK{}}
	for i := len(r.keys) - 1; i >= 0; i-- {
		if !r.lapsed(i, now) {
			s.Keys = append(s.Keys, r.keys[i].public)
		}
	}
	return s, nil
}

// lapsed reports whether no token of a key can be in use any more. The caller
// holds mu.
func (r *Ring) lapsed(i int, now time.Time) bool {
	if i == len(r.keys)-1 {
		return false
	}
	replaced := r.keys[i+1].created
	return !now.Before(replaced.Add(MaxLifetime + margin))
}

// Rotate makes a new key, which signs from now on. Of earlier *.jwk it keeps the
// public halves for as long as their tokens last; *.pem stay as they are. With
// withdraw it deletes all earlier files: what their keys signed stops verifying
// wherever the keys are fetched again.
func (r *Ring) Rotate(alg Algorithm, now time.Time, withdraw bool) (*Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(now); err != nil {
		return nil, err
	}
	// A key has to be newer than the one it replaces, whatever the clock says.
	if n := len(r.keys); n > 0 {
		if next := r.keys[n-1].created.Add(time.Second); now.Before(next) {
			now = next
		}
	}
	k, err := r.add(alg, now)
	if err != nil {
		return nil, err
	}
	for i, old := range r.keys[:len(r.keys)-1] {
		switch {
		case withdraw, filepath.Ext(old.path) == keySuffix && r.lapsed(i, now):
			err = os.Remove(old.path)
		case filepath.Ext(old.path) == keySuffix && old.private != nil:
			err = old.write(old.path, false)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return k, rats.Errorf(rats.Internal, "keys: the new one signs, but of an old one too much is left: %w", err)
		}
	}
	r.changed = time.Time{}
	return k, r.load(now)
}

// add makes a key and its file. The caller holds mu.
func (r *Ring) add(alg Algorithm, now time.Time) (*Key, error) {
	k, err := NewKey(alg, now)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(r.dir, k.public.ID+keySuffix)
	if err := k.write(path, true); err != nil {
		return nil, err
	}
	r.keys = append(r.keys, held{k, path})
	r.changed = time.Time{}
	return k, nil
}

// write replaces a key's file in one step.
func (k *Key) write(path string, withPrivate bool) error {
	b, err := k.marshal(withPrivate)
	if err != nil {
		return err
	}
	temp := path + ".new"
	err = writeSynced(temp, b)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return rats.Errorf(rats.Internal, "keys: %w", err)
	}
	return nil
}

// writeSynced returns once the bytes are on the disk: a half-written key would
// keep a node from starting.
func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// load reads the folder if it changed. The caller holds mu.
func (r *Ring) load(now time.Time) error {
	st, err := os.Stat(r.dir)
	if err != nil {
		return rats.Errorf(rats.Internal, "keys: %w", err)
	}
	if changed := st.ModTime(); changed.Equal(r.changed) && now.Sub(changed) > settle {
		return nil
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return rats.Errorf(rats.Internal, "keys: %w", err)
	}
	var keys []held
	for _, e := range entries {
		path := filepath.Join(r.dir, e.Name())
		if ext := filepath.Ext(path); ext != keySuffix && ext != pemSuffix {
			continue
		}
		k, err := readKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a rotation removed it meanwhile
		}
		if err != nil {
			return err
		}
		keys = append(keys, held{k, path})
	}
	slices.SortFunc(keys, func(a, b held) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.public.ID, b.public.ID))
	})
	r.keys, r.changed = keys, st.ModTime()
	return nil
}

func readKey(path string) (*Key, error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return nil, rats.Errorf(rats.Internal, "keys: %s is no key file", path)
	}
	b, st, err := secretfile.Read(path, maxKeyFile)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "keys: %w", err)
	}
	k, err := ParseKey(b, st.ModTime())
	if err != nil {
		return nil, rats.Errorf(rats.KindOf(err), "keys: %s: %w", path, err)
	}
	return k, nil
}
