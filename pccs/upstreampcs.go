// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// IntelPCS is the base URL of Intel's own service.
const IntelPCS = "https://api.trustedservices.intel.com/sgx/certification/v4/"

// Where Intel has what its PCS serves, and the root's revocation list: the
// distribution point in the root certificate. Its PCS has no path for that.
const (
	intelHost    = "api.trustedservices.intel.com"
	intelRootCRL = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
)

// UpstreamConfig says which service is asked over HTTP, and how. Fields that
// may be empty say so.
type UpstreamConfig struct {
	// Base is the URL before the names of documents, of version 4 of the API. A
	// bare host gets Intel's path.
	Base string
	// PCCS says that the service is another cache: it gives PCK certificates one
	// TCB at a time, and has the root's revocation list.
	PCCS bool
	// RootCRL is the URL of the root's revocation list. Empty stands for
	// Base's rootcacrl where PCCS is set, and for Intel's otherwise.
	RootCRL string
	// APIKey is sent along unless it is empty.
	APIKey string
	// RootCAs vouch for the service's TLS certificate; nil stands for the system's.
	RootCAs *x509.CertPool
	// UnsafeSkipTLS takes any TLS certificate, and plain http beyond this machine.
	// What is signed is verified all the same: it gives away who asks for what,
	// the key, and whether an answer is the latest.
	UnsafeSkipTLS bool
	// Proxy is as in [http.Transport]; nil is none.
	Proxy func(*http.Request) (*url.URL, error)
	// Timeout is for one call; zero stands for 20 seconds.
	Timeout time.Duration
}

// httpUpstream is a PCS or a PCCS.
type httpUpstream struct {
	name     string
	base     *url.URL
	sgx, tdx string
	rootCRL  string
	pccs     bool
	apiKey   string
	client   *http.Client
}

// NewUpstream returns the service that cfg names. Errors are Malformed, or
// Unsupported for version 3 of the API, which has ended.
func NewUpstream(cfg UpstreamConfig) (Upstream, error) {
	base, err := parseBase(cfg.Base)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = answerTimeout
	}
	u := &httpUpstream{
		name: base.Host, base: base, sgx: base.String(), pccs: cfg.PCCS, rootCRL: cfg.RootCRL, apiKey: cfg.APIKey,
	}
	if strings.Contains(base.Path, "/sgx/") {
		u.tdx = strings.Replace(u.sgx, "/sgx/", "/tdx/", 1)
	}
	switch {
	case u.rootCRL != "":
	case u.pccs:
		u.rootCRL = u.sgx + "rootcacrl"
	default:
		u.rootCRL = intelRootCRL
	}
	root, err := url.Parse(u.rootCRL)
	if err != nil || root.Host == "" || root.Scheme != "https" && root.Scheme != "http" {
		return nil, rats.Errorf(rats.Malformed, "%q is not the URL of a revocation list", u.rootCRL)
	}
	for _, at := range []*url.URL{base, root} {
		if at.Scheme == "http" && !isLoopback(at.Hostname()) && !cfg.UnsafeSkipTLS {
			return nil, rats.Errorf(rats.Malformed, "%s: plain http is for this machine alone", at.Redacted())
		}
	}
	u.client = newClient(cfg)
	return u, nil
}

// Name implements [Upstream]: the host, and "intel" for Intel's own.
func (u *httpUpstream) Name() string {
	if u.name == intelHost {
		return "intel"
	}
	return u.name
}

// Artefact implements [Upstream].
func (u *httpUpstream) Artefact(ctx context.Context, key store.Key) (*Answer, error) {
	where, ok := u.locate(key)
	if !ok {
		f := u.down("has no such document")
		f.Class = FaultAbsent
		return nil, f
	}
	r, f := u.call(ctx, where, nil)
	if f != nil {
		return nil, f
	}
	a := &Answer{Body: bytes.Trim(r.body, "\ufeff \t\r\n")}
	switch key.Kind {
	case store.PCKCRL, store.RootCRL, store.CRL:
		if a.Body, ok = crlDER(r.body); !ok {
			return nil, u.down("answered with what is no revocation list")
		}
	case store.FMSPCs:
		if !bytes.HasPrefix(a.Body, []byte("[")) {
			return nil, u.down("answered with what is no list")
		}
	default:
		if !bytes.HasPrefix(a.Body, []byte("{")) {
			return nil, u.down("answered with what is no signed statement")
		}
	}
	if name := ChainHeader(key.Kind, 4); name != "" {
		chain, err := chainPEM(r.header.Get(name))
		if err != nil {
			return nil, u.down("answered with a useless %s: %s", name, rats.AsError(err).Detail)
		}
		a.Chain = chain
	}
	return a, nil
}

// ChainHeader returns the header in which the issuer chain of a kind of
// artefact comes in a version of the API; empty where none does (PCS API v4).
// TDX has its identities under the name that says SGX.
func ChainHeader(kind store.Kind, version int) string {
	switch kind {
	case store.TCBInfo:
		if version == 3 {
			return "SGX-TCB-Info-Issuer-Chain"
		}
		return "TCB-Info-Issuer-Chain"
	case store.QEIdentity, store.QVEIdentity, store.QAEIdentity:
		return "SGX-Enclave-Identity-Issuer-Chain"
	case store.EvaluationNumbers:
		return "TCB-Evaluation-Data-Numbers-Issuer-Chain"
	case store.PCKCRL:
		return "SGX-PCK-CRL-Issuer-Chain"
	default:
		return ""
	}
}

// locate returns the URL of what stands under a key, if the service has such.
func (u *httpUpstream) locate(key store.Key) (where string, ok bool) {
	base, query := u.sgx, url.Values{}
	if key.TEE == rats.TDX {
		base = u.tdx
	}
	path := ""
	switch key.Kind {
	case store.RootCRL:
		return u.rootCRL, true
	case store.CRL:
		if u.pccs {
			return u.sgx + "crl?uri=" + url.QueryEscape(key.Scope), true
		}
		return key.Scope, true
	case store.PCKCRL:
		path = "pckcrl"
		query.Set("ca", key.Scope)
		query.Set("encoding", "der")
	case store.TCBInfo:
		path = "tcb"
		query.Set("fmspc", strings.ToUpper(key.Scope))
	case store.QEIdentity:
		path = "qe/identity"
	case store.QVEIdentity:
		path = "qve/identity"
	case store.QAEIdentity:
		path = "qae/identity"
	case store.EvaluationNumbers:
		path = "tcbevaluationdatanumbers"
	case store.FMSPCs:
		path = "fmspcs"
		query.Set("platform", key.Scope)
	}
	switch {
	case key.Update == UpdateStandard || key.Update == UpdateEarly:
		query.Set("update", key.Update)
	case key.Update != "":
		query.Set("tcbEvaluationDataNumber", key.Update)
	}
	if path == "" || base == "" {
		return "", false
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return base + path, true
}

// crlDER returns the DER of a revocation list: as it is, in PEM, which is the
// PCS's way unless asked for DER, or in hex, which is the PCCS's.
func crlDER(body []byte) (der []byte, ok bool) {
	const sequence = 0x30
	if len(body) > 2 && body[0] == sequence && body[1] >= 0x80 {
		return bytes.Clone(body), true
	}
	text := bytes.TrimSpace(body)
	if block, rest := pem.Decode(text); block != nil && len(bytes.TrimSpace(rest)) == 0 && block.Type == "X509 CRL" {
		return block.Bytes, true
	}
	der, err := hex.DecodeString(string(text))
	return der, err == nil && len(der) > 2 && der[0] == sequence
}

// maxChain bounds issuer chains, which have two certificates each.
const maxChain = 32 << 10

// chainPEM returns an issuer chain as it stands in a header, percent-encoded,
// in PEM in its usual form: certificates and nothing else.
func chainPEM(text string) ([]byte, error) {
	if text == "" {
		return nil, rats.Errorf(rats.UntrustedRoot, "it is not there")
	}
	if len(text) > maxChain {
		return nil, rats.Errorf(rats.TooLarge, "it has more than %d bytes", maxChain)
	}
	if strings.Contains(text, "%") {
		plain, err := url.PathUnescape(text)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "it is not percent-encoded")
		}
		text = plain
	}
	certs, err := splitChain([]byte(text))
	if err != nil {
		return nil, err
	}
	return joinChain(certs), nil
}

// splitChain returns the certificates of a PEM chain in DER.
func splitChain(text []byte) ([][]byte, error) {
	var out [][]byte
	for rest := bytes.TrimSpace(text); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		if !bytes.HasPrefix(rest, []byte("-----BEGIN CERTIFICATE-----")) {
			return nil, rats.Errorf(rats.Malformed, "there is something else than certificates in it")
		}
		// Platforms write END and BEGIN on one line at times.
		rest = bytes.Replace(rest, []byte("----------BEGIN"), []byte("-----\n-----BEGIN"), 1)
		block, left := pem.Decode(rest)
		if block == nil {
			return nil, rats.Errorf(rats.Malformed, "a certificate in it is not PEM")
		}
		out, rest = append(out, block.Bytes), left
	}
	if len(out) == 0 {
		return nil, rats.Errorf(rats.UntrustedRoot, "it has no certificate")
	}
	return out, nil
}

// joinChain is the inverse of splitChain.
func joinChain(certs [][]byte) []byte {
	var b bytes.Buffer
	for _, der := range slices.Clone(certs) {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // into memory
	}
	return b.Bytes()
}
