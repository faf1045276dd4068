// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"time"

	"github.com/attesteer/attesteer/rats"
)

// evaluationDataNumber is the newest TCB evaluation that the simulated vendor
// has made, and the one of its endorsements.
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

// The TDX module that platforms run: version 3, whose identity is TDX_03, at
// the SVN that the vendor calls up to date.
const (
	moduleVersion = 3
	moduleSVN     = 5
	moduleStale   = 4
)

// tdxSVN returns the TEE_TCB_SVN of a trust domain on a platform at a level: the
// module's SVN and version, and the microcode's SVN, which is the platform's.
func (l tcbLevel) tdxSVN() [16]uint8 { return [16]uint8{moduleSVN, moduleVersion, l.components[0]} }

// tdxComponents returns what TCB info asks of TEE_TCB_SVN at a level. The first
// two are the module's, for modules without an identity of their own.
func (l tcbLevel) tdxComponents() [16]uint8 { return [16]uint8{moduleSVN, 0, l.components[0]} }

// launched returns the platform's status for a trust domain that is to be judged
// at a status, and the TEE_TCB_SVN under which it was launched. One that should
// be launched anew began when the platform's microcode was out of date; what
// it needs in configuration the platform of today needs as well.
func launched(status rats.TCBStatus) (rats.TCBStatus, [16]uint8, error) {
	now, then := status, status
	switch status {
	case rats.TDRelaunchAdvised:
		now, then = rats.UpToDate, rats.OutOfDate
	case rats.TDRelaunchAdvisedConfigurationNeeded:
		now, then = rats.ConfigurationNeeded, rats.OutOfDate
	default:
	}
	_, level, err := levelOf(then)
	return now, level.tdxSVN(), err
}

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}
