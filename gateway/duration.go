// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// maxDays keeps a number of days within what a duration can hold.
const maxDays = 36500

// parseValidFor reads a duration such as "48h", "1h30m" or "30d" and returns
// milliseconds; empty is zero, the network's default.
func parseValidFor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 32)
		if n > maxDays {
			return 0, rats.Errorf(rats.Malformed, "valid_for: at most %d days", maxDays)
		}
		d = time.Duration(n) * 24 * time.Hour
	}
	switch {
	case err != nil:
		return 0, rats.Errorf(rats.Malformed, "valid_for: want a duration such as 48h or 30d")
	case d < time.Millisecond:
		return 0, rats.Errorf(rats.Malformed, "valid_for: has to be positive")
	}
	return d.Milliseconds(), nil
}
