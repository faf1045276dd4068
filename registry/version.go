// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"strconv"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// firstVersion is the oldest version of the state machine that this program can
// be. Each version from there to [StateVersion] goes on being understood, so that
// a newer program takes over the state of an older one and reaches what the
// others reach, before and after the height at which a version begins.
const firstVersion = 4

// lead is by how many heights a version is planned ahead at least: the header of
// its first block is made by what the block before says.
const lead = 2

// OpenKnowing is [Open] of a program that knows the versions of the state machine
// up to newest. It serves rehearsals of an activation: a version that is newer
// than [StateVersion] does what that does, under another number.
func OpenKnowing(store Store, newest uint64) (*Registry, error) {
	r := newRegistry(store)
	r.newest = newest
	return r, r.load()
}

// knows reports whether this program can be a version of the state machine.
func (r *Registry) knows(version uint64) bool {
	return firstVersion <= version && version <= r.newest
}

// errVersion says that a version is not known.
func (r *Registry) errVersion(version uint64, about string) error {
	if version < firstVersion {
		return rats.Errorf(rats.Unsupported, "%s of version %d of the state machine, and this program knows none earlier than %d: "+
			"it takes an older program, or a new ledger", about, version, firstVersion)
	}
	return rats.Errorf(rats.Unsupported, "%s of version %d of the state machine, and this program knows none later than %d: "+
		"it takes a program that knows version %d, on the same home; nothing is lost", about, version, r.newest, version)
}

// CanApply reports whether this program knows the version of the state machine
// by which a block of the given height is to be applied: Unsupported if not.
func (r *Registry) CanApply(height uint64) error {
	st := r.committed()
	if st.gov == nil || r.knows(st.versionAt(height)) {
		return nil
	}
	return r.errVersion(st.versionAt(height), "the validators decided that from block "+strconv.FormatUint(st.gov.Next.Height, 10)+" on the ledger is")
}

// Planned returns the version of the state machine that the validators decided
// on and that has not begun, or nil; known says whether this program knows it.
func (r *Registry) Planned() (next *record.Activation, known bool) {
	st := r.committed()
	if st.gov == nil || st.gov.Next == nil {
		return nil, true
	}
	return st.gov.Next, r.knows(st.gov.Next.Version)
}

// versionAt returns the version by which a block of a height is applied.
func (st *state) versionAt(height uint64) uint64 {
	if n := st.gov.Next; n != nil && height >= n.Height {
		return n.Version
	}
	return st.gov.Version
}

// activates checks that a version may be planned, in a block of a height.
func (st *state) activates(a *record.Activation, height uint64) error {
	switch {
	case a.Height == 0 && a.Version == st.gov.Version && st.gov.Next != nil:
		return nil
	case a.Height == 0:
		return rats.Errorf(rats.PolicyRejected, "no version is planned that could be called off, or the version in force is another: %d", st.gov.Version)
	case a.Version <= st.gov.Version:
		return rats.Errorf(rats.PolicyRejected, "version %d of the state machine is in force: the next is later", st.gov.Version)
	case a.Height < height+lead:
		return rats.Errorf(rats.PolicyRejected, "a version begins at least %d blocks after it was decided on, which is now in block %d", lead, height)
	case st.gov.Next != nil && st.gov.Next.Height < height+lead:
		return rats.Errorf(rats.PolicyRejected, "version %d begins at block %d, which cannot be changed any more", st.gov.Next.Version, st.gov.Next.Height)
	default:
		return nil
	}
}

// activate begins a planned version, in its first block that has a ledger time.
func (x *run) activate() error {
	n := x.st.gov.Next
	if n == nil || x.height < n.Height {
		return nil
	}
	if err := x.changeGovernance(func(g *record.Governance) { g.Version, g.Next = n.Version, nil }); err != nil {
		return err
	}
	x.st.Version = n.Version
	return x.tell(record.VersionBegan, record.TxHash{}, record.Act{Version: n.Version})
}
