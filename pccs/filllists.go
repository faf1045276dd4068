// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// list returns a revocation list, fetched where it is not there and this
// service fetches at all.
func (s *Service) list(ctx context.Context, k store.Key) (*x509.RevocationList, error) {
	a, err := s.kept(ctx, k)
	if err != nil {
		return nil, err
	}
	if a == nil && s.mode != Offline {
		if err := s.fill(ctx, k); err != nil {
			return nil, err
		}
		if a, err = s.kept(ctx, k); err != nil {
			return nil, err
		}
	}
	if a == nil {
		return nil, nil //nolint:nilnil // what needs the list says that it is not there
	}
	return parseList(a.Body)
}

func parseList(der []byte) (*x509.RevocationList, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "revocation list: %w", err)
	}
	return list, nil
}

// chainOfList returns the chain of the CA that issued a list which came without
// one, and nothing where it is the root's or of nobody that is known.
func (s *Service) chainOfList(ctx context.Context, der []byte) []byte {
	list, err := parseList(der)
	if err != nil {
		return nil
	}
	for _, ca := range []string{store.ProcessorCA, store.PlatformCA} {
		a, err := s.kept(ctx, store.Key{Kind: store.PCKCRL, Scope: ca, Version: 4})
		if err != nil || a == nil {
			continue
		}
		certs, err := splitChain(a.Chain)
		if err != nil {
			continue
		}
		if cert, err := x509.ParseCertificate(certs[0]); err == nil && bytes.Equal(cert.RawSubject, list.RawIssuer) {
			return a.Chain
		}
	}
	return nil
}

// sweep says in the log what a new list of the root's leaves without a voucher.
// It stays: verifiers hold it against the same list, and refuse it with a
// better reason than that it is not there.
func (s *Service) sweep(ctx context.Context, der []byte) {
	list, err := parseList(der)
	if err != nil {
		return
	}
	all, err := s.store.ArtefactsWithBodies(ctx)
	if err != nil {
		s.log.ErrorContext(ctx, "artefacts not held against the new revocation list", slog.String("error", err.Error()))
		return
	}
	for i := range all {
		issuers, err := s.openChain(all[i].Chain)
		if err == nil {
			err = lists{root: list}.admits(issuers)
		}
		if errors.Is(err, rats.Revoked) {
			s.log.ErrorContext(ctx, "artefact is vouched for by a revoked certificate", slog.String("key", all[i].Key.String()),
				slog.String("error", err.Error()))
		}
	}
}

// evaluationOf reads the evaluation number of TCB info or of an identity.
func evaluationOf(body []byte) (uint32, bool) {
	var in struct {
		TCBInfo, EnclaveIdentity struct {
			TCBEvaluationDataNumber uint32
		}
	}
	if json.Unmarshal(body, &in) != nil {
		return 0, false
	}
	n := max(in.TCBInfo.TCBEvaluationDataNumber, in.EnclaveIdentity.TCBEvaluationDataNumber)
	return n, n > 0
}
