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
// *[rats.Error] whose kind says what to do:
//
//   - forged: bad_signature, untrusted_root, revoked, binding_mismatch, expired;
//   - genuine, but not good enough: tcb_rejected, debug_forbidden,
//     measurement_unknown, policy_rejected;
//   - undecided, which is never accepted: endorsement_unavailable,
//     endorsement_expired;
//   - not readable here: unsupported, malformed.
//
// A rejection comes with the full [Result] wherever the evidence parses: every
// check in its fixed order, with its outcome and the clause that asks for it.
// errors.Is(err, rats.Revoked) tells kinds apart.
//
// # Evidence
//
// Intel quotes of versions 3, 4 and 5 for SGX enclaves and for TDX trust domains
// of TDX 1.0 and 1.5, bare or in the envelopes in which SDKs hand them out: Open
// Enclave's reports and evidence, the JSON of QuoteGeneration programs. They may be
// padded as platforms pad them, with certification data of every type that Intel
// defines. What an envelope carries beside the quote counts where the report data
// bind it. [Decode] turns hex and base64 into bytes, [Recognise] names the format,
// [Inspect] shows what evidence claims without verifying it, [Needs] names the
// endorsements that verifying it will look for, and [QuoteJSON] writes it anew.
//
// # Endorsements
//
// They are bytes that the vendor signed, so it does not matter where they come
// from: TCB info, identities of quoting enclaves, revocation lists, and where
// the evidence does not carry it the platform's PCK certificate. Package endorse
// reads folders of them in any layout. Parse once and verify often: a collection
// may hold those of many platforms and times, of which [Verify] takes what fits,
// holds at the time and verifies. [CheckEndorsement] checks one alone.
//
// # Policy
//
// The zero [Policy] is the strictest: a vendor's root, a production build on a
// platform that its vendor calls up to date, revocation checked, nothing
// expired. Each loosening and each further demand is a field with a name: which
// TCB statuses and advisories are accepted, since when, for how long after an
// update came out; which code, by measurement; which attributes and platform
// flags; what the report data are bound to. [ParsePolicy] reads one from JSON.
//
// # Time
//
// Evidence is judged as of the time that the caller gives, which may lie in the
// past. Every certificate, list and statement used must hold at that time, both
// ends included; [Result.ValidFrom] and [Result.ValidUntil] say between which
// times the same data serve. The root is a pinned key and a name: whichever of
// its certificates comes along, their validity means nothing.
//
// # Results
//
// A [Result] says everything that was established, whatever the policy: the
// measurement, the platform as the vendor certified it, the status of platform,
// quoting enclave and TDX module and what they come to together, advisories,
// dates, and what all of it rests on: the root, and each endorsement by its
// digest. Its JSON is byte-identical from the same input at the same time, in
// the command, in an API and in a browser.
//
// # Speed
//
// A [Verifier] remembers what verified, by content and within bounds: that a key
// made a signature, that a root vouches for a platform. Its answers are those of
// [Verify], sooner. It is safe for concurrent use, and [Verifier.VerifyAll] keeps
// all cores busy.
package attesteer
