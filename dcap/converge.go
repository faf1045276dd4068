// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"slices"

	"github.com/attesteer/attesteer/rats"
)

// converge merges the platform's status with those of its components, the
// quoting enclave and, for TDX, the module (QVL convergeTcbStatuses). It is not
// "the worst wins": what asks for a configuration keeps asking for it.
func converge(platform rats.TCBStatus, components ...rats.TCBStatus) rats.TCBStatus {
	status := platform
	for _, c := range append([]rats.TCBStatus{platform}, components...) {
		if c == rats.NotSupported {
			return rats.NotSupported
		}
	}
	if slices.Contains(components, rats.OutOfDate) {
		switch platform {
		case rats.UpToDate, rats.SWHardeningNeeded:
			status = rats.OutOfDate
		case rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded:
			status = rats.OutOfDateConfigurationNeeded
		default:
		}
	}
	if slices.Contains(components, rats.TCBRevoked) {
		status = rats.TCBRevoked
	}
	return status
}
