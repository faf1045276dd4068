// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/rats"
)

// tokenEntry is what is kept of a token: its hash, never the token.
type tokenEntry struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	SHA256  string    `json:"sha256"`
	Created time.Time `json:"created"`
}

// tokenFile is the list of tokens that a node takes, HOME/config/tokens.json.
// A running node reads it again when it changes.
type tokenFile struct {
	path string

	mu      sync.Mutex // guards what follows
	changed time.Time
	size    int64
	entries []tokenEntry
}

func tokensOf(home string) *tokenFile {
	return &tokenFile{path: filepath.Join(home, "config", "tokens.json")}
}

// Allowed reports whether a token is on the list, in time that does not depend
// on which entry it is near to.
func (t *tokenFile) Allowed(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.load(); err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(token))
	want := []byte(hex.EncodeToString(sum[:]))
	found := 0
	for _, e := range t.entries {
		found |= subtle.ConstantTimeCompare(want, []byte(e.SHA256))
	}
	return found == 1
}

// load reads the file if it changed. The caller holds mu.
func (t *tokenFile) load() error {
	st, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		t.entries, t.changed, t.size = nil, time.Time{}, 0
		return nil
	}
	if err != nil {
		return fileError("read", t.path, err)
	}
	if st.ModTime().Equal(t.changed) && st.Size() == t.size {
		return nil
	}
	if st.Mode().Perm()&0o077 != 0 {
		return hinted{fileFault{"read", t.path, errors.New("others may read it")}, "chmod 600 " + t.path}
	}
	b, err := os.ReadFile(t.path)
	if err != nil {
		return fileError("read", t.path, err)
	}
	var entries []tokenEntry
	if err := json.Unmarshal(b, &entries); err != nil {
		return rats.Errorf(rats.Malformed, "%s: %w", t.path, err)
	}
	t.entries, t.changed, t.size = entries, st.ModTime(), st.Size()
	return nil
}

// store replaces the file in one step. The caller holds mu.
func (t *tokenFile) store(entries []tokenEntry) error {
	b, err := json.MarshalIndent(entries, "", "  ")
	if err != nil {
		return rats.Errorf(rats.Internal, "encode: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(t.path), 0o700); err != nil {
		return fileError("make", filepath.Dir(t.path), err)
	}
	temp := t.path + ".new"
	if err := os.WriteFile(temp, append(b, '\n'), 0o600); err != nil {
		return fileError("write", temp, err)
	}
	if err := os.Rename(temp, t.path); err != nil {
		return fileError("write", t.path, err)
	}
	t.entries, t.changed = entries, time.Time{}
	return nil
}

func (a *app) tokenCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "token", Short: "Create, list and revoke the tokens with which clients submit",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&home, "home", a.defaultHome(), "folder of the node")

	var name string
	create := &cobra.Command{
		Use: "create", Short: "Create a token and print it once", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.tokenCreate(home, name) },
	}
	create.Flags().StringVar(&name, "name", "", "whom the token is for")
	cmd.AddCommand(create, &cobra.Command{
		Use: "list", Short: "List tokens; the tokens themselves are not kept", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.tokenList(home) },
	}, &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token at once", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return tokenRevoke(home, args[0]) },
	})
	return cmd
}

func (a *app) tokenCreate(home, name string) error {
	t := tokensOf(home)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.load(); err != nil {
		return err
	}
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return rats.Errorf(rats.Internal, "random: %w", err)
	}
	token := "att_" + base64.RawURLEncoding.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(token))
	e := tokenEntry{
		ID: hex.EncodeToString(sum[:4]), Name: name,
		SHA256: hex.EncodeToString(sum[:]), Created: time.Now().UTC().Truncate(time.Second),
	}
	if err := t.store(append(t.entries, e)); err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(map[string]any{"id": e.ID, "name": e.Name, "token": token, "created": e.Created})
	}
	a.printf("%s\n", token)
	a.sayf("token %s: this is the only time it is shown", e.ID)
	return nil
}

func (a *app) tokenList(home string) error {
	t := tokensOf(home)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.load(); err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(map[string]any{"tokens": append([]tokenEntry{}, t.entries...)})
	}
	for _, e := range t.entries {
		a.printf("%s  %s  %s\n", e.ID, e.Created.Format(time.RFC3339), e.Name)
	}
	return nil
}

func tokenRevoke(home, id string) error {
	t := tokensOf(home)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.load(); err != nil {
		return err
	}
	var kept []tokenEntry
	for _, e := range t.entries {
		if e.ID != id {
			kept = append(kept, e)
		}
	}
	if len(kept) == len(t.entries) {
		return rats.Errorf(rats.NotFound, "no token %s in %s", id, t.path)
	}
	return t.store(kept)
}
