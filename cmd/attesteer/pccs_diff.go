// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/clienttool"
)

func (a *app) pccsDiff() *cobra.Command {
	var home pccsHome
	var number string
	var all bool
	cmd := &cobra.Command{
		Use:   "diff [BEFORE] AFTER",
		Short: "Say what is newer, older or missing between two collateral files, or a cache and a file",
		Long: `diff compares what two files or folders hold, each of any form that import takes;
with one, what a cache keeps with what the file would bring. Nothing is verified,
and nothing is kept.

  newer    AFTER has one that was issued later
  older    AFTER has one that was issued earlier
  changed  they differ, and dates do not say which is the later
  added    AFTER alone has it
  missing  BEFORE alone has it`,
		Example: `  attesteer pccs diff platform_collaterals.json
  attesteer pccs diff last-month.json this-month.json --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := standardNumber(number)
			if err != nil {
				return err
			}
			return a.diffPCCS(cmd.Context(), home, args, parcelOptions{home.simulated, n}, all)
		},
	}
	home.register(a, cmd.Flags())
	cmd.Flags().StringVar(&number, "evaluation-number", "highest", "of a folder that does not say: which evaluation is the standard one, N or highest")
	cmd.Flags().BoolVar(&all, "all", false, "also list what is the same")
	return cmd
}

// diffReport is what diff prints.
type diffReport struct {
	Schema  string                   `json:"schema"`
	Before  string                   `json:"before"`
	After   string                   `json:"after"`
	Counts  map[clienttool.State]int `json:"counts"`
	Changes []clienttool.Change      `json:"changes"`
}

func (a *app) diffPCCS(ctx context.Context, home pccsHome, args []string, opt parcelOptions, all bool) error {
	r := diffReport{
		Schema: "attesteer/collateral-diff/v1", After: args[len(args)-1],
		Counts: map[clienttool.State]int{}, Changes: []clienttool.Change{},
	}
	var before []clienttool.Item
	if len(args) == 2 {
		parcel, err := a.openParcel(ctx, args[0], opt)
		if err != nil {
			return err
		}
		r.Before, before = args[0], parcel.inventory()
	} else {
		kept, err := home.open(ctx)
		if err != nil {
			return err
		}
		defer kept.Close() //nolint:errcheck // nothing was written
		if before, err = pccs.Inventory(ctx, kept); err != nil {
			return err
		}
		r.Before = kept.Place()
	}
	after, err := a.openParcel(ctx, r.After, opt)
	if err != nil {
		return err
	}
	for _, c := range clienttool.Compare(before, after.inventory()) {
		r.Counts[c.State]++
		if all || c.State != clienttool.Same {
			r.Changes = append(r.Changes, c)
		}
	}
	return a.printDiff(r)
}

func (a *app) printDiff(r diffReport) error {
	if a.asJSON {
		return a.printJSON(r)
	}
	for _, c := range r.Changes {
		a.printf("%-8s %-58s %s\n", c.State, shortName(c.Name), diffDates(c))
	}
	var counts []string
	for _, s := range []clienttool.State{clienttool.Newer, clienttool.Older, clienttool.Changed, clienttool.Added, clienttool.Missing, clienttool.Same} {
		if n := r.Counts[s]; n > 0 {
			counts = append(counts, string(s)+" "+itoa(n))
		}
	}
	if len(counts) == 0 {
		counts = []string{"nothing on either side"}
	}
	a.sayf("%s -> %s: %s", r.Before, r.After, strings.Join(counts, ", "))
	return nil
}

// shortName cuts ids of platforms to what a line of a table holds.
func shortName(name string) string {
	words := strings.Fields(name)
	for i, w := range words {
		if len(w) > 18 && words[0] == "pck_cert" {
			words[i] = w[:16] + "…"
		}
	}
	return strings.Join(words, " ")
}

// diffDates shows what changed: evaluation numbers where they differ, and dates.
func diffDates(c clienttool.Change) string {
	show := func(i *clienttool.Item) string {
		if i == nil {
			return "-"
		}
		out := ""
		if i.EvaluationNumber != 0 {
			out = "number " + itoa(int(i.EvaluationNumber)) + " of "
		}
		if i.Issued.IsZero() {
			return out + "unknown date"
		}
		return out + i.Issued.Format(time.DateOnly)
	}
	switch {
	case c.Before == nil:
		return show(c.After)
	case c.After == nil || c.State == clienttool.Same:
		return show(c.Before)
	default:
		return show(c.Before) + " -> " + show(c.After)
	}
}
