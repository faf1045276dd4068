// SPDX-License-Identifier: Apache-2.0

// Package client is the Go client of a node's API.
//
//	c := client.New("https://attesteer.example", token, nil)
//	got, err := c.SubmitEvidence(ctx, client.Submission{Evidence: quote})
//
// What a node answers with is said once, in the types of wire.go: the node
// fills them and the client reads them.
//
// A node's refusal is a [*Refusal], which carries a [rats.Error]: errors.Is
// finds its kind, such as [rats.Replayed]. An error without a kind says that no
// answer came.
//
// A client takes the node's word for what it returns. What needs no trust is
// the proof: package proof verifies what [Client.Proof] fetches.
package client
