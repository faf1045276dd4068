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

// advise merges what a TD was launched under with what its platform runs now
// (QVL checkForRelaunch): one that is behind only because it was launched
// before an update needs no new platform, only a relaunch.
func advise(launch, current rats.TCBStatus) rats.TCBStatus {
	if current == rats.NotSupported {
		return rats.NotSupported
	}
	behind := launch == rats.OutOfDate || launch == rats.OutOfDateConfigurationNeeded
	configuration := launch == rats.OutOfDateConfigurationNeeded
	switch current {
	case rats.UpToDate, rats.SWHardeningNeeded:
	case rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded:
		configuration = true
	default:
		return launch
	}
	switch {
	case !behind:
		return launch
	case configuration:
		return rats.TDRelaunchAdvisedConfigurationNeeded
	default:
		return rats.TDRelaunchAdvised
	}
}
