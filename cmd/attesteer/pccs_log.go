// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

func (a *app) pccsLog() *cobra.Command {
	var f pccsLogFlags
	cmd := &cobra.Command{
		Use:   "log",
		Short: "List every version that a cache ever served, and check that none was changed",
		Long: `log lists the record of what was current in a cache: TCB info, identities, revocation
lists and evaluation numbers, in the order in which they came. Nothing is ever
removed from it. The record is checked as a whole before anything of it is
printed: each entry holds the hash of the one before, and what is served now has to
be in it.

The last line is the head, which binds everything before it. Note it elsewhere: with
--known, log says later whether anything up to there was changed or cut off, be it
by who owns the database. --body prints the body of one entry, byte for byte as it
was signed.

Exit codes: 0 the record is sound; 10 something in it was changed.`,
		Example: `  attesteer pccs log
  attesteer pccs log --known 24:9b1f5c...
  attesteer pccs log --body 17 > tcb_info.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.logPCCS(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	f.register(a, fl)
	fl.Int64Var(&f.after, "after", 0, "list the entries after this number alone")
	fl.StringSliceVar(&f.known, "known", nil, "head that was noted, NUMBER:HASH, which has to be in the record (repeatable)")
	fl.Int64Var(&f.body, "body", 0, "print the body of the entry of this number, and nothing else")
	return cmd
}

// pccsLogFlags are those of "pccs log".
type pccsLogFlags struct {
	pccsHome
	after, body int64
	known       []string
}

// loggedVersion is an entry as it is printed for programs.
type loggedVersion struct {
	Number  int64  `json:"number"`
	Kind    string `json:"kind"`
	TEE     string `json:"tee"`
	Scope   string `json:"scope"`
	Update  string `json:"update"`
	Version int    `json:"api_version"`
	// Issued and NextUpdate are null where the artefact promises none.
	Issued     *time.Time `json:"issued"`
	NextUpdate *time.Time `json:"next_update"`
	Fetched    time.Time  `json:"fetched"`
	Source     string     `json:"source"`
	SHA256     string     `json:"sha256"`
	// Hash is the entry's, which binds all before it.
	Hash string `json:"hash"`
}

func (a *app) logPCCS(ctx context.Context, f pccsLogFlags) (err error) {
	var known []store.Head
	for _, text := range f.known {
		head, err := store.ParseHead(text)
		if err != nil {
			return usagef("--known: %q is no NUMBER:HASH", text)
		}
		known = append(known, head)
	}
	if f.after < 0 || f.body < 0 {
		return usagef("--after and --body: entries count from one")
	}
	kept, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closing := kept.Close(); err == nil {
			err = closing
		}
	}()
	head, err := kept.VerifyLog(ctx, known...)
	if err != nil {
		return err
	}
	if f.body > 0 {
		return a.printLogged(ctx, kept, f.body)
	}
	return a.listLog(ctx, kept, head, f.after)
}

// printLogged prints the body of one entry.
func (a *app) printLogged(ctx context.Context, kept *store.Store, number int64) error {
	some, err := kept.Log(ctx, number-1, 1)
	if err != nil {
		return err
	}
	if len(some) == 0 || some[0].Number != number {
		return rats.Errorf(rats.NotFound, "the record has no entry %d", number)
	}
	a.printf("%s", some[0].Body)
	return nil
}

// listLog prints the entries after a number up to a head, and that head.
func (a *app) listLog(ctx context.Context, kept *store.Store, head store.Head, after int64) error {
	rows := []loggedVersion{}
	for after < head.Number {
		some, err := kept.Log(ctx, after, 0)
		if err != nil {
			return err
		}
		if len(some) == 0 {
			return rats.Errorf(rats.BindingMismatch, "the record ends at entry %d, and its head is %s", after, head)
		}
		for i := range some {
			v := &some[i]
			if after = v.Number; after > head.Number {
				break // it came meanwhile
			}
			if a.asJSON {
				rows = append(rows, loggedRow(v))
				continue
			}
			a.printf("%6d  %s  %s  issued %s, until %s, from %s\n", v.Number, v.Fetched.UTC().Format(time.RFC3339),
				v.Key, dayOf(v.Issued), dayOf(v.NextUpdate), v.Source)
		}
	}
	if a.asJSON {
		return a.printJSON(map[string]any{"schema": "attesteer/pccs-log/v1", "head": head.String(), "entries": rows})
	}
	a.printf("head %s\n", head)
	return nil
}

func loggedRow(v *store.Version) loggedVersion {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	return loggedVersion{
		Number: v.Number, Kind: string(v.Kind), TEE: string(v.TEE), Scope: v.Scope, Update: v.Update, Version: v.Key.Version,
		Issued: at(v.Issued), NextUpdate: at(v.NextUpdate), Fetched: v.Fetched.UTC(), Source: v.Source,
		SHA256: hex.EncodeToString(v.Digest[:]), Hash: hex.EncodeToString(v.Hash[:]),
	}
}

// dayOf returns the day of a time, and "-" for none.
func dayOf(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}
