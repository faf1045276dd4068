// SPDX-License-Identifier: Apache-2.0

package pck

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/attesteer/attesteer/rats"
)

// pcsClause is cited by the checks of TCB info.
const pcsClause = "PCS API v4, Get TCB Info"

// Levels are the TCB levels of one FMSPC, as TCB info for SGX has them.
type Levels struct {
	FMSPC [6]byte
	PCEID [2]byte
	// TCBs stand as they were sent.
	TCBs []TCB
}

// maxLevels bounds how many levels are read; Intel's longest list has some 20.
const maxLevels = 1024

// ParseLevels reads TCB info for SGX of version 2 or 3, with or without what
// signs it, of which it takes the levels alone. It checks no signature. Errors
// are Malformed, or Unsupported where the levels are of another kind.
func ParseLevels(body []byte) (*Levels, error) {
	var in struct {
		TCBInfo struct {
			ID        string            `json:"id"`
			TCBType   *int              `json:"tcbType"`
			FMSPC     string            `json:"fmspc"`
			PCEID     string            `json:"pceId"`
			TCBLevels []json.RawMessage `json:"tcbLevels"`
		} `json:"tcbInfo"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, rats.Errorf(rats.Malformed, "TCB info: %w", err)
	}
	t := in.TCBInfo
	if t.TCBType == nil || *t.TCBType != 0 || t.ID != "" && t.ID != "SGX" {
		return nil, unfit(rats.Unsupported, "TCB info is not of type 0 for SGX")
	}
	fmspc, err := hex.DecodeString(t.FMSPC)
	if err != nil || len(fmspc) != 6 {
		return nil, unfit(rats.Malformed, "TCB info is for FMSPC %q", t.FMSPC)
	}
	pceid, err := hex.DecodeString(t.PCEID)
	if err != nil || len(pceid) != 2 {
		return nil, unfit(rats.Malformed, "TCB info is for PCE id %q", t.PCEID)
	}
	if n := len(t.TCBLevels); n == 0 || n > maxLevels {
		return nil, unfit(rats.Malformed, "TCB info has %d levels", n)
	}
	out := &Levels{FMSPC: [6]byte(fmspc), PCEID: [2]byte(pceid)}
	for i, raw := range t.TCBLevels {
		tcb, err := parseLevel(raw)
		if err != nil {
			return nil, unfit(rats.Malformed, "TCB level %d: %s", i, err)
		}
		out.TCBs = append(out.TCBs, tcb)
	}
	return out, nil
}

// parseLevel reads the SVNs of one level: a list of components in version 3, a
// member each in version 2.
func parseLevel(raw json.RawMessage) (TCB, error) {
	var level struct {
		TCB map[string]json.RawMessage `json:"tcb"`
	}
	if err := json.Unmarshal(raw, &level); err != nil {
		return TCB{}, err
	}
	return ParseTCB(level.TCB)
}

// ParseTCB reads the member "tcb" of a TCB level, or of an entry of a service's
// list of PCK certificates, in either of the forms that circulate.
func ParseTCB(members map[string]json.RawMessage) (TCB, error) {
	var svns [16]byte
	if list, ok := members["sgxtcbcomponents"]; ok {
		var parts []struct {
			SVN *uint8 `json:"svn"`
		}
		if err := json.Unmarshal(list, &parts); err != nil {
			return TCB{}, err
		}
		if len(parts) != len(svns) {
			return TCB{}, fmt.Errorf("has %d components, not 16", len(parts))
		}
		for i, part := range parts {
			if part.SVN == nil {
				return TCB{}, fmt.Errorf("component %d has no svn", i+1)
			}
			svns[i] = *part.SVN
		}
	} else {
		for i := range svns {
			if err := member(members, fmt.Sprintf("sgxtcbcomp%02dsvn", i+1), &svns[i]); err != nil {
				return TCB{}, err
			}
		}
	}
	var pcesvn uint16
	if err := member(members, "pcesvn", &pcesvn); err != nil {
		return TCB{}, err
	}
	return MakeTCB(svns, pcesvn), nil
}

// member reads one number that must be there.
func member[N uint8 | uint16](members map[string]json.RawMessage, name string, to *N) error {
	raw, ok := members[name]
	if !ok {
		return fmt.Errorf("has no %s", name)
	}
	var n *N
	if err := json.Unmarshal(raw, &n); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if n == nil {
		return fmt.Errorf("%s is null", name)
	}
	*to = *n
	return nil
}

func unfit(kind rats.Kind, format string, args ...any) error {
	e := rats.Errorf(kind, format, args...)
	e.Spec = pcsClause
	return e
}
