// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/oasisprotocol/oasis-core/go/common/sgx/pcs"
)

// oasis is package go/common/sgx/pcs of github.com/oasisprotocol/oasis-core
// under the policy that demands least: any evaluation number, any TDX module
// that Intel signed, trailing bytes.
type oasis struct{}

func (oasis) name() string { return "oasis-core" }

// policy: it accepts UpToDate and SWHardeningNeeded, and debug builds where a
// switch of the whole process asks for them (see judge).
func (oasis) policy(*sample) attesteer.Policy {
	return attesteer.Policy{AllowDebug: true, AcceptTCB: []rats.TCBStatus{rats.SWHardeningNeeded}}
}

// oasisPolicy: Intel's statements hold for 30 days, which is what it goes by in
// place of their nextUpdate.
func oasisPolicy() *pcs.QuotePolicy {
	return &pcs.QuotePolicy{TCBValidityPeriod: 30, TDX: &pcs.TdxQuotePolicy{}}
}

func (oasis) judge(s *sample) verdict {
	if isDebug(s.quote) {
		pcs.SetAllowDebugEnclaves() // which refuses all production builds
		defer pcs.UnsetAllowDebugEnclaves()
	}
	err := oasisVerify(s)
	v := verdict{accepted: err == nil, err: err}
	var late *pcs.TCBOutOfDateError
	switch {
	case errors.As(err, &late):
		v.status = rats.TCBStatus(late.Status.String())
	case err != nil && (strings.Contains(err.Error(), "TCB level not supported") ||
		strings.Contains(err.Error(), "TDX module not supported")):
		v.status = rats.NotSupported
	}
	return v
}

// oasisVerify runs it from raw bytes.
func oasisVerify(s *sample) error {
	var q pcs.Quote
	if _, err := q.UnmarshalBinaryWithTrailing(s.quote, true); err != nil {
		return err
	}
	bundle := pcs.TCBBundle{Certificates: pemText(s.tcbSigner, s.root)}
	if err := json.Unmarshal(s.tcbInfo, &bundle.TCBInfo); err != nil {
		return err
	}
	if err := json.Unmarshal(s.qeIdentity, &bundle.QEIdentity); err != nil {
		return err
	}
	_, err := q.Verify(oasisPolicy(), s.at, &bundle)
	return err
}

// isDebug reads the debug bit: ATTRIBUTES.DEBUG of an SGX report, or
// TDATTRIBUTES.DEBUG of a TD report, in each version's place.
func isDebug(q []byte) bool {
	if len(q) < 200 {
		return false
	}
	version, tee := binary.LittleEndian.Uint16(q), binary.LittleEndian.Uint32(q[4:])
	switch {
	case version == 3, version == 4 && tee == 0:
		return q[48+48]&2 != 0
	case version == 4:
		return q[48+120]&1 != 0
	default:
		return q[48+6+120]&1 != 0
	}
}
