// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
)

// defaultPCCSListen is where clients of Intel's look for a PCCS on their machine.
const defaultPCCSListen = "127.0.0.1:8081"

// pccsHome are the flags by which commands find what a PCCS keeps.
type pccsHome struct {
	home, store string
	// simulated: the word of the simulated root counts too.
	simulated bool
}

func (f *pccsHome) register(a *app, fl *pflag.FlagSet) {
	fl.StringVar(&f.home, "home", a.defaultHome(), "folder for what the cache keeps, its certificate and the hashes of its tokens")
	fl.StringVar(&f.store, "store", "", "where artefacts and platforms are kept: a file of SQLite, or postgres://USER@HOST/DATABASE, which several caches may share (default: data/pccs.sqlite in the home)")
	fl.BoolVar(&f.simulated, "trust-simulated", false, "also take the word of the simulated root")
}

// open opens the store, and makes it if it is a file that is not there.
func (f *pccsHome) open(ctx context.Context) (*store.Store, error) {
	dsn := f.store
	if dsn == "" {
		dsn = filepath.Join(f.home, "data", "pccs.sqlite")
		if err := os.MkdirAll(filepath.Dir(dsn), 0o700); err != nil {
			return nil, fileError("make", filepath.Dir(dsn), err)
		}
	}
	return store.Open(ctx, dsn)
}

// pccsFlags are those of "pccs serve".
type pccsFlags struct {
	pccsHome
	front    frontFlags
	logs     logFlags
	monitor  monitorFlags
	asked    upstreamFlags
	tokens   pccsTokenFlags
	mode     string
	stale    string
	plain    bool
	refresh  bool
	maxBody  int64
	memory   int
	settings string
}

func (a *app) pccsServe() *cobra.Command {
	var f pccsFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a cache that Intel's clients take for Intel's own",
		Long: `serve runs a Provisioning Certificate Caching Service, under the paths that Intel's
clients ask: QCNL, PCKIDRetrievalTool, PcsClientTool and pccsadmin. What it fetches
and what it is sent counts only if it verifies up to a pinned root, and is served
byte for byte as it was signed.

It speaks https with a certificate that it makes in its home on the first start,
unless it is given one. Reads need no token. To register platforms takes a user
token, to change or list what is kept an admin token: "attesteer pccs token" makes
them. Files of tokens hold only their SHA-512, one in hex a line, as Intel's
configuration has it.

Modes: lazy asks Intel when somebody wants what is not there, req when a platform
is registered, offline never.

Upstreams are asked in their order: Intel's service, another PCCS, or a ledger by
one of its nodes, for when the others are down. With --push what is fetched is
published there. A key for Intel's service is optional, and taken from ATTESTEER_PCS_API_KEY, or
from APIKEY, as images of Intel's service know it. Of USERPASS and ADMINPASS, which
these know too, only the hashes are kept. Each of the three may be given by a file,
as APIKEY_FILE and so on.`,
		Example: `  attesteer pccs serve
  attesteer pccs serve --listen :8081 --mode req --admin-token-file /etc/pccs/admin.sha512
  attesteer pccs serve --upstream https://pccs.example:8081/sgx/certification/v4/ --store postgres://pccs@db.example/pccs`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.servePCCS(cmd.Context(), f) },
	}
	f.registerAll(a, cmd)
	return cmd
}

func (f *pccsFlags) registerAll(a *app, cmd *cobra.Command) {
	fl := cmd.Flags()
	f.pccsHome.register(a, fl)
	fl.StringVar(&f.front.listen, "listen", defaultPCCSListen, "address to serve on; port 0 picks a free one")
	fl.StringVar(&f.mode, "mode", "lazy", "when to ask upstream: lazy, req or offline")
	f.asked.register(fl)
	f.tokens.register(fl)
	fl.StringVar(&f.stale, "stale-policy", string(pccs.ServeStale), "what becomes of what is past its next update: serve, with a header and a line in the log, or refuse")
	fl.BoolVar(&f.refresh, "refresh", true, "fetch what is kept anew before it ends; in mode offline there is nobody to ask")
	fl.StringVar(&f.front.tlsCert, "tls-cert", "", "certificate chain in PEM, to serve https; read again when it changes (default: one made here)")
	fl.StringVar(&f.front.tlsKey, "tls-key", "", "private key in PEM, for its owner alone")
	fl.StringSliceVar(&f.front.tlsNames, "tls-name", nil, "another name or address for the certificate that is made here (repeatable)")
	fl.BoolVar(&f.plain, "plain-http", false, "serve http, behind a proxy that has the certificate")
	fl.IntVar(&f.front.connections, "max-connections", 2048, "connections that may be open at once; 0 sets no bound")
	fl.IntVar(&f.front.perAddress, "max-connections-per-address", 512, "those of one address, or of one /64 of IPv6; 0 sets no bound")
	fl.StringSliceVar(&f.front.proxies, "trusted-proxy", nil, "address or network of a proxy, for which the bound of an address does not count (repeatable)")
	fl.DurationVar(&f.front.drain, "drain", defaultDrain, "how long to finish what was begun, when told to stop")
	fl.DurationVar(&f.front.drainDelay, "drain-delay", 0, "how long to go on serving before that, while /readyz says no")
	fl.Int64Var(&f.maxBody, "max-body", 2<<20, "bytes that may be sent in one call; a file of collateral for many platforms is larger")
	fl.IntVar(&f.memory, "answers-memory", 8<<20, "about how many bytes of answers to hold ready")
	f.logs.register(cmd)
	fl.StringVar(&f.monitor.listen, "metrics-listen", "", "address for Prometheus, apart from the cache, such as 127.0.0.1:2112 (default: none)")
	fl.BoolVar(&f.monitor.profiles, "metrics-profiles", false, "also serve Go's profiles there, under /debug/pprof/")
	fl.StringVar(&f.settings, configFlag, "", "file of settings, NAME=VALUE a line, that count less than flags and variables")
	_ = cmd.RegisterFlagCompletionFunc("mode", offer([]string{"lazy", "req", "offline"})) // fails for a flag that is not there
	_ = cmd.RegisterFlagCompletionFunc("stale-policy", offer([]string{string(pccs.ServeStale), string(pccs.RefuseStale)}))
	f.front.proxyHeader = gateway.ForwardedFor
}

// complete checks the flags, and settles what follows from them.
func (f *pccsFlags) complete() error {
	f.front.tlsSelfSigned = f.front.tlsCert == "" && f.front.tlsKey == "" && !f.plain
	switch {
	case f.plain && f.front.tlsCert != "":
		return usagef("--plain-http and --tls-cert are both given: which one is meant?")
	case f.maxBody < 1<<10:
		return usagef("--max-body: under 1024 bytes no platform can be registered")
	case f.memory < 1<<16:
		return usagef("--answers-memory: under 65536 bytes nothing is held ready")
	case f.stale != string(pccs.ServeStale) && f.stale != string(pccs.RefuseStale):
		return usagef("--stale-policy: %q is neither serve nor refuse", f.stale)
	}
	if _, err := f.fillMode(); err != nil {
		return err
	}
	return errors.Join(f.front.check(), f.logs.check(), f.monitor.check())
}

// fillMode returns the mode; Intel's configuration writes it in capitals.
func (f *pccsFlags) fillMode() (pccs.Mode, error) {
	switch m := pccs.Mode(strings.ToUpper(f.mode)); m {
	case pccs.Lazy, pccs.Req, pccs.Offline:
		return m, nil
	default:
		return "", usagef("--mode: %q is neither lazy, req nor offline", f.mode)
	}
}

// cache is a PCCS with everything on top of it, wired together.
type cache struct {
	store   *store.Store
	service *pccs.Service
	server  *pccs.Server
	seen    *pccsMonitor
	// pusher is nil where nothing is published.
	pusher *pccs.Pusher
	stop   context.CancelFunc
	ended  sync.WaitGroup
}

// openCache opens what "pccs serve" serves, bottom up. What it opened before an
// error it closes.
func (a *app) openCache(ctx context.Context, f pccsFlags, seen *pccsMonitor, logger *slog.Logger) (*cache, error) {
	mode, err := f.fillMode()
	if err != nil {
		return nil, err
	}
	user, admin, err := a.pccsTokens(f.tokens, f.home)
	if err != nil {
		return nil, err
	}
	upstreams, err := a.upstreams(f.asked, mode, f.simulated)
	if err != nil {
		return nil, err
	}
	kept, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	c := &cache{store: kept, seen: seen}
	c.service, err = pccs.New(pccs.Config{
		Store: kept, Upstreams: upstreams, Mode: mode, Roots: trustedRoots(f.simulated),
		Stale: pccs.StalePolicy(f.stale), Log: logger, Report: c.seen.fetched,
	})
	if err == nil {
		c.pusher, err = a.pusher(f.asked, kept, logger)
	}
	if err == nil {
		c.server, err = pccs.NewServer(pccs.ServerConfig{
			Service: c.service, User: user, Admin: admin, MaxBody: f.maxBody, Memory: f.memory, Log: logger,
		})
	}
	if err != nil {
		return nil, errors.Join(err, kept.Close())
	}
	for _, u := range upstreams {
		seen.names = append(seen.names, u.Name())
	}
	return c, nil
}

// run starts what goes on beside the answers.
func (c *cache) run(refresh bool, logger *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	beside := func(what string, run func(context.Context) error) {
		c.ended.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				logger.LogAttrs(ctx, slog.LevelError, "what goes on beside the answers has ended", slog.String("what", what), slog.Any("error", err))
			}
		})
	}
	c.ended.Go(func() { c.server.Watch(ctx) })
	if refresh {
		beside("renewal", c.service.Run)
	}
	if c.pusher != nil {
		beside("publication", c.pusher.Run)
	}
}

// close ends it top down.
func (c *cache) close() error {
	if c.stop != nil {
		c.stop()
		c.ended.Wait()
	}
	c.service.Close()
	return c.store.Close()
}

func (a *app) servePCCS(ctx context.Context, f pccsFlags) error {
	if err := f.complete(); err != nil {
		return err
	}
	port, err := openFront(f.front, f.home)
	if err != nil {
		return err
	}
	defer port.close() // the server does so too
	port.bare = true
	logger, err := f.logs.logger(a.stderr)
	if err != nil {
		return err
	}
	if f.logs.format == logJSON {
		a.speak = speak(logger)
	}
	seen, err := openPCCSMonitor(f.monitor, port.keeper)
	if err != nil {
		return err
	}
	defer seen.close()
	c, err := a.openCache(ctx, f, seen, logger)
	if err != nil {
		return err
	}
	dropProgramPages()
	debug.FreeOSMemory() // most of what there is was for the start
	c.run(f.refresh && c.service.Mode() != pccs.Offline, logger)
	seen.serve(c, f.home, logger)
	served := port.serve(c.server, logger)
	a.announcePCCS(f, c, port)
	a.notify(notifyReady)
	return a.awaitPCCS(ctx, f, c, port, served)
}

// awaitPCCS serves until ctx ends, then drains.
func (a *app) awaitPCCS(ctx context.Context, f pccsFlags, c *cache, port *front, served <-chan error) error {
	var err error
	select {
	case <-ctx.Done():
		a.notify(notifyStopping)
		c.server.Leave()
		a.sayf("stopping: finishing what was begun")
		select {
		case <-time.After(f.front.drainDelay):
		case err = <-served:
		}
	case err = <-served:
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.front.drain)
	defer cancel()
	cut, shut := port.shutdown(stop)
	if cut {
		a.sayf("warning: what was not finished in %v was cut off", f.front.drain)
	}
	if err := errors.Join(err, shut, c.close()); err != nil {
		return err
	}
	a.sayf("stopped")
	return nil
}

// announcePCCS says where the cache is, and what a client is told about it.
func (a *app) announcePCCS(f pccsFlags, c *cache, port *front) {
	if a.asJSON {
		_ = a.printJSON(map[string]string{"schema": "attesteer/pccs/v1", "url": port.url(), "metrics": c.seen.url(), "mode": string(c.service.Mode()), "store": c.store.Place()}) // who reads nothing more is told all the same
	}
	a.sayf("PCCS: %s/sgx/certification/v4/", port.url())
	a.sayf("mode: %s; store: %s", c.service.Mode(), c.store.Place())
	if u := c.seen.url(); u != "" {
		a.sayf("metrics: %s", u)
	}
	if port.keeper != nil && port.keeper.SelfSigned() {
		a.sayf("certificate: for %s, until %s", strings.Join(certificateNames(port.keeper.Leaf()), ", "), port.keeper.NotAfter().UTC().Format(time.DateOnly))
		if f.front.tlsSelfSigned {
			a.sayf("hint: have clients trust %s, which is better than use_secure_cert false", filepath.Join(selfMadeFolder(f.home), "cert.pem"))
		}
	}
}
