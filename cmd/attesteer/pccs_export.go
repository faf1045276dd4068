// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// exportFlags are those of "pccs export".
type exportFlags struct {
	pccsHome
	out              string
	folder           bool
	platforms        bool
	withoutPlatforms bool
	state            string
	version          int
	fmspcs           []string
}

func (a *app) pccsExport() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write what a cache keeps for another one, or its platforms for the connected side",
		Long: `export writes the collateral of a cache as Intel's PcsClientTool does
(platform_collaterals.json), which this program, Intel's own PCCS (by its
pccsadmin.py put) and others take. Signed statements go in byte for byte. What the
file has no place for is said: evaluations by their number, and what another
certificate signed than what was issued last, since it has one chain for all.

With --folder it writes a folder instead, with the TCB evaluations in folders of
their names; platforms and their certificates are not in it.

With --platforms it writes the list of platforms that wait for certificates
(platform_list.json), for "attesteer pccs fetch" or pcsclient.py on a machine that
reaches Intel. They go on waiting until "attesteer pccs platforms --ack", or until
their certificates are imported.`,
		Example: `  attesteer pccs export -o platform_collaterals.json
  attesteer pccs export --folder -o ./collateral
  attesteer pccs export --platforms -o platform_list.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.exportPCCS(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	f.register(a, fl)
	fl.StringVarP(&f.out, "out", "o", "-", "file to write to, or with --folder the folder; - is standard output")
	fl.BoolVar(&f.folder, "folder", false, "write a folder of statements as the PCS answers them")
	fl.BoolVar(&f.platforms, "platforms", false, "write the list of platforms, not collateral")
	fl.StringVar(&f.state, "state", "new", "with --platforms, which: new, those that wait; not-available, those for which Intel had not all certificates; cached")
	fl.BoolVar(&f.withoutPlatforms, "without-platforms", false, "leave out platforms and their certificates, which name machines")
	fl.IntVar(&f.version, "api-version", 4, "version of the file: 4, or 3, which knows no TDX")
	fl.StringSliceVar(&f.fmspcs, "fmspc", nil, "these FMSPCs alone (repeatable)")
	_ = cmd.RegisterFlagCompletionFunc("state", offer(queueWords())) // fails for a flag that is not there
	return cmd
}

func (f *exportFlags) check() error {
	for _, fmspc := range f.fmspcs {
		if b, err := hex.DecodeString(fmspc); err != nil || len(b) != 6 {
			return usagef("--fmspc: %q is not 12 hex digits", fmspc)
		}
	}
	switch {
	case f.version != 3 && f.version != 4:
		return usagef("--api-version: %d is neither 3 nor 4", f.version)
	case f.folder && f.platforms:
		return usagef("--folder and --platforms are both given: which one is meant?")
	case f.folder && f.out == "-":
		return usagef("--folder: -o has to name a folder")
	default:
		return nil
	}
}

func (a *app) exportPCCS(ctx context.Context, f exportFlags) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	service, kept, err := a.offlineService(ctx, &f.pccsHome)
	if err != nil {
		return err
	}
	defer func() {
		service.Close()
		if closing := kept.Close(); err == nil {
			err = closing
		}
	}()
	switch {
	case f.platforms:
		list, err := listedPlatforms(ctx, service, f.state, f.fmspcs)
		if err != nil {
			return err
		}
		return a.writeExport(f.out, clienttool.MarshalPlatforms(list), exportedFile{Platforms: len(list)})
	case f.folder:
		return a.exportFolder(ctx, kept, f)
	default:
		return a.exportCollateral(ctx, kept, f)
	}
}

func (a *app) exportCollateral(ctx context.Context, kept *store.Store, f exportFlags) error {
	c, left, err := pccs.Collect(ctx, kept, pccs.CollectOptions{
		Version: f.version, FMSPCs: f.fmspcs, WithoutPlatforms: f.withoutPlatforms,
	})
	if err != nil {
		return err
	}
	for _, one := range left {
		a.sayf("warning: left out %s: %s", one.Name, one.Why)
	}
	data, err := c.Marshal(f.version)
	if err != nil {
		return err
	}
	return a.writeExport(f.out, data, exportedFile{Items: len(c.Inventory()), Platforms: len(c.PCKCerts), LeftOut: left})
}

// exportedFile is what export says for programs.
type exportedFile struct {
	Schema    string         `json:"schema"`
	Out       string         `json:"out"`
	Items     int            `json:"items"`
	Platforms int            `json:"platforms"`
	LeftOut   []pccs.LeftOut `json:"left_out"`
}

// writeExport writes a file. On standard output it is alone; what is said for
// programs is then left out.
func (a *app) writeExport(out string, data []byte, said exportedFile) error {
	if out == "-" {
		a.printf("%s\n", data)
		return nil
	}
	if err := os.WriteFile(out, append(data, '\n'), 0o600); err != nil {
		return fileError("write", out, err)
	}
	return a.sayExport(out, said)
}

func (a *app) sayExport(out string, said exportedFile) error {
	said.Schema, said.Out = "attesteer/pccs-export/v1", out
	if said.LeftOut == nil {
		said.LeftOut = []pccs.LeftOut{}
	}
	if a.asJSON {
		return a.printJSON(said)
	}
	a.sayf("wrote %s: %d statements and certificates, %d platforms", out, said.Items, said.Platforms)
	return nil
}

// exportFolder writes what a folder can hold: an evaluation's statements in the
// folder of its name, what belongs to none at the top.
func (a *app) exportFolder(ctx context.Context, kept *store.Store, f exportFlags) error {
	all, err := kept.ArtefactsWithBodies(ctx)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(one store.Artefact) bool {
		return one.Version != f.version && one.Kind == store.TCBInfo || one.Kind == store.TCBInfo && len(f.fmspcs) > 0 &&
			!slices.ContainsFunc(f.fmspcs, func(fmspc string) bool { return strings.EqualFold(fmspc, one.Scope) })
	})
	groups := pccs.ToEndorsements(all)
	n := 0
	for _, update := range slices.Sorted(maps.Keys(groups)) {
		if _, err := endorse.WriteFolder(filepath.Join(f.out, update), groups[update]); err != nil {
			return fileError("write", f.out, err)
		}
		n += len(groups[update])
	}
	if n == 0 {
		return rats.Errorf(rats.NotFound, "the cache keeps nothing that a folder could hold")
	}
	return a.sayExport(f.out, exportedFile{Items: n})
}
