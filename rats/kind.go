// SPDX-License-Identifier: Apache-2.0

package rats

import "fmt"

// Kind is the closed list of reasons for which a call can fail. Kinds cross the
// ledger (as result codes), HTTP, JSON-RPC and exit codes, so the list is
// append-only: a number is never reused and a name never changes.
//
// A Kind is itself an error, so that errors.Is(err, rats.Revoked) works on
// whatever wraps an [Error].
type Kind uint8

// The kinds. Their order is their number on the ledger.
const (
	// None is the zero Kind: nothing failed.
	None Kind = iota
	// Malformed: bytes do not parse.
	Malformed
	// Unsupported: bytes parse, but name a version, algorithm or TEE that is not verified here.
	Unsupported
	// BadSignature: a signature does not verify.
	BadSignature
	// UntrustedRoot: a chain does not end in a pinned root.
	UntrustedRoot
	// Revoked: a certificate or the platform is revoked.
	Revoked
	// BindingMismatch: report data, nonce, key or device does not match.
	BindingMismatch
	// Expired: evidence, or the certificate that vouches for it, is outside its time, past or future.
	Expired
	// TCBRejected: genuine, but the TCB status is not one that the policy accepts.
	TCBRejected
	// DebugForbidden: genuine, but a debug build where the policy wants production.
	DebugForbidden
	// MeasurementUnknown: genuine, but not the code that the policy expects.
	MeasurementUnknown
	// PolicyRejected: genuine, but another demand of the policy is not met.
	PolicyRejected
	// EndorsementUnavailable: undecided, since an endorsement that is needed is missing.
	EndorsementUnavailable
	// EndorsementExpired: undecided, since an endorsement that is needed is stale or not yet valid.
	EndorsementExpired
	// Replayed: this evidence was recorded before.
	Replayed
	// NotFound: there is no such record.
	NotFound
	// Unauthorized: the token is missing, unknown or may not do this.
	Unauthorized
	// QuotaExceeded: the caller's rate is over what it is granted.
	QuotaExceeded
	// TooLarge: the input is over a size limit.
	TooLarge
	// Internal: a fault of ours; no detail of it leaves the process.
	Internal
)

// kinds is the one table behind names, exit codes and HTTP statuses.
var kinds = [...]struct {
	name string
	exit int
	http int
}{
	None:                   {"", 0, 200},
	Malformed:              {"malformed", 14, 400},
	Unsupported:            {"unsupported", 13, 422},
	BadSignature:           {"bad_signature", 10, 422},
	UntrustedRoot:          {"untrusted_root", 10, 422},
	Revoked:                {"revoked", 10, 422},
	BindingMismatch:        {"binding_mismatch", 10, 422},
	Expired:                {"expired", 10, 422},
	TCBRejected:            {"tcb_rejected", 11, 422},
	DebugForbidden:         {"debug_forbidden", 11, 422},
	MeasurementUnknown:     {"measurement_unknown", 11, 422},
	PolicyRejected:         {"policy_rejected", 11, 422},
	EndorsementUnavailable: {"endorsement_unavailable", 12, 424},
	EndorsementExpired:     {"endorsement_expired", 12, 424},
	Replayed:               {"replayed", 11, 409},
	NotFound:               {"not_found", 15, 404},
	Unauthorized:           {"unauthorized", 1, 401},
	QuotaExceeded:          {"quota_exceeded", 1, 429},
	TooLarge:               {"too_large", 1, 413},
	Internal:               {"internal", 1, 500},
}

// Kinds returns every kind but None, in the order of their numbers.
func Kinds() []Kind {
	out := make([]Kind, 0, len(kinds)-1)
	for k := range kinds[1:] {
		out = append(out, Kind(k+1))
	}
	return out
}

// Known reports whether k is None or in the table.
func (k Kind) Known() bool { return int(k) < len(kinds) }

// String returns the outward name, such as "bad_signature"; None is empty.
func (k Kind) String() string {
	if !k.Known() {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kinds[k].name
}

// Error makes a Kind usable as a target of errors.Is.
func (k Kind) Error() string { return k.String() }

// ExitCode returns the command line's exit code for k.
func (k Kind) ExitCode() int {
	if !k.Known() {
		return 1
	}
	return kinds[k].exit
}

// HTTPStatus returns the HTTP status for k.
func (k Kind) HTTPStatus() int {
	if !k.Known() {
		return 500
	}
	return kinds[k].http
}

// MarshalText writes the outward name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalJSON writes the outward name as a string, and None as null.
func (k Kind) MarshalJSON() ([]byte, error) {
	if k == None {
		return []byte("null"), nil
	}
	return []byte(`"` + k.String() + `"`), nil
}

// UnmarshalJSON reads a name or null.
func (k *Kind) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*k = None
		return nil
	}
	if len(data) < 2 || data[0] != '"' || data[len(data)-1] != '"' {
		return fmt.Errorf("kind must be a string or null")
	}
	return k.UnmarshalText(data[1 : len(data)-1])
}

// UnmarshalText reads an outward name; an unknown one is an error.
func (k *Kind) UnmarshalText(text []byte) error {
	for i := range kinds {
		if kinds[i].name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("unknown kind %q", text)
}
