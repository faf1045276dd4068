// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// queued returns how many platforms wait in each state.
func (l *lab) queued(t testing.TB) (waiting, without int) {
	t.Helper()
	fresh, err := l.Queue(t.Context(), store.New)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := l.Queue(t.Context(), store.NotAvailable)
	if err != nil {
		t.Fatal(err)
	}
	return len(fresh), len(missing)
}

// TestModes is the table of what each mode does, a cell in each name.
func TestModes(t *testing.T) {
	t.Parallel()
	cells := []struct {
		name   string
		mode   pccs.Mode
		do     func(l *lab) error
		status int
		// calls are parts of the calls that must be made; none must be where it is
		// empty.
		calls []string
		check func(t *testing.T, l *lab)
	}{
		{
			name: "LAZY, read miss: asks the PCS, stores, answers", mode: pccs.Lazy, status: 200,
			do:    func(l *lab) error { _, err := l.Artefact(t.Context(), tcbKey(rats.SGX, "")); return err },
			calls: []string{"/tcb?", "IntelSGXRootCA"},
		},
		{
			name: "REQ, read miss: 404", mode: pccs.Req, status: 404,
			do: func(l *lab) error { _, err := l.Artefact(t.Context(), tcbKey(rats.SGX, "")); return err },
		},
		{
			name: "OFFLINE, read miss: 404", mode: pccs.Offline, status: 404,
			do: func(l *lab) error { _, err := l.Artefact(t.Context(), tcbKey(rats.SGX, "")); return err },
		},
		{
			name: "LAZY, read miss by version 3: 410", mode: pccs.Lazy, status: 410,
			do: func(l *lab) error {
				k := tcbKey(rats.SGX, "")
				k.Version = 3
				_, err := l.Artefact(t.Context(), k)
				return err
			},
		},
		{
			name: "REQ, read miss by version 3: 404", mode: pccs.Req, status: 404,
			do: func(l *lab) error {
				k := qeKey(rats.SGX, "")
				k.Version = 3
				_, err := l.Artefact(t.Context(), k)
				return err
			},
		},
		{
			name: "LAZY, pckcert, platform unknown: asks the PCS", mode: pccs.Lazy, status: 200,
			do:    func(l *lab) error { _, err := l.PCKCert(t.Context(), request(1)); return err },
			calls: []string{"/pckcerts?", "/tcb?fmspc=00A51E000000&update=standard", "/tdx/certification/v4/tcb?fmspc=00A51E000000&update=early"},
		},
		{
			name: "LAZY, pckcert, platform unknown, no encrypted PPID: 400", mode: pccs.Lazy, status: 400,
			do: func(l *lab) error {
				r := request(1)
				r.EncryptedPPID = nil
				_, err := l.PCKCert(t.Context(), r)
				return err
			},
		},
		{
			name: "LAZY, pckcert, platform unknown, encrypted PPID of zeros: 404", mode: pccs.Lazy, status: 404,
			do: func(l *lab) error {
				r := request(1)
				r.EncryptedPPID = make([]byte, 384)
				_, err := l.PCKCert(t.Context(), r)
				return err
			},
		},
		{
			name: "LAZY, pckcert by version 3, platform unknown: 410", mode: pccs.Lazy, status: 410,
			do: func(l *lab) error {
				r := request(1)
				r.Version = 3
				_, err := l.PCKCert(t.Context(), r)
				return err
			},
		},
		{
			name: "REQ, pckcert, platform unknown: 461", mode: pccs.Req, status: 461,
			do: func(l *lab) error { _, err := l.PCKCert(t.Context(), request(1)); return err },
		},
		{
			name: "OFFLINE, pckcert, platform unknown: 461", mode: pccs.Offline, status: 461,
			do: func(l *lab) error { _, err := l.PCKCert(t.Context(), request(1)); return err },
		},
		{
			name: "LAZY, POST platforms: fetches certificates, lists, identities and the root's list", mode: pccs.Lazy, status: 200,
			do:    func(l *lab) error { return l.Register(t.Context(), registration(1), "") },
			calls: []string{"/pckcerts?", "ca=platform", "ca=processor", "/sgx/certification/v4/qe/identity?update=standard", "/qve/identity", "/tdx/certification/v4/qe/identity", "IntelSGXRootCA"},
			check: func(t *testing.T, l *lab) {
				if slices.ContainsFunc(l.holds(t), func(k string) bool { return strings.HasPrefix(k, "qe_identity") && strings.Contains(k, "early") }) {
					t.Error("an identity of another update was fetched")
				}
			},
		},
		{
			name: "LAZY, POST platforms?update=all: fetches both updates", mode: pccs.Lazy, status: 200,
			do:    func(l *lab) error { return l.Register(t.Context(), registration(1), "all") },
			calls: []string{"qe/identity?update=standard", "qe/identity?update=early"},
		},
		{
			name: "REQ, POST platforms: queues, fetches, takes off the queue", mode: pccs.Req, status: 200,
			do:    func(l *lab) error { return l.Register(t.Context(), registration(1), "") },
			calls: []string{"/pckcerts?", "/qe/identity"},
			check: func(t *testing.T, l *lab) {
				if waiting, _ := l.queued(t); waiting != 0 {
					t.Errorf("%d platforms still wait", waiting)
				}
				if _, err := l.PCKCert(t.Context(), request(1)); err != nil {
					t.Error(err)
				}
			},
		},
		{
			name: "REQ, POST platforms of one that the PCS does not know: stays in the queue", mode: pccs.Req, status: 404,
			do:    func(l *lab) error { return l.Register(t.Context(), registration(9), "") },
			calls: []string{"/pckcerts?"},
			check: func(t *testing.T, l *lab) {
				if waiting, _ := l.queued(t); waiting != 1 {
					t.Errorf("%d platforms wait", waiting)
				}
			},
		},
		{
			name: "OFFLINE, POST platforms: queues only", mode: pccs.Offline, status: 200,
			do: func(l *lab) error { return l.Register(t.Context(), registration(1), "") },
			check: func(t *testing.T, l *lab) {
				if waiting, _ := l.queued(t); waiting != 1 {
					t.Errorf("%d platforms wait", waiting)
				}
			},
		},
		{
			name: "LAZY, refresh: yes", mode: pccs.Lazy, status: 200,
			do:    func(l *lab) error { _, err := l.Refresh(t.Context(), pccs.RefreshRequest{}); return err },
			calls: []string{"IntelSGXRootCA", "/qe/identity"},
		},
		{
			name: "REQ, refresh: yes", mode: pccs.Req, status: 200,
			do:    func(l *lab) error { _, err := l.Refresh(t.Context(), pccs.RefreshRequest{}); return err },
			calls: []string{"IntelSGXRootCA", "/qe/identity"},
		},
		{
			name: "OFFLINE, refresh: 503", mode: pccs.Offline, status: 503,
			do: func(l *lab) error { _, err := l.Refresh(t.Context(), pccs.RefreshRequest{}); return err },
		},
		{
			name: "OFFLINE, refresh of what is no FMSPC: 400 before 503", mode: pccs.Offline, status: 400,
			do: func(l *lab) error {
				_, err := l.Refresh(t.Context(), pccs.RefreshRequest{Certs: true, FMSPCs: []string{"x"}})
				return err
			},
		},
	}
	for _, cell := range cells {
		t.Run(cell.name, func(t *testing.T) {
			l := newLab(t, setup{mode: cell.mode})
			l.pcs.Install(machine(t, 1, simtee.Faults{}))
			wantStatus(t, cell.do(l), cell.status)
			if len(cell.calls) == 0 && len(l.pcs.Calls("")) > 0 {
				t.Errorf("calls were made: %q", l.pcs.Calls(""))
			}
			for _, part := range cell.calls {
				if len(l.pcs.Calls(part)) == 0 {
					t.Errorf("no call with %q among %q", part, l.pcs.Calls(""))
				}
			}
			if cell.check != nil {
				cell.check(t, l)
			}
		})
	}
}

func TestAKnownPlatformHasItsCertificateSelectedWithoutAnUpstreamInEveryMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []pccs.Mode{pccs.Lazy, pccs.Req, pccs.Offline} {
		t.Run(string(mode), func(t *testing.T) {
			filler := newLab(t, setup{})
			filler.pcs.Install(machine(t, 1, simtee.Faults{}))
			if _, err := filler.PCKCert(t.Context(), request(1)); err != nil {
				t.Fatal(err)
			}
			l := newLab(t, setup{mode: mode, dsn: filler.dsn})
			for _, c := range []struct{ cpusvn, pcesvn, tcbm string }{
				{rawBest, pceBest, rawBest + pceBest},
				{rawMore, pceBest, rawBest + pceBest},
				{strings.ToLower(rawThird), pceThird, rawThird + pceThird},
				{rawThird, pceBest, rawThird + pceThird},
			} {
				r := request(1)
				r.QEID, r.CPUSVN, r.PCESVN, r.EncryptedPPID = strings.ToLower(r.QEID), c.cpusvn, c.pcesvn, nil
				for range 2 { // selected, then remembered
					got, err := l.PCKCert(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					if got.TCBm != c.tcbm || got.FMSPC != simFMSPC || got.CA != "platform" {
						t.Errorf("raw TCB %s %s: %s, %s, %s", c.cpusvn, c.pcesvn, got.TCBm, got.FMSPC, got.CA)
					}
				}
			}
			r := request(1)
			r.CPUSVN = rawNone
			_, err := l.PCKCert(t.Context(), r)
			wantStatus(t, err, 404)
			if calls := l.pcs.Calls(""); len(calls) > 0 {
				t.Errorf("calls were made: %q", calls)
			}
		})
	}
}
