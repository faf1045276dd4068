// SPDX-License-Identifier: Apache-2.0

// Package simtee is SGX and TDX in software: it makes quotes, certificates and
// endorsements as Intel's platforms and services do, with genuine signatures,
// under a root of its own.
//
// It exists so that a development network and every test can attest enclaves
// without hardware, account or network, through the same verification as real
// ones. It protects nothing: all of its keys are derived from labels in this
// source, so that anyone can sign anything under [Root]. That root therefore
// counts only where a policy names it, and never on a main network.
//
// Everything is deterministic to the byte: keys come from SHA-256 over labels
// and numbers, signatures are those of RFC 6979, serial numbers and validity of
// certificates are fixed, and endorsements are the same for a whole day. What
// an enclave's report says is the caller's to choose, as are the platform and
// the TCB level at which it is judged.
//
//	pki, _ := simtee.NewPKI(simtee.Faults{})
//	platform, _ := pki.NewPlatform(1, rats.UpToDate)
//	raw, _ := platform.Quote(simtee.Enclave{MREnclave: m, ReportData: d})
//	items, _ := pki.Endorsements(at)
//
// Quotes are of every version, report and type of certification data ([Form],
// [TD]). What is wrong with a PKI or a platform is said by [Faults]: functions
// that edit certificates, statements, lists, reports and quotes before they are
// signed, so that whatever a verifier has to notice can be made.
//
// The package reads no clock and no network. Its tests make the conformance
// suite that stands in the folder conformance.
package simtee

//go:generate go test -run=TestTheConformanceSuite . -update
