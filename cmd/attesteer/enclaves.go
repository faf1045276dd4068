// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
)

func (a *app) submitCommand() *cobra.Command {
	var node string
	var s client.Submission
	var runtimeData string
	cmd := &cobra.Command{
		Use:   "submit FILE",
		Short: "Submit evidence to a node, which verifies and records it",
		Example: `  attesteer submit quote.bin --url https://my.enclave.example --valid-for 48h
  ATTESTEER_TOKEN=… attesteer submit quote.bin --node https://attesteer.example`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ev, err := a.readEvidence(args[0])
			if err != nil {
				return err
			}
			s.Evidence = ev.Raw
			if runtimeData != "" {
				if s.RuntimeData, err = a.readInput(runtimeData); err != nil {
					return err
				}
			}
			return a.submit(cmd.Context(), node, s)
		},
	}
	fl := cmd.Flags()
	nodeFlag(fl, &node)
	fl.StringVar(&s.URL, "url", "", "where the enclave serves")
	fl.StringVar(&s.ValidFor, "valid-for", "", "how long you vouch for it, such as 48h or 30d (default: the network's)")
	fl.StringVar(&runtimeData, "runtime-data", "", "file whose SHA-256 is the report data")
	return cmd
}

func (a *app) submit(ctx context.Context, node string, s client.Submission) error {
	// With a key the connection may be made again where it was lost: the evidence
	// is submitted once all the same.
	got, err := a.dial(node).Idempotent(rand.Text()).SubmitEvidence(ctx, s)
	if err != nil {
		return a.refused(node, err)
	}
	if a.asJSON {
		return a.printJSON(got)
	}
	a.printRecord(got.Record)
	return nil
}

// refused tells what a node says of evidence that it did not record: with --json
// all of it, and where the evidence counted before, which record that made.
func (a *app) refused(node string, err error) error {
	var r *client.Refusal
	if !errors.As(err, &r) {
		return a.nodeError(node, err)
	}
	if a.asJSON {
		said := struct {
			Kind   rats.Kind         `json:"kind"`
			Check  string            `json:"check,omitempty"`
			Detail string            `json:"detail"`
			Record string            `json:"record,omitempty"`
			Tx     string            `json:"tx,omitempty"`
			Result *attesteer.Result `json:"result"`
		}{r.Err.Kind, r.Err.Check, r.Err.Detail, r.Record, r.Tx, r.Result}
		if err := a.printJSON(said); err != nil {
			return err
		}
	}
	if r.Record != "" {
		return hinted{err, "the record that it made: attesteer enclaves get " + r.Record + " --node " + node}
	}
	return a.nodeError(node, err)
}

// nodeError adds a hint where a node could not be reached, or wants a token or
// another one.
func (a *app) nodeError(node string, err error) error {
	var network *url.Error
	if errors.As(err, &network) {
		if h := trustError(err); h != nil {
			return h
		}
		return hinted{err, "is a node running at " + withoutSecrets(node) + "? start one with: attesteer serve"}
	}
	var refusal *client.Refusal
	if errors.As(err, &refusal) && refusal.Status == http.StatusForbidden {
		return hinted{err, "the token is good, but not for this: attesteer token list shows the scopes and the registrar of each"}
	}
	if rats.KindOf(err) == rats.Unauthorized {
		return hinted{err, "set ATTESTEER_TOKEN to a token of this node"}
	}
	return err
}

func (a *app) enclavesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "enclaves", Short: "Look up recorded enclaves",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.enclavesList(), a.enclavesGet(), a.enclavesHistory(), a.enclavesProof(), a.enclavesWithdraw(), a.enclavesWatch())
	return cmd
}

func (a *app) enclavesList() *cobra.Command {
	var node string
	filters := filterFlags{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List recorded enclaves, newest first",
		Example: `  attesteer enclaves list --state active --tier affirming
  attesteer enclaves list -q my.enclave.example`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			page, err := a.dial(node).List(cmd.Context(), filters.values())
			if err != nil {
				return a.nodeError(node, err)
			}
			if a.asJSON {
				return a.printJSON(page)
			}
			for _, v := range page.Enclaves {
				a.printf("%s  %-9s %-15s %-10s %s  %s\n",
					v.ID, v.State, v.Tier, v.BuildMode, stamp(v.LastAttested), deref(v.URL))
			}
			if page.NextCursor != nil {
				a.sayf("hint: more with --cursor %s", *page.NextCursor)
			}
			return nil
		},
	}
	nodeFlag(cmd.Flags(), &node)
	filters.forRecords(cmd.Flags())
	filters.add(cmd.Flags(), "limit", "", "records a page, at most 200")
	filters.add(cmd.Flags(), "cursor", "", "where the page before ended")
	return cmd
}

// oneEnclave makes a command that asks a node for something about one record.
func (a *app) oneEnclave(use, short string, ask func(ctx context.Context, node, id string) error) *cobra.Command {
	var node string
	cmd := &cobra.Command{
		Use: use + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.nodeError(node, ask(cmd.Context(), node, args[0]))
		},
	}
	nodeFlag(cmd.Flags(), &node)
	return cmd
}

func (a *app) enclavesGet() *cobra.Command {
	return a.oneEnclave("get", "Show one record", func(ctx context.Context, node, id string) error {
		v, err := a.dial(node).Get(ctx, id)
		if err != nil {
			return err
		}
		if a.asJSON {
			return a.printJSON(v)
		}
		a.printRecord(*v)
		return nil
	})
}

func (a *app) enclavesHistory() *cobra.Command {
	return a.oneEnclave("history", "Show what happened to one record", func(ctx context.Context, node, id string) error {
		h, err := a.dial(node).History(ctx, id)
		if err != nil {
			return err
		}
		if a.asJSON {
			return a.printJSON(h)
		}
		for _, e := range h.Events {
			a.printf("%s  block %-6d %-11s %s (%s)\n", stamp(e.Time), e.Height, e.Event, e.Record.Status, e.Record.Tier)
		}
		return nil
	})
}

func (a *app) enclavesProof() *cobra.Command {
	var out, format string
	var of client.ProofOptions
	cmd := a.oneEnclave("proof", "Fetch the proof of one record, or of its absence", func(ctx context.Context, node, id string) error {
		if format != "json" && format != "cbor" {
			return usagef("--format: %q is neither json nor cbor", format)
		}
		bundle, err := a.dial(node).ProofOf(ctx, id, of)
		if err != nil {
			return err
		}
		if !json.Valid(bundle) {
			return rats.Errorf(rats.Malformed, "%s did not answer with a proof", node)
		}
		if format == "cbor" {
			if bundle, err = cborBundle(bundle); err != nil {
				return err
			}
		}
		if out == "" || out == "-" {
			if format == "json" {
				bundle = append(bundle, '\n')
			}
			a.printf("%s", bundle)
			return nil
		}
		if err := os.WriteFile(out, bundle, 0o644); err != nil { //nolint:gosec // a proof is public
			return fileError("write", out, err)
		}
		a.sayf("wrote %s; check it with: attesteer proof verify %s --trust HOME/config/genesis.json", out, out)
		return nil
	})
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write (default: standard output)")
	cmd.Flags().StringVar(&format, "format", "json", "json, or cbor, which is half as large")
	cmd.Flags().Uint64Var(&of.Height, "height", 0, "of the state to prove, one of the last hundred (default: the newest)")
	cmd.Flags().IntVar(&of.Events, "events", 0, "how many of the record's newest events to prove with it, at most 256")
	cmd.Flags().Uint64Var(&of.Since, "since", 0, "leave out the changes of validators before a height, for who trusts those of that height or later (default: since the genesis)")
	return cmd
}

// cborBundle spells a proof in CBOR that came in JSON.
func cborBundle(spelled []byte) ([]byte, error) {
	bundle, err := proof.Decode(spelled)
	if err != nil {
		return nil, err
	}
	return bundle.CBOR()
}
