// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/attesteer/attesteer/rats"
)

// The types that encoding/json reads Intel's statements into.

type plainStatement struct {
	TCBInfo         plainBody
	EnclaveIdentity plainBody
	Signature       plainHex
}

type plainBody struct {
	Version                                          uint32
	ID                                               string
	IssueDate, NextUpdate                            time.Time
	FMSPC, PCEID                                     plainHex
	TCBEvaluationDataNumber                          uint32
	MiscSelect, MiscSelectMask, Attributes, MRSigner plainHex
	AttributesMask                                   plainHex
	ISVProdID                                        uint16
	TDXModule                                        *plainBody
	TDXModuleIdentities                              []plainBody
	TCBLevels                                        []plainLevel
}

type plainLevel struct {
	TCB         map[string]json.RawMessage
	TCBDate     time.Time
	TCBStatus   rats.TCBStatus
	AdvisoryIDs []string
}

type plainHex []byte

func (h *plainHex) UnmarshalJSON(text []byte) (err error) {
	*h, err = hex.DecodeString(strings.Trim(string(text), `"`))
	return err
}

func (l *plainLevel) number(t *testing.T, name string) (n uint16) {
	t.Helper()
	if err := json.Unmarshal(l.TCB[name], &n); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func (l *plainLevel) components(t *testing.T, name string) (out [16]uint8) {
	t.Helper()
	var list []struct{ SVN uint8 }
	if err := json.Unmarshal(l.TCB[name], &list); err != nil || len(list) != len(out) {
		t.Fatalf("%s: %v", name, err)
	}
	for i := range list {
		out[i] = list[i].SVN
	}
	return out
}

func (b *plainBody) svnLevels(t *testing.T) (out []SVNLevel) {
	t.Helper()
	for i := range b.TCBLevels {
		l := &b.TCBLevels[i]
		out = append(out, SVNLevel{ISVSVN: l.number(t, "isvsvn"), Date: l.TCBDate, Status: l.TCBStatus, Advisories: l.AdvisoryIDs})
	}
	slices.SortStableFunc(out, func(a, b SVNLevel) int { return cmp.Or(-cmp.Compare(a.ISVSVN, b.ISVSVN), -a.Date.Compare(b.Date)) })
	return out
}

func (b *plainBody) module() ModuleIdentity {
	return ModuleIdentity{MRSigner: [48]byte(b.MRSigner), Attributes: [8]byte(b.Attributes), Mask: [8]byte(b.AttributesMask)}
}

func (b *plainBody) tcbInfo(t *testing.T) *TCBInfo {
	t.Helper()
	out := &TCBInfo{
		Version: b.Version, TEE: rats.SGX, Issued: b.IssueDate, NextUpdate: b.NextUpdate,
		FMSPC: [6]byte(b.FMSPC), PCEID: [2]byte(b.PCEID), EvaluationDataNumber: b.TCBEvaluationDataNumber,
	}
	if b.ID == "TDX" {
		out.TEE = rats.TDX
		m := b.TDXModule.module()
		out.Module = &m
	}
	for i := range b.TDXModuleIdentities {
		m := b.TDXModuleIdentities[i].module()
		m.ID, m.Levels = strings.ToUpper(b.TDXModuleIdentities[i].ID), b.TDXModuleIdentities[i].svnLevels(t)
		out.Modules = append(out.Modules, m)
	}
	for i := range b.TCBLevels {
		l := &b.TCBLevels[i]
		level := TCBLevel{PCESVN: l.number(t, "pcesvn"), Date: l.TCBDate, Status: l.TCBStatus, Advisories: l.AdvisoryIDs}
		if b.Version == 3 {
			level.Components = l.components(t, "sgxtcbcomponents")
		} else {
			for c := range level.Components {
				level.Components[c] = uint8(l.number(t, "sgxtcbcomp"+string([]byte{'0' + byte(c+1)/10, '0' + byte(c+1)%10})+"svn"))
			}
		}
		if out.TEE == rats.TDX {
			level.TDXComponents = l.components(t, "tdxtcbcomponents")
		}
		out.Levels = append(out.Levels, level)
	}
	slices.SortStableFunc(out.Levels, func(a, b TCBLevel) int { return -a.compare(&b) })
	return out
}

func (b *plainBody) identity(t *testing.T) *Identity {
	t.Helper()
	return &Identity{
		ID: b.ID, Issued: b.IssueDate, NextUpdate: b.NextUpdate, EvaluationDataNumber: b.TCBEvaluationDataNumber,
		MiscSelect: [4]byte(b.MiscSelect), MiscSelectMask: [4]byte(b.MiscSelectMask),
		Attributes: [16]byte(b.Attributes), AttributesMask: [16]byte(b.AttributesMask),
		MRSigner: [32]byte(b.MRSigner), ISVProdID: b.ISVProdID, Levels: b.svnLevels(t),
	}
}

func TestRealStatementsSayWhatEncodingJSONReads(t *testing.T) {
	for _, file := range append(realFiles(t, "collateral/tcbinfo/*.json"), realFiles(t, "collateral/qeidentity/*.json")...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var plain plainStatement
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name, of := "tcbInfo", func(v value) (any, any, error) {
			info, err := parseTCBInfo(v)
			return info, plain.TCBInfo.tcbInfo(t), err
		}
		if strings.Contains(file, "qeidentity") {
			name, of = "enclaveIdentity", func(v value) (any, any, error) {
				id, err := parseIdentity(v)
				return id, plain.EnclaveIdentity.identity(t), err
			}
		}
		inner, signature, err := signed(data, name)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		got, want, err := of(inner)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%+v, want\n%+v", file, err, got, want)
		}
		if !bytes.Equal(signature[:], plain.Signature) {
			t.Errorf("%s: signature %x", file, signature)
		}
	}
}

// TestNoChangedByteOfAStatementPassesForJSON unless encoding/json says so too.
func TestNoChangedByteOfAStatementPassesForJSON(t *testing.T) {
	data := realFile(t, identityQE)
	for n := range data {
		for _, mask := range []byte{1, 2, 4, 0x20, 0x80} {
			data[n] ^= mask
			_, err := readJSON(data)
			want := json.Valid(data) && utf8.Valid(data)
			if twice := err != nil && strings.Contains(err.Error(), "twice"); want != (err == nil || twice) {
				t.Fatalf("byte %d ^ %#x: %v, and encoding/json takes it: %v", n, mask, err, want)
			}
			data[n] ^= mask
		}
	}
}
