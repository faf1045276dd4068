// SPDX-License-Identifier: Apache-2.0

// Package rats holds the words that every other package speaks: those of the
// Remote ATtestation procedureS architecture (RFC 9334) and the closed list of
// reasons for which an appraisal can fail.
//
// It is the ground floor: it imports nothing of this module and knows no clock,
// no network, no file and no vendor's byte layout. What a word means is said
// here once; how a vendor's data come to say it is said where they are parsed.
package rats
