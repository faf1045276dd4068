// SPDX-License-Identifier: Apache-2.0

package qcnltest

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"
)

// PCK names a platform and its raw TCB, as a quoting enclave does.
type PCK struct {
	QEID []byte
	// EncryptedPPID is 384 bytes; nil sends as many zeros.
	EncryptedPPID []byte
	CPUSVN        [16]byte
	// PCESVN and PCEID are little-endian on the wire.
	PCESVN, PCEID uint16
}

// QuoteConfig is what a quoting enclave needs: the TCB to certify for, and the
// chain that goes into each quote.
type QuoteConfig struct {
	CPUSVN [16]byte
	PCESVN uint16
	// Chain is PEM: leaf, PCK CA, root, and a zero byte.
	Chain []byte
}

// upper is how the library writes bytes.
func upper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

func little(n uint16) []byte { return binary.LittleEndian.AppendUint16(nil, n) }

// PCKQuery returns the path and the query that ask for a platform's certificate.
func (c *Client) PCKQuery(p PCK) string {
	ppid := p.EncryptedPPID
	if ppid == nil {
		ppid = make([]byte, 384)
	}
	q := "pckcert?qeid=" + upper(p.QEID) + "&encrypted_ppid=" + upper(ppid) + "&cpusvn=" + upper(p.CPUSVN[:]) +
		"&pcesvn=" + upper(little(p.PCESVN)) + "&pceid=" + upper(little(p.PCEID))
	for _, param := range c.conf.Params {
		q += "&" + param[0] + "=" + param[1]
	}
	return q
}

// PCKCert asks for the certificate of a platform at its raw TCB.
func (c *Client) PCKCert(ctx context.Context, p PCK) (*QuoteConfig, error) {
	address := c.conf.PCCSURL + c.PCKQuery(p)
	got, err := c.get(ctx, address, c.conf.Headers)
	if err != nil {
		return nil, err
	}
	tcbm, chain := got.header["sgx-tcbm"], unescape(got.header["sgx-pck-certificate-issuer-chain"])
	b, err := hex.DecodeString(tcbm)
	if err != nil || len(b) != 18 || chain == "" || len(got.body) == 0 {
		return nil, &Error{MessageError, 200, address}
	}
	// The two are put together as they are: a leaf without a line end spoils both.
	return &QuoteConfig{
		CPUSVN: [16]byte(b), PCESVN: uint16(b[16]) | uint16(b[17])<<8,
		Chain: append(append(got.body, chain...), 0),
	}, nil
}

// Collateral is what QPL gives to a verifier of quotes. Texts and lists end with
// a zero byte there, which is left out here.
type Collateral struct {
	PCKCRL, PCKCRLChain         []byte
	TCBInfo, TCBInfoChain       []byte
	QEIdentity, QEIdentityChain []byte
	// RootCRL is in the form that the API's version has: hex for 3.0, DER for 3.1.
	RootCRL []byte
}

// Collateral asks for all that a quote of a platform needs, in QPL's order; ca is
// "processor" or "platform", tdx whether the quote is a TD's.
func (c *Client) Collateral(ctx context.Context, tdx bool, fmspc [6]byte, ca string) (*Collateral, error) {
	var out Collateral
	var err error
	if out.PCKCRL, out.PCKCRLChain, err = c.PCKCRL(ctx, ca); err != nil {
		return nil, fmt.Errorf("pckcrl: %w", err)
	}
	if out.TCBInfo, out.TCBInfoChain, err = c.TCBInfo(ctx, tdx, fmspc); err != nil {
		return nil, fmt.Errorf("tcb: %w", err)
	}
	if out.QEIdentity, out.QEIdentityChain, err = c.QEIdentity(ctx, tdx); err != nil {
		return nil, fmt.Errorf("qe/identity: %w", err)
	}
	cdp, err := pointOf(out.QEIdentityChain)
	if err != nil {
		return nil, err
	}
	if out.RootCRL, err = c.RootCRL(ctx, cdp); err != nil {
		return nil, fmt.Errorf("root CRL: %w", err)
	}
	return &out, nil
}

// PCKCRL asks for a PCK CA's revocation list, and that CA's chain.
func (c *Client) PCKCRL(ctx context.Context, ca string) (crl, chain []byte, err error) {
	q := "pckcrl?ca=" + ca
	if c.conf.APIVersion == "3.1" || c.intels() {
		q += "&encoding=der"
	}
	return c.signed(ctx, c.conf.CollateralService+c.custom(q, "&"), "sgx-pck-crl-issuer-chain")
}

// TCBInfo asks for the TCB levels of a family of platforms.
func (c *Client) TCBInfo(ctx context.Context, tdx bool, fmspc [6]byte) (body, chain []byte, err error) {
	base, err := c.base(tdx)
	if err != nil {
		return nil, nil, err
	}
	// Version 3 of the service names the header otherwise; the library takes both.
	address := base + c.custom("tcb?fmspc="+upper(fmspc[:])+"&update="+c.conf.Update, "&")
	return c.signed(ctx, address, "tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain")
}

// QEIdentity asks for the identity of the quoting enclave.
func (c *Client) QEIdentity(ctx context.Context, tdx bool) (body, chain []byte, err error) {
	base, err := c.base(tdx)
	if err != nil {
		return nil, nil, err
	}
	return c.signed(ctx, base+c.custom("qe/identity?update="+c.conf.Update, "&"), "sgx-enclave-identity-issuer-chain")
}

// QvEIdentity asks for the identity of the quote verification enclave.
func (c *Client) QvEIdentity(ctx context.Context) (body, chain []byte, err error) {
	address := c.conf.CollateralService + c.custom("qve/identity?update="+c.conf.Update, "&")
	return c.signed(ctx, address, "sgx-enclave-identity-issuer-chain")
}

// RootCRL asks for the root's revocation list, which is published at cdp.
func (c *Client) RootCRL(ctx context.Context, cdp string) ([]byte, error) {
	var address string
	switch {
	case c.intels():
		address = cdp
	case c.conf.APIVersion == "3.0":
		address = c.conf.CollateralService + c.custom("rootcacrl", "?")
	case c.conf.APIVersion == "3.1":
		// As it stands in the certificate: nothing of it is percent-encoded.
		address = c.conf.CollateralService + c.custom("crl?uri="+cdp, "&")
	default:
		return nil, &Error{InvalidConfig, 0, cdp}
	}
	got, err := c.get(ctx, address, nil)
	if err != nil {
		return nil, err
	}
	return fits(got.body, nil, address)
}

// Policy asks for the appraisal policies of a family of platforms.
func (c *Client) Policy(ctx context.Context, fmspc [6]byte) (string, error) {
	got, err := c.get(ctx, c.conf.PCCSURL+"appraisalpolicy?fmspc="+upper(fmspc[:]), nil)
	if err != nil {
		return "", err
	}
	return string(got.body), nil
}

// signed asks for what comes with a chain in one of the named headers.
func (c *Client) signed(ctx context.Context, address string, names ...string) (body, chain []byte, err error) {
	got, err := c.get(ctx, address, nil)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if text := got.header[name]; text != "" {
			chain = []byte(unescape(text))
			break
		}
	}
	if len(chain) == 0 {
		return nil, nil, &Error{MessageError, 200, address}
	}
	body, err = fits(got.body, chain, address)
	return body, chain, err
}

// fits refuses what lengths of 16 bits cannot say.
func fits(body, chain []byte, address string) ([]byte, error) {
	if len(body)+len(chain)+2 > 0xffff {
		return nil, &Error{MessageError, 200, address}
	}
	return body, nil
}

// intels reports whether collateral comes from Intel's own service.
func (c *Client) intels() bool {
	return strings.Contains(c.conf.CollateralService, "trustedservices.intel.com")
}

// custom adds what the caller passes on.
func (c *Client) custom(query, joint string) string {
	if c.conf.CustomParam == "" {
		return query
	}
	return query + joint + "customParameter=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(c.conf.CustomParam)
}

// base returns what stands before a path: for TDX the first /sgx/ of the address
// becomes /tdx/, and there has to be one.
func (c *Client) base(tdx bool) (string, error) {
	if !tdx {
		return c.conf.CollateralService, nil
	}
	before, after, ok := strings.Cut(c.conf.CollateralService, "/sgx/")
	if !ok {
		return "", &Error{InvalidConfig, 0, c.conf.CollateralService}
	}
	return before + "/tdx/" + after, nil
}

// unescape undoes percent-encoding as the library does: a plus sign stays one.
func unescape(s string) string {
	plain, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return plain
}

// pointOf returns where the root of a chain says that its revocation list is.
func pointOf(chain []byte) (string, error) {
	var last *x509.Certificate
	for rest := chain; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", err
		}
		last = cert
	}
	if last == nil || len(last.CRLDistributionPoints) == 0 {
		return "", &Error{MessageError, 0, "the root of the identity's chain names no list"}
	}
	return last.CRLDistributionPoints[0], nil
}
