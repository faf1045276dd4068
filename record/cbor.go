// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"errors"
	"strings"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"github.com/attesteer/attesteer/rats"
)

// modes builds the encoder and the decoder on first use.
var modes = sync.OnceValues(func() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // options are constants
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
		MaxNestedLevels:   16,
		MaxArrayElements:  4096,
		MaxMapPairs:       4096,
	}.DecMode()
	if err != nil {
		panic(err) // options are constants
	}
	return enc, dec
})

// versionOf reads field 1 of a map, whatever else the map holds.
func versionOf(data []byte) (uint64, error) {
	var v struct {
		Version uint64 `cbor:"1,keyasint"`
	}
	if err := cbor.Unmarshal(data, &v); err != nil {
		return 0, rats.Errorf(rats.Malformed, "cbor: %w", err)
	}
	return v.Version, nil
}

// Marshal returns v in deterministic CBOR.
func Marshal(v any) ([]byte, error) {
	enc, _ := modes()
	b, err := enc.Marshal(v)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return b, nil
}

// Unmarshal reads CBOR into v and refuses, as [rats.Malformed], any spelling of
// the content other than the one that [Marshal] writes.
func Unmarshal(data []byte, v any) error {
	enc, dec := modes()
	if err := dec.Unmarshal(data, v); err != nil {
		return rats.Errorf(rats.Malformed, "cbor: %s", reason(err))
	}
	again, err := enc.Marshal(v)
	if err != nil {
		return rats.Errorf(rats.Malformed, "cbor: %w", err)
	}
	if !bytes.Equal(data, again) {
		return rats.Errorf(rats.Malformed, "cbor: not in deterministic form")
	}
	return nil
}

// reason is what a decoder says, without its own name and those of Go's types.
func reason(err error) string {
	var other *cbor.UnmarshalTypeError
	if errors.As(err, &other) {
		return "a value of another type than there has to be"
	}
	return strings.TrimPrefix(err.Error(), "cbor: ")
}
