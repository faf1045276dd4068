// SPDX-License-Identifier: Apache-2.0

package qcnl

import "strings"

// Request is what the library asks for, and where.
type Request struct {
	// For says what, for people.
	For string `json:"for"`
	// URL has names in braces where values differ from call to call.
	URL string `json:"url"`
	// Headers are the names of headers that go along.
	Headers []string `json:"headers,omitempty"`
}

// intelRootCRL is where Intel's root certificate says that its revocation list
// is.
const intelRootCRL = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

// Requests returns what the library asks for with this configuration: first for
// a quote to be made, then for one to be verified, in its order. Values of
// parameters that the file gives are left out, since they may be secret.
func (c *Config) Requests() []Request {
	var out []Request
	var headers []string
	for _, h := range c.Headers {
		headers = append(headers, h.Name)
	}
	pck := "pckcert?qeid={QE id}&encrypted_ppid={encrypted PPID, or 768 zeros}&cpusvn={CPUSVN}&pcesvn={PCESVN}&pceid={PCE id}"
	for _, p := range c.Params {
		pck += "&" + p.Name + "={from the file}"
	}
	if !c.LocalCacheOnly {
		if c.LocalPCKURL != "" {
			out = append(out, Request{"PCK certificate, first", c.LocalPCKURL + pck, headers})
		}
		out = append(out, Request{"PCK certificate", c.PCCSURL + pck, headers})
	}
	encoding := "&encoding=der"
	if c.PlainLists() {
		encoding = ""
	}
	base := c.CollateralService
	update := "update=" + c.TCBUpdateType
	out = append(out,
		Request{For: "PCK CRL", URL: base + "pckcrl?ca={processor or platform}" + encoding},
		Request{For: "TCB info for SGX", URL: base + "tcb?fmspc={FMSPC}&" + update},
		Request{For: "QE identity for SGX", URL: base + "qe/identity?" + update},
		Request{For: "QvE identity", URL: base + "qve/identity?" + update},
	)
	if strings.Contains(base, "/sgx/") {
		tdx := strings.Replace(base, "/sgx/", "/tdx/", 1)
		out = append(out,
			Request{For: "TCB info for TDX", URL: tdx + "tcb?fmspc={FMSPC}&" + update},
			Request{For: "QE identity for TDX", URL: tdx + "qe/identity?" + update},
		)
	}
	if root, ok := c.RootCRL(); ok {
		out = append(out, Request{For: "root CA CRL", URL: root})
	}
	return append(out, Request{For: "appraisal policy", URL: c.PCCSURL + "appraisalpolicy?fmspc={FMSPC}"})
}

// PlainLists reports whether the library asks for revocation lists of PCK CAs
// without a word on their encoding: a PCCS answers in hex then.
func (c *Config) PlainLists() bool { return !c.asksIntel() && c.APIVersion != "3.1" }

// RootCRL returns where the library finds the root's revocation list, under
// Intel's root. It has none with an API version that it does not know.
func (c *Config) RootCRL() (address string, ok bool) {
	switch {
	case c.asksIntel():
		return intelRootCRL, true
	case c.APIVersion == "3.0":
		return c.CollateralService + "rootcacrl", true
	case c.APIVersion == "3.1":
		return c.CollateralService + "crl?uri=" + intelRootCRL, true
	default:
		return "", false
	}
}
