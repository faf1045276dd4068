// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// published is all that a vendor publishes for a TEE on a day, in one order.
func published(t *testing.T, f simtee.Faults, tee rats.TEE, at time.Time) []*dcap.Statement {
	t.Helper()
	pki := mustPKI(t, f)
	items, err := pki.EndorsementsFor(tee, at)
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := pki.EvaluationNumbers(tee, at)
	if err != nil {
		t.Fatal(err)
	}
	var out []*dcap.Statement
	for _, item := range append(items, numbers) {
		s, err := dcap.Parse(item)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// A ledger judges its records again only for data that say something new.
func TestRefreshedStatementsSayTheSameAndChangedOnesDoNot(t *testing.T) {
	const tcbInfo, identity, rootCRL, pckCRL, numbers = 0, 1, 2, 3, 4
	next := noon.AddDate(0, 0, 1)
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		before := published(t, simtee.Faults{}, tee, noon)
		for i, s := range published(t, simtee.Faults{}, tee, next) {
			if !s.SaysTheSame(before[i]) || !before[i].SaysTheSame(s) || s.Digest() == before[i].Digest() {
				t.Errorf("%s: a refreshed %s says another thing", tee, s.Key().Kind)
			}
			if other := before[(i+1)%len(before)]; s.SaysTheSame(other) {
				t.Errorf("%s: %s says the same as %s", tee, s.Key().Kind, other.Key().Kind)
			}
		}
		for name, c := range map[string]struct {
			faults simtee.Faults
			differ []int
		}{
			"a status":       {simtee.Faults{TCBInfo: func(i *simtee.TCBInfo) { i.Levels[1].Status = rats.OutOfDate }}, []int{tcbInfo}},
			"an advisory":    {simtee.Faults{TCBInfo: func(i *simtee.TCBInfo) { i.Levels[1].Advisories = nil }}, []int{tcbInfo}},
			"a TCB date":     {simtee.Faults{TCBInfo: func(i *simtee.TCBInfo) { i.Levels[0].Date = "2020-01-01T00:00:00Z" }}, []int{tcbInfo}},
			"an SVN":         {simtee.Faults{TCBInfo: func(i *simtee.TCBInfo) { i.Levels[0].TCB.PCESVN++ }}, []int{tcbInfo}},
			"a number":       {simtee.Faults{TCBInfo: func(i *simtee.TCBInfo) { i.EvaluationDataNumber++ }}, []int{tcbInfo}},
			"a mask":         {simtee.Faults{Identity: func(i *simtee.Identity) { i.MiscSelectMask = "00000000" }}, []int{identity}},
			"a level":        {simtee.Faults{Identity: func(i *simtee.Identity) { i.Levels[0].TCB.ISVSVN++ }}, []int{identity}},
			"a revoked PCK":  {simtee.Faults{RevokedPlatforms: []uint32{4}}, []int{pckCRL}},
			"a revoked CA":   {simtee.Faults{CRL: func(l *simtee.RevocationList) { revokeOn(l, simtee.RootCA) }}, []int{rootCRL}},
			"a recovery":     {simtee.Faults{Numbers: func(l *simtee.EvaluationNumbers) { l.Numbers[0].RecoveryEvent = "2025-01-01T00:00:00Z" }}, []int{numbers}},
			"another signer": {simtee.Faults{Certificate: signedAnew}, []int{tcbInfo, identity, numbers}},
		} {
			after := published(t, c.faults, tee, next)
			for i, s := range after {
				want := true
				for _, n := range c.differ {
					want = want && n != i
				}
				if got := s.SaysTheSame(before[i]); got != want {
					t.Errorf("%s, %s: %s says the same: %v", tee, name, s.Key().Kind, got)
				}
			}
		}
	}
}

func revokeOn(l *simtee.RevocationList, role simtee.Role) {
	if l.Role == role {
		l.Template.RevokedCertificateEntries = append(l.Template.RevokedCertificateEntries, simtee.Revoke(l.Issuer.SerialNumber))
	}
}

// signedAnew gives the TCB signing certificate another serial number.
func signedAnew(c *simtee.Certificate) {
	if c.Role == simtee.TCBSigning {
		c.Template.SerialNumber = new(big.Int).Add(c.Template.SerialNumber, big.NewInt(1))
	}
}
