// SPDX-License-Identifier: Apache-2.0

// Package attester has the machine's own TEE produce evidence, bound to 64 bytes
// of the caller's.
//
// [Open] gives an [Attester] for one of these, or for whichever of the first two
// [Detect] finds:
//
//   - [Gramine]: the pseudo-files under /dev/attestation, which Gramine shows to
//     what runs in an SGX enclave ("Attestation and Secret Provisioning" in its
//     documentation).
//   - [ConfigFS]: configfs-tsm, by which Linux 6.7 and later give the reports of
//     trust domains and of confidential guests of other vendors
//     (Documentation/ABI/testing/configfs-tsm-report).
//   - [Command]: another program, which is given the report data and prints the
//     evidence.
//
// What a TEE answers is recognised and held against what it was asked for before
// anybody sees it: evidence that carries other report data is an error of kind
// BindingMismatch. Nothing else of it is verified: that is the root package's.
//
// Devices are reached through [Files], the few file operations that they take,
// so that tests can put a stand-in there (package teetest).
package attester
