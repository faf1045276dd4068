// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"time"

	"github.com/attesteer/attesteer/rats"
)

// evaluationDataNumber is the one TCB evaluation that the simulated vendor has made.
const evaluationDataNumber = 20

// fmspc names the simulated platform's family, model and package.
func fmspc() [6]byte { return [6]byte{0x00, 0xa5, 0x1e, 0x00, 0x00, 0x00} }

// tcbLevel is the security version of a platform and what the vendor says of
// it. The status is also the name by which callers choose a level.
type tcbLevel struct {
	status     rats.TCBStatus
	components [16]uint8
	pceSVN     uint16
	date       time.Time
	advisories []string
}

// tcbLevels returns one level for each status that Intel gives to SGX
// platforms, best first. The first two component SVNs fall from level to level,
// so that a platform at one level is at none above it. The last is below all
// that TCB info lists, so that no level matches.
func tcbLevels() []tcbLevel {
	const current, past = 13, 11
	recent, stale := day(2024, time.November, 13), day(2023, time.August, 9)
	hardening, microcode, leak := "SIM-SA-00001", "SIM-SA-00002", "SIM-SA-00003"
	return []tcbLevel{
		{rats.UpToDate, components(14), current, recent, nil},
		{rats.SWHardeningNeeded, components(12), current, recent, []string{hardening}},
		{rats.ConfigurationNeeded, components(10), current, recent, nil},
		{rats.ConfigurationAndSWHardeningNeeded, components(8), current, recent, []string{hardening}},
		{rats.OutOfDate, components(6), past, stale, []string{hardening, microcode}},
		{rats.OutOfDateConfigurationNeeded, components(4), past, stale, []string{hardening, microcode}},
		{rats.TCBRevoked, components(2), past, day(2018, time.January, 4), []string{hardening, microcode, leak}},
		{rats.NotSupported, components(1), past, time.Time{}, nil},
	}
}

// publishedLevels returns the levels that TCB info lists.
func publishedLevels() []tcbLevel {
	all := tcbLevels()
	return all[:len(all)-1]
}

// levelOf returns the level that status names, and its index. The zero status
// is UpToDate. Statuses that SGX platforms cannot have are Unsupported.
func levelOf(status rats.TCBStatus) (uint32, tcbLevel, error) {
	if status == "" {
		status = rats.UpToDate
	}
	for i, l := range tcbLevels() {
		if l.status == status {
			return uint32(i), l, nil
		}
	}
	return 0, tcbLevel{}, rats.Errorf(rats.Unsupported, "simulated platform: no TCB level %q", status)
}

// components returns component SVNs whose microcode parts are at svn.
func components(svn uint8) [16]uint8 { return [16]uint8{svn, svn, 3, 3, 255, 255, 1} }

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}
