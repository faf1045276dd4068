// SPDX-License-Identifier: Apache-2.0

// Command wasm links everything that must run in a reader's browser, so that a
// test can build it and weigh it. It reads two files: evidence with endorsements
// beside it, or a proof bundle with the genesis to trust, and prints the verdict.
package main

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
)

func main() {
	verdict, err := run(os.Args[1:])
	if err != nil {
		verdict = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(verdict)
	os.Exit(rats.KindOf(err).ExitCode())
}

func run(args []string) (any, error) {
	if len(args) != 3 {
		return nil, errors.New("usage: verify EVIDENCE ENDORSEMENTS | proof BUNDLE GENESIS")
	}
	first, err := os.ReadFile(args[1])
	if err != nil {
		return nil, err
	}
	second, err := os.ReadFile(args[2])
	if err != nil {
		return nil, err
	}
	if args[0] == "proof" {
		return checkProof(first, second)
	}
	return verify(first, second)
}

func verify(evidence, endorsements []byte) (any, error) {
	raw, err := attesteer.Decode(evidence)
	if err != nil {
		return nil, err
	}
	var items []rats.Endorsement
	if err := json.Unmarshal(endorsements, &items); err != nil {
		return nil, err
	}
	parsed, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		return nil, err
	}
	return attesteer.NewVerifier(100).Verify(attesteer.Evidence{Raw: raw}, parsed, attesteer.Policy{}, time.Now())
}

func checkProof(bundle, genesis []byte) (any, error) {
	trust, err := proof.ParseGenesis(genesis)
	if err != nil {
		return nil, err
	}
	decoded, err := proof.Decode(bundle)
	if err != nil {
		return nil, err
	}
	return proof.Verify(decoded, trust)
}
