// SPDX-License-Identifier: Apache-2.0

package client

// ReceiptStatus is where a transaction stands that a receipt is about.
type ReceiptStatus string

// The statuses.
const (
	// ReceiptPending: it waits for a block.
	ReceiptPending ReceiptStatus = "pending"
	// ReceiptRecorded: its block is committed, and it made or changed a record.
	ReceiptRecorded ReceiptStatus = "recorded"
	// ReceiptRefused: it counts for nothing.
	ReceiptRefused ReceiptStatus = "refused"
)

// Receipt says that evidence is on its way into the ledger. It is no verdict:
// while it is pending nothing is decided.
type Receipt struct {
	Receipt  string        `json:"receipt" doc:"the receipt's name, which is tx"`
	Tx       string        `json:"tx" doc:"SHA-256 of the transaction"`
	Status   ReceiptStatus `json:"status" enum:"pending,recorded,refused"`
	Location string        `json:"location" doc:"path that says what became of it"`
	// Recorded and Problem are nil but where Status says otherwise. The Result of
	// Recorded is nil where only the ledger remembers the transaction.
	Recorded *Recorded `json:"recorded,omitempty" doc:"what was recorded"`
	Problem  *Problem  `json:"problem,omitempty" doc:"why it counts for nothing"`
}
