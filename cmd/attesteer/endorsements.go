// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
)

func (a *app) endorsementsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "endorsements",
		Short: "Fetch, import, push and list vendors' signed statements about platforms",
		Args:  cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.endorsementsImport(), a.endorsementsPush(), a.endorsementsList(), a.endorsementsFetch())
	return cmd
}

// homeEndorsements is where a node keeps what was imported for it.
func homeEndorsements(home string) string { return filepath.Join(home, "endorsements") }

func (a *app) endorsementsImport() *cobra.Command {
	var home string
	var simulated bool
	cmd := &cobra.Command{
		Use:   "import DIR|FILE",
		Short: "Check a folder of endorsements and keep what verifies for this node",
		Long: `import takes every endorsement in DIR whose signature leads to a pinned root and
keeps it in the node's home, where serve finds it. What it refuses it lists with
the reason. Stale data are taken and marked. It succeeds if anything was taken.

A single FILE has to hold the certificates of whoever signed it too, as bundles
do; a bare answer of a PCS does not.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			items, err := a.readFolder(cmd.Context(), args[0], simulated)
			if err != nil {
				return err
			}
			if _, err := endorse.WriteFolder(homeEndorsements(home), items); err != nil {
				return fileError("write", homeEndorsements(home), err)
			}
			return a.printEndorsements(items, trustedRoots(simulated), "taken", nil)
		},
	}
	cmd.Flags().StringVar(&home, "home", a.defaultHome(), "folder of the node")
	cmd.Flags().BoolVar(&simulated, "trust-simulated", false, "also take the word of the simulated root")
	return cmd
}

// readFolder returns what verifies of a folder, or of one file, and says what it
// refused; a folder of which nothing is left is an error.
func (a *app) readFolder(ctx context.Context, dir string, simulated bool) ([]rats.Endorsement, error) {
	folder, err := a.openFolder(ctx, dir, trustedRoots(simulated))
	if err != nil {
		return nil, err
	}
	a.sayRefusals(folder)
	if len(folder.All()) == 0 {
		return nil, nothingTaken(folder)
	}
	return folder.All(), nil
}

// openFolder reads a folder of endorsements, or one file as if it lay alone in a
// folder.
func (a *app) openFolder(ctx context.Context, name string, roots []rats.TrustRoot) (*endorse.Folder, error) {
	if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() {
		data, err := a.readInput(name)
		if err != nil {
			return nil, err
		}
		return endorse.Read(filepath.Base(name), data, roots), nil
	}
	folder, err := endorse.ReadFolder(ctx, name, roots)
	if err != nil {
		return nil, fileError("read", name, err)
	}
	return folder, nil
}

func (a *app) sayRefusals(folder *endorse.Folder) {
	foreign := 0
	for _, r := range folder.Refusals() {
		if r.Foreign {
			foreign++
			continue
		}
		a.sayf("warning: refused %s: %v", r.Name, r.Err)
	}
	if foreign > 0 {
		a.sayf("warning: passed over %d other files", foreign)
	}
}

// nothingTaken is the error for a folder that holds nothing of use: the first
// refusal's kind, or malformed when there was nothing to refuse.
func nothingTaken(folder *endorse.Folder) error {
	for _, r := range folder.Refusals() {
		if !r.Foreign {
			return rats.Errorf(rats.KindOf(r.Err), "nothing was taken: %s: %s", r.Name, rats.AsError(r.Err).Detail)
		}
	}
	return rats.Errorf(rats.Malformed, "no endorsement found (chains of certificates alone are none)")
}

// endorsementRow is one endorsement as commands print it.
type endorsementRow struct {
	rats.EndorsementKey
	SHA256     attesteer.Hex `json:"sha256"`
	Issued     time.Time     `json:"issued"`
	NextUpdate time.Time     `json:"next_update"`
	Stale      bool          `json:"stale"`
	// Source is whom it was fetched from.
	Source string `json:"source,omitempty"`
}

// printEndorsements prints endorsements; sources says where each came from, by
// its digest, and may be nil.
func (a *app) printEndorsements(items []rats.Endorsement, roots []rats.TrustRoot, verb string, sources map[[32]byte]string) error {
	rows := []endorsementRow{}
	seen := make(map[[32]byte]bool)
	now := time.Now()
	for _, e := range items {
		if seen[e.Digest()] {
			continue // one statement, several certificates that vouch for it
		}
		seen[e.Digest()] = true
		info, err := attesteer.CheckEndorsement(e, roots)
		if err != nil {
			return err
		}
		rows = append(rows, endorsementRow{
			info.Key, info.SHA256[:], info.Issued, info.NextUpdate, now.After(info.NextUpdate), sources[e.Digest()],
		})
	}
	if a.asJSON {
		return a.printJSON(map[string]any{verb: rows})
	}
	for _, r := range rows {
		a.printEndorsementRow(r)
	}
	a.sayf("%s %d endorsements", verb, len(rows))
	return nil
}

func (a *app) printEndorsementRow(r endorsementRow) {
	stale := ""
	if r.Stale {
		stale = "  stale"
	}
	name := string(r.Kind)
	if r.TEE != "" {
		name += " " + string(r.TEE)
	}
	number := ""
	if r.EvaluationDataNumber != 0 {
		number = fmt.Sprintf("  number %d", r.EvaluationDataNumber)
	}
	scope := r.Scope
	if len(scope) > 16 {
		scope = scope[:16]
	}
	source := ""
	if r.Source != "" {
		source = "  from " + r.Source
	}
	a.printf("%-26s %-16s  %s to %s%s%s%s\n", name, scope,
		r.Issued.Format(time.DateOnly), r.NextUpdate.Format(time.DateOnly), number, stale, source)
}

func (a *app) endorsementsPush() *cobra.Command {
	var node string
	var simulated bool
	cmd := &cobra.Command{
		Use:   "push DIR",
		Short: "Publish a folder of endorsements on the ledger",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			items, err := a.readFolder(cmd.Context(), args[0], simulated)
			if err != nil {
				return err
			}
			return a.push(cmd.Context(), node, items)
		},
	}
	nodeFlag(cmd.Flags(), &node)
	cmd.Flags().BoolVar(&simulated, "trust-simulated", false, "also push what the simulated root signed")
	return cmd
}

func (a *app) endorsementsList() *cobra.Command {
	var node, home string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the endorsements on the ledger, or with --home those imported for a node",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if home == "" {
				return a.listPushed(cmd.Context(), node, url.Values{})
			}
			dir := homeEndorsements(home)
			if _, err := os.Stat(dir); err != nil {
				return a.printEndorsements(nil, nil, "endorsements", nil)
			}
			folder, err := endorse.ReadFolder(cmd.Context(), dir, trustedRoots(true))
			if err != nil {
				return fileError("read", dir, err)
			}
			return a.printEndorsements(folder.All(), trustedRoots(true), "endorsements", nil)
		},
	}
	nodeFlag(cmd.Flags(), &node)
	cmd.Flags().StringVar(&home, "home", "", "list what was imported for the node in this folder")
	return cmd
}

// pushChunk bounds what one call carries: a node takes bodies up to a mebibyte.
const pushChunk = 400 << 10

// push publishes items through a node, certificates' chains and lists first in
// the order given, in calls of bounded size.
func (a *app) push(ctx context.Context, node string, items []rats.Endorsement) error {
	total := client.Pushed{
		Taken: []client.PushedEndorsement{}, Known: []client.PushedEndorsement{}, Refused: []client.RefusedEndorsement{},
	}
	var first error
	for len(items) > 0 {
		n, size := 0, 0
		for n < len(items) && (n == 0 || size+len(items[n].Body) < pushChunk) {
			size += len(items[n].Body) + 2048
			n++
		}
		part, err := a.dial(node).PushEndorsements(ctx, items[:n])
		items = items[n:]
		switch {
		case err == nil:
			total.Taken = append(total.Taken, part.Taken...)
			total.Known = append(total.Known, part.Known...)
			total.Refused = append(total.Refused, part.Refused...)
			if part.Tx != nil {
				total.Tx, total.Height = part.Tx, part.Height
			}
		case rats.KindOf(err).HTTPStatus() == http.StatusUnprocessableEntity || rats.KindOf(err) == rats.EndorsementExpired:
			if first == nil {
				first = err // nothing of this part; the next may do
			}
		default:
			return a.nodeError(node, err)
		}
	}
	if len(total.Taken)+len(total.Known) == 0 && first != nil {
		return first
	}
	for _, r := range total.Refused {
		a.sayf("warning: refused %s: %s: %s", r.SHA256, r.Kind, r.Detail)
	}
	if a.asJSON {
		return a.printJSON(total)
	}
	for _, p := range total.Taken {
		a.printf("%-26s %s\n", p.Kind, p.SHA256)
	}
	a.sayf("taken %d, known already %d, refused %d", len(total.Taken), len(total.Known), len(total.Refused))
	return nil
}

func (a *app) listPushed(ctx context.Context, node string, filters url.Values) error {
	list, err := a.dial(node).ListEndorsements(ctx, filters)
	if err != nil {
		return a.nodeError(node, err)
	}
	if a.asJSON {
		return a.printJSON(list)
	}
	for _, e := range list.Endorsements {
		a.printEndorsementRow(endorsementRow{
			rats.EndorsementKey{Kind: e.Kind, TEE: e.TEE, Scope: e.Scope, EvaluationDataNumber: e.EvaluationDataNumber, Version: e.Version},
			nil, e.Issued, e.NextUpdate, e.Stale, "",
		})
	}
	return nil
}
