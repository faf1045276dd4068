// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Member names of signed statements (PCS API v4).
const (
	tcbInfoMember  = "tcbInfo"
	identityMember = "enclaveIdentity"
	numbersMember  = "tcbEvaluationDataNumbers"
)

// TCBInfo is the JSON of Intel's PCS API v4, TCB info version 3, or 2 where
// Version says so: that one has neither ID nor anything on TDX, and no
// advisories. Members stand in the order in which Intel sends them.
type TCBInfo struct {
	ID                   string     `json:"id,omitempty"`
	Version              int        `json:"version"`
	IssueDate            string     `json:"issueDate"`
	NextUpdate           string     `json:"nextUpdate"`
	FMSPC                string     `json:"fmspc"`
	PCEID                string     `json:"pceId"`
	TCBType              int        `json:"tcbType"`
	EvaluationDataNumber int        `json:"tcbEvaluationDataNumber"`
	Module               *Module    `json:"tdxModule,omitempty"`
	Modules              []Module   `json:"tdxModuleIdentities,omitempty"`
	Levels               []TCBLevel `json:"tcbLevels"`
}

// TCBLevel is one level of TCB info.
type TCBLevel struct {
	TCB        LevelTCB       `json:"tcb"`
	Date       string         `json:"tcbDate"`
	Status     rats.TCBStatus `json:"tcbStatus"`
	Advisories []string       `json:"advisoryIDs,omitempty"`
}

// LevelTCB is what a platform has to reach for a level.
type LevelTCB struct {
	Components    []Component `json:"sgxtcbcomponents"`
	PCESVN        uint16      `json:"pcesvn"`
	TDXComponents []Component `json:"tdxtcbcomponents,omitempty"`
}

// Component is one component SVN.
type Component struct {
	SVN      uint8  `json:"svn"`
	Category string `json:"category,omitempty"`
	Type     string `json:"type,omitempty"`
}

// Module describes a TDX module: that of TDX 1.0, without ID and levels, or one
// of tdxModuleIdentities.
type Module struct {
	ID             string     `json:"id,omitempty"`
	MRSigner       string     `json:"mrsigner"`
	Attributes     string     `json:"attributes"`
	AttributesMask string     `json:"attributesMask"`
	Levels         []SVNLevel `json:"tcbLevels,omitempty"`
}

// SVNLevel is one level of an enclave or module.
type SVNLevel struct {
	TCB struct {
		ISVSVN int `json:"isvsvn"`
	} `json:"tcb"`
	Date       string         `json:"tcbDate"`
	Status     rats.TCBStatus `json:"tcbStatus"`
	Advisories []string       `json:"advisoryIDs,omitempty"`
}

// Level returns a level for SVNs from isvsvn on.
func Level(isvsvn int, date time.Time, status rats.TCBStatus) SVNLevel {
	l := SVNLevel{Date: stamp(date), Status: status}
	l.TCB.ISVSVN = isvsvn
	return l
}

// Identity is the JSON of PCS API v4, enclave identity version 2. Hex strings
// stand as Intel sends them, in upper case but for those of TCB info.
type Identity struct {
	ID                   string     `json:"id"`
	Version              int        `json:"version"`
	IssueDate            string     `json:"issueDate"`
	NextUpdate           string     `json:"nextUpdate"`
	EvaluationDataNumber int        `json:"tcbEvaluationDataNumber"`
	MiscSelect           string     `json:"miscselect"`
	MiscSelectMask       string     `json:"miscselectMask"`
	Attributes           string     `json:"attributes"`
	AttributesMask       string     `json:"attributesMask"`
	MRSigner             string     `json:"mrsigner"`
	ISVProdID            int        `json:"isvprodid"`
	Levels               []SVNLevel `json:"tcbLevels"`
}

// EvaluationNumbers is the JSON of PCS API v4, TCB evaluation data numbers,
// version 1.
type EvaluationNumbers struct {
	ID         string             `json:"id"`
	Version    int                `json:"version"`
	IssueDate  string             `json:"issueDate"`
	NextUpdate string             `json:"nextUpdate"`
	Numbers    []EvaluationNumber `json:"tcbEvalNumbers"`
}

// EvaluationNumber is one TCB evaluation.
type EvaluationNumber struct {
	Number        int    `json:"tcbEvaluationDataNumber"`
	RecoveryEvent string `json:"tcbRecoveryEventDate"`
	Date          string `json:"tcbDate"`
}

// MarshalJSON writes the form of the version.
func (t TCBInfo) MarshalJSON() ([]byte, error) {
	type plain TCBInfo
	if t.Version != 2 {
		return json.Marshal(plain(t))
	}
	levels := make([]tcbLevelV2, len(t.Levels))
	for i, l := range t.Levels {
		levels[i] = tcbLevelV2{TCB: levelTCBv2(l.TCB), Date: l.Date, Status: l.Status}
	}
	return json.Marshal(struct {
		plain
		Levels []tcbLevelV2 `json:"tcbLevels"`
	}{plain(t), levels})
}

type tcbLevelV2 struct {
	TCB    levelTCBv2     `json:"tcb"`
	Date   string         `json:"tcbDate"`
	Status rats.TCBStatus `json:"tcbStatus"`
}

// levelTCBv2 writes component SVNs as members, sgxtcbcomp01svn to
// sgxtcbcomp16svn.
type levelTCBv2 LevelTCB

func (l levelTCBv2) MarshalJSON() ([]byte, error) {
	out := []byte("{")
	for i, c := range l.Components {
		out = fmt.Appendf(out, `"sgxtcbcomp%02dsvn":%d,`, i+1, c.SVN)
	}
	return fmt.Appendf(out, `"pcesvn":%d}`, l.PCESVN), nil
}

// Components returns component SVNs as statements list them.
func Components(svns [16]uint8) []Component {
	out := make([]Component, 0, len(svns))
	for _, svn := range svns {
		out = append(out, Component{SVN: svn})
	}
	return out
}

// statement returns {"member":body,"signature":"hex of r ‖ s"} without white
// space, as signed by the TCB signing certificate; the signature covers the
// bytes of body as they stand.
func (p *PKI) statement(kind rats.EndorsementKind, tee rats.TEE, member string, body any) (rats.Endorsement, error) {
	inner, err := json.Marshal(body)
	if err != nil {
		return rats.Endorsement{}, internal(member, err)
	}
	s := &Statement{Kind: kind, TEE: tee, Inner: inner, Key: p.tcbSigning.key}
	if p.faults.Statement != nil {
		p.faults.Statement(s)
	}
	signature, err := sign(s.Key, s.Inner)
	if err != nil {
		return rats.Endorsement{}, err
	}
	return rats.Endorsement{
		Kind:    kind,
		Body:    fmt.Appendf(nil, `{%q:%s,"signature":"%s"}`, member, s.Inner, hex.EncodeToString(signature[:])),
		Issuers: [][]byte{p.tcbSigning.der},
	}, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
