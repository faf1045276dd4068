// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// exportSchema names the first line of an export.
const exportSchema = "attesteer/export/v1"

// exported is the first line, or item, of an export.
type exported struct {
	Schema  string `json:"schema" cbor:"1,keyasint"`
	ChainID string `json:"chain_id" cbor:"2,keyasint"`
	Height  uint64 `json:"height" cbor:"3,keyasint"`
	AppHash string `json:"app_hash" cbor:"4,keyasint"`
	Version uint64 `json:"state_version" cbor:"5,keyasint"`
	Events  uint64 `json:"events" cbor:"6,keyasint"`
}

// exportedPart is one of those that follow: key in hex and value in base64 where
// it is JSON, bytes where it is CBOR.
type exportedPart struct {
	Part  string `json:"part"`
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

type exportedItem struct {
	Part  string `cbor:"1,keyasint"`
	Key   []byte `cbor:"2,keyasint"`
	Value []byte `cbor:"3,keyasint"`
}

// partNames are what an export calls the parts of a state.
func partNames() map[registry.PartKind]string {
	return map[registry.PartKind]string{
		registry.PartEntry: "entry", registry.PartEvidence: "evidence",
		registry.PartEvent: "event", registry.PartEndorsement: "endorsement",
	}
}

type ledgerExportFlags struct{ home, out, format string }

func (a *app) ledgerExportCommand() *cobra.Command {
	var f ledgerExportFlags
	cmd := &cobra.Command{
		Use: "export", Short: "Write out the whole state of a home, for auditors",
		Long: `export writes the state of a home on which no node runs, at its newest height:
the entries of the map, with the evidence of active records, the events of the log
and the endorsements. From the entries and the events anyone can compute the hash
of the state, which validators signed in the header after that height. Two nodes
at the same height write the same bytes.

json is one line of JSON for what it is and one for each part, its key in hex and
its value in base64; cbor is a sequence (RFC 8742) of the same. The values of
entries, events and endorsements are CBOR.`,
		Example: `  attesteer ledger export --home net/node1 -o state.json
  attesteer ledger export --home /var/lib/attesteer --format cbor | zstd -o state.cbor.zst`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.ledgerExport(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", a.defaultHome(), "folder for keys, genesis and data")
	fl.StringVarP(&f.out, "out", "o", "", "file to write (default: standard output)")
	fl.StringVar(&f.format, "format", "json", "json or cbor")
	return cmd
}

func (a *app) ledgerExport(ctx context.Context, f ledgerExportFlags) (err error) {
	if f.format != "json" && f.format != "cbor" {
		return usagef("--format: %q is neither json nor cbor", f.format)
	}
	home, err := filepath.Abs(f.home)
	if err != nil {
		return fileError("use", f.home, err)
	}
	if f.out == "" || f.out == "-" {
		return a.exportTo(ctx, home, f.format, a.stdout)
	}
	// Under another name until it is whole: half a state looks like one.
	part := f.out + ".part"
	file, err := os.Create(part)
	if err != nil {
		return fileError("write", f.out, err)
	}
	err = errors.Join(a.exportTo(ctx, home, f.format, file), file.Close())
	if err == nil {
		err = os.Rename(part, f.out)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	a.sayf("wrote %s", f.out)
	return nil
}

func (a *app) exportTo(ctx context.Context, home, format string, to io.Writer) error {
	done := a.waiting("exporting")
	defer done()
	buffered := bufio.NewWriterSize(to, 1<<20)
	write := exportWriter(format, buffered)
	names := partNames()
	err := ledger.Export(ctx, home, func(s registry.Standing) error {
		return write(exported{
			Schema: exportSchema, ChainID: s.ChainID, Height: s.Height, AppHash: hex.EncodeToString(s.AppHash[:]),
			Version: s.Version, Events: s.Events,
		})
	}, func(p registry.Part) error {
		if format == "cbor" {
			return write(exportedItem{names[p.Kind], p.Key, p.Value})
		}
		return write(exportedPart{names[p.Kind], hex.EncodeToString(p.Key), p.Value})
	})
	if err != nil {
		return homeError(err)
	}
	return buffered.Flush()
}

// exportWriter returns what writes one item of an export.
func exportWriter(format string, to io.Writer) func(v any) error {
	if format == "json" {
		return json.NewEncoder(to).Encode
	}
	return func(v any) error {
		b, err := record.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := to.Write(b); err != nil {
			return rats.Errorf(rats.Internal, "export: %w", err)
		}
		return nil
	}
}
