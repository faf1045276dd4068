// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

// Files of a self-made certificate, in its folder.
const (
	KeyFile  = "key.pem"
	CertFile = "cert.pem"
)

const (
	// selfMadeLife is how long a self-made certificate lasts, and renewBefore how
	// long before its end another is made. Some clients refuse longer lives than
	// 825 days.
	selfMadeLife = 365 * day
	renewBefore  = 90 * day
	// slow is how far behind a client's clock may be.
	slow = time.Hour
)

// selfMade is a folder with a key, and a certificate that is renewed.
type selfMade struct {
	dir   string
	names []string
}

// SelfMade returns a keeper of a self-made certificate in a folder: an ECDSA key
// on P-256, which is made once, and a certificate for it, which is made anew
// before it ends and when it lacks one of names. Names are host names and
// addresses.
func SelfMade(dir string, names []string, now time.Time) (*Keeper, error) {
	return newKeeper(selfMade{dir, normal(names)}, now)
}

// normal sorts names, and drops doublets.
func normal(names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		n = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(n)), ".")
		if addr, err := netip.ParseAddr(strings.Trim(n, "[]")); err == nil {
			n = addr.Unmap().WithZone("").String()
		}
		if n != "" {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// CheckName refuses what no certificate can name.
func CheckName(name string) error {
	n := normal([]string{name})
	if len(n) == 1 {
		if _, err := netip.ParseAddr(n[0]); err == nil {
			return nil
		}
		// RFC 1123 section 2.1; a first label of * stands for any one label.
		ok := len(n[0]) <= 253
		for i, label := range strings.Split(n[0], ".") {
			ok = ok && (isLabel(label) || i == 0 && label == "*" && strings.Contains(n[0], "."))
		}
		if ok {
			return nil
		}
	}
	return rats.Errorf(rats.Malformed, "%q is neither a host name nor an address", name)
}

func isLabel(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(l, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func (s selfMade) load(now time.Time) (*tls.Certificate, error) {
	key, err := s.key()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, CertFile)
	text, err := readOpen(path)
	switch {
	case err == nil:
		// One that is damaged, or is another key's, is as good as none: all that it
		// says can be said again.
		if chain, err := parseChain(text); err == nil && s.good(chain[0], key, now) {
			return &tls.Certificate{Certificate: [][]byte{chain[0].Raw}, PrivateKey: key, Leaf: chain[0]}, nil
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	leaf, err := s.make(key, now)
	if err != nil {
		return nil, err
	}
	if err := secretfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})); err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// good reports whether a certificate need not be made anew.
func (s selfMade) good(c *x509.Certificate, key *ecdsa.PrivateKey, now time.Time) bool {
	if !key.PublicKey.Equal(c.PublicKey) || inTime(c, now) != nil || c.NotAfter.Sub(now) < renewBefore {
		return false
	}
	for _, n := range s.names {
		if strings.HasPrefix(n, "*.") {
			if !slices.Contains(c.DNSNames, n) {
				return false
			}
			continue
		}
		if c.VerifyHostname(n) != nil {
			return false
		}
	}
	return true
}

// key reads the key, and makes it where there is none.
func (s selfMade) key() (*ecdsa.PrivateKey, error) {
	path := filepath.Join(s.dir, KeyFile)
	text, _, err := secretfile.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s.makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	signer, err := parseKey(text)
	if err != nil {
		return nil, secretfile.Fault(path, err)
	}
	key, ok := signer.(*ecdsa.PrivateKey)
	if !ok {
		return nil, secretfile.Fault(path, rats.Errorf(rats.Unsupported, "not a key of ECDSA, as self-made ones are"))
	}
	return key, nil
}

func (s selfMade) makeKey(path string) (*ecdsa.PrivateKey, error) {
	// A certificate without its key is not ours to replace: clients have pinned
	// that key.
	if _, err := os.Stat(filepath.Join(s.dir, CertFile)); err == nil {
		return nil, secretfile.Fault(path, rats.Errorf(rats.NotFound, "the key of %s is gone: put it back, or delete that file too and have clients pin another key", CertFile))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "key: %w", err)
	}
	return key, secretfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// make makes a certificate for the key, signed by itself. It is no authority's:
// whoever trusts it trusts it for its own names alone.
func (s selfMade) make(key *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, rats.Errorf(rats.Internal, "certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serialNumber(serial),
		Subject:      pkix.Name{CommonName: "attesteer (self-made)"},
		NotBefore:    now.Add(-slow), NotAfter: now.Add(selfMadeLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, n := range s.names {
		if addr, err := netip.ParseAddr(n); err == nil {
			template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
			continue
		}
		template.DNSNames = append(template.DNSNames, n)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "certificate: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "certificate: %w", err)
	}
	return c, nil
}
