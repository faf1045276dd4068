// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

func (a *app) pccsImport() *cobra.Command {
	var home pccsHome
	var number string
	cmd := &cobra.Command{
		Use:   "import FILE|DIR",
		Short: "Check collateral from elsewhere and keep what verifies in a cache",
		Long: `import takes what comes over an air gap, or from another cache, recognised by
what is in it:

  platform_collaterals.json of Intel's PcsClientTool, API version 4 or 3
  pckcache.db, the SQLite database of Intel's PCCS
  a folder of TCB info, identities and revocation lists as the PCS answers them,
  in any layout, or one such file with its certificates
  a list of platforms, which then wait in the queue

Everything is verified up to a pinned root and held against the revocation lists
before it is kept, byte for byte as it was signed. What is refused is listed with
the reason; what is stale is taken and marked; what is older than what is kept
stays out. A file whose chains end in two roots is refused whole. It succeeds if
anything was taken, or all of it was known.

The cache may be running: it notices.`,
		Example: `  attesteer pccs import platform_collaterals.json
  attesteer pccs import /opt/intel/sgx-dcap-pccs/pckcache.db --store /var/lib/attesteer/pccs.sqlite
  attesteer pccs import ./collateral --evaluation-number 20`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := standardNumber(number)
			if err != nil {
				return err
			}
			return a.importPCCS(cmd.Context(), home, args[0], n)
		},
	}
	home.register(a, cmd.Flags())
	cmd.Flags().StringVar(&number, "evaluation-number", "highest", "of a folder that does not say: which evaluation is kept as the standard one, N or highest; the others are kept by their numbers")
	return cmd
}

// offlineService opens a store and a service on it that asks nobody.
func (a *app) offlineService(ctx context.Context, home *pccsHome) (*pccs.Service, *store.Store, error) {
	kept, err := home.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	service, err := pccs.New(pccs.Config{Store: kept, Mode: pccs.Offline, Roots: trustedRoots(home.simulated)})
	if err != nil {
		_ = kept.Close() // nothing was written
		return nil, nil, err
	}
	return service, kept, nil
}

// importReport is what import prints.
type importReport struct {
	Schema  string        `json:"schema"`
	Source  string        `json:"source"`
	Form    string        `json:"form"`
	Taken   []string      `json:"taken"`
	Stale   []string      `json:"stale"`
	Older   []string      `json:"older"`
	Refused []refusedItem `json:"refused"`
}

// refusedItem is something that was not taken, and why.
type refusedItem struct {
	Name   string    `json:"name"`
	Kind   rats.Kind `json:"kind"`
	Detail string    `json:"detail"`
}

func (a *app) importPCCS(ctx context.Context, home pccsHome, name string, number uint32) (err error) {
	parcel, err := a.openParcel(ctx, name, parcelOptions{home.simulated, number})
	if err != nil {
		return err
	}
	service, kept, err := a.offlineService(ctx, &home)
	if err != nil {
		return err
	}
	defer func() {
		service.Close()
		if closing := kept.Close(); err == nil {
			err = closing
		}
	}()
	report, err := a.put(ctx, service, parcel, "import:"+filepath.Base(name))
	if err := reportErr(report, err); err != nil {
		return err
	}
	report.Refused = append(report.Refused, parcel.refused...)
	if parcel.platforms == nil {
		settled, err := service.Settle(ctx)
		if err != nil {
			return err
		}
		if settled > 0 {
			a.sayf("%d platforms wait no longer", settled)
		}
	}
	return a.printImport(name, parcel, report)
}

// mostIgnored is how many members of a file are named that nobody asked for.
const mostIgnored = 10

// put has a service take a parcel.
func (a *app) put(ctx context.Context, service *pccs.Service, p *pccsParcel, source string) (pccs.ImportReport, error) {
	switch {
	case p.collateral != nil:
		for i, ignored := range p.collateral.Ignored {
			if i == mostIgnored {
				a.sayf("warning: passed over %d more", len(p.collateral.Ignored)-i)
				break
			}
			a.sayf("warning: passed over %s", ignored)
		}
		return service.PutCollateral(ctx, p.collateral, source)
	case p.batch != nil:
		return service.PutBatch(ctx, *p.batch, source)
	}
	var report pccs.ImportReport
	for _, platform := range p.platforms {
		name := "platform " + platform.QEID
		registration, err := pccs.RegistrationOf(platform)
		if err == nil {
			err = service.Register(ctx, registration, "")
		}
		if err != nil {
			report.Refused = append(report.Refused, pccs.RefusedItem{Name: name, Err: err})
			continue
		}
		report.Taken = append(report.Taken, name)
	}
	return report, nil
}

// printImport prints what became of an import. Nothing taken, with something
// refused, is an error of the first refusal's kind.
func (a *app) printImport(name string, p *pccsParcel, r pccs.ImportReport) error {
	out := importReport{
		Schema: "attesteer/pccs-import/v1", Source: name, Form: p.form,
		Taken: slices.Concat([]string{}, r.Taken), Stale: slices.Concat([]string{}, r.Stale),
		Older: slices.Concat([]string{}, r.Older), Refused: []refusedItem{},
	}
	for _, item := range r.Refused {
		e := rats.AsError(item.Err)
		out.Refused = append(out.Refused, refusedItem{item.Name, e.Kind, e.Detail})
		a.sayf("warning: refused %s: %v", item.Name, e)
	}
	if a.asJSON {
		if err := a.printJSON(out); err != nil {
			return err
		}
	} else {
		for _, one := range out.Taken {
			stale := ""
			if slices.Contains(out.Stale, one) {
				stale = "  stale"
			}
			a.printf("%s%s\n", one, stale)
		}
	}
	for _, one := range out.Older {
		a.sayf("older than what is kept: %s", one)
	}
	if len(out.Taken)+len(out.Older) == 0 {
		if len(out.Refused) > 0 {
			first := out.Refused[0]
			return rats.Errorf(first.Kind, "nothing was taken: %s: %s", first.Name, first.Detail)
		}
		return rats.Errorf(rats.Malformed, "nothing was taken: %s holds nothing", name)
	}
	a.sayf("taken %d of %s, stale %d, older %d, refused %d", len(out.Taken), p.form, len(out.Stale), len(out.Older), len(out.Refused))
	return nil
}
