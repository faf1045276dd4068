// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/rats"
)

// ledgerStop is how long the ledger may take to stop.
const ledgerStop = 10 * time.Second

type serveFlags struct {
	frontFlags
	logs    logFlags
	monitor monitorFlags
	// settings names a file of settings.
	settings     string
	home         string
	network      string
	publicURL    string
	clock        string
	endorsements []string
	keep         keepFlags
	demo         bool
	// anonymousReads: callers without a token may read.
	anonymousReads bool
	service        serviceFlags
	earLifetime    time.Duration
	// sites are those whose pages may call from a browser.
	sites []string
	// peering is how the ledger reaches others.
	peering ledger.Peering
}

// defaultHome is where a node keeps its data unless it is told otherwise.
func (a *app) defaultHome() string {
	if home := a.getenv("HOME"); home != "" {
		return filepath.Join(home, ".attesteer")
	}
	return ".attesteer"
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	var peering peeringFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node: ledger, API and pages in one process",
		Long: `serve runs a ledger node with the API and the pages in one process. Everything
it needs is made in --home on the first start; no account and no network is
needed.

Networks: dev accepts debug and simulated enclaves and takes any word as a
token; test accepts debug enclaves; main neither. On test and main clients need
a token from "attesteer token create".

--endorsements with a service asks it, as intel, a cloud's name or the URL of a
PCCS, for what evidence needs and the ledger lacks, and renews on the ledger what
it holds before it ends; the next service is asked for what those before do not
have. Where no service is given a dev network makes those of simulated enclaves by
itself.`,
		Example: `  attesteer serve --network dev
  attesteer serve --network dev --clock 2025-06-20T10:55:00Z --endorsements ./collateral
  attesteer serve --network main --endorsements intel
  attesteer serve --network main --home /var/lib/attesteer --listen 127.0.0.1:2000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("network") {
				f.network = networkOf(f.home)
			}
			var err error
			if f.peering, err = peering.over(f.home, cmd.Flags()); err != nil {
				return homeError(err)
			}
			return a.serve(cmd.Context(), f)
		},
	}
	f.registerAll(a, cmd, &peering)
	return cmd
}

// registerAll makes the flags of a node, which "config check" has too.
func (f *serveFlags) registerAll(a *app, cmd *cobra.Command, peering *peeringFlags) {
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", a.defaultHome(), "folder for keys, genesis and data")
	fl.StringVar(&f.network, "network", "", "dev, test or main (default: the home's; dev for a new one)")
	f.register(cmd, defaultListen)
	fl.StringVar(&f.publicURL, "public-url", "", "where the node can be reached from outside, as author_getUntrustedUrl answers it (default: where it listens)")
	fl.StringVar(&f.clock, "clock", "", "on a new dev network: ledger time to start at, RFC 3339")
	fl.StringSliceVar(&f.endorsements, "endorsements", nil, "folder of endorsements to publish from when evidence needs them, or who is asked for them: "+askedUsage+" (repeatable)")
	f.keep.register(fl)
	fl.BoolVar(&f.anonymousReads, "anonymous-reads", true, "let callers without a token read, at a rate bounded per address")
	fl.StringSliceVar(&f.sites, "allow-origin", nil, "site whose pages may call the node from a browser, such as https://app.example, or * for all (repeatable)")
	fl.BoolVar(&f.demo, "demo", false, "on a dev network: attest a simulated enclave and show what to try next")
	fl.DurationVar(&f.earLifetime, "ear-lifetime", ear.DefaultLifetime, "how long a signed result counts, 1s to 1h")
	f.service.register(fl)
	peering.register(fl, "")
	f.logs.register(cmd)
	f.monitor.register(fl)
	fl.StringVar(&f.settings, configFlag, "", "file of settings, NAME=VALUE a line, that count less than flags and variables")
}

// networkOf returns the network that a home was made for, dev for a new one.
// What else may be wrong with the home is for the ledger to say.
func networkOf(home string) string {
	var genesis struct {
		AppState struct {
			Network string `json:"network"`
		} `json:"app_state"`
	}
	b, err := os.ReadFile(filepath.Join(home, "config", "genesis.json"))
	if err != nil || json.Unmarshal(b, &genesis) != nil || genesis.AppState.Network == "" {
		return "dev"
	}
	return genesis.AppState.Network
}

func (f serveFlags) check() (clock time.Time, err error) {
	if clock, err = checkNetwork(f.network, f.clock); err != nil {
		return clock, err
	}
	if err := f.frontFlags.check(); err != nil {
		return clock, err
	}
	if err := errors.Join(f.logs.check(), f.monitor.check(), f.keep.check()); err != nil {
		return clock, err
	}
	if err := checkPublicURL(f.publicURL); err != nil {
		return clock, err
	}
	return clock, f.checkRest()
}

// checkRest checks what the other checks leave.
func (f serveFlags) checkRest() error {
	if f.demo && f.network != "dev" {
		return usagef("--demo simulates an enclave: that takes --network dev")
	}
	if f.earLifetime < time.Second || f.earLifetime > ear.MaxLifetime {
		return usagef("--ear-lifetime: %v is not between 1s and %v", f.earLifetime, ear.MaxLifetime)
	}
	if _, err := gateway.ParseOrigins(f.sites); err != nil {
		return usagef("--allow-origin: %s", rats.AsError(err).Detail)
	}
	return nil
}

// origins returns the sites whose pages may call from a browser, which were checked.
func (f serveFlags) origins() gateway.Origins {
	o, _ := gateway.ParseOrigins(f.sites)
	return o
}

// checkNetwork checks which network a node is for, and the time at which a new
// one starts.
func checkNetwork(network, clock string) (time.Time, error) {
	switch network {
	case "dev", "test", "main":
	default:
		return time.Time{}, usagef("--network: %q is neither dev, test nor main", network)
	}
	if clock == "" {
		return time.Time{}, nil
	}
	if network != "dev" {
		return time.Time{}, usagef("--clock sets another time than the world's: that takes --network dev")
	}
	return parseTime("--clock", clock)
}

func (a *app) serve(ctx context.Context, f serveFlags) error {
	clock, err := f.check()
	if err != nil {
		return err
	}
	// The port is taken first: to fail on it after the ledger is up would cost
	// the operator a start.
	port, err := openFront(f.frontFlags, f.home)
	if err != nil {
		return err
	}
	defer port.close() // the server does so too
	f.publicURL = cmp.Or(f.publicURL, socketURL(port.url()))
	seen, err := openMonitor(f.monitor)
	if err != nil {
		return err
	}
	defer seen.close()
	logger, err := f.logs.logger(a.stderr)
	if err != nil {
		return err
	}
	if f.logs.format == logJSON {
		a.speak = speak(logger)
	}
	h, err := a.openHouse(ctx, f, clock, logger)
	if err != nil {
		return err
	}
	h.keeper, h.monitor = port.keeper, seen
	seen.serve(h, logger)
	return a.runHouse(ctx, f, h, port, logger)
}

// folderStamp tells whether a folder's list of files changed.
func folderStamp(dir string) time.Time {
	st, err := os.Stat(dir)
	if err != nil {
		return time.Time{}
	}
	return st.ModTime()
}
