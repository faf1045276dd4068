// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"crypto/x509"

	"github.com/attesteer/attesteer/rats"
)

// ReadPCKExtension reads the SGX extension of a PCK certificate (profile 1.3.5).
// It checks no signature. The error is Malformed.
func ReadPCKExtension(cert *x509.Certificate) (*PCKExtension, error) {
	if !hasSGXExtension(cert) {
		return nil, rats.Errorf(rats.Malformed, "a PCK certificate without the SGX extension")
	}
	ext, err := parsePCKExtension(cert)
	if err != nil {
		return nil, err
	}
	return &ext, nil
}
