// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/attesteer/attesteer/record"
)

// offences are what a block has evidence of, in its order.
func offences(found []abci.Misbehavior) []record.Misbehaviour {
	var out []record.Misbehaviour
	for i := range found {
		f := &found[i]
		m := record.Misbehaviour{Kind: record.OtherMisbehaviour, Power: f.Validator.Power, Height: uint64(f.Height)} //nolint:gosec // heights are positive
		copy(m.Validator[:], f.Validator.Address)
		switch f.Type {
		case abci.MisbehaviorType_DUPLICATE_VOTE:
			m.Kind = record.DuplicateVote
		case abci.MisbehaviorType_LIGHT_CLIENT_ATTACK:
			m.Kind = record.LightClientAttack
		case abci.MisbehaviorType_UNKNOWN:
		}
		out = append(out, m)
	}
	return out
}
