// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Sizes of certification data that name a platform by its provisioning id:
// PPID (16 bytes, or an RSA ciphertext), CPUSVN 16, PCE SVN 2, PCE id 2.
const (
	sizePPID        = 16 + 20
	sizePPIDRSA2048 = 256 + 20
	sizePPIDRSA3072 = 384 + 20
)

// certificationChain returns the PCK certificate chain that q carries. Other
// certification data must at least be what their type says, so that a type
// that was tampered with is malformed and not merely undecided; the platform's
// certificate is then something that is needed and not there.
func certificationChain(q *quote.Quote) (*chain, error) {
	data := q.CertificationData.Data
	size := 0
	switch t := q.CertificationData.Type; t {
	case quote.CertPCKChain:
		return openChain(data)
	case quote.CertPCKLeaf:
		return nil, loneLeaf(data)
	case quote.CertPPID:
		size = sizePPID
	case quote.CertPPIDRSA2048:
		size = sizePPIDRSA2048
	case quote.CertPPIDRSA3072:
		size = sizePPIDRSA3072
	default:
		return nil, rats.Errorf(rats.Unsupported, "certification data type %d in a version %d quote", t, q.Header.Version)
	}
	if len(data) != size {
		return nil, rats.Errorf(rats.Malformed, "certification data type %d with %d bytes, not %d", q.CertificationData.Type, len(data), size)
	}
	return nil, rats.Errorf(rats.EndorsementUnavailable,
		"the quote names its platform by PPID (certification data type %d): its PCK certificate is missing", q.CertificationData.Type)
}

// loneLeaf says what is wrong with certification data type 4, a PCK
// certificate alone: at best that its issuer's is missing.
func loneLeaf(data []byte) error {
	ders, err := splitPEM(data)
	if err != nil {
		return err
	}
	if len(ders) != 1 {
		return rats.Errorf(rats.Malformed, "certification data type 4 with %d certificates", len(ders))
	}
	c, err := parseCertificate(ders[0])
	if err != nil {
		return err
	}
	if !hasSGXExtension(c) {
		return rats.Errorf(rats.Malformed, "certification data type 4 without a PCK certificate")
	}
	return rats.Errorf(rats.EndorsementUnavailable,
		"the quote carries its PCK certificate alone (certification data type 4): the issuer's is missing")
}
