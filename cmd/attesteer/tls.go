// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/secretfile"
)

// defaultHSTS is for how long browsers that came by https come by https alone.
const defaultHSTS = 180 * 24 * time.Hour

// lookEvery is how often the files of a certificate are looked at.
const lookEvery = 10 * time.Second

func (f *frontFlags) registerTLS(fl *pflag.FlagSet) {
	fl.StringVar(&f.tlsCert, "tls-cert", "", "certificate chain in PEM, to serve https and wss; read again when it changes")
	fl.StringVar(&f.tlsKey, "tls-key", "", "private key in PEM, for its owner alone")
	fl.BoolVar(&f.tlsSelfSigned, "tls-self-signed", false, "serve https and wss with a certificate made here, for clients that pin its key")
	fl.StringSliceVar(&f.tlsNames, "tls-name", nil, "another name or address for the self-made certificate (repeatable)")
	fl.DurationVar(&f.hsts, "hsts", defaultHSTS, "with --tls-cert: for how long browsers shall come by https alone; 0 tells them nothing")
}

func (f *frontFlags) checkTLS() error {
	switch {
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return usagef("--tls-cert and --tls-key go together")
	case f.tlsSelfSigned && f.tlsCert != "":
		return usagef("--tls-self-signed and --tls-cert are both given: which one is meant?")
	case len(f.tlsNames) > 0 && !f.tlsSelfSigned:
		return usagef("--tls-name is for --tls-self-signed")
	case f.hsts < 0:
		return usagef("--hsts: %v is less than nothing", f.hsts)
	}
	for _, name := range f.tlsNames {
		if err := certificate.CheckName(name); err != nil {
			return usagef("--tls-name: %w", err)
		}
	}
	return nil
}

// openTLS returns the certificate to show; nil without TLS.
func (f *frontFlags) openTLS(home string, now time.Time) (*certificate.Keeper, error) {
	switch {
	case f.tlsCert != "":
		k, err := certificate.Open(f.tlsCert, f.tlsKey)
		switch {
		case errors.Is(err, secretfile.ErrMode):
			return nil, usageError{err}
		case err != nil:
			return nil, hinted{usageError{err}, "--tls-cert takes the chain, the server's own certificate first, and --tls-key its key, both in PEM"}
		}
		return k, nil
	case f.tlsSelfSigned:
		return certificate.SelfMade(selfMadeFolder(home), f.ownNames(), now)
	default:
		return nil, nil
	}
}

// selfMadeFolder is where a home keeps a certificate of its own.
func selfMadeFolder(home string) string { return filepath.Join(home, "config", "tls") }

// ownNames returns the names under which this server may be called.
func (f *frontFlags) ownNames() []string {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, f.tlsNames...)
	if host, _, err := net.SplitHostPort(f.listen); err == nil {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			names = append(names, host)
		}
	}
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	out := names[:0]
	for _, n := range names {
		if certificate.CheckName(n) == nil {
			out = append(out, n)
		}
	}
	return out
}

// watchCertificate takes over what becomes of a server's certificate: at once
// on SIGHUP, else when it changes. It warns of its end. The function that it
// returns ends that.
func watchCertificate(k *certificate.Keeper, logger *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	w := &certificateWatch{keeper: k, log: logger}
	for _, warning := range k.Warnings(time.Now()) {
		logger.LogAttrs(ctx, slog.LevelWarn, "clients may not take the certificate", slog.String("reason", warning))
	}
	w.look(ctx, time.Now(), false)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
				w.look(ctx, time.Now(), true)
			case now := <-tick.C:
				w.look(ctx, now, false)
			}
		}
	})
	return func() {
		signal.Stop(hangup)
		cancel()
		done.Wait()
	}
}

// certificateWatch says in the log what becomes of a certificate.
type certificateWatch struct {
	keeper *certificate.Keeper
	log    *slog.Logger
	end    certificate.Watch
}

// look takes over what changed. Asked by someone, it also says that nothing did.
func (w *certificateWatch) look(ctx context.Context, now time.Time, asked bool) {
	changed, err := w.keeper.Reload(now, asked)
	leaf := w.keeper.Leaf()
	switch {
	case err != nil:
		w.log.LogAttrs(ctx, slog.LevelWarn, "the new certificate is not used, the one before goes on", slog.Any("error", err))
	case changed:
		w.log.LogAttrs(ctx, slog.LevelInfo, "another certificate is shown from now on", certificateAttrs(leaf)...)
	case asked:
		w.log.LogAttrs(ctx, slog.LevelInfo, "the certificate is the same", certificateAttrs(leaf)...)
	}
	left, due := w.end.Due(leaf, now)
	switch {
	case !due:
	case left <= 0:
		w.log.LogAttrs(ctx, slog.LevelError, "the certificate has ended: clients refuse it", certificateAttrs(leaf)...)
	default:
		w.log.LogAttrs(ctx, slog.LevelWarn, "the certificate ends soon", append(certificateAttrs(leaf), slog.Duration("left", left.Round(time.Minute)))...)
	}
}

func certificateAttrs(c *x509.Certificate) []slog.Attr {
	return []slog.Attr{
		slog.Any("names", certificateNames(c)), slog.Time("not_after", c.NotAfter.UTC()),
		slog.String("pin", certificate.PinOf(c).String()),
	}
}

func certificateNames(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// sayCertificate tells how clients can trust a certificate that no authority
// vouches for.
func (a *app) sayCertificate(s *front) {
	if s.keeper == nil || !s.keeper.SelfSigned() {
		return
	}
	sum := s.keeper.Fingerprint()
	pin := certificate.PinOf(s.keeper.Leaf())
	a.sayf("certificate: for %s, until %s", strings.Join(certificateNames(s.keeper.Leaf()), ", "), s.keeper.NotAfter().UTC().Format(time.DateOnly))
	a.sayf("certificate SHA-256: %s", hex.EncodeToString(sum[:]))
	a.sayf("its key: %s", pin)
	a.sayf("hint: nobody vouches for it but its key: attesteer … --node %s --node-pin %s", s.url(), pin)
	a.sayf("hint: curl --insecure --pinnedpubkey %s %s/v1/ledger", pin, s.url())
}
