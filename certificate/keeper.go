// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attesteer/attesteer/secretfile"
)

// Keeper holds the certificate that a server shows now. It is safe for
// concurrent use.
type Keeper struct {
	source  source
	current atomic.Pointer[tls.Certificate]

	reloads, faults atomic.Uint64

	mu sync.Mutex // guards what follows
	// said is what Reload last returned an error for, so that it is said once.
	said string
}

// source is where a pair comes from.
type source interface {
	// load returns the pair as it is now; what of it is to be renewed, it renews.
	load(now time.Time) (*tls.Certificate, error)
}

// files are two files that somebody else renews.
type files struct{ cert, key string }

func (f files) load(time.Time) (*tls.Certificate, error) { return Load(f.cert, f.key) }

// Open returns a keeper of the pair in two files, as [Load] reads them. One that
// has ended is taken: what a server should do about it is to go on and say so.
func Open(certFile, keyFile string) (*Keeper, error) {
	return newKeeper(files{certFile, keyFile}, time.Time{})
}

func newKeeper(s source, now time.Time) (*Keeper, error) {
	pair, err := s.load(now)
	if err != nil {
		return nil, err
	}
	k := &Keeper{source: s}
	k.current.Store(pair)
	return k, nil
}

// Reload looks whether there is another pair, and reports whether it took one.
// One that does not fit together, that cannot be read, or that is outside its
// time while the one before is not, is not taken. Why not is returned once, and
// nothing until it is another reason or there is none; with again it is
// returned anew.
func (k *Keeper) Reload(now time.Time, again bool) (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pair, err := k.source.load(now)
	if err == nil {
		if same(pair, k.current.Load()) {
			k.said = ""
			return false, nil
		}
		err = k.worse(pair, now)
	}
	if err != nil {
		if !again && err.Error() == k.said {
			return false, nil
		}
		k.said = err.Error()
		k.faults.Add(1)
		return false, err
	}
	k.current.Store(pair)
	k.said = ""
	k.reloads.Add(1)
	return true, nil
}

// worse refuses a pair that clients would, as long as they take the one at hand.
func (k *Keeper) worse(pair *tls.Certificate, now time.Time) error {
	err := inTime(pair.Leaf, now)
	if err == nil || inTime(k.Leaf(), now) != nil {
		return nil
	}
	if f, ok := k.source.(files); ok {
		return secretfile.Fault(f.cert, err)
	}
	return err
}

func same(a, b *tls.Certificate) bool {
	if len(a.Certificate) != len(b.Certificate) {
		return false
	}
	for i := range a.Certificate {
		if string(a.Certificate[i]) != string(b.Certificate[i]) {
			return false
		}
	}
	return true
}

// Leaf returns the certificate that is shown.
func (k *Keeper) Leaf() *x509.Certificate { return k.current.Load().Leaf }

// NotAfter returns when the certificate that is shown ends.
func (k *Keeper) NotAfter() time.Time { return k.Leaf().NotAfter }

// Reloads returns how often another pair was taken, and how often one was not.
func (k *Keeper) Reloads() (taken, refused uint64) { return k.reloads.Load(), k.faults.Load() }

// ServerConfig returns the configuration of a server that shows what k holds: TLS
// 1.2 or later, HTTP/2 or HTTP/1.1 (RFC 7301).
func (k *Keeper) ServerConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.current.Load(), nil },
	}
}

// Fingerprint returns the SHA-256 of the certificate that is shown.
func (k *Keeper) Fingerprint() [sha256.Size]byte { return sha256.Sum256(k.Leaf().Raw) }

// Warnings returns what clients will not like about the certificate that is
// shown.
func (k *Keeper) Warnings(now time.Time) []string {
	var out []string
	leaf := k.Leaf()
	if err := inTime(leaf, now); err != nil {
		out = append(out, err.Error())
	}
	if len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0 {
		out = append(out, "it has no subject alternative names (RFC 9525 section 2)")
	}
	if leaf.IsCA {
		out = append(out, "it is an authority's: whoever has its key can vouch for any name with those who trust it")
	}
	return out
}

// SelfSigned reports whether no authority vouches for the certificate that is
// shown.
func (k *Keeper) SelfSigned() bool {
	leaf := k.Leaf()
	return string(leaf.RawIssuer) == string(leaf.RawSubject) && leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil
}
