// SPDX-License-Identifier: Apache-2.0

// Package openenclave opens the envelopes in which the Open Enclave SDK hands
// out evidence and gives back the evidence inside.
//
// It reads the report: the envelope of oe_get_report, a header of 16 bytes
// before an SGX quote (include/openenclave/internal/report.h). The newer
// envelopes of oe_get_evidence, with their custom claims and endorsements, have
// their place in this package, a file for each; so far they are told apart and
// refused as unsupported.
//
// The bytes inside are handed up as they are. This package does not parse
// quotes, verifies nothing, and knows no clock and no network.
package openenclave
