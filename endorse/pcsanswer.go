// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// chainHeaders are the headers in which a PCS sends the certificates that vouch
// for an answer, version 4's first, then version 3's. Identities for TDX come
// under the name that says SGX.
func chainHeaders(kind rats.EndorsementKind) []string {
	switch kind {
	case rats.TCBInfo:
		return []string{"TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"}
	case rats.QEIdentity:
		return []string{"SGX-Enclave-Identity-Issuer-Chain"}
	case rats.EvaluationNumbers:
		return []string{"TCB-Evaluation-Data-Numbers-Issuer-Chain"}
	case rats.PCKCRL:
		return []string{"SGX-PCK-CRL-Issuer-Chain"}
	case rats.PCKCertificate:
		return []string{"SGX-PCK-Certificate-Issuer-Chain"}
	default:
		return nil
	}
}

// read makes an endorsement of an answer, unchecked. Faults are garbled where
// the answer is nothing that a PCS says.
func read(d Document, a *answered) (rats.Endorsement, *fault) {
	e := rats.Endorsement{Kind: d.Kind}
	var err error
	switch d.Kind {
	case rats.RootCACRL, rats.PCKCRL:
		e.Body, err = crlOf(a.body)
	case rats.PCKCertificate:
		e.Body, a, err = certificateOf(a)
	default:
		e.Body, err = statementOf(a.body)
	}
	if err != nil {
		return e, garbled(err)
	}
	if e.Issuers, err = issuersOf(a.header, chainHeaders(d.Kind)); err != nil {
		return e, useless(err)
	}
	return e, nil
}

// useless is the fault of an answer that is a PCS's and cannot be used.
func useless(err error) *fault {
	r := rats.AsError(err)
	return refused(&rats.Error{
		Kind: r.Kind, Check: r.Check, Spec: r.Spec, Err: r, Detail: "answered with what is of no use: " + r.Error(),
	})
}

// statementOf returns JSON as it was signed, without what may stand around it.
func statementOf(body []byte) ([]byte, error) {
	body = bytes.Trim(body, "\ufeff \t\r\n")
	switch {
	case len(body) == 0:
		return nil, rats.Errorf(rats.Malformed, "answered with nothing")
	case body[0] == '<':
		return nil, rats.Errorf(rats.Malformed, "answered with a web page")
	case body[0] != '{':
		return nil, rats.Errorf(rats.Malformed, "answered with what is not JSON")
	}
	return bytes.Clone(body), nil
}

// crlOf returns the DER of a revocation list: as it is, in PEM, which is the
// PCS's way unless asked for DER, or in hex, which is the PCCS's.
func crlOf(body []byte) ([]byte, error) {
	if looksLikeDER(body) {
		return bytes.Clone(body), nil
	}
	text := bytes.TrimSpace(body)
	if looksLikePEM(text) {
		blocks, err := pemBlocks(text)
		if err == nil && len(blocks) == 1 && looksLikeDER(blocks[0].der) {
			return blocks[0].der, nil
		}
	}
	der, err := hex.DecodeString(string(text))
	switch {
	case len(text) > 0 && text[0] == '<':
		return nil, rats.Errorf(rats.Malformed, "answered with a web page")
	case err != nil || !looksLikeDER(der):
		return nil, rats.Errorf(rats.Malformed, "answered with what is no revocation list")
	}
	return der, nil
}

// issuersOf returns the certificates of an issuer chain, the signer's first,
// without the root: roots are pinned.
func issuersOf(header http.Header, names []string) ([][]byte, error) {
	if len(names) == 0 {
		return nil, nil
	}
	text := ""
	for _, name := range names {
		if text == "" {
			text = header.Get(name)
		}
	}
	if text == "" {
		return nil, rats.Errorf(rats.UntrustedRoot, "it came without a %s", names[0])
	}
	if strings.Contains(text, "-----BEGIN ") && strings.Contains(text, "%") {
		plain, err := url.PathUnescape(text)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "%s: %w", names[0], err)
		}
		text = plain
	}
	return chainOf([]byte(text), names[0])
}

// chainOf reads a chain in PEM, percent-encoded or not, and leaves the root out.
// what names it in errors.
func chainOf(text []byte, what string) ([][]byte, error) {
	plain, err := unescapePEM(text)
	if err != nil {
		return nil, err
	}
	blocks, err := pemBlocks(plain)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, b := range blocks {
		cert, err := x509.ParseCertificate(b.der)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "%s: %w", what, err)
		}
		if !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
			out = append(out, b.der)
		}
	}
	return out, nil
}

// fitsDocument holds what an answer says against what was asked for. Some
// services answer something else where they do not know what was asked.
func fitsDocument(d Document, info *attesteer.EndorsementInfo) error {
	key := info.Key
	switch {
	case key.Kind != d.Kind:
		return rats.Errorf(rats.Malformed, "it is of kind %s", key.Kind)
	case key.TEE != d.TEE:
		return rats.Errorf(rats.Malformed, "it is for %s", key.TEE)
	case d.Kind == rats.TCBInfo && !strings.EqualFold(key.Scope, hex.EncodeToString(d.FMSPC[:])):
		return rats.Errorf(rats.Malformed, "it is for FMSPC %s", key.Scope)
	}
	number, err := strconv.ParseUint(string(d.Evaluation), 10, 32)
	if err == nil && uint64(key.EvaluationDataNumber) != number {
		return rats.Errorf(rats.Malformed, "it is of evaluation %d", key.EvaluationDataNumber)
	}
	return nil
}
