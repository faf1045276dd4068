// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"slices"
	"strconv"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// StandardDelay is how long after a TCB recovery Intel's service has made its
// evaluation the standard one: about six weeks, by the comment in the
// configuration file that Intel ships. Nobody promises it.
const StandardDelay = 42 * 24 * time.Hour

// Forecast is what [Service.Forecast] returns.
type Forecast struct {
	At        time.Time          `json:"at"`
	Platforms []PlatformForecast `json:"platforms"`
}

// PlatformForecast is the outlook of one platform at one raw TCB.
type PlatformForecast struct {
	QEID  string `json:"qe_id"`
	PCEID string `json:"pce_id"`
	FMSPC string `json:"fmspc"`
	CA    string `json:"ca"`
	// CPUSVN and PCESVN are the raw TCB, empty where none was ever asked for.
	CPUSVN string `json:"cpu_svn"`
	PCESVN string `json:"pce_svn"`
	// TCBm names the PCK certificate that it is judged by.
	TCBm string `json:"tcbm"`
	// Fault says why nothing can be said, if so.
	Fault string `json:"fault,omitempty"`
	// TEEs are those for which there is TCB info.
	TEEs []TEEForecast `json:"tees"`
}

// TEEForecast is a platform's outlook for one TEE.
type TEEForecast struct {
	TEE rats.TEE `json:"tee"`
	// Evaluations are those whose TCB info is there, by number.
	Evaluations []EvaluationForecast `json:"evaluations"`
	// Lacking are published after the standard one, and their TCB info is not
	// there.
	Lacking []uint32 `json:"lacking"`
	// Falls is the first evaluation after the standard one by which the status
	// is worse, nil where none is known.
	Falls *EvaluationForecast `json:"falls"`
}

// EvaluationForecast is what one TCB evaluation says of a platform.
type EvaluationForecast struct {
	Number uint32 `json:"number"`
	// Updates are the names under which it is served: standard, early.
	Updates []string       `json:"updates"`
	Status  rats.TCBStatus `json:"status"`
	// TCBDate is the matching level's, nil where none matches.
	TCBDate    *time.Time `json:"tcb_date"`
	Advisories []string   `json:"advisories"`
	// RecoveryEvent is when the TCB recovery was made public that led to it, and
	// Binds when it is expected to bind; nil where no list says so, and Binds
	// also for the standard one and those before it, which bind already.
	RecoveryEvent *time.Time `json:"recovery_event"`
	Binds         *time.Time `json:"binds"`
	// Stale: the TCB info is past its next update.
	Stale bool `json:"stale"`
}

// shelf holds the TCB info and lists of numbers of a store, parsed.
type shelf struct {
	infos   []shelved
	numbers map[rats.TEE]*dcap.NumberList
}

// shelved is one TCB info with the update under which it is kept.
type shelved struct {
	*dcap.Statement
	update string
	stale  bool
}

func newShelf(artefacts []store.Artefact, at time.Time) *shelf {
	out := &shelf{numbers: make(map[rats.TEE]*dcap.NumberList)}
	for i := range artefacts {
		a := &artefacts[i]
		switch {
		case a.Kind == store.EvaluationNumbers:
			if list := numberListOf(a); list != nil {
				out.numbers[a.TEE] = list
			}
		case a.Kind == store.TCBInfo && a.Version == 4:
			if s := statementOf(rats.TCBInfo, a); s != nil {
				out.infos = append(out.infos, shelved{s, a.Update, staleAt(a, at)})
			}
		}
	}
	return out
}

func numberListOf(a *store.Artefact) *dcap.NumberList {
	if s := statementOf(rats.EvaluationNumbers, a); s != nil {
		return s.NumberList()
	}
	return nil
}

// statementOf parses what was verified when it was kept; nil for what does not
// parse.
func statementOf(kind rats.EndorsementKind, a *store.Artefact) *dcap.Statement {
	signer, _ := pem.Decode(bytes.TrimSpace(a.Chain))
	if signer == nil {
		return nil
	}
	s, err := dcap.Parse(rats.Endorsement{Kind: kind, Body: a.Body, Issuers: [][]byte{signer.Bytes}})
	if err != nil {
		return nil
	}
	return s
}

// outlook returns what is known of a platform for each TEE.
func (s *shelf) outlook(ext *dcap.PCKExtension, delay time.Duration) []TEEForecast {
	out := []TEEForecast{}
	for _, tee := range forecastTEEs() {
		if t := s.outlookFor(tee, ext, delay); len(t.Evaluations) > 0 {
			out = append(out, t)
		}
	}
	return out
}

func (s *shelf) outlookFor(tee rats.TEE, ext *dcap.PCKExtension, delay time.Duration) TEEForecast {
	out := TEEForecast{TEE: tee, Evaluations: []EvaluationForecast{}, Lacking: []uint32{}}
	standard := uint32(0)
	issued := make(map[uint32]time.Time)
	for _, info := range s.infos {
		if info.Key().TEE != tee {
			continue
		}
		tcb, err := info.PlatformTCB(ext)
		if err != nil {
			continue // of another FMSPC
		}
		at := slices.IndexFunc(out.Evaluations, func(e EvaluationForecast) bool { return e.Number == tcb.EvaluationDataNumber })
		if at < 0 {
			at = len(out.Evaluations)
			out.Evaluations = append(out.Evaluations, EvaluationForecast{Number: tcb.EvaluationDataNumber, Updates: []string{}})
		}
		e := &out.Evaluations[at]
		if _, err := strconv.Atoi(info.update); err != nil {
			e.Updates = append(e.Updates, info.update)
		}
		if info.update == store.Standard {
			standard = e.Number
		}
		if info.Issued().Before(issued[e.Number]) {
			continue // the same evaluation, told later under another name
		}
		issued[e.Number] = info.Issued()
		e.Status, e.Advisories, e.Stale = tcb.Status, append([]string{}, tcb.Advisories...), info.stale
		e.TCBDate = dateOf(tcb.Date)
	}
	slices.SortFunc(out.Evaluations, func(a, b EvaluationForecast) int { return cmp.Compare(a.Number, b.Number) })
	s.schedule(&out, standard, delay)
	return out
}

// schedule says when each evaluation binds, which are lacking, and by which the
// status falls.
func (s *shelf) schedule(t *TEEForecast, standard uint32, delay time.Duration) {
	if list := s.numbers[t.TEE]; list != nil {
		binds := list.Binds(delay)
		for i, n := range list.Numbers {
			at := slices.IndexFunc(t.Evaluations, func(e EvaluationForecast) bool { return e.Number == n.Number })
			if at < 0 {
				if n.Number > standard {
					t.Lacking = append(t.Lacking, n.Number)
				}
				continue
			}
			t.Evaluations[at].RecoveryEvent = dateOf(n.RecoveryEvent)
			if n.Number > standard {
				t.Evaluations[at].Binds = dateOf(binds[i])
			}
		}
		slices.Sort(t.Lacking)
	}
	now := slices.IndexFunc(t.Evaluations, func(e EvaluationForecast) bool { return e.Number == standard })
	if now < 0 {
		return
	}
	for i := now + 1; i < len(t.Evaluations); i++ {
		if worse(t.Evaluations[i].Status, t.Evaluations[now].Status) {
			falls := t.Evaluations[i]
			t.Falls = &falls
			return
		}
	}
}

// worse reports whether a status is further from up to date than another.
func worse(a, b rats.TCBStatus) bool {
	order := rats.TCBStatuses()
	return slices.Index(order, a) > slices.Index(order, b)
}

func dateOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
