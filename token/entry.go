// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/ed25519"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/attesteer/attesteer/rats"
)

// Scope is what a token may be used for.
type Scope string

const (
	// Read is to look things up, and have evidence appraised without recording it.
	Read Scope = "read"
	// Submit is to have evidence and endorsements recorded, and records withdrawn.
	Submit Scope = "submit"
	// Admin is to make and revoke tokens. It implies the others.
	Admin Scope = "admin"
)

// Scopes are what a token may be used for, in the order read, submit, admin.
type Scopes []Scope

// Allow reports whether the scopes hold s, or [Admin], which implies it.
func (all Scopes) Allow(s Scope) bool { return slices.Contains(all, s) || slices.Contains(all, Admin) }

// ParseScopes orders scopes and drops repeated ones. None at all, and one that
// does not exist, is [rats.Malformed].
func ParseScopes(names []string) (Scopes, error) {
	known := Scopes{Read, Submit, Admin}
	for _, name := range names {
		if !slices.Contains(known, Scope(name)) {
			return nil, rats.Errorf(rats.Malformed, "scopes: %q is neither read, submit nor admin", name)
		}
	}
	var out Scopes
	for _, s := range known {
		if slices.Contains(names, string(s)) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, rats.Errorf(rats.Malformed, "scopes: at least one of read, submit, admin")
	}
	return out, nil
}

// maxDays keeps a number of days within what a duration can hold.
const maxDays = 36_500

// ParseExpiry reads when a token ends: an RFC 3339 time, or a duration from now
// on such as "12h" or "90d"; empty is never, a zero time.
func ParseExpiry(text string, at time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 32)
		d = time.Duration(min(n, maxDays)) * 24 * time.Hour
	}
	if err != nil || d <= 0 {
		return time.Time{}, rats.Errorf(rats.Malformed, "expires: neither a duration such as 12h or 90d nor a time in RFC 3339")
	}
	return at.Add(d).UTC(), nil
}

// Quota bounds calls; zero sets no bound. Minutes and days are those of the
// clock, in UTC.
type Quota struct {
	PerMinute uint32 `json:"per_minute,omitempty" doc:"calls in a minute; without, no bound"`
	PerDay    uint32 `json:"per_day,omitempty" doc:"calls in a day of UTC; without, no bound"`
}

// Entry is what is kept of a token.
type Entry struct {
	// ID names the token and is part of its text: 12 lower-case hex digits.
	ID string `json:"id"`
	// Name says whom the token is for.
	Name string `json:"name,omitempty"`
	// SHA256 is that of the token's text, in lower-case hex.
	SHA256 string `json:"sha256"`
	Scopes Scopes `json:"scopes"`
	// Created, Expires and Revoked are in UTC and whole seconds; the latter two
	// are zero where nothing of the kind happens or happened.
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
	// Submissions and Reads are counted apart.
	Submissions Quota `json:"submissions,omitzero"`
	Reads       Quota `json:"reads,omitzero"`
	// Registrar is the public key, in lower-case hex, in whose name the token
	// submits; empty is the node's own.
	Registrar string `json:"registrar,omitempty"`
}

// State is where a token stands in its life.
type State string

// The states of a token.
const (
	Active  State = "active"
	Expired State = "expired"
	Revoked State = "revoked"
)

// State returns where the token stands at a time. What is revoked stays so.
func (e *Entry) State(at time.Time) State {
	switch {
	case !e.Revoked.IsZero():
		return Revoked
	case !e.Expires.IsZero() && !at.Before(e.Expires):
		return Expired
	default:
		return Active
	}
}

// ended returns when the token ceased to be good; ok is false if it has not.
func (e *Entry) ended(at time.Time) (end time.Time, ok bool) {
	switch e.State(at) {
	case Revoked:
		return e.Revoked, true
	case Expired:
		return e.Expires, true
	default:
		return time.Time{}, false
	}
}

// check holds an entry that comes from a file against what this package writes.
func (e *Entry) check() error {
	scopes, err := ParseScopes(textsOf(e.Scopes))
	switch {
	case len(e.ID) != idDigits && len(e.ID) != 2*agedIDBytes || !isHex(e.ID):
		return rats.Errorf(rats.Malformed, "id %q: not %d hex digits", e.ID, idDigits)
	case len(e.SHA256) != 2*sha256.Size || !isHex(e.SHA256):
		return rats.Errorf(rats.Malformed, "token %s: sha256 is not %d hex digits", e.ID, 2*sha256.Size)
	case err != nil:
		return rats.Errorf(rats.Malformed, "token %s: %w", e.ID, err)
	case !slices.Equal(scopes, e.Scopes):
		return rats.Errorf(rats.Malformed, "token %s: scopes are out of order", e.ID)
	case e.Created.IsZero():
		return rats.Errorf(rats.Malformed, "token %s: it has no created", e.ID)
	case e.Registrar != "" && !isRegistrar(e.Registrar):
		return rats.Errorf(rats.Malformed, "token %s: registrar is no public key", e.ID)
	}
	return checkName(e.Name)
}

func textsOf(scopes Scopes) []string {
	out := make([]string, len(scopes))
	for i, s := range scopes {
		out[i] = string(s)
	}
	return out
}

func isRegistrar(s string) bool { return len(s) == 2*ed25519.PublicKeySize && isHex(s) }

// maxName bounds a name, in bytes.
const maxName = 100

func checkName(name string) error {
	if len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return rats.Errorf(rats.Malformed, "name: at most %d bytes, and all of them printable", maxName)
	}
	return nil
}

// View is what is shown of a token: all but its hash. Fields that do not apply
// are left out.
type View struct {
	ID          string     `json:"id" doc:"12 hex digits, a part of the token that is no secret"`
	Name        string     `json:"name" doc:"whom the token is for"`
	State       State      `json:"state" enum:"active,expired,revoked"`
	Scopes      Scopes     `json:"scopes" doc:"read, submit, admin; the last implies the others"`
	Created     time.Time  `json:"created"`
	Expires     *time.Time `json:"expires,omitempty"`
	Revoked     *time.Time `json:"revoked,omitempty"`
	LastUsed    *time.Time `json:"last_used,omitempty" doc:"to the hour"`
	Submissions *Quota     `json:"submissions,omitempty" doc:"bounds of calls that write"`
	Reads       *Quota     `json:"reads,omitempty" doc:"bounds of all other calls"`
	Registrar   string     `json:"registrar,omitempty" doc:"public key in whose name the token submits; without, the node's own"`
}

// view returns what is shown of a token at a time; used is when it was last.
func (e *Entry) view(at, used time.Time) View {
	v := View{
		ID: e.ID, Name: e.Name, State: e.State(at), Scopes: slices.Clone(e.Scopes), Created: e.Created,
		Expires: pointer(e.Expires), Revoked: pointer(e.Revoked), LastUsed: pointer(used),
		Submissions: pointer(e.Submissions), Reads: pointer(e.Reads), Registrar: e.Registrar,
	}
	return v
}

// pointer returns nil for a zero value.
func pointer[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
