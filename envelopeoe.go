// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
)

// openReport opens an Open Enclave report.
func openReport(raw []byte) (*envelope, error) {
	if !openenclave.IsReport(raw) {
		return nil, nil //nolint:nilnil // not this envelope
	}
	inner, err := openenclave.ParseReport(raw)
	if err != nil {
		return nil, err
	}
	return &envelope{format: rats.OEReport, inner: inner}, nil
}
