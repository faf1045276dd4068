// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

// earKeys is the folder of the keys that sign results.
func earKeys(home string) string { return filepath.Join(home, "config", "ear") }

// openKeys returns the keys of a home, with a first one where there was none.
func openKeys(home string) (*ear.Ring, error) {
	r, err := ear.OpenRing(earKeys(home), time.Now())
	return r, keysError(err)
}

// keysError says of a fault of the machine only what it is.
func keysError(err error) error {
	var e *rats.Error
	var file *secretfile.Error
	if errors.As(err, &file) {
		return file
	}
	if errors.As(err, &e) && e.Kind == rats.Internal {
		return errors.New(e.Detail)
	}
	return err
}

func (a *app) earCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ear", Short: "Verify signed results, and change the keys that sign them",
		Long: `ear deals with appraisals as signed tokens: EAT Attestation Results, JSON Web
Tokens that a node answers at /v1/appraisals and that any JWT library verifies.`,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.earVerifyCommand(), a.earRotateCommand(), a.earKeysCommand())
	return cmd
}

func (a *app) earRotateCommand() *cobra.Command {
	var home, alg string
	var withdraw bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key, which signs from now on",
		Long: `rotate makes a new key in HOME/config/ear. A running node signs with it from the
next call on. Of the keys before it the public halves stay published until the
tokens that they signed have ended; --withdraw deletes them at once, for a key
that got into other hands.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.earRotate(home, ear.Algorithm(alg), withdraw) },
	}
	fl := cmd.Flags()
	fl.StringVar(&home, "home", a.defaultHome(), "folder of the node")
	fl.StringVar(&alg, "alg", string(ear.ES256), "ES256 or EdDSA")
	fl.BoolVar(&withdraw, "withdraw", false, "delete earlier keys: what they signed stops verifying")
	_ = cmd.RegisterFlagCompletionFunc("alg", offer([]string{string(ear.ES256), string(ear.EdDSA)})) // fails for a flag that is not there
	return cmd
}

func (a *app) earRotate(home string, alg ear.Algorithm, withdraw bool) error {
	if alg != ear.ES256 && alg != ear.EdDSA {
		return usagef("--alg: %q is neither %s nor %s", alg, ear.ES256, ear.EdDSA)
	}
	// A key in a folder that is no node's would replace nothing.
	if _, err := os.Stat(home); err != nil {
		return hinted{fileError("read", home, err), "--home names the folder of the node"}
	}
	r, err := openKeys(home)
	if err != nil {
		return err
	}
	k, err := r.Rotate(alg, time.Now(), withdraw)
	if err != nil {
		return keysError(err)
	}
	if a.asJSON {
		return a.printJSON(map[string]any{"kid": k.Public().ID, "alg": k.Public().Algorithm, "created": k.Created()})
	}
	a.printf("%s\n", k.Public().ID)
	return nil
}

func (a *app) earKeysCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "keys", Short: "Print the public keys as a JWK Set, as the node serves them",
		Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return a.earKeys(home) },
	}
	cmd.Flags().StringVar(&home, "home", a.defaultHome(), "folder of the node")
	return cmd
}

func (a *app) earKeys(home string) error {
	// To look makes nothing.
	if _, err := os.Stat(earKeys(home)); err != nil {
		return hinted{fileError("read", earKeys(home), err), "the first start of a node makes its keys"}
	}
	r, err := openKeys(home)
	if err != nil {
		return err
	}
	set, err := r.Public(time.Now())
	if err != nil {
		return keysError(err)
	}
	return a.printJSON(set)
}

type earVerifyFlags struct{ keys, at, nonce string }

func (a *app) earVerifyCommand() *cobra.Command {
	var f earVerifyFlags
	cmd := &cobra.Command{
		Use:   "verify TOKEN",
		Short: "Verify a signed result by its verifier's published keys",
		Long: `verify checks that a key of --jwks signed the token and that it has not ended.
TOKEN is the token itself, a file that holds it, or - for standard input.

That a token is genuine does not make what it says good news: look at the status.

Exit codes: 0 genuine, 10 not signed by these keys, ended, or with another nonce,
13 of a form that is not known, 14 malformed.`,
		Example: `  attesteer ear verify token.jwt --jwks https://attesteer.example
  attesteer ear verify token.jwt --jwks jwks.json --nonce 6f2c…`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.earVerify(cmd.Context(), args[0], f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.keys, "jwks", "", "file of the verifier's keys, or address of a node or of its keys (required)")
	trustFlags(fl)
	fl.StringVar(&f.at, "at", "", "verify as of this time, RFC 3339 (default: now)")
	fl.StringVar(&f.nonce, "nonce", "", "demand this nonce, in hex or base64url")
	_ = cmd.RegisterFlagCompletionFunc("jwks", cobra.FixedCompletions([]string{"json"}, cobra.ShellCompDirectiveFilterFileExt)) // as above
	return cmd
}

func (a *app) earVerify(ctx context.Context, arg string, f earVerifyFlags) error {
	if f.keys == "" {
		return hinted{usagef("--jwks is missing"), "name the keys that count: a node's address, or a file of them"}
	}
	at, nonce, err := f.read()
	if err != nil {
		return err
	}
	text := []byte(arg)
	if strings.Count(arg, ".") != 2 || !strings.HasPrefix(arg, "eyJ") { // {" in base64
		if text, err = a.readInput(arg); err != nil {
			return err
		}
	}
	set, err := a.keySet(ctx, f.keys)
	if err != nil {
		return err
	}
	t, err := ear.Verify(strings.TrimSpace(string(text)), set, at)
	if err != nil {
		return err
	}
	if f.nonce != "" && t.Nonce != nonce {
		return rats.Errorf(rats.BindingMismatch, "the token's nonce is %q, and not the one that is demanded", t.Nonce)
	}
	return a.printToken(t)
}

// read returns what the flags say.
func (f earVerifyFlags) read() (at time.Time, nonce string, err error) {
	at = time.Now()
	if f.at != "" {
		if at, err = parseTime("--at", f.at); err != nil {
			return at, "", err
		}
	}
	if f.nonce == "" {
		return at, "", nil
	}
	b, err := ear.ParseNonce(f.nonce)
	if err != nil {
		return at, "", usagef("--nonce: %w", err)
	}
	return at, ear.FormatNonce(b), nil
}

// maxKeySet bounds a JWK Set in bytes.
const maxKeySet = 1 << 20

// keySet reads the keys in a file or at an address.
func (a *app) keySet(ctx context.Context, from string) (ear.KeySet, error) {
	if !isService(from) {
		b, err := os.ReadFile(from)
		if err != nil {
			return ear.KeySet{}, fileError("read", from, err)
		}
		return ear.ParseKeySet(b)
	}
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ear.KeySet{}, usagef("--jwks: %q is no address of a node", from)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/.well-known/jwks.json"
	}
	if err := authentic(u); err != nil {
		return ear.KeySet{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	b, err := a.fetchKeys(ctx, u)
	if err != nil {
		return ear.KeySet{}, err
	}
	return ear.ParseKeySet(b)
}

// authentic refuses keys that anyone on the way could replace: they decide what
// is genuine.
func authentic(u *url.URL) error {
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return hinted{usagef("--jwks: keys from %s could be anyone's", u.Redacted()), "take https, or a file that came another way"}
}

func (a *app) fetchKeys(ctx context.Context, u *url.URL) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, usagef("--jwks: %w", err)
	}
	client := &http.Client{Transport: a.transport(), CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirections")
		}
		return authentic(next.URL)
	}}
	resp, err := client.Do(req)
	if err != nil {
		if h := trustError(err); h != nil {
			return nil, h
		}
		return nil, fmt.Errorf("ask for keys: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers with status %d", u.Redacted(), resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("ask for keys: %w", err)
	}
	if len(b) > maxKeySet {
		return nil, rats.Errorf(rats.TooLarge, "%s answers with over %d bytes", u.Redacted(), maxKeySet)
	}
	return b, nil
}

func (a *app) printToken(t *ear.Token) error {
	if a.asJSON {
		return a.printJSON(t)
	}
	a.printf("genuine: signed by key %s\n", t.KeyID)
	a.row("verifier", t.Verifier.Developer+" "+t.Verifier.Build)
	a.row("issued", t.IssuedAt.Format(time.RFC3339))
	a.row("ends", t.Expires.Format(time.RFC3339))
	if t.Nonce != "" {
		a.row("nonce", t.Nonce)
	}
	for _, label := range slices.Sorted(maps.Keys(t.Submods)) {
		s := t.Submods[label]
		a.row(label, string(s.Status))
		for _, category := range slices.Sorted(maps.Keys(s.Vector)) {
			if v := s.Vector[category]; v != 0 {
				a.row("  "+category, fmt.Sprint(v))
			}
		}
	}
	return nil
}
