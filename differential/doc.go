// SPDX-License-Identifier: Apache-2.0

// Package differential holds tests alone: our verifier beside other Go
// verifiers of Intel DCAP quotes, on the same evidence, endorsements and time,
// and benchmarks of all of them in one process.
//
// It is a module of its own so that what the peers depend on reaches nobody who
// imports attesteer. README.md tells what is compared and where the verifiers
// disagree.
package differential
