// SPDX-License-Identifier: Apache-2.0

package dcap

import (
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Identity is Intel's word on one of its enclaves: QE, TD_QE, QVE or QAE (PCS
// API v4 3.6, version 2).
type Identity struct {
	ID                   string
	Issued, NextUpdate   time.Time
	EvaluationDataNumber uint32
	MiscSelect           [4]byte
	MiscSelectMask       [4]byte
	Attributes           [16]byte
	AttributesMask       [16]byte
	MRSigner             [32]byte
	ISVProdID            uint16
	// Levels are sorted highest first.
	Levels []SVNLevel
}

func parseIdentity(inner value) (*Identity, error) {
	var err error
	o := readObject("enclaveIdentity", inner, &err)
	if v := o.number("version", 1<<16); err == nil && v != 2 {
		return nil, rats.Errorf(rats.Unsupported, "enclave identity version %d", v)
	}
	id := &Identity{}
	switch name := o.content("id"); string(name) {
	case "QE":
		id.ID = "QE"
	case "TD_QE":
		id.ID = "TD_QE"
	case "QVE":
		id.ID = "QVE"
	case "QAE":
		id.ID = "QAE"
	default:
		o.fail("id %s is not an enclave of Intel's", excerpt(name))
	}
	id.Issued, id.NextUpdate = o.time("issueDate"), o.time("nextUpdate")
	id.EvaluationDataNumber = uint32(o.number("tcbEvaluationDataNumber", 1<<31)) //nolint:gosec // bounded
	o.bytes("miscselect", id.MiscSelect[:])
	o.bytes("miscselectMask", id.MiscSelectMask[:])
	o.bytes("attributes", id.Attributes[:])
	o.bytes("attributesMask", id.AttributesMask[:])
	o.bytes("mrsigner", id.MRSigner[:])
	id.ISVProdID = uint16(o.number("isvprodid", 65535)) //nolint:gosec // bounded
	id.Levels = readSVNLevels(&o, true)
	if err != nil {
		return nil, err
	}
	if id.NextUpdate.Before(id.Issued) {
		o.fail("ends before it begins")
	}
	return id, err
}

// tee returns the TEE whose quotes the enclave signs.
func (id *Identity) tee() rats.TEE {
	if id.ID == "TD_QE" {
		return rats.TDX
	}
	return rats.SGX
}
