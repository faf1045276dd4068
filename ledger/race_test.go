// SPDX-License-Identifier: Apache-2.0

//go:build race

package ledger

import "time"

// scaled lengthens a limit, since the race detector slows everything down.
func scaled(d time.Duration) time.Duration { return 10 * d }
