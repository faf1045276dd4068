// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/qcnl"
	"github.com/attesteer/attesteer/rats"
)

// maxConf bounds a configuration file of Intel's client.
const maxConf = 1 << 20

// isConf reports whether a source named by --endorsements is a configuration
// file of Intel's client.
func isConf(name string) bool { return !isService(name) && filepath.Ext(name) == ".conf" }

// openConf returns the services of a file of Intel's client, asked in that
// client's way. What the client would pass over in silence is an error here.
func (a *app) openConf(name string, f serviceFlags, cfg endorse.PCSConfig) (*endorse.Split, error) {
	c, err := a.readConf(name, f)
	if err != nil {
		return nil, err
	}
	if cfg.Evaluation == "" {
		cfg.Evaluation = dcap.EvaluationNumber(c.TCBUpdateType)
	}
	cfg.RootCRL, _ = c.RootCRL()
	cfg.PlainLists = c.PlainLists()
	cfg.Retry = &endorse.Retry{Times: c.RetryTimes, Delay: time.Duration(c.RetryDelay) * time.Second}
	a.keeping(&cfg, c.CollateralCacheHours)
	out := &endorse.Split{}
	if out.PCS, err = a.openService(c.CollateralService, f.of(c, c.CollateralService), cfg); err != nil {
		return nil, err
	}
	if c.LocalCacheOnly {
		out.Certifiers = []endorse.Certifier{endorse.Prepared{Dir: a.preparedCertificates(), Roots: cfg.Roots}}
		return out, nil
	}
	for _, p := range c.Params {
		cfg.Certificates.Params = append(cfg.Certificates.Params, endorse.Pair(p))
	}
	for _, h := range c.Headers {
		cfg.Certificates.Headers = append(cfg.Certificates.Headers, endorse.Pair(h))
	}
	if c.LocalPCKURL != "" {
		a.keeping(&cfg, 0) // it is never kept
		out.Certifiers = append(out.Certifiers, a.openCertifier(c, c.LocalPCKURL, f, cfg))
	}
	a.keeping(&cfg, c.PCKCacheHours)
	out.Certifiers = append(out.Certifiers, a.openCertifier(c, c.PCCSURL, f, cfg))
	return out, nil
}

// readConf reads a file of Intel's client.
func (a *app) readConf(name string, f serviceFlags) (*qcnl.Config, error) {
	st, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, fileError("read", name, err)
	case !st.Mode().IsRegular() || st.Size() > maxConf:
		return nil, usagef("--endorsements %s: no configuration file", name)
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, fileError("read", name, err)
	}
	c, err := qcnl.Parse(src)
	if err != nil {
		return nil, hinted{usagef("--endorsements %s: %s", name, rats.AsError(err).Detail), "attesteer pccs check-conf " + name + " says what Intel's client makes of it"}
	}
	if !c.UseSecureCert && !f.unsafeSkipTLS {
		return nil, hinted{
			usagef("--endorsements %s: use_secure_cert is false on line %d, which is not honoured by itself", name, c.Set[qcnl.UseSecureCert].Line),
			"have the service's certificate vouched for with --endorsements-tls-ca, or say --unsafe-endorsements-skip-tls too",
		}
	}
	return c, nil
}

// of returns the flags as they hold for one of a file's services: TLS goes
// unchecked where both say so, or where there is none.
func (f serviceFlags) of(c *qcnl.Config, base string) serviceFlags {
	f.unsafeSkipTLS = f.unsafeSkipTLS && (!c.UseSecureCert || strings.HasPrefix(base, "http://"))
	return f
}

// openCertifier returns a service that is asked for PCK certificates alone. What
// is wrong with its URL is said once it is needed: few have evidence that takes it.
func (a *app) openCertifier(c *qcnl.Config, base string, f serviceFlags, cfg endorse.PCSConfig) endorse.Certifier {
	cfg.RootCRL = ""
	one, err := a.openService(base, f.of(c, base), cfg)
	if err != nil {
		return noCertifier{err}
	}
	return one
}

// noCertifier has nothing but a reason.
type noCertifier struct{ err error }

// PCKCertificates implements [endorse.Certifier].
func (n noCertifier) PCKCertificates(context.Context, dcap.PlatformName, time.Time) ([]rats.Endorsement, error) {
	return nil, rats.Errorf(rats.EndorsementUnavailable, "PCK certificate: %s", n.err.Error())
}

// keeping has answers kept for some hours, from one run to the next; 0 keeps none.
func (a *app) keeping(cfg *endorse.PCSConfig, hours float64) {
	keep := time.Duration(hours * float64(time.Hour))
	cfg.Keep, cfg.Cache = &keep, nil
	if dir := a.cacheFolder(); keep > 0 && dir != "" {
		cfg.Cache = endorse.NewAnswerCache(dir)
	}
}

// cacheFolder is where answers are kept that a file of Intel's client wants
// kept; empty for a user without a home. Intel's own cache is left alone.
func (a *app) cacheFolder() string {
	base := a.getenv("XDG_CACHE_HOME")
	if home := a.getenv("HOME"); base == "" && home != "" {
		base = filepath.Join(home, ".cache")
	}
	if base == "" {
		return ""
	}
	return filepath.Join(base, "attesteer", "answers")
}

// preparedCertificates is the folder in which Intel's client looks for PCK
// certificates that were prepared for it: the first that there is.
func (a *app) preparedCertificates() string {
	const name = ".dcap-qcnl"
	dir := ""
	for _, base := range []string{a.getenv("AZDCAP_CACHE"), a.getenv("XDG_CACHE_HOME"), a.getenv("HOME"), a.getenv("TMPDIR"), os.TempDir()} {
		if base == "" {
			continue
		}
		at := filepath.Join(base, name)
		if st, err := os.Stat(at); err == nil && st.IsDir() {
			return at
		}
		if dir == "" {
			dir = at
		}
	}
	return dir
}

// withoutUser hides what stands for a user and a password in a URL, which may
// have names in braces or be none at all.
func withoutUser(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
		return scheme + "://…" + rest[at:]
	}
	return text
}
