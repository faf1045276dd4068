// SPDX-License-Identifier: Apache-2.0

// Command attesteer-wasm is verification for JavaScript: in a page, in a Web
// Worker, in Node. It is built by
//
//	make wasm
//
// and loaded beside wasm_exec.js of the same Go release, found in
// $(go env GOROOT)/lib/wasm:
//
//	importScripts("wasm_exec.js"); // a page: <script src>; Node: require()
//	const go = new Go();
//	const {instance} = await WebAssembly.instantiateStreaming(fetch("attesteer.wasm"), go.importObject);
//	go.run(instance); // not to be awaited
//
//	const {result, error} = attesteer.verify(evidence, endorsements, {at: "2025-06-20T10:55:00Z"});
//	if (error === null) {
//		console.log(JSON.parse(result).fingerprint);
//	} else {
//		console.log(error.kind, error.detail);
//	}
//
// go.run returns once globalThis.attesteer is there. It holds four functions:
//
//	verify(evidence, endorsements, options)   as "attesteer verify FILE --json"
//	inspect(evidence)                         as "attesteer inspect FILE --json"
//	verifyProof(bundle, trust, at)            as "attesteer proof verify BUNDLE --json"
//	release()                                 removes globalThis.attesteer and ends its functions
//
// The program itself does not end. Its memory is free once it is released and
// nothing refers to it any more; a Web Worker can be terminated at any time, and
// Node ends as it always does.
//
// The first three functions return {result, error} and throw nothing. result is
// the JSON that the command prints, byte for byte and without the end of line, as
// a string, or null where the command prints none. error is null, or the kind and
// detail of the command's error: a rejection has a result and an error, and so
// has the proof that there is no record (not_found).
//
// evidence and bundle are a Uint8Array, or a string for what is written as text;
// evidence may be hex or base64 in either. endorsements is an array of {kind,
// body, issuers}, where body is a Uint8Array or standard base64 and issuers an
// array of such, or that array as JSON. The endorsements that a node's API
// answers are of this form. Unlike a folder, where what is no endorsement is
// passed over, one that does not parse is an error.
//
// options is an object, or JSON; each of its members may be left out:
//
//	at            RFC 3339; now
//	policy        as docs/policy.md has it; the strictest
//	runtime_data  standard base64 of what has to hash to the report data
//	roots         [{name, subject, public_key}], DER in standard base64: the roots
//	              to trust instead of the vendors' pinned ones
//
// A member of another name is an error, so that a demand with a slip in its name
// is not taken for none. trust is a ledger's genesis file, or the hash of its
// validator set in hex, and at is when the record's state is asked for.
//
// Nothing is fetched. The module remembers signatures that it verified, which
// changes speed and nothing else; calls block, so a page with other work to do
// runs it in a Web Worker.
package main
