// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// MaxBundle bounds an encoded bundle, in bytes.
const MaxBundle = 1 << 20

// CBOR returns the bundle in deterministic CBOR.
func (b *Bundle) CBOR() ([]byte, error) { return record.Marshal(b) }

// JSON returns the bundle in JSON.
func (b *Bundle) JSON() ([]byte, error) {
	out, err := json.Marshal(b)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return out, nil
}

// Decode reads a bundle in CBOR or JSON, told by the content. It is strict:
// CBOR has one spelling, and in JSON order and white space alone are free. Its
// errors are Malformed, or TooLarge over [MaxBundle].
func Decode(data []byte) (*Bundle, error) {
	if len(data) > MaxBundle {
		return nil, rats.Errorf(rats.TooLarge, "proof bundle of %d bytes is over %d", len(data), MaxBundle)
	}
	var b Bundle
	if text := bytes.TrimLeft(data, " \t\r\n"); len(text) > 0 && text[0] == '{' {
		if err := decodeJSON(text, &b); err != nil {
			return nil, rats.Errorf(rats.Malformed, "proof bundle: %w", err)
		}
	} else if err := record.Unmarshal(data, &b); err != nil {
		return nil, rats.Errorf(rats.Malformed, "proof bundle: %w", err)
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	return &b, nil
}

// decodeJSON reads text into b, and refuses what encoding/json would forgive:
// members that are missing, double, null or in other letters, and base64 in
// another spelling.
func decodeJSON(text []byte, b any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil {
		return err
	}
	again, err := json.Marshal(b)
	if err != nil {
		return err
	}
	got, tokens, err := readJSON(text)
	if err != nil {
		return err
	}
	want, wantTokens, err := readJSON(again)
	if err != nil {
		return err
	}
	// A double member, and what follows the end, are lost in the content but not
	// in the count.
	if tokens != wantTokens || !reflect.DeepEqual(got, want) {
		return errors.New("its members are not spelled as they should be")
	}
	return nil
}

// readJSON returns a text's content and the number of its tokens.
func readJSON(text []byte) (content any, tokens int, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&content); err != nil {
		return nil, 0, err
	}
	for d = json.NewDecoder(bytes.NewReader(text)); ; tokens++ {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return content, tokens, nil
		} else if err != nil {
			return nil, 0, err
		}
	}
}

// check refuses lengths that nothing of the kind has, and nil where it would be
// another spelling of no bytes.
func (b *Bundle) check() error {
	if b.Schema != Schema {
		return malformed("schema %q is not %q", b.Schema, Schema)
	}
	err := checkLengths([]field{{"id", &b.ID, 32, false}, {"map_root", &b.MapRoot, 32, false}, {"log_root", &b.LogRoot, 32, false}})
	if err != nil {
		return err
	}
	if err := b.block().check(); err != nil {
		return err
	}
	if len(b.Entries) < 2 {
		return malformed("it has no entries for a record and ledger time")
	}
	for i := range b.Entries {
		if !b.Entries[i].Proof.WellFormed() {
			return malformed("the proof of entry %d has a branch that is not well formed", i)
		}
	}
	for i := range b.Changes {
		if err := b.Changes[i].check(); err != nil {
			return err
		}
	}
	for i := range b.Events {
		if err := b.Events[i].check(); err != nil {
			return err
		}
	}
	return nil
}

// check refuses what no place in a log has, and nil where it would be another
// spelling of nothing.
func (e *Logged) check() error {
	if e.Event == nil || e.Path == nil {
		return malformed("an event without its bytes or its path")
	}
	for i := range e.Path {
		if len(e.Path[i]) != 32 {
			return malformed("a path of an event has a hash of %d bytes", len(e.Path[i]))
		}
	}
	return nil
}

// checkLengths refuses bytes of other lengths.
func checkLengths(fields []field) error {
	for _, f := range fields {
		n := len(*f.bytes)
		if n != f.size && (n != 0 || !f.empty || *f.bytes == nil) {
			return malformed("%s has %d bytes, not %d", f.name, n, f.size)
		}
	}
	return nil
}

// checkValidators refuses what is no set of voices: keys of other lengths, a
// key twice, no power, or more than a set may have.
func checkValidators(set []Validator) error {
	if len(set) == 0 {
		return errors.New("it names no validators")
	}
	seen := make(map[string]bool, len(set))
	var total int64
	for _, v := range set {
		switch {
		case len(v.PublicKey) != 32:
			return fmt.Errorf("a validator with a key of %d bytes", len(v.PublicKey))
		case seen[string(v.PublicKey)]:
			return fmt.Errorf("validator %x is named twice", address(v.PublicKey))
		case v.Power <= 0 || v.Power > maxPower-total:
			return fmt.Errorf("validator %x has a power that no validator may have", address(v.PublicKey))
		}
		seen[string(v.PublicKey)] = true
		total += v.Power
	}
	return nil
}

func malformed(format string, args ...any) error {
	return rats.Errorf(rats.Malformed, "proof bundle: "+format, args...)
}
