// SPDX-License-Identifier: Apache-2.0

// Package dcap judges Intel SGX quotes by Intel's endorsements: the PCK
// certificate chain, TCB info, the identity of the quoting enclave, and the
// revocation lists. References: Intel SGX DCAP Quote Verification Library
// (QVL), Provisioning Certification Service (PCS) API v4, and the PCK
// certificate and CRL profile (revision 1.4).
//
// [Parse] reads one endorsement strictly; [Statement.Verify] checks who signed
// it, without regard to dates; a [Set] holds statements to choose from; and
// [Appraise] judges a quote at a time. All of it is a pure function of its
// arguments: no clock, no network, no log. [Facts] remembers signatures that
// verified and changes nothing but speed.
//
// What the package does not do: it has no opinion on which TCB status or which
// enclave is good enough. That is policy, and stands above.
package dcap
