// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// The types below are the JSON of Intel's PCS API v4: TCB info version 3 and
// enclave identity version 2. Members stand in the order in which Intel sends
// them.

type tcbInfoBody struct {
	ID                   string         `json:"id"`
	Version              int            `json:"version"`
	IssueDate            string         `json:"issueDate"`
	NextUpdate           string         `json:"nextUpdate"`
	FMSPC                string         `json:"fmspc"`
	PCEID                string         `json:"pceId"`
	TCBType              int            `json:"tcbType"`
	EvaluationDataNumber int            `json:"tcbEvaluationDataNumber"`
	Levels               []tcbInfoLevel `json:"tcbLevels"`
}

type tcbInfoLevel struct {
	TCB struct {
		Components []tcbComponent `json:"sgxtcbcomponents"`
		PCESVN     uint16         `json:"pcesvn"`
	} `json:"tcb"`
	Date       string         `json:"tcbDate"`
	Status     rats.TCBStatus `json:"tcbStatus"`
	Advisories []string       `json:"advisoryIDs,omitempty"`
}

type tcbComponent struct {
	SVN      uint8  `json:"svn"`
	Category string `json:"category,omitempty"`
	Type     string `json:"type,omitempty"`
}

type identityBody struct {
	ID                   string          `json:"id"`
	Version              int             `json:"version"`
	IssueDate            string          `json:"issueDate"`
	NextUpdate           string          `json:"nextUpdate"`
	EvaluationDataNumber int             `json:"tcbEvaluationDataNumber"`
	MiscSelect           string          `json:"miscselect"`
	MiscSelectMask       string          `json:"miscselectMask"`
	Attributes           string          `json:"attributes"`
	AttributesMask       string          `json:"attributesMask"`
	MRSigner             string          `json:"mrsigner"`
	ISVProdID            int             `json:"isvprodid"`
	Levels               []identityLevel `json:"tcbLevels"`
}

type identityLevel struct {
	TCB struct {
		ISVSVN int `json:"isvsvn"`
	} `json:"tcb"`
	Date   string         `json:"tcbDate"`
	Status rats.TCBStatus `json:"tcbStatus"`
}

// tcbInfo returns the signed TCB info of the one FMSPC that there is.
func (p *PKI) tcbInfo(issued time.Time) ([]byte, error) {
	family, pce := fmspc(), pceID()
	body := tcbInfoBody{
		ID:                   "SGX",
		Version:              3,
		IssueDate:            stamp(issued),
		NextUpdate:           stamp(issued.Add(lifetime)),
		FMSPC:                hex.EncodeToString(family[:]),
		PCEID:                hex.EncodeToString(pce[:]),
		EvaluationDataNumber: evaluationDataNumber,
	}
	for _, l := range publishedLevels() {
		out := tcbInfoLevel{Date: stamp(l.date), Status: l.status, Advisories: l.advisories}
		out.TCB.PCESVN = l.pceSVN
		for _, svn := range l.components {
			out.TCB.Components = append(out.TCB.Components, tcbComponent{SVN: svn})
		}
		out.TCB.Components[0].Category, out.TCB.Components[0].Type = "BIOS", "Early Microcode Update"
		out.TCB.Components[1].Category, out.TCB.Components[1].Type = "OS/VMM", "SGX Late Microcode Update"
		body.Levels = append(body.Levels, out)
	}
	return p.statement("tcbInfo", body)
}

// qeIdentity returns the signed identity of the simulated quoting enclave.
func (p *PKI) qeIdentity(issued time.Time) ([]byte, error) {
	signer := qeMRSigner()
	body := identityBody{
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
		ISVProdID:      qeISVProdID,
		Levels: []identityLevel{
			{Date: stamp(day(2024, time.November, 13)), Status: rats.UpToDate},
			{Date: stamp(day(2023, time.August, 9)), Status: rats.OutOfDate},
		},
	}
	body.Levels[0].TCB.ISVSVN = qeISVSVN
	body.Levels[1].TCB.ISVSVN = qeStaleISVSVN
	return p.statement("enclaveIdentity", body)
}

// statement returns {"name":body,"signature":"hex of r ‖ s"} without white
// space; the signature covers the bytes of body as they stand.
func (p *PKI) statement(name string, body any) ([]byte, error) {
	inner, err := json.Marshal(body)
	if err != nil {
		return nil, internal(name, err)
	}
	signature, err := sign(p.tcbSigning.key, inner)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{%q:%s,"signature":"%x"}`, name, inner, signature), nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
