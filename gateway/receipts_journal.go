// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

// journalEntry is a line of the file of receipts: a transaction for which one was
// given, or what became of it.
type journalEntry struct {
	// Tx is the signed transaction.
	Tx []byte    `json:"tx,omitempty"`
	At time.Time `json:"at"`
	// Hash names the transaction of which one of what follows is said.
	Hash     string           `json:"hash,omitempty"`
	Recorded *client.Recorded `json:"recorded,omitempty"`
	Problem  *client.Problem  `json:"problem,omitempty"`

	// size is that of its line, once it was read or written.
	size int
}

// line implements [journaled].
func (e *journalEntry) line() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	e.size = len(b) + 1
	return append(b, '\n'), nil
}

// parse implements [journaled].
func (e *journalEntry) parse(line []byte) error {
	e.size = len(line)
	return json.Unmarshal(line, e)
}
