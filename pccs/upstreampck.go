// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// notAvailable stands for the certificate of a TCB that a platform cannot have
// one for, as long as it is not registered (PCS API v4, Get PCK Certificates).
const notAvailable = "Not available"

// maxEntries bounds how many certificates a platform has; Intel gives some 20.
const maxEntries = 256

// PCKCerts implements [Upstream].
func (u *httpUpstream) PCKCerts(ctx context.Context, q PCKQuery) (*PCKAnswer, error) {
	var r *reply
	var f *Fault
	switch {
	case u.pccs:
		return u.pckCert(ctx, q)
	case len(q.Manifest) > 0:
		body, err := json.Marshal(map[string]string{"platformManifest": upperHex(q.Manifest), "pceid": q.PCEID})
		if err != nil {
			return nil, u.down("cannot be asked: %s", err.Error())
		}
		r, f = u.call(ctx, u.sgx+"pckcerts", body)
	default:
		query := url.Values{"encrypted_ppid": {upperHex(q.EncryptedPPID)}, "pceid": {q.PCEID}}
		r, f = u.call(ctx, u.sgx+"pckcerts?"+query.Encode(), nil)
	}
	if f != nil {
		return nil, f
	}
	a, err := u.pckAnswer(r.header)
	if err != nil {
		return nil, err
	}
	if a.Entries, err = readEntries(r.body); err != nil {
		return nil, u.down("answered with what are no PCK certificates: %s", rats.AsError(err).Detail)
	}
	return a, nil
}

// pckCert asks a PCCS, which has the certificate of one raw TCB.
func (u *httpUpstream) pckCert(ctx context.Context, q PCKQuery) (*PCKAnswer, error) {
	if q.CPUSVN == "" || q.PCESVN == "" {
		f := u.down("gives PCK certificates for a raw TCB alone")
		f.Class = FaultAbsent
		return nil, f
	}
	// In the order of Intel's own client, whatever parameters are sorted by.
	query := "qeid=" + url.QueryEscape(q.QEID) + "&encrypted_ppid=" + upperHex(q.EncryptedPPID) +
		"&cpusvn=" + q.CPUSVN + "&pcesvn=" + q.PCESVN + "&pceid=" + q.PCEID
	r, f := u.call(ctx, u.sgx+"pckcert?"+query, nil)
	if f != nil {
		return nil, f
	}
	a, err := u.pckAnswer(r.header)
	if err != nil {
		return nil, err
	}
	a.Partial = true
	a.Entries = []PCKEntry{{TCBm: r.header.Get("SGX-TCBm"), Cert: bytes.TrimSpace(r.body)}}
	return a, nil
}

// pckAnswer reads the headers that come with PCK certificates.
func (u *httpUpstream) pckAnswer(h http.Header) (*PCKAnswer, error) {
	a := &PCKAnswer{FMSPC: h.Get("SGX-FMSPC"), CA: h.Get("SGX-PCK-Certificate-CA-Type")}
	if a.FMSPC == "" || a.CA == "" {
		return nil, u.down("answered without SGX-FMSPC or SGX-PCK-Certificate-CA-Type")
	}
	var err error
	if a.Chain, err = chainPEM(h.Get("SGX-PCK-Certificate-Issuer-Chain")); err != nil {
		return nil, u.down("answered with a useless SGX-PCK-Certificate-Issuer-Chain: %s", rats.AsError(err).Detail)
	}
	return a, nil
}

// readEntries reads the list that a PCS answers with.
func readEntries(body []byte) ([]PCKEntry, error) {
	var list []struct {
		TCB  json.RawMessage `json:"tcb"`
		TCBm string          `json:"tcbm"`
		Cert string          `json:"cert"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, rats.Errorf(rats.Malformed, "%w", err)
	}
	if len(list) == 0 || len(list) > maxEntries {
		return nil, rats.Errorf(rats.Malformed, "there are %d", len(list))
	}
	out := make([]PCKEntry, 0, len(list))
	for _, item := range list {
		e := PCKEntry{TCB: item.TCB, TCBm: item.TCBm}
		if item.Cert != notAvailable {
			text, err := url.PathUnescape(item.Cert)
			if err != nil || strings.TrimSpace(text) == "" {
				return nil, rats.Errorf(rats.Malformed, "the certificate for TCB %q is not percent-encoded PEM", legible(item.TCBm))
			}
			e.Cert = []byte(text)
		}
		out = append(out, e)
	}
	return out, nil
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
