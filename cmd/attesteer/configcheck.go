// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/secretfile"
	"github.com/attesteer/attesteer/token"
)

// checkup looks at what a node is told, and goes on after each thing that is
// wrong.
type checkup struct {
	app          *app
	flags        serveFlags
	networkGiven bool
	findings     []finding
}

func (c *checkup) fault(setting string, err error) {
	if err == nil {
		return
	}
	f := finding{Level: findError, Setting: setting, Detail: strings.TrimSpace(err.Error())}
	var h hinted
	if errors.As(err, &h) {
		f.Hint = h.hint
	} else if open := openSecret(err); open != "" {
		f.Hint = "chmod 600 " + open
	}
	if !slices.ContainsFunc(c.findings, func(o finding) bool { return o.Level == findError && o.Detail == f.Detail }) {
		c.findings = append(c.findings, f)
	}
}

func (c *checkup) warn(setting, format string, args ...any) {
	c.findings = append(c.findings, finding{Level: findWarning, Setting: setting, Detail: fmt.Sprintf(format, args...)})
}

func (c *checkup) note(setting, format string, args ...any) {
	c.findings = append(c.findings, finding{Level: findNote, Setting: setting, Detail: fmt.Sprintf(format, args...)})
}

// run looks at everything.
func (c *checkup) run(ctx context.Context) {
	f := &c.flags
	_, err := checkNetwork(f.network, f.clock)
	c.fault("network", err)
	c.fault("", f.frontFlags.check())
	c.fault("public-url", checkPublicURL(f.publicURL))
	c.fault("log-format", f.logs.check())
	c.fault("metrics-profiles", f.monitor.check())
	c.fault("", f.checkRest())
	c.home()
	c.certificate()
	c.ports()
	c.sources(ctx)
	c.tokens()
	c.exposure()
}

// home looks at the folder, whose it is, and who may read its secrets.
func (c *checkup) home() {
	home := c.flags.home
	st, err := os.Stat(home)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.newHome()
		return
	case err != nil:
		c.fault("home", fileError("use", home, err))
		return
	case !st.IsDir():
		c.fault("home", usagef("%s is no folder", home))
		return
	}
	if ledger.Founded(home) {
		if of := networkOf(home); c.networkGiven && of != c.flags.network {
			c.fault("network", hinted{usagef("%s belongs to network %s, not %s", home, of, c.flags.network), "a home belongs to one network: choose another with --home"})
		}
	} else {
		c.note("home", "%s holds no ledger yet: serve makes one for network %s", home, c.flags.network)
	}
	c.secrets(filepath.Join(home, "config"))
	if free, total, err := diskSpace(home); err == nil {
		switch d := diskCondition(free, total); {
		case d.Blocking:
			c.fault("home", usagef("%s", d.Detail))
		case d.Code != "":
			c.warn("home", "%s", d.Detail)
		}
	}
}

// newHome looks where a home would be made.
func (c *checkup) newHome() {
	home := c.flags.home
	above := home
	for {
		up := filepath.Dir(above)
		st, err := os.Stat(up)
		if err == nil && !st.IsDir() {
			c.fault("home", usagef("%s cannot be made: %s is no folder", home, up))
			return
		}
		if err == nil || up == above {
			break
		}
		above = up
	}
	c.note("home", "%s does not exist: serve makes it, with a new ledger for network %s", home, c.flags.network)
}

// secrets looks who may read the keys and the tokens of a home.
func (c *checkup) secrets(dir string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			c.fault("home", fileError("read", path, err))
			return nil
		case d.IsDir() || !strings.Contains(d.Name(), "key") && d.Name() != "tokens.json":
			return nil
		}
		c.fault("home", secretfile.Check(path))
		return nil
	})
	c.fault("home", err)
}

// certificate looks at what would be shown to clients.
func (c *checkup) certificate() {
	f := &c.flags
	if f.tlsCert == "" || f.tlsKey == "" {
		return // a self-made one is made, and renewed, by serve
	}
	k, err := certificate.Open(f.tlsCert, f.tlsKey)
	if err != nil {
		c.fault("tls-cert", err)
		return
	}
	now := time.Now()
	for _, warning := range k.Warnings(now) {
		c.warn("tls-cert", "%s", warning)
	}
	end := k.NotAfter().UTC().Format(time.RFC3339)
	switch left := k.NotAfter().Sub(now); {
	case left <= 0:
		c.fault("tls-cert", usagef("the certificate ended at %s", end))
	case left < certificateNotice:
		c.warn("tls-cert", "the certificate ends at %s", end)
	default:
		c.note("tls-cert", "for %s, until %s", strings.Join(certificateNames(k.Leaf()), ", "), end)
	}
}

// ports looks whether they can be had. Those of a node that runs on the home
// are its own.
func (c *checkup) ports() {
	f := &c.flags
	own := ledger.InUse(f.home)
	if own {
		c.note("home", "a node runs on %s", f.home)
	}
	if f.monitor.listen != "" && f.monitor.listen == f.listen && !strings.HasSuffix(f.listen, ":0") {
		c.fault("metrics-listen", usagef("is the address of --listen"))
		return
	}
	for _, p := range []struct{ setting, address string }{{"listen", f.listen}, {"metrics-listen", f.monitor.listen}} {
		if p.address == "" {
			continue
		}
		l, err := takePort(p.address)
		switch {
		case err == nil:
			_ = l.Close()
		case own && strings.Contains(err.Error(), "the address is in use"):
			c.note(p.setting, "%s is in use, which may be by that node", p.address)
		default:
			c.fault(p.setting, err)
		}
	}
}

// sources looks whether endorsements can be had, without asking for any.
func (c *checkup) sources(ctx context.Context) {
	f := &c.flags
	services := 0
	for _, name := range f.endorsements {
		if isAsked(name) {
			services++
			s, err := c.app.openAsked(name, f.service, endorse.PCSConfig{})
			if err != nil {
				c.fault("endorsements", withoutURL(err, name))
				continue
			}
			s.Close()
			continue
		}
		folder, err := endorse.ReadFolder(ctx, name, trustedRoots(f.network == "dev"))
		switch {
		case err != nil:
			c.fault("endorsements", fileError("read", name, err))
		case len(folder.All()) == 0:
			c.warn("endorsements", "%s holds no endorsement that verifies", name)
		default:
			c.note("endorsements", "%s holds %d endorsements", name, len(folder.All()))
		}
	}
	if len(f.endorsements) == 0 && f.network != "dev" {
		c.warn("endorsements", "none is given: only what is pushed to the node, or imported into its home, counts")
	}
	if services == 0 && f.service.tlsCA != "" {
		c.warn("endorsements-tls-ca", "no service is asked")
	}
	_, err := c.app.secret(apiKeyVariable)
	c.fault("", err)
}

// withoutURL keeps a URL's secrets out of what is wrong with it.
func withoutURL(err error, name string) error {
	shown := withoutSecrets(name)
	if shown == name || !strings.Contains(err.Error(), name) {
		return err
	}
	return usagef("%s", strings.ReplaceAll(err.Error(), name, shown))
}

// tokens looks at the list of tokens.
func (c *checkup) tokens() {
	if st, err := os.Stat(c.flags.home); err != nil || !st.IsDir() {
		return
	}
	s, err := openTokens(c.flags.home)
	if err != nil {
		if openSecret(err) == "" { // that was said
			c.fault("home", err)
		}
		return
	}
	all, err := s.List(time.Now())
	if err != nil {
		c.fault("home", err)
		return
	}
	for i := range all {
		if all[i].State == token.Active && all[i].Scopes.Allow(token.Submit) {
			return
		}
	}
	if c.flags.network != "dev" {
		c.warn("home", "no token is good for submissions: make one with attesteer token create")
	}
}

// exposure looks at what strangers would see.
func (c *checkup) exposure() {
	f := &c.flags
	if onlyHere(f.listen) {
		return
	}
	if f.tlsCert == "" && !f.tlsSelfSigned {
		c.warn("listen", "others on the network see what is said, tokens too: give --tls-cert, or listen on this machine behind a proxy")
	}
	if f.network == "dev" {
		c.warn("network", "on a development network any word is a token, and %s is not this machine alone", f.listen)
	}
}

// onlyHere reports whether an address is of this machine alone.
func onlyHere(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
