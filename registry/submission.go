// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// submit appraises a transaction's evidence at ledger time by the endorsements
// in state, and records it.
func (x *run) submit(o *record.Opened, out *TxResult) error {
	s := o.Tx.Submission
	duration, err := x.duration(s.ValidFor)
	if err != nil {
		return err
	}
	result, err := x.appraise(s)
	out.Result = result
	if err != nil {
		return err
	}
	if err := sized(result.CustomClaims); err != nil {
		return err
	}
	if err := x.use.platform(x.st.gov.Parameters, result.Platform); err != nil {
		return err
	}
	var earlier record.ReplayEntry
	replayed, err := x.w.read(record.ReplayEntryKey(result.ReplayKey), &earlier)
	if err != nil {
		return err
	}
	w := writing{run: x, opened: o, out: out, result: result, duration: duration}
	if replayed {
		return w.again(earlier)
	}
	return w.first()
}

// appraise verifies evidence at ledger time by the endorsements in state. Where
// the second half of the report data is a remembered block's hash, runtime data
// are held against the first.
func (x *run) appraise(s *record.Submission) (*attesteer.Result, error) {
	evidence, around, err := x.st.read(s.Evidence)
	if err != nil {
		return nil, err
	}
	verify := func(p attesteer.Policy) (*attesteer.Result, error) {
		result, err := x.registry.verifier.Verify(evidence, x.st.shelf.all, p, x.st.time.Time.Time())
		if result != nil {
			result.Envelope = slices.Concat(around, result.Envelope)
		}
		return result, err
	}
	policy := x.st.policy(s.RuntimeData)
	result, err := verify(policy)
	if result == nil || err == nil || rats.AsError(err).Check != "runtime_data" || result.Block != nil {
		return result, err
	}
	if _, fresh, freshErr := x.freshness(result); freshErr != nil || fresh.Kind == record.FreshnessNone {
		return result, cmp.Or(freshErr, err)
	}
	sum := sha256.Sum256(s.RuntimeData)
	policy.RuntimeData, policy.ReportData = nil, append(sum[:], result.Subject[len(sum):]...)
	return verify(policy)
}

// duration returns for how long the registrar vouches.
func (x *run) duration(asked int64) (record.Millis, error) {
	p := x.st.gov.Parameters
	switch {
	case asked == 0:
		return record.Millis(p.DefaultDuration), nil
	case asked < p.MinDuration || asked > p.MaxDuration:
		return 0, rats.Errorf(rats.Malformed, "the duration is not between %d and %d s", p.MinDuration/1000, p.MaxDuration/1000)
	default:
		return record.Millis(asked), nil
	}
}

// writing is the recording of one accepted piece of evidence.
type writing struct {
	*run
	opened   *record.Opened
	out      *TxResult
	result   *attesteer.Result
	duration record.Millis
}

// again adds a registrar's listing to the record that holds the evidence
// already. The evidence itself shows nothing new, so the listing's duration
// counts from when it was first recorded.
func (w writing) again(earlier record.ReplayEntry) error {
	now := w.st.time.Time
	w.out.RecordID, w.out.Earlier = earlier.Record, earlier.Tx
	var rec record.Record
	ok, err := w.w.read(record.RecordKey(earlier.Record), &rec)
	if err != nil {
		return err
	}
	if !ok {
		return rats.Errorf(rats.Internal, "state: replayed evidence without its record")
	}
	if rec.WithdrawnHeight != 0 && earlier.First <= rec.WithdrawnAt {
		return rats.Errorf(rats.Replayed, "this evidence was recorded before the enclave's key withdrew the record")
	}
	listed := slices.ContainsFunc(rec.Listings, func(l record.Listing) bool { return l.Registrar == w.opened.Registrar })
	if listed {
		return rats.Errorf(rats.Replayed, "this evidence was recorded before")
	}
	expires := earlier.First + w.duration
	if !w.wasFresh(&rec) {
		expires = w.unfresh(&rec, expires)
	}
	if expires <= now {
		return rats.Errorf(rats.Replayed, "this evidence was recorded too long ago for another listing")
	}
	if err := w.list(&rec, expires); err != nil {
		return err
	}
	w.keepKey(&rec)
	watch, err := w.watchOf(rec.ID)
	if err == nil && watch == nil {
		// The record had ended. What it says from now on rests on this evidence.
		watch = w.watch()
		w.verdict(&rec)
		rec.StatusReason = record.ReasonAttested
		w.rebound(&rec, earlier)
		w.keepEvidence(&rec)
	}
	if err != nil {
		return err
	}
	return w.write(&rec, record.Listed, watch)
}

// first records evidence that the ledger has not seen.
func (w writing) first() error {
	now := w.st.time.Time
	subject, fresh, err := w.freshness(w.result)
	if err != nil {
		return err
	}
	id := record.NewID(w.result.TEE, w.result.Fingerprint, subject)
	w.out.RecordID = id
	var rec record.Record
	known, err := w.w.read(record.RecordKey(id), &rec)
	if err != nil {
		return err
	}
	kind := record.Attested
	if !known {
		kind = record.Recorded
		rec = record.Record{
			ID: id, TEE: w.result.TEE, Fingerprint: w.result.Fingerprint, Subject: subject,
			Listings: []record.Listing{}, FirstAttested: now, Sequence: w.count,
		}
	}
	if rec.WithdrawnHeight != 0 && fresh.Height <= rec.WithdrawnHeight {
		return rats.Errorf(rats.PolicyRejected, "the enclave's key withdrew the record in block %d: only evidence bound to a later block counts", rec.WithdrawnHeight)
	}
	w.verdict(&rec)
	rec.StatusReason, rec.LastAttested, rec.Freshness = record.ReasonAttested, now, fresh
	rec.Attestations++
	expires := now + w.duration
	if fresh.Kind == record.FreshnessNone {
		expires = w.unfresh(&rec, expires)
	}
	if expires <= now {
		return rats.Errorf(rats.PolicyRejected, "evidence that binds no recent block cannot carry this record any longer")
	}
	if err := w.list(&rec, expires); err != nil {
		return err
	}
	w.keepKey(&rec)
	w.keepEvidence(&rec)
	entry := record.ReplayEntry{Record: id, Tx: w.opened.Hash, First: now}
	if w.st.gov.Version >= reboundVersion {
		entry.Block = fresh.Height
	}
	if err := w.w.write(record.ReplayEntryKey(w.result.ReplayKey), entry); err != nil {
		return err
	}
	return w.write(&rec, kind, w.watch())
}

// unfresh bounds an expiry by how far evidence that binds nothing recent can
// carry the record.
func (w writing) unfresh(rec *record.Record, expires record.Millis) record.Millis {
	limit := record.Millis(w.st.gov.Parameters.MaxUnfresh)
	if limit == 0 {
		return expires
	}
	return min(expires, rec.FirstAttested+limit)
}

// wasFresh reports whether evidence was bound to a block when rec took it: its
// second half was cleared from the subject then.
func (w writing) wasFresh(rec *record.Record) bool {
	return !bytes.Equal(w.result.Subject, rec.Subject)
}

// freshness returns the subject, and what ties the evidence to a time: when the
// second half of the report data is the hash of a remembered block, that half
// is not part of who the enclave is. Where custom claims take up the report data,
// the claim that names a block is not.
func (x *run) freshness(r *attesteer.Result) ([]byte, record.Freshness, error) {
	subject := slices.Clone(r.Subject)
	none := record.Freshness{Kind: record.FreshnessNone}
	if len(subject) != 64 {
		return subject, none, nil
	}
	hash, without := subject[32:], append(slices.Clone(subject[:32]), make([]byte, 32)...)
	if r.Block != nil {
		hash, without = r.Block, r.SubjectWithoutBlock
	}
	if len(hash) != 32 {
		return subject, none, nil
	}
	var block record.BlockEntry
	ok, err := x.w.read(record.BlockKey([32]byte(hash)), &block)
	if err != nil || !ok || block.Time+record.Millis(x.st.gov.Parameters.FreshnessWindow) < x.st.time.Time {
		return subject, none, err
	}
	return without, record.Freshness{Kind: record.FreshnessBlock, Height: block.Height}, nil
}

// verdict writes the verdict into the record. Only canonical fields: no words of
// the result's checks.
func (w writing) verdict(rec *record.Record) {
	now, r := w.st.time.Time, w.result
	if rec.Status != r.TCB.Status || rec.Tier != r.Tier || rec.State != record.Active {
		rec.StatusSince = now
	}
	rec.State, rec.Tier, rec.BuildMode, rec.Status = record.Active, r.Tier, r.BuildMode, r.TCB.Status
	rec.ValidUntil = record.MillisOf(*r.ValidUntil)
	rec.FMSPC, rec.Advisories, rec.TrustRoot = r.TCB.FMSPC, r.TCB.Advisories, *r.TrustRoot
	rec.AppraisedWith, rec.WillChange = digestsOf(r.Endorsements), announced(r.Forecast)
	if w.st.gov.Version >= formsVersion {
		rec.Envelope, rec.Claims = r.Envelope, claimsOf(r)
	}
	if m := r.Measurement.SGXMeasurement; m != nil {
		rec.MRSigner, rec.ISVProdID, rec.ISVSVN = m.MRSigner, m.ISVProdID, m.ISVSVN
	}
}

// keepEvidence keeps the evidence that the record rests on.
func (w writing) keepEvidence(rec *record.Record) {
	evidence := w.opened.Tx.Submission.Evidence
	rec.EvidenceSHA256 = sha256.Sum256(evidence)
	w.w.put(evidenceKey(rec.EvidenceSHA256), evidence)
}

// list sets the registrar's listing. A full record gives up the oldest listing
// that has ended; if none has, the oldest of an unknown registrar to an
// admitted one.
func (w writing) list(rec *record.Record, expires record.Millis) error {
	s := w.opened.Tx.Submission
	admitted := w.st.admits(w.opened.Registrar)
	at := slices.IndexFunc(rec.Listings, func(l record.Listing) bool { return l.Registrar == w.opened.Registrar })
	if at < 0 {
		if len(rec.Listings) >= int(w.st.gov.Parameters.MaxListings) {
			now := w.st.time.Time
			oldest := slices.IndexFunc(rec.Listings, func(l record.Listing) bool { return l.Expires <= now })
			if oldest < 0 && admitted {
				oldest = slices.IndexFunc(rec.Listings, func(l record.Listing) bool { return !l.Admitted })
			}
			if oldest < 0 {
				return rats.Errorf(rats.QuotaExceeded, "the record has as many listings as it may")
			}
			rec.Listings = slices.Delete(rec.Listings, oldest, oldest+1)
		}
		rec.Listings = append(rec.Listings, record.Listing{Registrar: w.opened.Registrar, Since: w.st.time.Time})
		at = len(rec.Listings) - 1
	}
	l := &rec.Listings[at]
	l.Expires, l.Admitted = max(l.Expires, expires), admitted
	if s.URL != "" {
		l.URL = s.URL
	}
	rec.Expires = lastExpiry(rec)
	return nil
}

// lastExpiry is the latest expiry of any listing, zero without one.
func lastExpiry(rec *record.Record) (out record.Millis) {
	for i := range rec.Listings {
		out = max(out, rec.Listings[i].Expires)
	}
	return out
}

// keepKey keeps runtime data that are the enclave's public key, be it that they
// came in an envelope of the evidence. The key can then withdraw the record. That they hash to the subject was checked with the
// evidence.
func (w writing) keepKey(rec *record.Record) {
	data := w.opened.Tx.Submission.RuntimeData
	if held := w.result.RuntimeData; len(data) == 0 && held != nil {
		data = *held
	}
	if len(rec.Key) > 0 || len(data) == 0 || w.st.gov.Version < formsVersion && padded(data) {
		return
	}
	if _, err := record.ReadKey(data); err == nil {
		rec.Key = data
	}
}

// write writes the record that evidence or a listing changed.
func (w writing) write(rec *record.Record, kind record.EventKind, watch *record.Watch) error {
	w.out.Recorded = true
	rec.Tx = w.opened.Hash
	if err := w.keepWatch(rec, watch); err != nil {
		return err
	}
	return w.save(rec, kind, w.opened.Hash)
}
