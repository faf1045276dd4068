// SPDX-License-Identifier: Apache-2.0

// Package agent keeps enclaves attested: at the frequency and for the duration
// that their owner chose.
//
// A [Keeper] keeps one enclave. Each round takes a recent block of the ledger
// as a challenge, has the enclave produce evidence bound to it, gets the
// endorsements that the evidence needs from the owner's own sources, appraises
// the evidence here, publishes the endorsements and submits the evidence. What
// would be refused is said here and not sent. Between rounds the keeper follows
// its record: when that becomes undecided, expired or revoked, the next round
// comes at once, and before the data end that the verdict rests on it publishes
// newer ones.
//
// All times are counted from ledger time, as durations: a ledger may have
// another time than the machine that the enclave runs on.
//
// A record that was withdrawn is left alone, unless its owner says otherwise
// ([Enclave].Revive): no keeper brings back what the enclave's key, or its own
// registrar, took back. Several keepers of one enclave do each other no harm:
// evidence that another has recorded already counts as recorded.
//
// The package makes no evidence, opens no connection and reads no file: what
// does is handed to it.
package agent
