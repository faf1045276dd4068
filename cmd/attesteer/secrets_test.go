// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// public are the files of a home's config that anyone may read: all else there
// is a secret.
var public = []string{"genesis.json", "tls/cert.pem", "addrbook.json", "peering.json"}

// TestEverySecretOfAHomeIsRefusedWhenOthersMayReadIt holds whatever a node keeps,
// also what is added to it later, against one rule: its owner alone may use it,
// and a node does not start where others may.
func TestEverySecretOfAHomeIsRefusedWhenOthersMayReadIt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing about others there")
	}
	home := t.TempDir()
	if code, _, errs := command(t, "token", "create", "--home", home, "--registrar", "new"); code != 0 {
		t.Fatal(errs)
	}
	p := startNode(t, home, "--network", "test", "--tls-self-signed")
	if err := p.stop(t); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
	config := filepath.Join(home, "config")
	var secrets []string
	err := filepath.WalkDir(config, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(config, path)
		if name = filepath.ToSlash(name); err == nil && !slices.Contains(public, name) && !strings.HasSuffix(name, ".lock") {
			secrets = append(secrets, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"registrar_key", "shielding_key", "checkpoint_key", "node_key.json", "priv_validator_key.json", "tokens.json", "tls/key.pem",
	} {
		if !slices.Contains(secrets, name) {
			t.Errorf("the home has no %s", name)
		}
	}
	for _, folder := range []string{"registrars/", "ear/"} {
		if !slices.ContainsFunc(secrets, func(name string) bool { return strings.HasPrefix(name, folder) }) {
			t.Errorf("the home has nothing in %s", folder)
		}
	}
	for _, name := range secrets {
		path := filepath.Join(config, filepath.FromSlash(name))
		st, err := os.Stat(path)
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, st.Mode(), err)
		}
		for _, mode := range []fs.FileMode{0o644, 0o640} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			code, _, errs := command(t, "serve", "--home", home, "--network", "test", "--listen", "127.0.0.1:0", "--tls-self-signed")
			if code != exitUsage || !strings.Contains(errs, "others than its owner may use it") || !strings.Contains(errs, "hint: chmod 600 "+path+"\n") {
				t.Errorf("%s with mode %v: exit %d\n%s", name, mode, code, errs)
			}
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := tryNode(home, "--network", "test", "--tls-self-signed"); err != nil {
		t.Errorf("with all modes as they were: %v\n%s", err, p.stderr)
	} else if err := p.stop(t); err != nil {
		t.Error(err)
	}
}
