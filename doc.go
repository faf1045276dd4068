// SPDX-License-Identifier: Apache-2.0

// Package attesteer verifies the evidence by which trusted execution
// environments prove which code they run.
//
// # Verifying
//
// [Verify] takes four things and nothing from anywhere else: the [Evidence] as
// the enclave gave it out, the vendor's signed [Endorsements] about the
// platform, a [Policy], and the time as of which to judge:
//
//	endorsements, err := attesteer.ParseEndorsements(items...)
//	result, err := attesteer.Verify(attesteer.Evidence{Raw: quote}, endorsements, attesteer.Policy{}, time.Now())
//
// err is nil exactly when the policy is satisfied. Otherwise it is a
// *[rats.Error] whose kind says what to do: forged (bad_signature,
// untrusted_root, revoked, …), genuine but not good enough (tcb_rejected,
// debug_forbidden, …), undecided (endorsement_unavailable,
// endorsement_expired), unsupported or malformed. A rejection comes with the
// full [Result], every check listed.
//
// # Policy
//
// The zero [Policy] is the strictest: a production build on a platform that its
// vendor calls up to date, revocation checked, nothing expired. Each loosening
// is a field with a name. Undecided is never accepted.
//
// # Endorsements
//
// They are plain bytes signed by the vendor, so it does not matter where they
// come from. Package endorse reads folders of them. [CheckEndorsement] checks
// one alone.
//
// # Evidence
//
// Intel SGX quotes of version 3, bare or in an Open Enclave report. [Decode]
// turns hex and base64 into bytes, [Recognise] names the format, [Inspect] shows
// what evidence claims without verifying it, and [Needs] names the endorsements
// that verifying it will look for.
//
// # Time
//
// Evidence is judged as of the time that the caller gives, which may lie in the
// past. Every certificate, list and statement used must hold at that time, both
// ends included; [Result.ValidFrom] and [Result.ValidUntil] say between which
// times the same answer stands. What a result rests on is named in it: the root,
// the digest of each endorsement, and every check with the clause that asks for it.
//
// # Speed
//
// [Verifier] remembers signatures that verified and gives the same answers.
package attesteer
