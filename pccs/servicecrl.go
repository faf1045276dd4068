// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"net/url"
	"strings"

	"github.com/attesteer/attesteer/pccs/store"
)

// maxCRLURL bounds the URL of a revocation list.
const maxCRLURL = 2048

// Where Intel has revocation lists: the root's, and through its PCS those of the
// CAs of PCK certificates; both also behind proxies of a CDN.
const (
	intelCertificates = "certificates.trustedservices.intel.com"
	cdnCertificates   = "certprx.adsdcsp.com"
	cdnProduction     = ".az.sgxprod.adsdcsp.com"
	cdnPreproduction  = ".az.sgxnp.adsdcsp.com"
	rootCRLPath       = "/IntelSGXRootCA."
	pckCRLPrefix      = "/sgx/certification/v"
)

// crlKey returns the key of the list at a URL. A list of the production service
// has a key of its own, so that it is kept once whatever it is called by; that
// of another environment of Intel's goes by its URL. Nothing but Intel's lists
// can be named: the service fetches for whoever asks. The error is a Refusal
// with status 400.
func crlKey(uri string) (store.Key, error) {
	u, err := url.Parse(uri)
	if err != nil || len(uri) > maxCRLURL || u.Scheme != "https" || u.User != nil || u.Port() != "" || u.Fragment != "" {
		return store.Key{}, badKey("there is no revocation list of Intel's at %q", legible(uri))
	}
	host := strings.ToLower(u.Host)
	switch {
	case isCertificateHost(host) && strings.HasPrefix(u.Path, rootCRLPath):
		ending := strings.ToLower(u.Path[len(rootCRLPath):])
		if (host == intelCertificates || host == cdnCertificates) && (ending == "der" || ending == "crl") {
			return store.Key{Kind: store.RootCRL, Version: 4}, nil
		}
	case isPCSHost(host) && isPCKCRLPath(u.Path) && u.RawQuery != "":
		ca := strings.ToLower(u.Query().Get("ca"))
		production := host == intelHost || strings.HasSuffix(host, cdnProduction)
		if production && (ca == store.ProcessorCA || ca == store.PlatformCA) {
			return store.Key{Kind: store.PCKCRL, Scope: ca, Version: 4}, nil
		}
	default:
		return store.Key{}, badKey("there is no revocation list of Intel's at %q", legible(uri))
	}
	return store.Key{Kind: store.CRL, Scope: uri, Version: 4}, nil
}

// isCertificateHost reports whether Intel publishes certificates on a host, in
// whatever environment: those have a prefix.
func isCertificateHost(host string) bool {
	prefix, ok := strings.CutSuffix(host, intelCertificates)
	return ok && isLabel(prefix) || host == cdnCertificates
}

// isPCSHost reports whether a host serves the PCS in whatever environment.
func isPCSHost(host string) bool {
	if prefix, ok := strings.CutSuffix(host, intelHost); ok {
		return isLabel(strings.TrimSuffix(prefix, "."))
	}
	for _, cdn := range []string{cdnProduction, cdnPreproduction} {
		if prefix, ok := strings.CutSuffix(host, cdn); ok {
			return prefix != "" && isLabel(prefix)
		}
	}
	return false
}

// isLabel reports whether text is fit for a part of a host's name, or empty.
func isLabel(text string) bool {
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// isPCKCRLPath reports whether a path is that of pckcrl in some version.
func isPCKCRLPath(path string) bool {
	version, ok := strings.CutPrefix(path, pckCRLPrefix)
	if !ok {
		return false
	}
	version, ok = strings.CutSuffix(version, "/pckcrl")
	return ok && version != "" && version[0] != '0' && strings.Trim(version, "0123456789") == ""
}
