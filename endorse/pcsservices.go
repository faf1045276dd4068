// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// Services are several services in the order in which they are asked: the next
// one where those before did not give all. It is a [Source].
type Services []*PCS

// Endorsements implements [Source]. What any of them gave is returned along
// with an error that says what each of them did not.
func (s Services) Endorsements(
	ctx context.Context, needs []attesteer.Need, at time.Time,
) ([]rats.Endorsement, error) {
	return s.ask(func(one *PCS) ([]rats.Endorsement, error) { return one.Endorsements(ctx, needs, at) })
}

// Renew is [PCS.Renew] of each in turn.
func (s Services) Renew(ctx context.Context, keys []rats.EndorsementKey) ([]rats.Endorsement, error) {
	return s.ask(func(one *PCS) ([]rats.Endorsement, error) { return one.Renew(ctx, keys) })
}

func (s Services) ask(get func(*PCS) ([]rats.Endorsement, error)) ([]rats.Endorsement, error) {
	var out []rats.Endorsement
	var said []string
	seen := make(map[[32]byte]bool)
	for _, one := range s {
		items, err := get(one)
		for _, e := range items {
			if id := identity(e); !seen[id] {
				seen[id] = true
				out = append(out, e)
			}
		}
		if err == nil {
			return out, nil
		}
		said = append(said, rats.AsError(err).Detail)
	}
	if len(said) == 0 {
		return nil, nil
	}
	return out, rats.Errorf(rats.EndorsementUnavailable, "%s", strings.Join(said, "; "))
}

// Standard is [PCS.Standard] of the first that knows it.
func (s Services) Standard(tee rats.TEE) (number uint32, known bool) {
	for _, one := range s {
		if number, known = one.Standard(tee); known {
			return number, true
		}
	}
	return 0, false
}

// Close closes each.
func (s Services) Close() {
	for _, one := range s {
		one.Close()
	}
}
