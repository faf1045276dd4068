// SPDX-License-Identifier: Apache-2.0

// Package dcap judges Intel SGX and TDX quotes by Intel's endorsements: the PCK
// certificate chain, TCB info, the identities of the quoting enclave and the TDX
// module, and the revocation lists. References: Intel SGX DCAP Quote
// Verification Library (QVL), Provisioning Certification Service (PCS) API v4,
// and the PCK certificate and CRL profile (revision 1.4).
//
// [Parse] reads one endorsement strictly; [Statement.Verify] checks who signed
// it, without regard to dates; a [Set] holds statements to choose from; and
// [Appraise] judges a quote at a time. All of it is a pure function of its
// arguments: no clock, no network, no log. [Facts] remembers what
// verified and changes nothing but speed.
//
// It differs from QVL, Intel's own library, on purpose in this:
//
//   - the root is pinned by key and name, not by the bytes of one certificate;
//   - certificates' and statements' beginnings count, not their ends alone;
//   - a QE identity is required, and the second half of the QE report's data
//     must be zero;
//   - certificates must have the key usage and basic constraints of their role,
//     not some;
//   - signed JSON is verified as it was sent, not as it would be written anew;
//   - all signatures come before revocation, and revocation before dates, over
//     the whole of evidence and endorsements.
//
// What the package does not do: it has no opinion on which TCB status or which
// enclave is good enough. That is policy, and stands above.
package dcap
