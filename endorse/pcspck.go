// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Certifier is a place that PCK certificates come from, for evidence that names
// its platform without carrying the certificate.
type Certifier interface {
	// PCKCertificates returns those that can be a platform's at the TCB that it
	// names, each checked up to a root. There may be several where its PPID is
	// encrypted: whoever appraises finds the one whose key signed. Having none is
	// an empty answer.
	PCKCertificates(ctx context.Context, platform dcap.PlatformName, at time.Time) ([]rats.Endorsement, error)
}

// encryptedPPID is the length of a PPID encrypted under Intel's RSA-3072 key.
const encryptedPPID = 384

// PCKCertificates implements [Certifier], within ten seconds unless
// [PCSConfig.Retry] takes longer. What a PCCS is asked is what Intel's client
// asks it (PCCS API v4, Get PCK Certificate); Intel's own service knows no QE id,
// and has certificates for encrypted PPIDs alone (PCS API v4, Get PCK Certificate).
func (s *PCS) PCKCertificates(
	ctx context.Context, platform dcap.PlatformName, at time.Time,
) ([]rats.Endorsement, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	d := Document{Kind: rats.PCKCertificate, Platform: platform}
	got, err := s.obtain(ctx, d, at)
	if err != nil {
		err = rats.Errorf(rats.EndorsementUnavailable, "%s: %s %s", d, s.name, words(err))
	}
	if got == nil {
		return nil, err
	}
	return []rats.Endorsement{got.Endorsement}, err
}

// pckCertificate returns the URL of a platform's certificate: upper-case hex,
// the PCE SVN little-endian, parameters in the order of Intel's client.
func (p place) pckCertificate(platform dcap.PlatformName) (string, error) {
	digits := func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
	ppid := []byte(platform.EncryptedPPID)
	query := "qeid=" + digits(platform.QEID[:]) + "&"
	switch {
	case p.intel && len(ppid) != encryptedPPID:
		return "", rats.Errorf(rats.Unsupported, "knows platforms by a PPID encrypted with RSA-3072, which this evidence does not have: ask a PCCS, which knows them by their QE id")
	case p.intel:
		query = ""
	case len(ppid) != encryptedPPID:
		ppid = make([]byte, encryptedPPID)
	}
	svn := binary.LittleEndian.AppendUint16(nil, platform.PCESVN)
	return p.base + "pckcert?" + query + "encrypted_ppid=" + digits(ppid) + "&cpusvn=" + digits(platform.CPUSVN[:]) +
		"&pcesvn=" + digits(svn) + "&pceid=" + digits(platform.PCEID[:]), nil
}

// thimCertificate is a PCK certificate as Azure's service on a virtual machine
// answers: JSON, with what others put into headers in its members.
type thimCertificate struct {
	Certificate string `json:"pckCert"`
	Chain       string `json:"sgx-Pck-Certificate-Issuer-Chain"`
	TCBm        string `json:"sgx-Tcbm"`
}

// certificateOf returns the DER of a PCK certificate, and the answer with the
// headers that belong to it.
func certificateOf(a *answered) ([]byte, *answered, error) {
	body := bytes.TrimSpace(a.body)
	if len(body) > 0 && body[0] == '{' {
		var t thimCertificate
		if err := json.Unmarshal(body, &t); err != nil || t.Certificate == "" {
			return nil, a, rats.Errorf(rats.Malformed, "answered with JSON that holds no PCK certificate")
		}
		a = &answered{header: a.header.Clone(), body: []byte(t.Certificate)}
		if a.header == nil {
			a.header = make(http.Header)
		}
		if t.Chain != "" {
			a.header.Set("SGX-PCK-Certificate-Issuer-Chain", t.Chain)
		}
		body = bytes.TrimSpace(a.body)
	}
	if len(body) > 0 && body[0] == '<' {
		return nil, a, rats.Errorf(rats.Malformed, "answered with a web page")
	}
	plain, err := unescapePEM(body)
	if err != nil {
		return nil, a, err
	}
	blocks, err := pemBlocks(plain)
	if err != nil {
		return nil, a, err
	}
	if len(blocks) == 0 {
		return nil, a, rats.Errorf(rats.Malformed, "answered with what is no certificate")
	}
	// Some send the whole chain behind the platform's.
	return slices.Clone(blocks[0].der), a, nil
}
