// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"

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

// isAsked reports whether a source is a service, named by URL or by a file.
func isAsked(name string) bool { return isService(name) || isConf(name) }

// openAsked returns the service that a source names, by URL or by a file.
func (a *app) openAsked(name string, f serviceFlags, cfg endorse.PCSConfig) (*endorse.PCS, error) {
	if isConf(name) {
		return a.openConf(name, f, cfg)
	}
	return a.openService(name, f, cfg)
}

// openConf returns the collateral service of a file of Intel's client, asked in
// that client's way: for the update that the file names unless the caller wants
// another, and with TLS that is checked as the file says. What the client would
// pass over in silence is an error here.
func (a *app) openConf(name string, f serviceFlags, cfg endorse.PCSConfig) (*endorse.PCS, error) {
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
	f.unsafeSkipTLS = f.unsafeSkipTLS && (!c.UseSecureCert || strings.HasPrefix(c.CollateralService, "http://"))
	if cfg.Evaluation == "" {
		cfg.Evaluation = dcap.EvaluationNumber(c.TCBUpdateType)
	}
	cfg.RootCRL, _ = c.RootCRL()
	return a.openService(c.CollateralService, f, cfg)
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
