// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/gateway"
)

// frontFlags say how a server meets its callers.
type frontFlags struct {
	listen                  string
	tlsCert, tlsKey         string
	tlsSelfSigned           bool
	tlsNames                []string
	hsts                    time.Duration
	connections, perAddress int
	proxies                 []string
	proxyHeader             string
	drain, drainDelay       time.Duration
}

// defaultDrain is how long a server that is told to stop finishes what was begun.
const defaultDrain = 10 * time.Second

func (f *frontFlags) register(cmd *cobra.Command, listen string) {
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", listen, "address for API and pages; port 0 picks a free one")
	f.registerTLS(fl)
	fl.IntVar(&f.connections, "max-connections", 2048, "connections that may be open at once; 0 sets no bound")
	fl.IntVar(&f.perAddress, "max-connections-per-address", 128, "those of one address, or of one /64 of IPv6; 0 sets no bound")
	fl.StringSliceVar(&f.proxies, "trusted-proxy", nil, "address or network of a proxy that is believed about whom it speaks for (repeatable)")
	fl.StringVar(&f.proxyHeader, "trusted-proxy-header", gateway.ForwardedFor, "where such a proxy says so: "+gateway.ForwardedFor+" or "+gateway.Forwarded)
	fl.DurationVar(&f.drain, "drain", defaultDrain, "how long to finish what was begun, when told to stop")
	fl.DurationVar(&f.drainDelay, "drain-delay", 0, "how long to go on serving before that, while /readyz says no")
	_ = cmd.RegisterFlagCompletionFunc("trusted-proxy-header", offer([]string{gateway.ForwardedFor, gateway.Forwarded})) // fails for a flag that is not there
}

func (f *frontFlags) check() error {
	if err := f.checkTLS(); err != nil {
		return err
	}
	switch {
	case f.connections < 0:
		return usagef("--max-connections: %d is less than none", f.connections)
	case f.perAddress < 0:
		return usagef("--max-connections-per-address: %d is less than none", f.perAddress)
	case f.drain < 0 || f.drainDelay < 0:
		return usagef("--drain and --drain-delay are not negative")
	case f.proxyHeader != gateway.ForwardedFor && f.proxyHeader != gateway.Forwarded:
		return usagef("--trusted-proxy-header: %q is neither %s nor %s", f.proxyHeader, gateway.ForwardedFor, gateway.Forwarded)
	}
	_, err := f.networks()
	return err
}

// networks returns the trusted proxies.
func (f *frontFlags) networks() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range f.proxies {
		p, err := netip.ParsePrefix(text)
		if addr, e := netip.ParseAddr(text); e == nil {
			p, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, usagef("--trusted-proxy: %q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		if p.Bits() == 0 {
			return nil, hinted{usagef("--trusted-proxy: %s is everybody", text), "name the proxies: whoever is trusted can speak in any address's name"}
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// bounds returns what gateway is to hold callers to.
func (f *frontFlags) bounds() (gateway.ServerConfig, error) {
	proxies, err := f.networks()
	c := gateway.ServerConfig{
		Connections: f.connections, PerAddress: f.perAddress, Proxies: proxies, ProxyHeader: f.proxyHeader,
	}
	if c.Connections == 0 {
		c.Connections = -1
	}
	if c.PerAddress == 0 {
		c.PerAddress = -1
	}
	return c, err
}

// front is a server's port, taken, and what it shows there.
type front struct {
	flags    frontFlags
	bounds   gateway.ServerConfig
	listener *gateway.Bounded
	// keeper is nil without TLS.
	keeper *certificate.Keeper
	server *http.Server
	// unwatch ends the renewal of the certificate.
	unwatch func()
	// bare: the handler sees to sizes and times by itself.
	bare bool
}

// openFront takes the port, with TLS where the flags say so. A self-made
// certificate is kept in home.
func openFront(f frontFlags, home string) (*front, error) {
	bounds, err := f.bounds()
	if err != nil {
		return nil, err
	}
	keeper, err := f.openTLS(home, time.Now())
	if err != nil {
		return nil, err
	}
	if keeper != nil && !keeper.SelfSigned() {
		bounds.StrictTransport = f.hsts
	}
	l, err := takePort(f.listen)
	if err != nil {
		return nil, err
	}
	return &front{flags: f, bounds: bounds, listener: bounds.Bound(l), keeper: keeper}, nil
}

func takePort(address string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, usagef("%q is not an address to listen on: HOST:PORT", address)
	}
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hinted{fileFault{"listen on", address, errors.New("the address is in use")}, "choose another with --listen, or stop the process that has it"}
	case err != nil:
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fileFault{"listen on", address, err}
	}
	return l, nil
}

// url returns the address under which the server answers.
func (s *front) url() string {
	scheme := "http://"
	if s.keeper != nil {
		scheme = "https://"
	}
	return scheme + strings.Replace(s.listener.Addr().String(), "[::]", "127.0.0.1", 1)
}

// serve has handler answer from now on. What it returns says why that ended.
func (s *front) serve(handler http.Handler, logger *slog.Logger) <-chan error {
	s.server = s.bounds.Server(handler)
	if s.bare {
		s.server.Handler = handler
	}
	s.server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	s.unwatch = watchRefusals(s.listener, logger)
	serve := func() error { return s.server.Serve(s.listener) }
	if s.keeper != nil {
		s.server.TLSConfig = s.keeper.ServerConfig()
		refusals, certificate := s.unwatch, watchCertificate(s.keeper, logger)
		s.unwatch = func() {
			refusals()
			certificate()
		}
		serve = func() error { return s.server.ServeTLS(s.listener, "", "") }
	}
	served := make(chan error, 1)
	go func() { served <- serve() }()
	return served
}

// countEvery is how often the log says that connections were too many.
const countEvery = time.Minute

// watchRefusals says in the log, now and then, how many connections were closed
// because they were too many. The function that it returns ends that.
func watchRefusals(l *gateway.Bounded, logger *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		tick := time.NewTicker(countEvery)
		defer tick.Stop()
		var total, ofAddress uint64
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			t, a := l.Refused()
			if t > total || a > ofAddress {
				logger.LogAttrs(ctx, slog.LevelWarn, "connections were too many and were closed",
					slog.Uint64("in_total", t-total), slog.Uint64("of_an_address", a-ofAddress), slog.Int("open", l.Open()))
			}
			total, ofAddress = t, a
		}
	}()
	return cancel
}

// shutdown takes no new calls and finishes those begun, until ctx ends; then it
// cuts them off, and reports that it did.
func (s *front) shutdown(ctx context.Context) (cut bool, err error) {
	s.unwatch()
	err = s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return true, s.server.Close()
	}
	return false, err
}

// close gives the port back, if the server never ran.
func (s *front) close() { _ = s.listener.Close() }
