// SPDX-License-Identifier: Apache-2.0

// Package epid judges the attestation verification reports of Intel's
// Attestation Service for SGX (IAS), which verified quotes signed with Enhanced
// Privacy ID: quotes that nobody but Intel could verify. References:
// "Attestation Service for Intel Software Guard Extensions: API Documentation"
// (IAS API) for versions 3, 4 and 5 and those before, whose reports name no
// version; sgx_quote.h of Intel's SGX SDK for the quote; platform_info_blob.h of
// its platform software for the platform info.
//
// A report is JSON that Intel signed as it stands, byte for byte. [Parse] takes
// the forms in which it travels with its signature, and [Appraise] judges one:
// the signature, the certificate of the key that made it, what Intel says of the
// quote, and times. All of it is a pure function of its arguments: no clock, no
// network, no log.
//
// Intel ended the service in April 2025. A report remains Intel's word on one
// quote at one time, and that is how it is judged: the certificate of the
// signing key has to have held when the report was made, not when it is read,
// and what became known of the platform since is in no report. Nobody can ask
// for another one, and no list of revoked report signing certificates is
// published any more that could be held against one. How old a report may be is
// policy, and stands above.
package epid
