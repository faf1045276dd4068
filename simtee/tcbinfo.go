// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// TCBInfo returns the signed TCB info for a TEE of the one FMSPC that there is,
// as issued at the start of at's day. TEEs other than TDX count as SGX. Errors,
// here and below, are EndorsementUnavailable where the vendor's certificates
// are not valid at the time.
func (p *PKI) TCBInfo(tee rats.TEE, at time.Time) (rats.Endorsement, error) {
	issued, err := issueDate(at)
	if err != nil {
		return rats.Endorsement{}, err
	}
	family, pce := fmspc(), pceID()
	body := &TCBInfo{
		ID:                   "SGX",
		Version:              3,
		IssueDate:            stamp(issued),
		NextUpdate:           stamp(issued.Add(lifetime)),
		FMSPC:                hex.EncodeToString(family[:]),
		PCEID:                hex.EncodeToString(pce[:]),
		EvaluationDataNumber: evaluationDataNumber,
	}
	if tee == rats.TDX {
		body.ID = "TDX"
		body.Module, body.Modules = modules()
	}
	for _, l := range publishedLevels() {
		out := TCBLevel{Date: stamp(l.date), Status: l.status, Advisories: l.advisories}
		out.TCB.PCESVN = l.pceSVN
		out.TCB.Components = Components(l.components)
		out.TCB.Components[0].Category, out.TCB.Components[0].Type = "BIOS", "Early Microcode Update"
		out.TCB.Components[1].Category, out.TCB.Components[1].Type = "OS/VMM", "SGX Late Microcode Update"
		if tee == rats.TDX {
			tdx := Components(l.tdxComponents())
			tdx[0].Category, tdx[0].Type = "OS/VMM", "TDX Module"
			tdx[1].Category, tdx[1].Type = "OS/VMM", "TDX Module"
			tdx[2].Category, tdx[2].Type = "OS/VMM", "TDX Late Microcode Update"
			out.TCB.TDXComponents = tdx
		}
		body.Levels = append(body.Levels, out)
	}
	if p.faults.TCBInfo != nil {
		p.faults.TCBInfo(body)
	}
	return p.statement(rats.TCBInfo, tee, tcbInfoMember, body)
}

// modules returns what the vendor says of the TDX module of TDX 1.0, and of the
// versions since. MRSIGNERSEAM is zero for modules of the vendor's own making.
func modules() (*Module, []Module) {
	plain := Module{
		MRSigner: strings.Repeat("00", 48), Attributes: strings.Repeat("00", 8), AttributesMask: strings.Repeat("FF", 8),
	}
	recent, stale, old := day(2024, time.November, 13), day(2023, time.August, 9), day(2018, time.January, 4)
	first, third := plain, plain
	first.ID = "TDX_01"
	first.Levels = []SVNLevel{Level(4, recent, rats.UpToDate), Level(2, stale, rats.OutOfDate)}
	third.ID = fmt.Sprintf("TDX_%02X", moduleVersion)
	third.Levels = []SVNLevel{
		Level(moduleSVN, recent, rats.UpToDate), Level(moduleStale, stale, rats.OutOfDate), Level(2, old, rats.TCBRevoked),
	}
	third.Levels[1].Advisories = []string{"SIM-SA-00004"}
	return &plain, []Module{third, first}
}

// QEIdentity returns the signed identity of the quoting enclave for a TEE.
func (p *PKI) QEIdentity(tee rats.TEE, at time.Time) (rats.Endorsement, error) {
	issued, err := issueDate(at)
	if err != nil {
		return rats.Endorsement{}, err
	}
	signer := qeMRSigner()
	body := &Identity{
		ID:                   "QE",
		Version:              2,
		IssueDate:            stamp(issued),
		NextUpdate:           stamp(issued.Add(lifetime)),
		EvaluationDataNumber: evaluationDataNumber,
		MiscSelect:           "00000000",
		MiscSelectMask:       "FFFFFFFF",
		// An initialised production enclave that may use the provisioning key,
		// in 32-bit or 64-bit mode, with any XFRM.
		Attributes:     "11000000000000000000000000000000",
		AttributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
		MRSigner:       strings.ToUpper(hex.EncodeToString(signer[:])),
		ISVProdID:      int(qeISVProdID(tee)),
		Levels: []SVNLevel{
			Level(qeISVSVN, day(2024, time.November, 13), rats.UpToDate),
			Level(qeStaleISVSVN, day(2023, time.August, 9), rats.OutOfDate),
		},
	}
	if tee == rats.TDX {
		body.ID = "TD_QE"
	}
	if p.faults.Identity != nil {
		p.faults.Identity(body)
	}
	return p.statement(rats.QEIdentity, tee, identityMember, body)
}

// EvaluationNumbers returns the signed list of TCB evaluations for a TEE: the
// newest, on which the endorsements rest, and the three before it.
func (p *PKI) EvaluationNumbers(tee rats.TEE, at time.Time) (rats.Endorsement, error) {
	issued, err := issueDate(at)
	if err != nil {
		return rats.Endorsement{}, err
	}
	body := &EvaluationNumbers{
		ID: "SGX", Version: 1, IssueDate: stamp(issued), NextUpdate: stamp(issued.Add(lifetime)),
	}
	if tee == rats.TDX {
		body.ID = "TDX"
	}
	for i, published := range []time.Time{
		day(2024, time.November, 12), day(2024, time.August, 13), day(2024, time.March, 12), day(2023, time.August, 8),
	} {
		body.Numbers = append(body.Numbers, EvaluationNumber{
			Number: evaluationDataNumber - i, RecoveryEvent: stamp(published), Date: stamp(published.AddDate(0, 0, 1)),
		})
	}
	if p.faults.Numbers != nil {
		p.faults.Numbers(body)
	}
	return p.statement(rats.EvaluationNumbers, tee, numbersMember, body)
}
