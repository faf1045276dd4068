// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"context"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Source is the simulated vendor as a place that endorsements come from. The
// zero Source is that of a [PKI] without faults.
type Source struct{}

// Endorsements returns what [PKI.EndorsementsFor] returns for each TEE whose
// simulated platforms are among needs, each thing once, and nothing where none
// is: having nothing is no error.
func (Source) Endorsements(_ context.Context, needs []dcap.Need, at time.Time) ([]rats.Endorsement, error) {
	var sgx, tdx bool
	for _, need := range needs {
		if need.FMSPC == fmspc() {
			sgx, tdx = sgx || need.TEE == rats.SGX, tdx || need.TEE == rats.TDX
		}
	}
	if !sgx && !tdx {
		return nil, nil
	}
	pki, err := NewPKI(Faults{})
	if err != nil {
		return nil, err
	}
	if !tdx {
		return pki.EndorsementsFor(rats.SGX, at)
	}
	out, err := pki.EndorsementsFor(rats.TDX, at)
	if err != nil || !sgx {
		return out, err
	}
	also, err := pki.EndorsementsFor(rats.SGX, at)
	if err != nil {
		return nil, err
	}
	return append(out, also[:2]...), nil // the lists are the same
}
