// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"encoding/json"
	"strings"
)

// reader reads one JSON value, which is known to be well-formed.
type reader func(json.RawMessage) *fault

// object reads an object of the given members. Unlike encoding/json it refuses
// members that are unknown, differ in case, are given twice or are null: in a
// policy each of them is a demand that somebody believes to have made.
func object(value json.RawMessage, members map[string]reader) *fault {
	if value[0] != '{' {
		return faulty("", "want an object")
	}
	d := json.NewDecoder(bytes.NewReader(value))
	seen := make(map[string]bool)
	for _, err := d.Token(); d.More() && err == nil; {
		var token json.Token
		var v json.RawMessage
		if token, err = d.Token(); err == nil {
			err = d.Decode(&v)
		}
		name, _ := token.(string)
		read := members[name]
		switch {
		case err != nil:
			return faulty(short(name), "not JSON: %v", err)
		case read == nil:
			return faulty(short(name), "there is no such member")
		case seen[name]:
			return faulty(name, "is given twice")
		}
		seen[name] = true
		if f := notNull(read)(v); f != nil {
			return f.in(name)
		}
	}
	return nil
}

// notNull refuses null, of which nobody knows whether it stands for everything
// or for nothing.
func notNull(read reader) reader {
	return func(value json.RawMessage) *fault {
		if string(value) == "null" {
			return faulty("", "is null: leave it out to demand nothing")
		}
		return read(value)
	}
}

// list reads an array. An empty one becomes an empty slice that is not nil.
func list[T any](to *[]T, element func(*T) reader) reader {
	return func(value json.RawMessage) *fault {
		var values []json.RawMessage
		if err := json.Unmarshal(value, &values); err != nil {
			return faulty("", "want a list")
		}
		out := make([]T, len(values))
		for i := range values {
			if f := notNull(element(&out[i]))(values[i]); f != nil {
				return f.in(item("", i))
			}
		}
		*to = out
		return nil
	}
}

// scalar reads a string, number or boolean.
func scalar[T any](to *T, want string) reader {
	return func(value json.RawMessage) *fault {
		if err := json.Unmarshal(value, to); err != nil {
			return faulty("", "want %s", want)
		}
		return nil
	}
}

// pointer reads a scalar whose absence means something.
func pointer[T any](to **T, want string) reader {
	return func(value json.RawMessage) *fault {
		*to = new(T)
		return scalar(*to, want)(value)
	}
}

// short returns what is quoted of the input.
func short(name string) string {
	const most = 64
	if len(name) > most {
		return strings.ToValidUTF8(name[:most], "") + "…"
	}
	return name
}
