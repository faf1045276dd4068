// SPDX-License-Identifier: Apache-2.0

// Package quote turns the bytes of Intel DCAP quotes into types and back.
//
// A quote is what an Intel quoting enclave (QE) says of an SGX enclave or a TDX
// trust domain: a header, a report, and authentication data that lead from the
// signature over both to a certificate that Intel issued for the platform. The
// layouts read here are those of "Intel SGX ECDSA Quote Library API", appendix
// A.4 (version 3, SGX), and "Intel TDX DCAP Quoting Library API", appendix A.3
// (versions 4 and 5, SGX and TDX), with ECDSA P-256 keys.
//
// The parser is strict: all sizes must agree to the byte. Bytes after the
// authentication data are the one exception, since platforms pad quotes with
// zeros and envelopes append their own data: they are kept in Quote.Trailing,
// and what to make of them is the caller's affair.
//
// Parsing proves nothing. This package checks no signature, knows no root of
// trust, no clock and no network, and does not look into certification data.
package quote
