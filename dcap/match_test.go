// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// evaluated appraises the lab's platform by TCB info and identity as edited.
func evaluated(t *testing.T, l *lab, info, id func(object)) *dcap.TCB {
	t.Helper()
	all := l.endorsements()
	if info != nil {
		all[0] = l.sign(rats.TCBInfo, edited(tcbInfo(), info), &l.signing)
	}
	if id != nil {
		all[1] = l.sign(rats.QEIdentity, edited(identity(), id), &l.signing)
	}
	a := judge(t, l, l.evidence(), set(t, all...), noon)
	if a.Err != nil {
		t.Fatal(a.Err)
	}
	return a.TCB
}

// components as the lab's platform has them: sixteen times 3, PCESVN 11.
func svns(edits ...int) []any {
	out := components(3)
	for i := 0; i < len(edits); i += 2 {
		out[edits[i]] = object{"svn": edits[i+1]}
	}
	return out
}

func levelOf(svns []any, pcesvn int, status string) object {
	return object{
		"tcb":     object{"sgxtcbcomponents": svns, "pcesvn": pcesvn},
		"tcbDate": "2024-01-01T00:00:00Z", "tcbStatus": status, "advisoryIDs": []string{status + " of the platform"},
	}
}

func TestTheFirstLevelThatIsReachedDecides(t *testing.T) {
	l := newLab(t)
	tests := []struct {
		name   string
		levels []any
		want   rats.TCBStatus
	}{
		{"all equal", []any{levelOf(svns(), 11, "UpToDate")}, rats.UpToDate},
		{"the first component is short", []any{levelOf(svns(0, 4), 11, "UpToDate")}, rats.NotSupported},
		{"the last component is short", []any{levelOf(svns(15, 4), 11, "UpToDate")}, rats.NotSupported},
		{"one is short, others are over", []any{levelOf(svns(0, 0, 1, 0, 7, 4), 0, "UpToDate")}, rats.NotSupported},
		{"PCESVN is short", []any{levelOf(svns(), 12, "UpToDate")}, rats.NotSupported},
		{"PCESVN is over", []any{levelOf(svns(), 0, "UpToDate")}, rats.UpToDate},
		// QVL sorts before it matches; taken as sent, the lower level would win.
		{"levels are sorted, by components", []any{levelOf(svns(0, 1), 11, "OutOfDate"), levelOf(svns(), 11, "UpToDate")}, rats.UpToDate},
		{"the first component counts most", []any{levelOf(svns(0, 2), 11, "OutOfDate"), levelOf(svns(15, 0), 0, "UpToDate")}, rats.UpToDate},
		{"levels are sorted, by PCESVN next", []any{levelOf(svns(), 5, "OutOfDate"), levelOf(svns(), 11, "UpToDate")}, rats.UpToDate},
		{"components count before PCESVN", []any{levelOf(svns(15, 2), 11, "OutOfDate"), levelOf(svns(), 1, "UpToDate")}, rats.UpToDate},
		{"a level that is revoked decides, too", []any{levelOf(svns(), 11, "Revoked"), levelOf(svns(0, 1), 1, "UpToDate")}, rats.TCBRevoked},
		{"a level out of reach is passed over", []any{levelOf(svns(3, 9), 11, "Revoked"), levelOf(svns(0, 1), 1, "SWHardeningNeeded")}, rats.SWHardeningNeeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tcb := evaluated(t, l, func(o object) { o["tcbLevels"] = tt.levels }, nil)
			if tcb.Platform != tt.want || tcb.Status != tt.want {
				t.Errorf("platform %s, status %s, want %s", tcb.Platform, tcb.Status, tt.want)
			}
			if (tt.want == rats.NotSupported) != tcb.Date.IsZero() {
				t.Errorf("date %s", tcb.Date)
			}
			if tcb.QE != rats.UpToDate || tcb.EarliestDate.IsZero() {
				t.Errorf("QE %s, earliest date %s", tcb.QE, tcb.EarliestDate)
			}
		})
	}
}

// TestTheCertifiedComponentsCountNotTheRawCPUSVN: the two differ on real
// platforms, and a verifier in the field compares the wrong ones.
func TestTheCertifiedComponentsCountNotTheRawCPUSVN(t *testing.T) {
	raw := make([]byte, 16)
	for i := range raw {
		raw[i] = 0xff
	}
	l := newLab(t, func(l *lab) { l.ext[2].(map[int]any)[18] = raw })
	if tcb := evaluated(t, l, func(o object) { o["tcbLevels"] = []any{levelOf(svns(9, 4), 1, "UpToDate")} }, nil); tcb.Platform != rats.NotSupported {
		t.Errorf("platform %s", tcb.Platform)
	}
}

// TestStatusesConverge spells out every pair: it is not "the worst wins".
func TestStatusesConverge(t *testing.T) {
	want := map[rats.TCBStatus][4]rats.TCBStatus{
		// platform:                           QE up to date, out of date, revoked, not supported
		rats.UpToDate:                          {rats.UpToDate, rats.OutOfDate, rats.TCBRevoked, rats.NotSupported},
		rats.SWHardeningNeeded:                 {rats.SWHardeningNeeded, rats.OutOfDate, rats.TCBRevoked, rats.NotSupported},
		rats.ConfigurationNeeded:               {rats.ConfigurationNeeded, rats.OutOfDateConfigurationNeeded, rats.TCBRevoked, rats.NotSupported},
		rats.ConfigurationAndSWHardeningNeeded: {rats.ConfigurationAndSWHardeningNeeded, rats.OutOfDateConfigurationNeeded, rats.TCBRevoked, rats.NotSupported},
		rats.OutOfDate:                         {rats.OutOfDate, rats.OutOfDate, rats.TCBRevoked, rats.NotSupported},
		rats.OutOfDateConfigurationNeeded:      {rats.OutOfDateConfigurationNeeded, rats.OutOfDateConfigurationNeeded, rats.TCBRevoked, rats.NotSupported},
		rats.TCBRevoked:                        {rats.TCBRevoked, rats.TCBRevoked, rats.TCBRevoked, rats.NotSupported},
		rats.NotSupported:                      {rats.NotSupported, rats.NotSupported, rats.NotSupported, rats.NotSupported},
	}
	qe := []struct {
		svn    uint16
		status rats.TCBStatus
	}{{9, rats.UpToDate}, {7, rats.OutOfDate}, {4, rats.TCBRevoked}, {3, rats.NotSupported}}
	for i, q := range qe {
		l := newLab(t, func(l *lab) { l.quote.QEReport.ISVSVN = q.svn })
		for platform, row := range want {
			t.Run(fmt.Sprintf("%s with a QE %s", platform, q.status), func(t *testing.T) {
				tcb := evaluated(t, l, func(o object) {
					o["tcbLevels"] = []any{levelOf(svns(), 11, string(platform))}
					if platform == rats.NotSupported {
						o["tcbLevels"] = []any{levelOf(svns(), 12, "UpToDate")}
					}
				}, nil)
				if tcb.Platform != platform || tcb.QE != q.status || tcb.Status != row[i] {
					t.Errorf("%s, %s: %s, want %s", tcb.Platform, tcb.QE, tcb.Status, row[i])
				}
			})
		}
	}
}

func TestAdvisoriesAreASortedSetOverTheMatchedLevels(t *testing.T) {
	l := newLab(t, func(l *lab) { l.quote.QEReport.ISVSVN = 7 })
	tcb := evaluated(t, l, func(o object) {
		o["tcbLevels"] = []any{
			tcbLevel(4, 11, "UpToDate", "2025-01-01T00:00:00Z", "INTEL-SA-99999"), // out of reach
			tcbLevel(3, 11, "OutOfDate", "2023-02-15T00:00:00Z", "INTEL-SA-00615", "INTEL-SA-00477", "INTEL-DOC-1", "INTEL-SA-00615"),
			tcbLevel(1, 11, "OutOfDate", "2020-01-01T00:00:00Z", "INTEL-SA-00001"), // not the first
		}
	}, nil)
	if want := []string{"INTEL-DOC-1", "INTEL-SA-00477", "INTEL-SA-00615"}; !slices.Equal(tcb.Advisories, want) {
		t.Errorf("%v, want %v", tcb.Advisories, want)
	}
	platform, qe := time.Date(2023, 2, 15, 0, 0, 0, 0, time.UTC), time.Date(2020, 11, 11, 0, 0, 0, 0, time.UTC)
	if !tcb.Date.Equal(platform) || !tcb.EarliestDate.Equal(qe) {
		t.Errorf("date %s, earliest %s", tcb.Date, tcb.EarliestDate)
	}
}

func TestTheQEsLevelsAreSortedToo(t *testing.T) {
	l := newLab(t)
	tcb := evaluated(t, l, nil, func(o object) { slices.Reverse(o["tcbLevels"].([]any)) })
	if tcb.QE != rats.UpToDate {
		t.Errorf("QE %s", tcb.QE)
	}
	// Of two levels with one isvsvn the later date is first.
	tcb = evaluated(t, l, nil, func(o object) {
		o["tcbLevels"] = []any{
			object{"tcb": object{"isvsvn": 8}, "tcbDate": "2020-01-01T00:00:00Z", "tcbStatus": "OutOfDate"},
			object{"tcb": object{"isvsvn": 8}, "tcbDate": "2024-01-01T00:00:00Z", "tcbStatus": "UpToDate"},
		}
	})
	if tcb.QE != rats.UpToDate {
		t.Errorf("QE %s of two dates", tcb.QE)
	}
}
