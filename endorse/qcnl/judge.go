// SPDX-License-Identifier: Apache-2.0

package qcnl

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

func (c *Config) note(level Level, option string, at *Position, format string, args ...any) {
	c.Findings = append(c.Findings, Finding{level, option, at, fmt.Sprintf(format, args...)})
}

// capped bounds hours as the library does.
func (c *Config) capped(option string, hours float64) float64 {
	if hours > maxCacheHours {
		c.note(Warning, option, c.at(option), "is cut to %d hours", maxCacheHours)
		return maxCacheHours
	}
	return hours
}

// judge notes what the library will do with options that it has taken, where
// that may surprise.
func (c *Config) judge() {
	if c.Fault == nil && len(c.Set) == 0 {
		c.note(Warning, "", nil, "nothing is set in it: %s", c.leftover())
	}
	c.judgeURL(PCCSURL, c.PCCSURL)
	if c.CollateralService != c.PCCSURL {
		c.judgeURL(CollateralService, c.CollateralService)
	}
	if c.LocalPCKURL != "" {
		c.judgeURL(LocalPCKURL, c.LocalPCKURL)
	}
	c.judgeVersion()
	if !c.UseSecureCert {
		c.note(Warning, UseSecureCert, c.at(UseSecureCert), "is false: neither the certificate nor the name of any service is checked, Intel's included; have the service's certificate trusted instead")
	}
	for option, n := range map[string]int{RetryTimes: c.RetryTimes, RetryDelay: c.RetryDelay} {
		if n < 0 {
			c.note(Error, option, c.at(option), "is negative, and counts as a number of billions")
		}
	}
	if c.RetryTimes == 0 && !c.LocalCacheOnly {
		c.note(Note, RetryTimes, c.at(RetryTimes), "is 0: one failure to connect, or one answer 503, is the end")
	}
	for option, n := range map[string]float64{PCKCacheHours: c.PCKCacheHours, CollateralCacheHours: c.CollateralCacheHours} {
		switch {
		case n < 0:
			c.note(Error, option, c.at(option), "is negative")
		case n > 24*7:
			c.note(Warning, option, c.at(option), "is %g hours: what a TCB recovery or a revocation changes is seen that late, whatever the service says of its answers' age", n)
		}
	}
	if c.LocalCacheOnly {
		c.note(Note, LocalCacheOnly, c.at(LocalCacheOnly), "is true: PCK certificates come from files prepared in advance, and no service is asked for them")
	}
	if c.TCBUpdateType == "early" {
		c.note(Note, TCBUpdateType, c.at(TCBUpdateType), "is early: platforms fail some weeks before those who ask for standard say so")
	}
}

// judgeVersion looks at what says how CRLs are asked for.
func (c *Config) judgeVersion() {
	at := c.at(APIVersion)
	switch {
	case c.asksIntel():
		if at != nil {
			c.note(Note, APIVersion, at, "counts for nothing in how Intel's own service is asked")
		}
	case c.APIVersion == "3.0" && at == nil && c.Fault == nil:
		c.note(Note, APIVersion, nil, "is 3.0 by default: revocation lists come in hex, and quote verification is told so; 3.1 has them in DER")
	case c.APIVersion != "3.0" && c.APIVersion != "3.1":
		c.note(Error, APIVersion, at, "is %q: with anything but 3.0 or 3.1 the root's revocation list cannot be asked for, and verification fails", c.APIVersion)
	}
}

// asksIntel reports whether the library takes the collateral service for
// Intel's own: by its name alone.
func (c *Config) asksIntel() bool {
	return strings.Contains(c.CollateralService, "trustedservices.intel.com")
}

// judgeURL looks at a base URL, to which the library appends names.
func (c *Config) judgeURL(option, text string) {
	at := c.at(option)
	say := func(level Level, format string, args ...any) { c.note(level, option, at, format, args...) }
	if text == "" {
		say(Error, "is empty: every call fails with an invalid configuration")
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.ContainsAny(text, " \t\r\n"):
		say(Error, "is no URL")
		return
	case !strings.Contains(text, "://"):
		say(Error, "has no scheme: plain http is tried")
		return
	case u.Scheme != "https" && u.Scheme != "http":
		say(Error, "has scheme %s, by which no service is reached: want https", u.Scheme)
		return
	case u.Host == "":
		say(Error, "names no host")
		return
	}
	if u.User != nil {
		say(Warning, "has a user or password in it, which shows in logs")
	}
	if u.Scheme == "http" && c.UseSecureCert && !isLocal(u.Hostname()) {
		say(Warning, "is plain http: use_secure_cert has no say, and everybody on the way sees and changes what is asked")
	}
	switch {
	case u.RawQuery != "" || u.Fragment != "":
		say(Error, "has a query or fragment: names of documents are appended behind it")
	case !strings.HasSuffix(text, "/"):
		say(Error, "has no slash at its end: names of documents are appended as they are, as in %sqe/identity", u.Path)
	}
	if option != LocalPCKURL {
		judgePath(u.Path, say)
	}
}

func judgePath(path string, say func(Level, string, ...any)) {
	if !strings.Contains(path, "/sgx/") {
		say(Warning, "has no /sgx/ in its path, in whose place /tdx/ is put for TDX: collateral for TDX fails")
	}
	if strings.Contains(path, "/v3") {
		say(Warning, "asks in version 3, which Intel ended in May 2026: a cache has only what it has, and TDX is not in it")
	}
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
