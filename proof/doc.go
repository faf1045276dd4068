// SPDX-License-Identifier: Apache-2.0

// Package proof checks what a ledger says of an enclave without trusting who
// passed it on.
//
// A [Bundle] carries one record, or the absence of one, with all that leads
// from it to the signatures of the ledger's validators: the path in the Merkle
// map, the roots that make the application hash, the block header that holds
// it, and the commit by which the validators decided that header. [Verify]
// follows it from what the reader trusts, a genesis or the hash of a validator
// set, and needs nothing else.
//
// The header, the validator set and the votes are CometBFT's (v0.38, spec
// "Data Structures" and "Signing"), encoded here in the few forms that are
// hashed and signed. The package imports neither CometBFT nor a network, and
// runs in a browser.
//
// Everything in a bundle is bound by a hash or a signature: no bit of it can
// change and leave the proof of the same thing valid.
package proof
