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

// Endorsements returns all that [Endorsements] returns if any of needs is a
// simulated platform's, and nothing otherwise: having nothing is no error.
func (Source) Endorsements(_ context.Context, needs []dcap.Need, at time.Time) ([]rats.Endorsement, error) {
	for _, need := range needs {
		if need.TEE == rats.SGX && need.FMSPC == fmspc() {
			return Endorsements(at)
		}
	}
	return nil, nil
}
