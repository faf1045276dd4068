// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"sync"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/tree"
)

// StateVersion counts the changes of what blocks do to the state and of how it
// is encoded: nodes of different versions do not reach the same application hash.
//
// Version 2 brought withdrawals, and the keys of enclaves into records. Version 3
// lets records change by themselves. Version 4 has the validators decide, and is
// the first whose successor begins at a height that they agree on. Version 5 takes
// evidence in other forms than quotes and Open Enclave reports (see state.form).
// Version 6 has a record that older evidence revives say what binds that one (see
// writing.rebound), and takes no report of Open Enclave's that holds a trust domain's
// quote (see state.read).
const StateVersion = 6

// factsCapacity is how many verified signatures are remembered: two megabytes.
const factsCapacity = 1 << 16

// Registry is the state machine on its store. Readers and Check may run at any
// time; Init, Apply and Commit are called by one caller, one after the other.
type Registry struct {
	store    Store
	verifier *attesteer.Verifier
	signed   *seen
	// newest is the last version of the state machine that is known.
	newest uint64

	// mu guards state and versions: they change when a block is committed.
	mu       sync.RWMutex
	state    *state
	versions versions

	// checked is what Check let pass since the last commit. mu guards which it
	// is, and its own what it counts.
	checked *usage

	// staged is the outcome of the last Apply, which Commit makes real. Only
	// the caller of Apply and Commit touches it.
	staged *staged

	// bell rings when a block is committed.
	bell bell
}

// meta is where a store stands. It is not part of the state that is agreed on.
type meta struct {
	ChainID   string    `cbor:"1,keyasint"`
	Height    uint64    `cbor:"2,keyasint"`
	AppHash   [32]byte  `cbor:"3,keyasint"`
	Past      past      `cbor:"4,keyasint"`
	Challenge challenge `cbor:"5,keyasint"`
	// Version is that of the state machine by which the state was reached.
	Version uint64 `cbor:"6,keyasint"`
}

// challenge is the newest remembered block.
type challenge struct {
	Hash   [32]byte      `cbor:"1,keyasint"`
	Height uint64        `cbor:"2,keyasint"`
	Time   record.Millis `cbor:"3,keyasint"`
}

// state is what is agreed on after a block, in memory. It is not changed once
// it is published; a block works on a copy.
type state struct {
	meta
	genesis Genesis
	// gov is what validators decide on, as it holds now; nil before the genesis.
	gov     *record.Governance
	time    record.LedgerTime
	tree    tree.Map
	logRoot [32]byte
	shelf   *shelf
}

// staged is a block that is applied and not yet committed.
type staged struct {
	state  *state
	writes []Write
	undo   map[string][]byte
}

// Open opens the registry in a store and rebuilds the Merkle map from it. An
// empty store waits for Init.
func Open(store Store) (*Registry, error) {
	r := newRegistry(store)
	return r, r.load()
}

func newRegistry(store Store) *Registry {
	return &Registry{
		checked: &usage{},
		store:   store, verifier: attesteer.NewVerifier(factsCapacity), signed: newSeen(factsCapacity), newest: StateVersion,
	}
}

// load takes over what the store holds.
func (r *Registry) load() error {
	st, err := r.stored(r.store)
	if err != nil {
		return err
	}
	r.state = st
	r.versions, err = recall(r.store, st)
	return err
}

// stored reads the state of a store.
func (r *Registry) stored(store Store) (*state, error) {
	st := &state{shelf: newShelf()}
	raw, err := store.Get(metaKey())
	if err != nil {
		return nil, storeError(err)
	}
	if raw == nil {
		return st, nil
	}
	if err := record.Unmarshal(raw, &st.meta); err != nil {
		return nil, rats.Errorf(rats.Internal, "state: %w", err)
	}
	if !r.knows(st.Version) {
		return nil, r.errVersion(max(st.Version, 1), "the stored state is")
	}
	return st, st.fill(store)
}

// fill makes of the entries in a store what st lacks beside its meta, and holds
// it against the hash of the state.
func (st *state) fill(store Store) error {
	base := newLayer(store)
	for _, entry := range []struct {
		name string
		key  []byte
		into any
	}{{"genesis", record.GenesisKey(), &st.genesis}, {"ledger time", record.TimeKey(), &st.time}, {"governance", record.GovernanceKey(), &st.gov}} {
		ok, err := base.read(entry.key, entry.into)
		if err != nil {
			return err
		}
		if !ok {
			return rats.Errorf(rats.Internal, "state: no %s: the store is damaged", entry.name)
		}
	}
	st.shelf.forLedger(st.gov.Parameters)
	if err := st.rebuild(store); err != nil {
		return err
	}
	var err error
	if st.logRoot, err = st.Past.root(); err != nil {
		return err
	}
	if got := record.AppHash(st.tree.Root(), st.logRoot, st.Past.Size); got != st.AppHash {
		return rats.Errorf(rats.Internal, "state: the store does not hold the state of height %d: it is damaged", st.Height)
	}
	return nil
}

// Init gives an empty registry its genesis and returns the hash of the state
// before the first block. Calling it again for the same ledger, before the
// first block is committed, changes nothing and returns that hash again.
func (r *Registry) Init(chainID string, genesisTime record.Millis, g Genesis) ([32]byte, error) {
	if err := g.Validate(); err != nil {
		return [32]byte{}, err
	}
	if held := r.committed(); held.ChainID != "" {
		if held.Height != 0 || held.ChainID != chainID {
			return [32]byte{}, rats.Errorf(rats.Internal, "the registry holds a ledger already")
		}
		return held.AppHash, nil
	}
	if !r.knows(g.Version) {
		return [32]byte{}, r.errVersion(g.Version, "the genesis is")
	}
	gov := g.begun()
	st := &state{genesis: g, gov: gov, shelf: newShelf().forLedger(g.Parameters), meta: meta{ChainID: chainID, Past: past{Hashes: [][32]byte{}}, Version: g.Version}}
	st.time = record.LedgerTime{Time: genesisTime + record.Millis(g.ClockOffset), ClockOffset: g.ClockOffset}
	w := newLayer(r.store)
	if err := w.write(record.GenesisKey(), g); err != nil {
		return [32]byte{}, err
	}
	if err := w.write(record.TimeKey(), st.time); err != nil {
		return [32]byte{}, err
	}
	if err := w.write(record.GovernanceKey(), gov); err != nil {
		return [32]byte{}, err
	}
	out, err := seal(st, w, nil)
	if err != nil {
		return [32]byte{}, err
	}
	r.staged = out
	r.mu.Lock()
	r.versions = versions{} // nothing before the genesis can be proven
	r.mu.Unlock()
	return out.state.AppHash, r.Commit()
}

// Commit makes the last applied block durable, in one write, and then visible.
func (r *Registry) Commit() error {
	if r.staged == nil {
		return rats.Errorf(rats.Internal, "there is no applied block to commit")
	}
	defer r.bell.ring() // once all is unlocked
	r.mu.Lock()
	defer r.mu.Unlock()
	beside, err := r.versions.remember(r.staged)
	if err != nil {
		return err
	}
	if err := r.store.Write(append(r.staged.writes, beside...)); err != nil {
		return storeError(err)
	}
	r.state = r.staged.state
	r.versions.add(r.state, r.staged.undo)
	r.staged = nil
	r.checked = &usage{}
	return nil
}

// committed returns the published state.
func (r *Registry) committed() *state {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.state
}

// Height returns the last committed block.
func (r *Registry) Height() uint64 { return r.committed().Height }

// AppHash returns the hash of the state after it.
func (r *Registry) AppHash() [32]byte { return r.committed().AppHash }

// Time returns ledger time.
func (r *Registry) Time() record.Millis { return r.committed().time.Time }

// Genesis returns what the ledger started from.
func (r *Registry) Genesis() Genesis { return r.committed().genesis }

// ChainID names the ledger.
func (r *Registry) ChainID() string { return r.committed().ChainID }

// Challenge returns the newest block whose hash evidence may carry to show that
// it is fresh, and false before there is one.
func (r *Registry) Challenge() (hash [32]byte, height uint64, at record.Millis, ok bool) {
	c := r.committed().Challenge
	return c.Hash, c.Height, c.Time, c.Height != 0
}
