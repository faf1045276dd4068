// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/x509"
	"encoding/json"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/registry"
)

// decodeItems decodes endorsements as callers post them.
func decodeItems(posted []pushedItem) ([]rats.Endorsement, error) {
	items := make([]rats.Endorsement, 0, len(posted))
	for _, p := range posted {
		body, err := decodeBase64("body", p.Body)
		if err != nil {
			return nil, err
		}
		e := rats.Endorsement{Body: body, Kind: rats.EndorsementKind(value(p.Kind))}
		for _, text := range p.Issuers {
			cert, err := decodeBase64("issuers", text)
			if err != nil {
				return nil, err
			}
			e.Issuers = append(e.Issuers, cert)
		}
		items = append(items, e)
	}
	return items, nil
}

// recognise tells an endorsement's kind by its shape; whether it is one, the
// ledger finds out.
func recognise(e rats.Endorsement) (rats.EndorsementKind, error) {
	// The first byte of CRLs and certificates (X.690, RFC 5280 sections 4.1 and 5.1).
	const sequence = 0x30
	if len(e.Body) > 0 && e.Body[0] == sequence {
		if len(e.Issuers) == 0 {
			return rats.RootCACRL, nil
		}
		if _, err := x509.ParseCertificate(e.Body); err == nil {
			return rats.PCKCertificate, nil
		}
		return rats.PCKCRL, nil
	}
	var shape struct {
		TCBInfo  json.RawMessage `json:"tcbInfo"`
		Identity json.RawMessage `json:"enclaveIdentity"`
		Numbers  json.RawMessage `json:"tcbEvaluationDataNumbers"`
	}
	if json.Unmarshal(e.Body, &shape) == nil {
		switch {
		case shape.TCBInfo != nil:
			return rats.TCBInfo, nil
		case shape.Identity != nil:
			return rats.QEIdentity, nil
		case shape.Numbers != nil:
			return rats.EvaluationNumbers, nil
		}
	}
	return "", rats.Errorf(rats.Malformed, "body: neither TCB info, QE identity, evaluation numbers nor a CRL or certificate in DER")
}

// refusedResult returns what the ledger says of a transaction, taken or not.
func refusedResult(refused *refusedTx, got *submitted) registry.TxResult {
	if refused != nil {
		return refused.result
	}
	return got.result
}
