// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"slices"
	"testing"

	"github.com/cometbft/cometbft/types"
)

func TestPeersAreToldAgainOfWhatWaitsForLong(t *testing.T) {
	var pool types.Txs
	var told []string
	r := reminder{
		waiting: func(most int) types.Txs { return pool[:min(most, len(pool))] },
		tell:    func(tx types.Tx) { told = append(told, string(tx)) },
	}
	for _, c := range []struct {
		pool, want []string
	}{
		{nil, nil},
		{[]string{"a", "b"}, nil},
		{[]string{"b", "c"}, []string{"b"}},
		{[]string{"b", "c", "d"}, []string{"b", "c"}},
		{nil, nil},
		{[]string{"c"}, nil},
	} {
		pool, told = nil, nil
		for _, tx := range c.pool {
			pool = append(pool, types.Tx(tx))
		}
		if r.round(); !slices.Equal(told, c.want) {
			t.Errorf("of %q peers are told %q, want %q", c.pool, told, c.want)
		}
	}
}
