// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// pccsFetchFlags are those of "pccs fetch".
type pccsFetchFlags struct {
	asked     upstreamFlags
	out       string
	update    string
	fmspcs    []string
	simulated bool
}

func (a *app) pccsFetch() *cobra.Command {
	var f pccsFetchFlags
	cmd := &cobra.Command{
		Use:   "fetch [PLATFORMS]",
		Short: "Fetch collateral for a list of platforms, on the connected side of an air gap",
		Long: `fetch asks Intel's service for the PCK certificates of the platforms in a list
(platform_list.json, by "attesteer pccs export --platforms" or pccsadmin.py get) and
for all that verifies their quotes, checks it, and writes it as Intel's
PcsClientTool does. Without a list it fetches what verifies quotes of the FMSPCs
that are given.

Nothing is kept on this machine but the file. A platform that Intel does not know
is a warning, as long as anything is left to write.`,
		Example: `  attesteer pccs fetch platform_list.json -o platform_collaterals.json
  attesteer pccs fetch --fmspc 00606a000000,b0c06f000000 --update all -o platform_collaterals.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && len(f.fmspcs) == 0 {
				return usagef("nothing to fetch for: give a list of platforms, or --fmspc")
			}
			return a.fetchPCCS(cmd.Context(), f, args)
		},
	}
	fl := cmd.Flags()
	f.asked.register(fl)
	fl.StringVarP(&f.out, "out", "o", "-", "file to write to; - is standard output")
	fl.StringVar(&f.update, "update", "standard", "which TCB evaluation: standard, early or all")
	fl.StringSliceVar(&f.fmspcs, "fmspc", nil, "also fetch for this FMSPC (repeatable)")
	fl.BoolVar(&f.simulated, "trust-simulated", false, "also take the word of the simulated root")
	_ = cmd.RegisterFlagCompletionFunc("update", offer([]string{"standard", "early", "all"})) // fails for a flag that is not there
	return cmd
}

func (a *app) fetchPCCS(ctx context.Context, f pccsFetchFlags, args []string) (err error) {
	var list []clienttool.Platform
	if len(args) == 1 {
		data, err := a.readLarge(args[0])
		if err != nil {
			return err
		}
		if list, err = clienttool.ParsePlatforms(data); err != nil {
			return namedFile(args[0], err)
		}
	}
	upstreams, err := a.upstreams(f.asked, pccs.Req, f.simulated)
	if err != nil {
		return err
	}
	// What is fetched is checked where a cache checks it: in one that lasts as
	// long as this command.
	dir, err := os.MkdirTemp("", "attesteer-fetch-")
	if err != nil {
		return fileError("make", os.TempDir(), err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // best effort
	kept, err := store.Open(ctx, filepath.Join(dir, "fetch.sqlite"))
	if err != nil {
		return err
	}
	defer kept.Close() //nolint:errcheck // it is thrown away
	service, err := pccs.New(pccs.Config{Store: kept, Mode: pccs.Lazy, Upstreams: upstreams, Roots: trustedRoots(f.simulated)})
	if err != nil {
		return err
	}
	defer service.Close()
	done := a.waiting("fetching")
	err = a.fetchInto(ctx, service, list, f)
	done()
	if err != nil {
		return err
	}
	a.pushOnce(ctx, f.asked, kept)
	return a.exportCollateral(ctx, kept, exportFlags{out: f.out, version: 4})
}

// pushOnce publishes on a ledger what was fetched, if that is wanted. What goes
// wrong is a warning: the command does what it is for.
func (a *app) pushOnce(ctx context.Context, f upstreamFlags, kept *store.Store) {
	pusher, err := a.pusher(f, kept, nil)
	if err == nil && pusher != nil {
		err = pusher.Push(ctx)
	}
	if err != nil {
		a.sayf("warning: not published on the ledger: %v", refusalReason(err))
	}
}

// fetchInto has a service fetch for platforms and FMSPCs. The error is that of
// the first if nothing came of any.
func (a *app) fetchInto(ctx context.Context, service *pccs.Service, list []clienttool.Platform, f pccsFetchFlags) error {
	var first error
	got := 0
	note := func(name string, err error) {
		if err == nil {
			got++
			return
		}
		a.sayf("warning: %s: %v", name, refusalReason(err))
		if first == nil {
			first = refusalReason(err)
		}
	}
	for _, p := range list {
		registration, err := pccs.RegistrationOf(p)
		if err == nil {
			err = service.Register(ctx, registration, f.update)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		note("platform "+p.QEID, err)
	}
	for _, fmspc := range f.fmspcs {
		if b, err := hex.DecodeString(fmspc); err != nil || len(b) != 6 {
			return usagef("--fmspc: %q is not 12 hex digits", fmspc)
		}
		note("FMSPC "+fmspc, fetchFMSPC(ctx, service, fmspc, f.update))
	}
	if got == 0 && first != nil {
		return first
	}
	return nil
}

// refusalReason returns what lies behind a status.
func refusalReason(err error) error {
	var r *pccs.Refusal
	if errors.As(err, &r) && r.Err != nil {
		return rats.AsError(r.Err)
	}
	return err
}

// fetchFMSPC fetches what verifies quotes of an FMSPC. That there is no TDX, no
// early evaluation and no list of one of the CAs is no failure.
func fetchFMSPC(ctx context.Context, service *pccs.Service, fmspc, update string) error {
	updates := []string{strings.ToLower(update)}
	if update == pccs.UpdateAll {
		updates = []string{store.Standard, store.Early}
	}
	keys := []store.Key{
		{Kind: store.RootCRL}, {Kind: store.PCKCRL, Scope: store.ProcessorCA}, {Kind: store.PCKCRL, Scope: store.PlatformCA},
	}
	for _, u := range updates {
		keys = append(keys,
			store.Key{Kind: store.TCBInfo, TEE: rats.SGX, Scope: fmspc, Update: u},
			store.Key{Kind: store.TCBInfo, TEE: rats.TDX, Scope: fmspc, Update: u},
			store.Key{Kind: store.QEIdentity, TEE: rats.SGX, Update: u},
			store.Key{Kind: store.QEIdentity, TEE: rats.TDX, Update: u},
			store.Key{Kind: store.QVEIdentity, TEE: rats.SGX, Update: u})
	}
	for _, k := range keys {
		_, err := service.Artefact(ctx, k)
		needed := k.Kind == store.RootCRL || k.Kind == store.TCBInfo && k.TEE == rats.SGX && k.Update == updates[0]
		var r *pccs.Refusal
		if err != nil && (needed || !errors.As(err, &r) || r.Status != 404) {
			return err
		}
	}
	return nil
}
