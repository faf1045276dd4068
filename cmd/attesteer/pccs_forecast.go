// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/pccs"
)

// forecastFlags are those of "pccs forecast".
type forecastFlags struct {
	pccsHome
	asked upstreamFlags
	fetch bool
	delay time.Duration
}

func (a *app) pccsForecast() *cobra.Command {
	var f forecastFlags
	cmd := &cobra.Command{
		Use:   "forecast",
		Short: "Say what the next TCB recovery will do to each platform of a cache",
		Long: `forecast judges every platform whose certificates are in a cache by each TCB
evaluation that is known: the standard one, which counts now, those published
after it, and the early one. It goes by the PCK certificate that serves the
platform's TCB; quoting enclaves and TDX modules are not judged, so for TDX the
status is the best that the platform can have.

It looks at what the cache keeps. With --fetch it first asks upstream for what is
missing: the lists of evaluation numbers, and TCB info by number.

When an evaluation becomes the standard one nobody promises: Intel's habit is
about six weeks after the TCB recovery, and the ledger's rule a year (8760h). The
date shown is the recovery's, plus --binds-after.`,
		Example: `  attesteer pccs forecast
  attesteer pccs forecast --fetch
  attesteer pccs forecast --binds-after 8760h --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.forecastPCCS(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	f.register(a, fl)
	f.asked.register(fl)
	fl.BoolVar(&f.fetch, "fetch", false, "ask upstream first for what is missing")
	fl.DurationVar(&f.delay, "binds-after", pccs.StandardDelay, "how long after a TCB recovery its evaluation is expected to bind")
	return cmd
}

func (a *app) forecastPCCS(ctx context.Context, f forecastFlags) (err error) {
	kept, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closing := kept.Close(); err == nil {
			err = closing
		}
	}()
	mode := pccs.Offline
	if f.fetch {
		mode = pccs.Lazy
	}
	upstreams, err := a.upstreams(f.asked, mode, f.simulated)
	if err != nil {
		return err
	}
	service, err := pccs.New(pccs.Config{Store: kept, Mode: mode, Upstreams: upstreams, Roots: trustedRoots(f.simulated)})
	if err != nil {
		return err
	}
	defer service.Close()
	if f.fetch {
		done := a.waiting("asking for what is missing")
		err := service.FetchForecast(ctx)
		done()
		if err != nil {
			a.sayf("warning: not all could be asked for: %v", refusalReason(err))
		}
		a.pushOnce(ctx, f.asked, kept)
	}
	out, err := service.Forecast(ctx, f.delay)
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(struct {
			Schema string `json:"schema"`
			*pccs.Forecast
		}{"attesteer/pccs-forecast/v1", out})
	}
	a.printForecast(out)
	return nil
}

func (a *app) printForecast(f *pccs.Forecast) {
	falling := 0
	for _, p := range f.Platforms {
		raw := "CPUSVN " + p.CPUSVN + ", PCESVN " + p.PCESVN
		if p.CPUSVN == "" {
			raw = "by its best certificate"
		}
		a.printf("platform %s, PCE %s, FMSPC %s, %s\n", p.QEID, p.PCEID, p.FMSPC, raw)
		if p.Fault != "" {
			a.printf("  %s\n", p.Fault)
			continue
		}
		if len(p.TEEs) == 0 {
			a.printf("  no TCB info of this FMSPC is there\n")
		}
		falls := false
		for _, t := range p.TEEs {
			a.printOutlook(&t)
			falls = falls || t.Falls != nil
		}
		if falls {
			falling++
		}
	}
	a.sayf("%d platforms at their raw TCBs, %d of which will fall", len(f.Platforms), falling)
}

// printOutlook prints what is known of a platform for one TEE.
func (a *app) printOutlook(t *pccs.TEEForecast) {
	for _, e := range t.Evaluations {
		when, note := "", strings.Join(e.Updates, ", ")
		switch {
		case e.Binds != nil:
			when = "from " + e.Binds.Format(time.DateOnly)
		case e.RecoveryEvent != nil:
			when = "since " + e.RecoveryEvent.Format(time.DateOnly)
		}
		if e.Stale {
			note = strings.TrimPrefix(note+", stale", ", ")
		}
		a.printf("  %-4s number %-4d %-34s %-16s %s\n", t.TEE, e.Number, e.Status, when, note)
		if len(e.Advisories) > 0 {
			a.printf("       %s\n", strings.Join(e.Advisories, " "))
		}
	}
	for _, n := range t.Lacking {
		a.printf("  %-4s number %-4d published, and its TCB info is not here\n", t.TEE, n)
	}
	if t.Falls != nil {
		when := "on a date that no list here says"
		if t.Falls.Binds != nil {
			when = "from about " + t.Falls.Binds.Format(time.DateOnly)
		}
		a.printf("  %-4s WILL FALL to %s with number %d, %s\n", t.TEE, t.Falls.Status, t.Falls.Number, when)
	}
}
