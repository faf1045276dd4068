// SPDX-License-Identifier: Apache-2.0

package qcnl

import (
	"errors"
	"strconv"
	"strings"
)

// readLegacy reads lines of KEY=value. White space counts nowhere, not even
// within values; lines that begin with # and keys that are unknown are passed
// over. A line without = has itself as its value. The last of several counts.
func readLegacy(src []byte) *Config {
	c := defaults(Legacy)
	ownCollateral := false
	for i, line := range strings.Split(string(src), "\n") {
		// A zero would stay in a C++ string, and no name or URL has one.
		line, _, _ = strings.Cut(strings.Map(visible, line), "\x00")
		if line == "" || line[0] == '#' {
			continue
		}
		name, text, found := strings.Cut(line, "=")
		if !found {
			text = line
		}
		ownCollateral = ownCollateral || name == "COLLATERAL_SERVICE"
		c.take(name, text, Position{i + 1, 1})
	}
	if !ownCollateral {
		c.CollateralService = c.PCCSURL
	}
	return c
}

// visible drops what isspace of the C locale is true for.
func visible(c rune) rune {
	if c == ' ' || c >= '\t' && c <= '\r' {
		return -1
	}
	return c
}

// take sets one option of a legacy file.
func (c *Config) take(name, text string, at Position) {
	option := lower(name)
	if name != strings.ToUpper(option) || knownAs(option) != option || option == TCBUpdateType || option == CustomRequestOptions {
		c.passedOver(name, at)
		return
	}
	set := true
	switch option {
	case PCCSURL:
		c.PCCSURL = text
	case CollateralService:
		c.CollateralService = text
	case APIVersion:
		c.APIVersion = text
	case LocalPCKURL:
		c.LocalPCKURL = text
	case UseSecureCert:
		// There is no way back: any other word leaves what was.
		set = c.flag(option, text, "FALSE", &c.UseSecureCert, false, at)
	case LocalCacheOnly:
		set = c.flag(option, text, "TRUE", &c.LocalCacheOnly, true, at)
	case RetryTimes:
		set = c.whole(option, text, at, func(n int) { c.RetryTimes = n })
	case RetryDelay:
		set = c.whole(option, text, at, func(n int) { c.RetryDelay = n })
	case PCKCacheHours:
		set = c.whole(option, text, at, func(n int) { c.PCKCacheHours = float64(n) })
	case CollateralCacheHours:
		set = c.whole(option, text, at, func(n int) { c.CollateralCacheHours = float64(n) })
	}
	if set {
		c.Set[option] = at
	}
	if option == PCKCacheHours {
		c.PCKCacheHours = c.capped(option, c.PCKCacheHours)
	}
	if option == CollateralCacheHours {
		c.CollateralCacheHours = c.capped(option, c.CollateralCacheHours)
	}
}

// passedOver notes a line that sets nothing. In a text that is JSON gone wrong
// most lines are such, which one finding says once for all.
func (c *Config) passedOver(name string, at Position) {
	switch known := knownAs(name); {
	case strings.ContainsAny(name, `"{}/[]*`):
	case known == TCBUpdateType || known == CustomRequestOptions:
		c.note(Error, known, &at, "is ignored: only a file in JSON can set it")
	case known != "":
		c.note(Error, "", &at, "%q is ignored: the option is written %s", name, strings.ToUpper(known))
	default:
		c.note(Warning, "", &at, "%q is ignored: there is no such option", name)
	}
}

// flag sets an option that knows one word, all in capitals or all in small
// letters.
func (c *Config) flag(option, text, word string, to *bool, yes bool, at Position) bool {
	if text == word || text == lower(word) {
		*to = yes
		return true
	}
	other := map[bool]string{false: "TRUE", true: "FALSE"}[yes]
	if strings.EqualFold(text, other) {
		return true
	}
	c.note(Error, option, &at, "is ignored: %q is neither %s nor %s", text, word, other)
	return false
}

// whole reads a number as stoi does: as far as there are digits.
func (c *Config) whole(option, text string, at Position, set func(int)) bool {
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && strings.IndexByte("+-", text[0]) >= 0) {
		end++
	}
	n, err := strconv.ParseInt(text[:end], 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		c.note(Error, option, &at, "is ignored, being too big a number; older releases of the library end the program over it")
		return false
	case err != nil:
		c.note(Error, option, &at, "is ignored: %q is no number", text)
		return false
	case end < len(text):
		c.note(Error, option, &at, "counts as %d: %q is cut off", n, text[end:])
	}
	set(int(n))
	return true
}
