// SPDX-License-Identifier: Apache-2.0

package store

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// legacyRow is a row of a table, with the first thing that is wrong about it.
// SQLite puts any type into any column.
type legacyRow struct {
	table   string
	number  int
	columns []string
	values  []any
	err     error
}

// rows calls each for every row of a table. columns are divided by ", ".
func (r *legacyReader) rows(table, columns string, each func(*legacyRow) error) error {
	names := strings.Split(columns, ", ")
	selected := make([]string, len(names))
	for i, name := range names {
		selected[i] = name
		if strings.HasSuffix(name, "_time") {
			// The driver would read a date for us, and not the same in all forms.
			selected[i] = "CAST(" + name + " AS TEXT)"
		}
	}
	rows, err := r.tx.QueryContext(r.ctx, `SELECT `+strings.Join(selected, ", ")+` FROM `+table) //nolint:gosec // constants of this package
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells what matters
	for number := 1; rows.Next(); number++ {
		row := &legacyRow{table: table, number: number, columns: names, values: make([]any, len(names))}
		into := make([]any, len(names))
		for i := range row.values {
			into[i] = &row.values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for _, v := range row.values {
			switch v := v.(type) {
			case string:
				r.budget -= len(v)
			case []byte:
				r.budget -= len(v)
			}
			r.budget -= 64 // what a value costs at least
		}
		if r.budget < 0 {
			return rats.Errorf(rats.TooLarge, "it holds more than %d MiB", maxLegacy>>20)
		}
		if err := each(row); err != nil {
			return err
		}
		if row.err != nil {
			return row.err
		}
	}
	return rows.Err()
}

// value returns what is in a column.
func (c *legacyRow) value(column string) any {
	return c.values[slices.Index(c.columns, column)]
}

// wrong notes that a column holds what it should not.
func (c *legacyRow) wrong(column, want string) {
	if c.err == nil {
		c.err = rats.Errorf(rats.Malformed, "row %d of %s: %s is no %s", c.number, c.table, column, want)
	}
}

// null reports whether a column holds nothing.
func (c *legacyRow) null(column string) bool { return c.value(column) == nil }

// text returns a name; NULL is empty.
func (c *legacyRow) text(column string) string {
	var check checker
	switch v := c.value(column).(type) {
	case nil:
	case string:
		if check.text(v); check.err == nil {
			return v
		}
		c.wrong(column, "text of a sensible length")
	default:
		c.wrong(column, "text")
	}
	return ""
}

// bytes returns a blob, which JavaScript may have written as text; NULL and
// nothing are nil.
func (c *legacyRow) bytes(column string) []byte {
	switch v := c.value(column).(type) {
	case nil:
	case string:
		return orNil([]byte(v))
	case []byte:
		return orNil(slices.Clone(v))
	default:
		c.wrong(column, "blob")
	}
	return nil
}

// integer returns a number; NULL is -1, which is none that the service writes.
func (c *legacyRow) integer(column string) int64 {
	switch v := c.value(column).(type) {
	case nil:
		return -1
	case int64:
		return v
	case bool: // is_default, by the column's declared type
		return number(v)
	default:
		c.wrong(column, "integer")
		return -1
	}
}

// time returns when, as Sequelize writes it, and zero where it cannot be read:
// nothing depends on it.
func (c *legacyRow) time(column string) time.Time {
	s, _ := c.value(column).(string)
	for _, layout := range []string{"2006-01-02 15:04:05.999999999 -07:00", time.DateTime, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// pem returns a certificate, which is percent-encoded in some columns and plain
// in others. It ends with a line break.
func (c *legacyRow) pem(column string) []byte {
	b := c.bytes(column)
	if len(b) == 0 {
		return nil
	}
	// As encodeURIComponent writes: a plus is a plus (ECMA-262 19.2.6.4).
	s, err := url.PathUnescape(string(b))
	if err != nil {
		c.wrong(column, "certificate: a bad escape")
		return nil
	}
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return []byte(s)
}
