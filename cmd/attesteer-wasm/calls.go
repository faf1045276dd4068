// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
)

const (
	// maxInput bounds evidence and bundles, as the command bounds its files.
	maxInput = 1 << 20
	// rememberedSignatures is how many the module remembers; a platform and its
	// endorsements have ten.
	rememberedSignatures = 1024
)

// module is what is kept between calls.
type module struct {
	verifier *attesteer.Verifier
	now      func() time.Time
}

func newModule(now func() time.Time) *module {
	return &module{verifier: attesteer.NewVerifier(rememberedSignatures), now: now}
}

// inspect returns what the command "inspect --json" prints.
func (m *module) inspect(evidence []byte) (string, error) {
	ev, err := decodeEvidence(evidence)
	if err != nil {
		return "", err
	}
	in, err := attesteer.Inspect(ev)
	if err != nil {
		return "", err
	}
	return encode(in)
}

// verify returns what the command "verify --json" prints. A rejection has both a
// result and an error.
func (m *module) verify(evidence []byte, items []rats.Endorsement, optionsJSON []byte) (string, error) {
	o, err := parseOptions(optionsJSON)
	if err != nil {
		return "", err
	}
	at, err := m.timeOr(o.At, m.now())
	if err != nil {
		return "", err
	}
	ev, err := decodeEvidence(evidence)
	if err != nil {
		return "", err
	}
	endorsements, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		return "", err
	}
	result, err := m.verifier.Verify(ev, endorsements, o.policy, at)
	if result == nil {
		return "", err
	}
	out, encodeErr := encode(result)
	if encodeErr != nil {
		return "", encodeErr
	}
	return out, err
}

// verifyProof returns what the command "proof verify --json" prints. The proof
// that there is no record has both a result and an error, NotFound.
func (m *module) verifyProof(bundle, trusted []byte, at string) (string, error) {
	trust, err := parseTrust(trusted)
	if err != nil {
		return "", err
	}
	if len(bundle) > maxInput {
		return "", rats.Errorf(rats.TooLarge, "the bundle is over %d bytes", maxInput)
	}
	b, err := proof.Decode(bundle)
	if err != nil {
		return "", err
	}
	verdict, err := proof.Verify(b, trust)
	if err != nil {
		return "", err
	}
	// A development ledger may live at another time than its reader.
	offset := time.Duration(verdict.LedgerTime.ClockOffset) * time.Millisecond
	judged, err := m.timeOr(at, m.now().Add(offset))
	if err != nil {
		return "", err
	}
	out, err := encode(viewProven(verdict, judged))
	if err != nil {
		return "", err
	}
	if !verdict.Present {
		return out, rats.Errorf(rats.NotFound, "no record %x on ledger %s at height %d", verdict.ID[:], verdict.ChainID, verdict.Height)
	}
	return out, nil
}

// decodeEvidence reads raw bytes, hex or base64.
func decodeEvidence(data []byte) (attesteer.Evidence, error) {
	if len(data) > maxInput {
		return attesteer.Evidence{}, rats.Errorf(rats.TooLarge, "the evidence is over %d bytes", maxInput)
	}
	raw, err := attesteer.Decode(data)
	if err != nil {
		return attesteer.Evidence{}, err
	}
	return attesteer.Evidence{Raw: raw}, nil
}

// parseTrust reads a genesis file, which is a JSON object, or a hash in hex.
func parseTrust(trusted []byte) (proof.Trust, error) {
	if bytes.HasPrefix(bytes.TrimSpace(trusted), []byte("{")) {
		return proof.ParseGenesis(trusted)
	}
	return proof.TrustHash(string(trusted))
}

// timeOr reads a time as RFC 3339 has it; an empty one stands for the default.
func (m *module) timeOr(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise.UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, rats.Errorf(rats.Malformed, "at: %q is not a time such as 2025-06-20T10:55:00Z", text)
	}
	return t.UTC(), nil
}

// encode returns v in the bytes in which the command and the API write it,
// without the line end.
func encode(v any) (string, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

// guard makes a call and turns a panic into the error that explain makes of it:
// unhandled, it would end the program, and with it every call to come.
func guard(call func() (string, error), explain func(panicked any) error) (result string, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = "", explain(p)
		}
	}()
	return call()
}
