// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strconv"
	"strings"
	"time"
)

// preference is what a caller says in Prefer about when it is answered (RFC 7240
// sections 4.1 and 4.3). It is a wish: what cannot be met is passed over.
type preference struct {
	// async: a receipt will do.
	async bool
	// wait is for how long the caller waits for more than a receipt, if it says so.
	wait  time.Duration
	waits bool
}

// parsePrefer reads a Prefer header. Of a preference that is given twice the
// first counts (section 2), and one that cannot be read is none.
func parsePrefer(text string) preference {
	var p preference
	seen := make(map[string]bool)
	for _, item := range splitQuoted(text) {
		item, _, _ = strings.Cut(item, ";") // none of ours has parameters
		name, value, _ := strings.Cut(item, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if seen[name] {
			continue
		}
		seen[name] = true
		switch name {
		case "respond-async":
			p.async = true
		case "wait":
			seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
			if err == nil {
				p.wait, p.waits = time.Duration(seconds)*time.Second, true
			}
		}
	}
	return p
}

// receipt reports whether an answer may be a receipt.
func (p preference) receipt() bool { return p.async || p.waits }

// patience is for how long the answer is waited for before it is one.
func (p preference) patience() time.Duration { return min(p.wait, submitTimeout) }

// applied is what Preference-Applied says (section 3).
func (p preference) applied() string {
	var all []string
	if p.async {
		all = append(all, "respond-async")
	}
	if p.waits && p.wait <= submitTimeout {
		all = append(all, "wait="+strconv.Itoa(int(p.wait/time.Second)))
	}
	return strings.Join(all, ", ")
}
