// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/hex"
	"slices"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// withdraw takes back a registrar's listing or, signed by the subject's key, a
// whole record.
func (x *run) withdraw(o *record.Opened, out *TxResult) error {
	asked := o.Tx.Withdrawal
	var rec record.Record
	ok, err := x.w.read(record.RecordKey(asked.ID), &rec)
	if err != nil {
		return err
	}
	if !ok {
		return rats.Errorf(rats.NotFound, "no record %s", hex.EncodeToString(asked.ID[:]))
	}
	out.RecordID = asked.ID
	kind := record.Delisted
	if len(asked.Signature) > 0 {
		kind = record.WithdrawnByKey
		err = x.withdrawRecord(&rec, asked.Signature)
	} else {
		err = x.delist(&rec, o.Registrar)
	}
	if err != nil {
		return err
	}
	out.Recorded = true
	rec.Tx = o.Hash
	if err := x.rewatch(&rec); err != nil {
		return err
	}
	return x.save(&rec, kind, o.Hash)
}

// delist removes a registrar's own listing. A record that nobody lists any more
// has expired.
func (x *run) delist(rec *record.Record, who record.Registrar) error {
	at := slices.IndexFunc(rec.Listings, func(l record.Listing) bool { return l.Registrar == who })
	if at < 0 {
		return rats.Errorf(rats.Unauthorized, "this registrar does not list the enclave, and the withdrawal bears no signature of the enclave's key")
	}
	rec.Listings = slices.Delete(rec.Listings, at, at+1)
	if len(rec.Listings) > 0 {
		rec.Expires = lastExpiry(rec)
	} else {
		rec.Expires = min(rec.Expires, x.st.time.Time)
	}
	return nil
}

// withdrawRecord withdraws the whole record if its subject's key says so. The
// signature covers the transaction that wrote the record last, which this one
// then is, so it counts once.
func (x *run) withdrawRecord(rec *record.Record, signature []byte) error {
	if rec.State == record.Withdrawn {
		return rats.Errorf(rats.Replayed, "the enclave's key has withdrawn this record")
	}
	key, err := rec.SubjectKey()
	if err != nil {
		return err
	}
	if err := key.Verify(record.WithdrawalBytes(x.st.ChainID, rec.ID, rec.Tx), signature); err != nil {
		return err
	}
	now := x.st.time.Time
	rec.State, rec.StatusReason, rec.StatusSince = record.Withdrawn, record.ReasonWithdrawn, now
	rec.WithdrawnHeight, rec.WithdrawnAt = x.height, now
	rec.Listings, rec.Expires = []record.Listing{}, min(rec.Expires, now)
	return nil
}
