// SPDX-License-Identifier: Apache-2.0

package attester

import (
	"context"
	"time"
)

// pause is how long to wait before the second attempt.
type pause time.Duration

// after waits once attempt n has failed, from 0: twice as long each time. It
// returns ctx's error if that ends first.
func (p pause) after(ctx context.Context, n int) error {
	// A package of this floor has no clock of its own: a context has one.
	waiting, cancel := context.WithTimeout(ctx, time.Duration(p)<<n)
	defer cancel()
	<-waiting.Done()
	return ctx.Err()
}
