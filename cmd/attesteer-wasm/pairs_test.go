// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// pair is one call in JavaScript and the command that says the same.
type pair struct {
	expression string
	command    []string
	kind       rats.Kind
}

// TestNodeGetsTheBytesOfTheCommand: the module's results, kinds and details are
// those that the command prints, byte for byte.
func TestNodeGetsTheBytesOfTheCommand(t *testing.T) {
	n, command := newNode(t), newCommand(t)
	for name, prepare := range map[string]func(*testing.T) (session, []pair){
		"a simulated quote": simulatedPairs, "the seed quote": seedPairs, "a real quote and no endorsements": undecidedPairs, "proofs": proofPairs,
	} {
		t.Run(name, func(t *testing.T) {
			s, pairs := prepare(t)
			for _, p := range pairs {
				s.Expressions = append(s.Expressions, p.expression)
			}
			for i, got := range n.run(t, s) {
				p := pairs[i]
				if want := commandSays(t, command, p.command); got.String() != want.String() {
					t.Errorf("%s\nNode:    %s\ncommand: %s", p.expression, got, want)
				}
				if kind := got.kind(); kind != p.kind {
					t.Errorf("%s: kind %q, want %q", p.expression, kind, p.kind)
				}
			}
		})
	}
}

func simulatedPairs(t *testing.T) (session, []pair) {
	t.Helper()
	raw, items := simulated(t, simtee.Enclave{MREnclave: [32]byte{0xe1}, ISVProdID: 3})
	debugBuild, _ := simulated(t, simtee.Enclave{Debug: true, TCB: rats.OutOfDate})
	dir, folder := t.TempDir(), filepath.Join(t.TempDir(), "endorsements")
	if _, err := endorse.WriteFolder(folder, items); err != nil {
		t.Fatal(err)
	}
	s := session{
		Bytes: map[string][]byte{
			"quote": raw, "asHex": []byte("0x" + hex.EncodeToString(raw)), "debugBuild": debugBuild,
			"flipped": flip(raw), "cut": raw[:600], "garbage": []byte("{\"quote\": \"<no & evidence>\"}"), "nothing": {},
		},
		Values: map[string]any{"items": items, "trusting": map[string]any{
			"at": noon, "roots": append(attesteer.Roots(), simtee.Root()),
		}},
	}
	files := make(map[string]string)
	for name, data := range s.Bytes {
		files[name] = write(t, dir, name, data)
	}
	verify := func(name string, more ...string) []string {
		return append([]string{"verify", files[name], "--endorsements", folder, "--at", noon}, more...)
	}
	const lenient = `{...trusting, policy: {allow_debug: true, accept_tcb: ["OutOfDate"]}}`
	return s, []pair{
		{`attesteer.verify(quote, items, trusting)`, verify("quote", "--trust-simulated"), rats.None},
		{`attesteer.verify(asHex, JSON.stringify(items), JSON.stringify(trusting))`, verify("asHex", "--trust-simulated"), rats.None},
		{`attesteer.verify(quote, items, {...trusting, runtime_data: "YSBrZXk="})`,
			verify("quote", "--trust-simulated", "--runtime-data", write(t, dir, "key", []byte("a key"))), rats.BindingMismatch},
		{`attesteer.verify(quote, items, {at: trusting.at})`, verify("quote"), rats.UntrustedRoot},
		{`attesteer.verify(debugBuild, items, trusting)`, verify("debugBuild", "--trust-simulated"), rats.TCBRejected},
		{`attesteer.verify(debugBuild, items, ` + lenient + `)`,
			verify("debugBuild", "--trust-simulated", "--allow-debug", "--accept-tcb", "OutOfDate"), rats.None},
		{`attesteer.verify(flipped, items, trusting)`, verify("flipped", "--trust-simulated"), rats.BadSignature},
		{`attesteer.verify(quote, [], trusting)`, []string{"verify", files["quote"], "--at", noon, "--trust-simulated"}, rats.EndorsementUnavailable},
		{`attesteer.verify(cut, items, trusting)`, verify("cut", "--trust-simulated"), rats.Malformed},
		{`attesteer.verify(garbage, items, trusting)`, verify("garbage", "--trust-simulated"), rats.Malformed},
		{`attesteer.verify(nothing, items, trusting)`, verify("nothing", "--trust-simulated"), rats.Malformed},
		{`attesteer.inspect(quote)`, []string{"inspect", files["quote"]}, rats.None},
		{`attesteer.inspect(Buffer.from(flipped).toString("base64"))`, []string{"inspect", files["flipped"]}, rats.None},
		{`attesteer.inspect(garbage)`, []string{"inspect", files["garbage"]}, rats.Malformed},
	}
}

// collateral returns the folder of real endorsements.
func collateral(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	dir = filepath.Join(dir, "dcap", "collateral")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no vectors: set ATTESTEER_VECTORS")
	}
	return dir
}

func seedPairs(t *testing.T) (session, []pair) {
	t.Helper()
	folder := collateral(t)
	all, err := endorse.ReadFolder(t.Context(), folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	seed := filepath.Join("..", "..", "testdata", "seed")
	s := session{
		Bytes: map[string][]byte{
			"quote": read(t, seed, "quote.bin"), "report": read(t, seed, "oe_report.bin"), "flipped": flip(read(t, seed, "quote.bin")),
		},
		Values: map[string]any{"items": all.All()},
	}
	quote, forged := filepath.Join(seed, "quote.bin"), write(t, t.TempDir(), "flipped", s.Bytes["flipped"])
	verify := func(file, at string, more ...string) []string {
		return append([]string{"verify", file, "--endorsements", folder, "--at", at}, more...)
	}
	const accepting = `{allow_debug: true, accept_tcb: ["OutOfDate"]}`
	flags := []string{"--allow-debug", "--accept-tcb", "OutOfDate"}
	return s, []pair{
		{`attesteer.verify(quote, items, {at: "` + summer + `"})`, verify(quote, summer), rats.TCBRejected},
		{`attesteer.verify(quote, items, {at: "` + summer + `", policy: ` + accepting + `})`, verify(quote, summer, flags...), rats.None},
		{`attesteer.verify(report, items, {at: "2025-06-20T12:55:00+02:00", policy: ` + accepting + `})`,
			verify(filepath.Join(seed, "oe_report.bin"), summer, flags...), rats.None},
		{`attesteer.verify(flipped, items, {at: "` + summer + `", policy: ` + accepting + `})`, verify(forged, summer, flags...), rats.BadSignature},
		{`attesteer.verify(quote, items, {at: "2035-01-01T00:00:00Z", policy: ` + accepting + `})`,
			verify(quote, "2035-01-01T00:00:00Z", flags...), rats.EndorsementExpired},
	}
}

func undecidedPairs(t *testing.T) (session, []pair) {
	t.Helper()
	file := filepath.Join("..", "..", "testdata", "seed", "quote.bin")
	return session{Bytes: map[string][]byte{"quote": read(t, file)}}, []pair{
		{`attesteer.verify(quote, null, {at: "` + summer + `"})`, []string{"verify", file, "--at", summer}, rats.EndorsementUnavailable},
		{`attesteer.inspect(quote)`, []string{"inspect", file}, rats.None},
	}
}

func proofPairs(t *testing.T) (session, []pair) {
	t.Helper()
	dir := filepath.Join("..", "..", "proof", "testdata")
	present, genesis, hash := provenGenesis(t)
	s := session{
		Bytes: map[string][]byte{
			"present": present, "presentCBOR": read(t, dir, "present.cbor"), "absent": read(t, dir, "absent.cbor"),
			"cut": present[:len(present)-2], "genesis": genesis,
		},
		Values: map[string]any{"hash": hash, "other": strings.Repeat("0", 64)},
	}
	mine := t.TempDir()
	genesisFile, cut := write(t, mine, "genesis.json", genesis), write(t, mine, "cut.json", s.Bytes["cut"])
	verify := func(file, trust, at string) []string {
		return []string{"proof", "verify", file, "--trust", trust, "--at", at}
	}
	file := filepath.Join(dir, "present.json")
	return s, []pair{
		{`attesteer.verifyProof(present, hash, "2026-03-02T00:00:00Z")`, verify(file, hash, "2026-03-02T00:00:00Z"), rats.None},
		{`attesteer.verifyProof(presentCBOR, genesis, "2036-03-02T00:00:00Z")`,
			verify(filepath.Join(dir, "present.cbor"), genesisFile, "2036-03-02T00:00:00Z"), rats.None},
		{`attesteer.verifyProof(absent, hash, "2026-03-02T00:00:00Z")`,
			verify(filepath.Join(dir, "absent.cbor"), hash, "2026-03-02T00:00:00Z"), rats.NotFound},
		{`attesteer.verifyProof(present, other, "2026-03-02T00:00:00Z")`,
			verify(file, strings.Repeat("0", 64), "2026-03-02T00:00:00Z"), rats.UntrustedRoot},
		{`attesteer.verifyProof(cut, hash, "2026-03-02T00:00:00Z")`, verify(cut, hash, "2026-03-02T00:00:00Z"), rats.Malformed},
		{`attesteer.verifyProof(present, "{}", "2026-03-02T00:00:00Z")`,
			verify(file, write(t, mine, "empty.json", []byte("{}")), "2026-03-02T00:00:00Z"), rats.Malformed},
	}
}
