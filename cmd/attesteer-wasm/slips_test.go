// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// TestSlipsInJavaScriptAreAnswered: whatever a call is given, it answers, and the
// module lives on.
func TestSlipsInJavaScriptAreAnswered(t *testing.T) {
	n := newNode(t)
	raw, items := simulated(t, simtee.Enclave{})
	bundle, _, hash := provenGenesis(t)
	s := session{
		Bytes: map[string][]byte{"quote": raw, "bundle": bundle},
		Values: map[string]any{
			"items": items, "hash": hash, "trusting": map[string]any{"at": noon, "roots": []rats.TrustRoot{simtee.Root()}},
		},
	}
	const accepted, refused = rats.None, rats.Malformed
	tests := []struct {
		expression string
		kind       rats.Kind
	}{
		{`attesteer.verify(quote, items.map(e => ({...e, body: bytes(e.body), issuers: (e.issuers ?? []).map(bytes)})), trusting)`, accepted},
		{`attesteer.verify(quote, new TextEncoder().encode(JSON.stringify(items)), new TextEncoder().encode(JSON.stringify(trusting)))`, accepted},
		{`attesteer.verify(quote, items.map(e => ({...e, sha256: "00", issuers: e.issuers ?? null})), trusting)`, accepted},
		{`attesteer.verify(Buffer.from(quote), items, {...trusting, policy: null, runtime_data: null})`, accepted},
		{`attesteer.verify(quote, items, {...trusting, roots: []})`, rats.UntrustedRoot},
		{`attesteer.verify()`, refused},
		{`attesteer.verify(7, items, trusting)`, refused},
		{`attesteer.verify(Array.from(quote), items, trusting)`, refused},
		{`attesteer.verify(new Uint16Array(quote), items, trusting)`, refused},
		{`attesteer.verify(quote.buffer, items, trusting)`, refused},
		{`attesteer.verify("", items, trusting)`, refused},
		{`attesteer.verify(quote, 7, trusting)`, refused},
		{`attesteer.verify(quote, {}, trusting)`, refused},
		{`attesteer.verify(quote, [null], trusting)`, refused},
		{`attesteer.verify(quote, [{body: items[0].body}], trusting)`, refused},
		{`attesteer.verify(quote, [{...items[0], kind: "crl"}], trusting)`, rats.Unsupported},
		{`attesteer.verify(quote, [{...items[0], body: 7}], trusting)`, refused},
		{`attesteer.verify(quote, [{...items[0], body: "no base64"}], trusting)`, refused},
		{`attesteer.verify(quote, [{...items[0], issuers: "MA=="}], trusting)`, refused},
		{`attesteer.verify(quote, [{...items[0], issuers: [7]}], trusting)`, refused},
		{`attesteer.verify(quote, Array(4e9), trusting)`, refused},
		{`attesteer.verify(quote, "[", trusting)`, refused},
		{`attesteer.verify(quote, [{get kind() { throw new Error("mine") }}], trusting)`, refused},
		{`attesteer.verify(quote, [{...items[0], get issuers() { throw 7 }}], trusting)`, refused},
		{`attesteer.verify(quote, new Proxy([], {get() { return "many" }}), trusting)`, refused},
		{`attesteer.verify(new Proxy(quote, {getPrototypeOf() { throw 7 }}), items, trusting)`, refused},
		{`attesteer.verify(quote, items, {...trusting, toJSON() { throw 7 }})`, refused},
		{`attesteer.verify(quote, items, 7)`, refused},
		{`attesteer.verify(quote, items, () => 0)`, refused},
		{`attesteer.verify(quote, items, {...trusting, at: "yesterday"})`, refused},
		{`attesteer.verify(quote, items, {...trusting, at: new Date(trusting.at)})`, accepted},
		{`attesteer.verify(quote, items, {...trusting, runtimeData: "AA=="})`, refused},
		{`attesteer.verify(quote, items, {...trusting, policy: {allowDebug: false}})`, refused},
		{`attesteer.verify(quote, items, (() => { const o = {}; o.at = o; return o })())`, refused},
		{`attesteer.inspect(null)`, refused},
		{`attesteer.inspect({byteLength: 7})`, refused},
		{`attesteer.verifyProof()`, refused},
		{`attesteer.verifyProof("{}", "")`, refused},
		{`attesteer.verifyProof(bundle, hash, new Date(trusting.at))`, accepted},
		{`attesteer.verifyProof(bundle, hash, {at: trusting.at})`, refused},
		{`attesteer.verifyProof(bundle, hash, () => 0)`, refused},
		// After all of it:
		{`attesteer.verify(quote, items, trusting)`, accepted},
	}
	for _, tt := range tests {
		s.Expressions = append(s.Expressions, tt.expression)
	}
	answers := n.run(t, s)
	if first, last := answers[0].String(), answers[len(answers)-1].String(); first != last {
		t.Errorf("the same input came to\n%s, and to\n%s", first, last)
	}
	for i, tt := range tests {
		got := answers[i]
		if got.kind() != tt.kind || got.Error != nil && got.Error.Detail == "" {
			t.Errorf("%s: %s, want %q", tt.expression, got, tt.kind)
		}
		if tt.kind == accepted && got.Result == nil {
			t.Errorf("%s: no result", tt.expression)
		}
	}
}
