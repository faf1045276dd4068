// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"

	"github.com/attesteer/attesteer/rats"
)

// readCRL reads a revocation list (profile 1.4, RFC 5280 section 5). What could
// make it mean less than "all revoked certificates of its issuer" is refused.
func (s *Statement) readCRL() error {
	list, err := x509.ParseRevocationList(s.endorsement.Body)
	if err != nil {
		return rats.Errorf(rats.Malformed, "revocation list: %w", err)
	}
	if len(list.Raw) != len(s.endorsement.Body) {
		return rats.Errorf(rats.Malformed, "revocation list with %d bytes after it", len(s.endorsement.Body)-len(list.Raw))
	}
	if list.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		return rats.Errorf(rats.Unsupported, "revocation list signed with %v", list.SignatureAlgorithm)
	}
	if list.Number == nil || len(list.AuthorityKeyId) == 0 {
		return rats.Errorf(rats.Malformed, "revocation list without number or authority key identifier")
	}
	if list.NextUpdate.IsZero() || list.NextUpdate.Before(list.ThisUpdate) {
		return rats.Errorf(rats.Malformed, "revocation list without a window")
	}
	// A critical extension can turn the list into a partial or indirect one.
	if err := noCritical(list.Extensions); err != nil {
		return err
	}
	for i := range list.RevokedCertificateEntries {
		if err := noCritical(list.RevokedCertificateEntries[i].Extensions); err != nil {
			return err
		}
	}
	s.crl = list
	s.issued, s.nextUpdate = list.ThisUpdate.UTC(), list.NextUpdate.UTC()
	s.inner, s.signature = sha256.Sum256(list.RawTBSRevocationList), list.Signature
	if s.issuer != nil {
		s.key.Scope = keyScope(s.issuer.RawSubjectPublicKeyInfo)
	} else {
		// The root's key is not in its list; the name stands for it here.
		s.key.Scope = keyScope(list.RawIssuer)
	}
	return nil
}

func noCritical(extensions []pkix.Extension) error {
	for i := range extensions {
		if extensions[i].Critical {
			return rats.Errorf(rats.Unsupported, "revocation list with critical extension %v", extensions[i].Id)
		}
	}
	return nil
}

func revoked(list *x509.RevocationList, serial *big.Int) bool {
	for i := range list.RevokedCertificateEntries {
		if list.RevokedCertificateEntries[i].SerialNumber.Cmp(serial) == 0 {
			return true
		}
	}
	return false
}
