// SPDX-License-Identifier: Apache-2.0

package record

import "time"

// Millis is ledger time: milliseconds since the Unix epoch, UTC. Zero is "not set".
type Millis int64

// MillisOf returns t in milliseconds, cut down.
func MillisOf(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time returns m in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// MarshalJSON writes RFC 3339 in UTC, and zero as null.
func (m Millis) MarshalJSON() ([]byte, error) {
	if m == 0 {
		return []byte("null"), nil
	}
	return m.Time().MarshalJSON()
}

// UnmarshalJSON reads RFC 3339 or null.
func (m *Millis) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*m = 0
		return nil
	}
	var t time.Time
	if err := t.UnmarshalJSON(data); err != nil {
		return err
	}
	*m = MillisOf(t)
	return nil
}
