// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/token"
)

// openTokens returns the tokens of a home.
func openTokens(home string) (*token.Store, error) { return token.Open(home, time.Now()) }

// saveUseEvery is how often a node writes down what tokens used: as much as it
// may forget when it is killed.
const saveUseEvery = time.Hour

// savingUse writes down now and then what tokens used, and once more when the
// function that it returns is called.
func savingUse(s *token.Store, log *slog.Logger) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(saveUseEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case at := <-tick.C:
				if err := s.Save(at); err != nil {
					log.LogAttrs(ctx, slog.LevelError, "what tokens used could not be saved", slog.Any("error", err))
				}
			}
		}
	})
	return func() error {
		cancel()
		done.Wait()
		return s.Save(time.Now())
	}
}

// tokenFlags are those of token create.
type tokenFlags struct {
	request token.Request
	scopes  []string
	expires string
}

func (a *app) tokenCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "token", Short: "Create, list and revoke the tokens with which clients call a node",
		Long: `token changes who may call the node of a home, whether or not it is running: a
running node goes by it from the next call on.

A token is shown once, when it is created, and only its hash is kept. Clients
send it as "Authorization: Bearer TOKEN"; commands take it from ATTESTEER_TOKEN.`,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&home, "home", a.defaultHome(), "folder of the node")
	cmd.AddCommand(a.tokenCreateCommand(&home), &cobra.Command{
		Use: "list", Short: "List tokens; the tokens themselves are not kept", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.tokenList(home) },
	}, &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token at once and for good", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.tokenRevoke(home, args[0]) },
	})
	return cmd
}

func (a *app) tokenCreateCommand(home *string) *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use: "create", Short: "Create a token and print it once",
		Long: `create makes a token and prints it, alone, on standard output.

Scopes: read looks things up and has evidence appraised; submit has evidence and
endorsements recorded; admin makes and revokes tokens over the API, and implies
the others. Quotas count calls in minutes and days of UTC.

With --registrar new the token submits in the name of a registrar of its own,
whose key stays in the home; another token may share it by its public key. The
ledger counts a registrar that its genesis does not admit among the unknown ones,
which share one quota.`,
		Example: `  TOKEN=$(attesteer token create --name "the build server" --expires 90d)
  attesteer token create --scope submit --per-minute 10 --per-day 1000 --registrar new --json
  attesteer token create --scope admin --expires 12h`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.tokenCreate(*home, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.request.Name, "name", "", "whom the token is for")
	fl.StringSliceVar(&f.scopes, "scope", []string{string(token.Read), string(token.Submit)}, "read, submit or admin (repeatable)")
	fl.StringVar(&f.expires, "expires", "", "when it ends: a duration such as 12h or 90d, or a time in RFC 3339 (default: when it is revoked)")
	fl.Uint32Var(&f.request.Submissions.PerMinute, "per-minute", 0, "submissions in a minute; 0 sets no bound")
	fl.Uint32Var(&f.request.Submissions.PerDay, "per-day", 0, "submissions in a day; 0 sets no bound")
	fl.Uint32Var(&f.request.Reads.PerMinute, "reads-per-minute", 0, "reads in a minute; 0 sets no bound")
	fl.Uint32Var(&f.request.Reads.PerDay, "reads-per-day", 0, "reads in a day; 0 sets no bound")
	fl.StringVar(&f.request.Registrar, "registrar", "", `"new", or the public key of a registrar that another token has (default: the node's)`)
	return cmd
}

func (a *app) tokenCreate(home string, f tokenFlags) error {
	now := time.Now()
	var err error
	if f.request.Scopes, err = token.ParseScopes(f.scopes); err != nil {
		return usageError{err}
	}
	if f.request.Expires, err = token.ParseExpiry(f.expires, now); err != nil {
		return usageError{err}
	}
	s, err := openTokens(home)
	if err != nil {
		return err
	}
	made, err := s.Create(f.request, now)
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(made)
	}
	a.printf("%s\n", made.Token)
	a.sayf("token %s: this is the only time it is shown", made.ID)
	if made.Registrar != "" {
		a.sayf("it submits in the name of registrar %s", made.Registrar)
	}
	return nil
}

func (a *app) tokenList(home string) error {
	s, err := openTokens(home)
	if err != nil {
		return err
	}
	all, err := s.List(time.Now())
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(map[string]any{"tokens": all})
	}
	for _, v := range all {
		a.printf("%-12s  %-7s  %s  %-20s  %-17s  %s\n", v.ID, v.State, v.Created.Format(time.RFC3339),
			endOf(v), scopesOf(v), v.Name)
	}
	return nil
}

// endOf says when a token ended or will.
func endOf(v token.View) string {
	switch {
	case v.Revoked != nil:
		return v.Revoked.Format(time.RFC3339)
	case v.Expires != nil:
		return v.Expires.Format(time.RFC3339)
	default:
		return "-"
	}
}

func scopesOf(v token.View) string {
	names := make([]string, len(v.Scopes))
	for i, s := range v.Scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ",")
}

func (a *app) tokenRevoke(home, id string) error {
	s, err := openTokens(home)
	if err != nil {
		return err
	}
	v, err := s.Revoke(id, time.Now())
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(v)
	}
	return nil
}
