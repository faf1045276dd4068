// SPDX-License-Identifier: Apache-2.0

// Package openenclave opens the envelopes in which the Open Enclave SDK hands
// out evidence and gives back the evidence inside.
//
// It reads the report of oe_get_report, a header of 16 bytes before an SGX quote
// (include/openenclave/internal/report.h); the evidence of oe_get_evidence in
// every format that Open Enclave names, with the custom claims behind the quote;
// and the endorsements that it hands out beside evidence of SGX and TDX. Custom
// claims are written as well.
//
// The bytes inside are handed up as they are. This package does not parse
// quotes, verifies nothing, and knows no clock and no network.
package openenclave
