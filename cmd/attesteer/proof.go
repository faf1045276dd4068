// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

func (a *app) proofCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "proof", Short: "Check proofs of records without trusting who served them",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var trust, at string
	verify := &cobra.Command{
		Use:   "verify BUNDLE",
		Short: "Verify a proof bundle from the validators' signatures down to the record",
		Long: `verify checks, without any network, that validators with more than two thirds of
the power signed a header, that the header commits to the ledger's state, and
that the record, or its absence, is in that state.

What is trusted is named by --trust: a ledger's genesis file, the hash of its
validator set, or what "attesteer ledger follow --state FILE" remembers.

Exit codes: 0 the record is proven, 15 its absence is proven, 10 the proof is
false, 14 malformed.`,
		Example: `  attesteer enclaves proof ID -o bundle.json
  attesteer proof verify bundle.json --trust HOME/config/genesis.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.verifyProof(args[0], trust, at) },
	}
	verify.Flags().StringVar(&trust, "trust", "", "genesis file, or validator set hash in hex (required)")
	verify.Flags().StringVar(&at, "at", "", "derive the record's state at this time, RFC 3339 (default: now)")
	cmd.AddCommand(verify)
	return cmd
}

// provenView is what proof verify prints.
type provenView struct {
	Schema  string        `json:"schema"`
	Present bool          `json:"present"`
	ID      string        `json:"id"`
	ChainID string        `json:"chain_id"`
	Height  uint64        `json:"height"`
	Time    record.Millis `json:"time"`
	Signed  int64         `json:"signed_power"`
	Total   int64         `json:"total_power"`
	Judged  time.Time     `json:"judged_at"`
	Record  *record.View  `json:"record"`
	// Changes is how often the validators changed on the way from the genesis.
	Changes int `json:"validator_changes"`
	// Events are proven to stand in the log, the last being the record as it is.
	Events []provenEvent `json:"events,omitempty"`
	// NotShown are the digests of endorsements that the record was appraised
	// with and that the bundle does not prove: replaced since, or withheld.
	NotShown []string `json:"endorsements_not_shown"`
}

// provenEvent is one event of a record's past.
type provenEvent struct {
	Sequence uint64           `json:"sequence"`
	Event    record.EventKind `json:"event"`
	Time     record.Millis    `json:"time"`
	Height   uint64           `json:"height"`
	Status   rats.TCBStatus   `json:"status"`
}

func (a *app) verifyProof(file, trustArg, at string) error {
	if trustArg == "" {
		return hinted{usagef("--trust is missing"), "name the ledger's genesis file (HOME/config/genesis.json) or its validator set hash"}
	}
	trust, err := readTrust(trustArg)
	if err != nil {
		return err
	}
	b, err := a.readInput(file)
	if err != nil {
		return err
	}
	bundle, err := proof.Decode(b)
	if err != nil {
		return err
	}
	verdict, err := proof.Verify(bundle, trust)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	if at != "" {
		if now, err = parseTime("--at", at); err != nil {
			return err
		}
	} else {
		// A development ledger may live at another time than its reader.
		now = now.Add(time.Duration(verdict.LedgerTime.ClockOffset) * time.Millisecond)
	}
	return a.printProven(verdict, now)
}

// readTrust reads what --trust names: a genesis, the hash of a set of validators, or
// what a light client remembers, which is as good as where it began.
func readTrust(arg string) (proof.Trust, error) {
	if len(arg) == 64 {
		if _, err := os.Stat(arg); err != nil {
			return proof.TrustHash(arg)
		}
	}
	b, err := os.ReadFile(arg)
	if err != nil {
		return proof.Trust{}, fileError("read", arg, err)
	}
	if isFollowState(b) {
		return readFollowState(arg, b)
	}
	return proof.ParseGenesis(b)
}

func (a *app) printProven(v *proof.Verdict, at time.Time) error {
	out := provenView{
		Schema: "attesteer/proven/v1", Present: v.Present, ID: hexOf(v.ID[:]), ChainID: v.ChainID, Height: v.Height,
		Time: v.LedgerTime.Time, Signed: v.SignedPower, Total: v.TotalPower, Judged: at, NotShown: []string{},
	}
	out.Changes = v.Changes
	for i := range v.Events {
		e := &v.Events[i]
		out.Events = append(out.Events, provenEvent{e.Sequence, e.Kind, e.Time, e.Height, e.Record.Status})
	}
	for _, d := range v.NotShown {
		out.NotShown = append(out.NotShown, hexOf(d[:]))
	}
	if v.Record != nil {
		view := v.Record.View(record.MillisOf(at))
		out.Record = &view
	}
	if a.asJSON {
		if err := a.printJSON(out); err != nil {
			return err
		}
	} else {
		word := "proven: the ledger holds this record"
		if !v.Present {
			word = "proven: the ledger holds no such record"
		}
		a.printf("%s\n", word)
		a.row("ledger", v.ChainID)
		a.row("state of height", strconv.FormatUint(v.Height, 10))
		a.row("ledger time there", stamp(v.LedgerTime.Time))
		a.row("signed by validators", fmt.Sprintf("power %d of %d", v.SignedPower, v.TotalPower))
		if v.Changes > 0 {
			a.row("changes of validators", strconv.Itoa(v.Changes)+" in the bundle")
		}
		if out.Record != nil {
			a.row("judged at", at.Format(time.RFC3339))
			a.printRecord(*out.Record)
		}
		for _, e := range out.Events {
			a.row("event "+strconv.FormatUint(e.Sequence, 10), string(e.Event)+" "+stamp(e.Time))
		}
	}
	if !v.Present {
		return rats.Errorf(rats.NotFound, "no record %s on ledger %s at height %d", out.ID, v.ChainID, v.Height)
	}
	return nil
}
