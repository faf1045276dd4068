// SPDX-License-Identifier: Apache-2.0

package metrics

import "time"

// Kept is an enclave that an agent keeps attested.
type Kept struct {
	// Enclave is its name in the agent's configuration.
	Enclave string
	// State is its record's, empty until that is known.
	State string
	// Left is the time until the record expires, Valid until the data end that the
	// verdict rests on; negative once they did.
	Left, Valid time.Duration
	// Success is when it was last attested; zero if it never was.
	Success time.Time
	// Rounds counts the agent's rounds by outcome, Failures those that failed since
	// one did not.
	Rounds   map[string]uint64
	Failures int
}

// Rounds are the outcomes of an agent's rounds.
func Rounds() []string { return []string{"recorded", "known", "renewed", "failed", "ended"} }

// States are those of records.
func States() []string {
	return []string{"active", "expired", "undecided", "withdrawn", "revoked"}
}

func (s sink) kept(k *Kept) {
	for _, outcome := range Rounds() {
		s.put(agentRounds, float64(k.Rounds[outcome]), k.Enclave, outcome)
	}
	s.put(agentFailures, float64(k.Failures), k.Enclave)
	last := 0.
	if !k.Success.IsZero() {
		last = unix(k.Success)
	}
	s.put(agentSuccess, last, k.Enclave)
	if k.State == "" {
		return
	}
	for _, state := range States() {
		s.put(agentState, yes(k.State == state), k.Enclave, state)
	}
	s.put(agentExpires, k.Left.Seconds(), k.Enclave)
	s.put(agentValid, k.Valid.Seconds(), k.Enclave)
}
