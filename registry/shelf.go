// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// shelf is the endorsements in state, parsed once. A published shelf is not
// changed; a block that takes endorsements works on a copy.
type shelf struct {
	entries map[string]record.EndorsementEntry
	parsed  map[string]*attesteer.Endorsements
	all     *attesteer.Endorsements
	// delay is how long after a recovery its evaluation binds.
	delay time.Duration
	// alarms are the times at which what is on the shelf begins or ends to hold,
	// or a listed evaluation to bind, sorted.
	alarms []record.Millis
}

func newShelf() *shelf {
	return &shelf{
		entries: map[string]record.EndorsementEntry{}, parsed: map[string]*attesteer.Endorsements{},
		all: attesteer.JoinEndorsements(),
	}
}

// forLedger sets what the ledger's parameters say of a shelf.
func (s *shelf) forLedger(p Parameters) *shelf {
	s.delay = time.Duration(p.EvaluationDelay) * time.Millisecond
	return s
}

func (s *shelf) clone() *shelf {
	return &shelf{entries: maps.Clone(s.entries), parsed: maps.Clone(s.parsed), all: s.all, delay: s.delay, alarms: s.alarms}
}

// put places an endorsement. The caller collects when it has placed all.
func (s *shelf) put(key string, entry record.EndorsementEntry, e rats.Endorsement) error {
	p, err := attesteer.ParseEndorsements(e)
	if err != nil {
		return err
	}
	s.entries[key], s.parsed[key] = entry, p
	return nil
}

// collect makes the one collection that verdicts are reached by.
func (s *shelf) collect() {
	parts := make([]*attesteer.Endorsements, 0, len(s.parsed))
	for _, key := range slices.Sorted(maps.Keys(s.parsed)) {
		parts = append(parts, s.parsed[key])
	}
	s.all = attesteer.JoinEndorsements(parts...).WithBinding(s.delay)
	s.alarms = nil
	for _, e := range s.entries {
		s.alarms = append(s.alarms, e.ValidFrom, e.ValidUntil+1)
	}
	for _, t := range s.all.Binding(s.delay) {
		s.alarms = append(s.alarms, record.MillisOf(t))
	}
	slices.Sort(s.alarms)
}

// alarmed reports whether time passes an alarm when it goes from one time to another.
func (s *shelf) alarmed(from, to record.Millis) bool {
	i, found := slices.BinarySearch(s.alarms, from)
	for found && i < len(s.alarms) && s.alarms[i] == from {
		i++
	}
	return i < len(s.alarms) && s.alarms[i] <= to
}

// stirs reports whether taking an offer may change verdicts: not when it says
// what the one before it said, and both hold.
func (s *shelf) stirs(o *offer, now record.Millis) bool {
	have, ok := s.entries[o.key]
	holds := func(e record.EndorsementEntry) bool { return e.ValidFrom <= now && now <= e.ValidUntil }
	if !ok || !holds(have) || !holds(o.entry) {
		return true
	}
	parsed, err := attesteer.ParseEndorsements(o.endorsement)
	return err != nil || !parsed.SaysTheSame(s.parsed[o.key])
}

// validUntil returns until when what a watched record rests on holds.
func (s *shelf) validUntil(w *record.Watch) (record.Millis, bool) {
	return w.ValidUntil(func(key rats.EndorsementKey) (record.EndorsementEntry, bool) {
		b, err := record.EndorsementEntryKey(key)
		e, ok := s.entries[string(b)]
		return e, ok && err == nil
	})
}

// load places the endorsement of a stored entry.
func (s *shelf) load(store Store, value []byte) error {
	var entry record.EndorsementEntry
	if err := record.Unmarshal(value, &entry); err != nil {
		return err
	}
	raw, err := store.Get(endorsementKey(entry.SHA256))
	if err != nil {
		return err
	}
	if sha256.Sum256(raw) != entry.Envelope {
		return rats.Errorf(rats.Internal, "the store does not hold endorsement %x as it was taken", entry.SHA256)
	}
	var e rats.Endorsement
	if err := record.Unmarshal(raw, &e); err != nil {
		return err
	}
	key, err := record.EndorsementEntryKey(entry.Key)
	if err != nil {
		return err
	}
	return s.put(string(key), entry, e)
}

// offer is an endorsement that was checked and could be placed.
type offer struct {
	endorsement rats.Endorsement
	entry       record.EndorsementEntry
	key         string
	encoded     []byte
}

// errOlder and the like say why an endorsement that verifies is not taken.
func errOlder() *rats.Error {
	return rats.Errorf(rats.EndorsementExpired, "older than the one on the ledger")
}

func errFuture() *rats.Error {
	return rats.Errorf(rats.EndorsementExpired, "not yet valid: it is issued after ledger time")
}

// errPlatform says why certificates of platforms are not taken. Evidence that
// names its platform without carrying the certificate stays undecided here.
func errPlatform() *rats.Error {
	return rats.Errorf(rats.Unsupported, "the certificate of a single platform is not kept on the ledger, "+
		"which would hold one for each platform and each of its updates: submit evidence that carries it")
}

// examine checks an endorsement on its own: form, signatures, and that it is
// not from the future.
func (r *Registry) examine(st *state, now record.Millis, e rats.Endorsement) (*offer, error) {
	if e.Kind == rats.PCKCertificate {
		return nil, errPlatform()
	}
	info, err := r.verifier.CheckEndorsement(e, st.roots())
	if err != nil {
		return nil, err
	}
	if record.MillisOf(info.Issued) > now {
		return nil, errFuture()
	}
	key, err := record.EndorsementEntryKey(info.Key)
	if err != nil {
		return nil, err
	}
	encoded, err := record.Marshal(e)
	if err != nil {
		return nil, err
	}
	return &offer{endorsement: e, key: string(key), encoded: encoded, entry: record.EndorsementEntry{
		Key: info.Key, SHA256: info.SHA256,
		Issued: record.MillisOf(info.Issued), NextUpdate: record.MillisOf(info.NextUpdate),
		ValidFrom: record.MillisOf(info.ValidFrom), ValidUntil: record.MillisOf(info.ValidUntil),
		Envelope: sha256.Sum256(encoded),
	}}, nil
}

// compare orders endorsements of one key: later issue date, then the later end
// of the window, then the lower hash is better. Since the order is total, the
// one that stays does not depend on the order of arrival.
func compare(a, b record.EndorsementEntry) int {
	switch {
	case a.Issued != b.Issued:
		return sign(a.Issued > b.Issued)
	case a.ValidUntil != b.ValidUntil:
		return sign(a.ValidUntil > b.ValidUntil)
	default:
		return bytes.Compare(b.Envelope[:], a.Envelope[:])
	}
}

func sign(better bool) int {
	if better {
		return 1
	}
	return -1
}

// weigh reports whether an offer would change the shelf. An offer that is
// already there is no error; an older one is.
func (s *shelf) weigh(o *offer) (bool, error) {
	have, ok := s.entries[o.key]
	if !ok {
		return true, nil
	}
	switch c := compare(o.entry, have); {
	case c > 0:
		return true, nil
	case c == 0:
		return false, nil
	default:
		return false, errOlder()
	}
}
