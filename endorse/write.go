// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// WriteFolder writes items into dir as files that [ReadFolder] reads back:
// statements as PCS answers them, CRLs in DER, and each certificate once, in
// PEM, be it a platform's or an issuer's. It returns how many files it wrote.
//
// A file's name says what is in it and ends in the beginning of its SHA-256, as
// in tcb_info_00606a000000_sgx_v3_e19_1f2e3d4c.json, so that a file that is
// there already with the same content is left as it is, and no two statements
// share a name. Each file appears whole or not at all. What else lies in dir is
// not touched.
//
// The error is of kind malformed for an endorsement that does not parse, before
// which nothing is written; a folder that cannot be written to is the file
// system's error.
func WriteFolder(dir string, items []rats.Endorsement) (written int, err error) {
	files := make(map[string][]byte)
	var names []string // in the order of items, so that a failure is repeatable
	put := func(name string, content []byte) {
		if _, ok := files[name]; !ok {
			names = append(names, name)
			files[name] = content
		}
	}
	for _, e := range items {
		name, err := fileName(e)
		if err != nil {
			return 0, err
		}
		content := e.Body
		if e.Kind == rats.PCKCertificate {
			content = certificatePEM(e.Body)
		}
		put(name, content)
		for _, der := range e.Issuers {
			put(certificateName(e.Kind, der), certificatePEM(der))
		}
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return 0, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close() //nolint:errcheck // every file was closed, with its error looked at
	for _, name := range names {
		wrote, err := writeFile(root, name, files[name])
		if err != nil {
			return written, err
		}
		if wrote {
			written++
		}
	}
	return written, nil
}

// fileName returns the name under which an endorsement's body is kept.
func fileName(e rats.Endorsement) (string, error) {
	statement, err := dcap.Parse(e)
	if err != nil {
		return "", err
	}
	key := statement.Key()
	parts := []string{string(e.Kind)}
	switch e.Kind {
	case rats.TCBInfo, rats.QEIdentity:
		parts = append(parts, key.Scope, string(key.TEE),
			fmt.Sprintf("v%d", key.Version), fmt.Sprintf("e%d", key.EvaluationDataNumber))
	case rats.EvaluationNumbers:
		parts = append(parts, string(key.TEE), fmt.Sprintf("v%d", key.Version), statement.Issued().UTC().Format("20060102"))
	default:
		// A CRL's scope is a key's digest, which tells a reader less than a date;
		// a platform certificate's names the machine, which a listing need not.
		parts = append(parts, statement.Issued().UTC().Format("20060102"))
	}
	digest := e.Digest()
	parts = append(parts, hex.EncodeToString(digest[:4]))
	extension := ".json"
	switch e.Kind {
	case rats.RootCACRL, rats.PCKCRL:
		extension = ".crl"
	case rats.PCKCertificate:
		extension = ".pem"
	default:
	}
	return safe(strings.ToLower(strings.Join(parts, "_"))) + extension, nil
}

// certificateName returns the name under which an issuer's certificate is kept.
func certificateName(kind rats.EndorsementKind, der []byte) string {
	role := "tcb_signing"
	if kind == rats.PCKCRL || kind == rats.PCKCertificate {
		role = "pck_ca"
	}
	digest := rats.Endorsement{Body: der}.Digest()
	return role + "_" + hex.EncodeToString(digest[:4]) + ".pem"
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: labelCertificate, Bytes: der})
}

// safe keeps letters, digits and underscores of a name: a scope comes out of a
// vendor's statement, and a name must not be able to leave the folder.
func safe(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, name)
}

// writeFile writes content under name in one step and reports whether it had to:
// first into a file beside it, which then takes the name.
func writeFile(root *os.Root, name string, content []byte) (bool, error) {
	if old, err := root.ReadFile(name); err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	temporary := fmt.Sprintf(".%s.%s.tmp", name, rand.Text())
	err := writeAndSync(root, temporary, content)
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		return false, errors.Join(fmt.Errorf("%s: %w", filepath.Join(root.Name(), name), err), discard(root, temporary))
	}
	return true, nil
}

// discard removes what a failed write left, if it left anything.
func discard(root *os.Root, name string) error {
	if err := root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func writeAndSync(root *os.Root, name string, content []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
