// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/hex"
	"slices"

	"github.com/attesteer/attesteer/rats"
)

// Bounds on the validators of a ledger.
const (
	// MaxValidators bounds them: each block carries a vote of every one.
	MaxValidators = 100
	// MaxPower bounds one validator's power, so that no sum comes near what the
	// engine of consensus can count.
	MaxPower = 1_000_000_000
)

// PublicKey is an Ed25519 public key (RFC 8032); in JSON, lower-case hex.
type PublicKey [32]byte

// String returns the key in lower-case hex.
func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// MarshalText writes lower-case hex.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads 32 bytes in hex: Malformed otherwise.
func (k *PublicKey) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(k) {
		return rats.Errorf(rats.Malformed, "key %q is not 32 bytes in hex", text)
	}
	*k = PublicKey(b)
	return nil
}

// Validator is one voice in the making of blocks, and in what the validators
// decide about the ledger.
type Validator struct {
	// Key signs votes for blocks.
	Key PublicKey `cbor:"1,keyasint" json:"key"`
	// Governance signs proposals and ballots.
	Governance PublicKey `cbor:"2,keyasint" json:"governance_key"`
	// Power is how much the validator's vote counts; zero stands for none of it
	// in a change, and removes the validator.
	Power int64 `cbor:"3,keyasint" json:"power"`
}

// CheckValidators checks the set of a ledger: keys that are somebody's, each once
// and for one use, and powers from 1 to [MaxPower]. Malformed otherwise.
func CheckValidators(set []Validator) error {
	if len(set) > MaxValidators {
		return rats.Errorf(rats.Malformed, "%d validators are over %d", len(set), MaxValidators)
	}
	var keys []PublicKey
	for _, v := range set {
		if v.Power <= 0 || v.Power > MaxPower {
			return rats.Errorf(rats.Malformed, "validator %s: its power is not between 1 and %d", v.Key, int64(MaxPower))
		}
		if smallOrder(v.Key) || smallOrder(v.Governance) {
			return rats.Errorf(rats.Malformed, "validator %s: one of its keys is nobody's", v.Key)
		}
		keys = append(keys, v.Key, v.Governance)
	}
	slices.SortFunc(keys, func(a, b PublicKey) int { return bytes.Compare(a[:], b[:]) })
	for i := 1; i < len(keys); i++ {
		if keys[i] == keys[i-1] {
			return rats.Errorf(rats.Malformed, "the validators' key %s stands twice", keys[i])
		}
	}
	return nil
}

// SortValidators puts a set into the order of its keys.
func SortValidators(set []Validator) {
	slices.SortFunc(set, func(a, b Validator) int { return bytes.Compare(a.Key[:], b.Key[:]) })
}

// TotalPower returns the power of a set.
func TotalPower(set []Validator) int64 {
	var sum int64
	for _, v := range set {
		sum += v.Power
	}
	return sum
}

// ChangeValidators returns a set after a change, in the order of its keys, and
// how much power the change moves: what it adds to and takes from each. A
// validator in updates replaces the one of its key, or goes if its power is zero.
// Malformed says that the change is none, or leaves no set that a ledger can have.
func ChangeValidators(set, updates []Validator) (after []Validator, moved int64, err error) {
	after = slices.Clone(set)
	for i, u := range updates {
		if slices.ContainsFunc(updates[:i], func(o Validator) bool { return o.Key == u.Key }) {
			return nil, 0, rats.Errorf(rats.Malformed, "validator %s is changed twice", u.Key)
		}
		if u.Power < 0 || u.Power > MaxPower {
			return nil, 0, rats.Errorf(rats.Malformed, "validator %s: its power is not between 0 and %d", u.Key, int64(MaxPower))
		}
		at := slices.IndexFunc(after, func(v Validator) bool { return v.Key == u.Key })
		switch {
		case at < 0 && u.Power == 0:
			return nil, 0, rats.Errorf(rats.Malformed, "there is no validator %s to remove", u.Key)
		case at < 0:
			after, moved = append(after, u), moved+u.Power
		case after[at] == u:
			return nil, 0, rats.Errorf(rats.Malformed, "validator %s is what the change would make it", u.Key)
		case u.Power == 0:
			moved += after[at].Power
			after = slices.Delete(after, at, at+1)
		default:
			moved += max(after[at].Power-u.Power, u.Power-after[at].Power)
			after[at] = u
		}
	}
	if len(after) == 0 {
		return nil, 0, rats.Errorf(rats.Malformed, "the change leaves no validator")
	}
	SortValidators(after)
	return after, moved, CheckValidators(after)
}
