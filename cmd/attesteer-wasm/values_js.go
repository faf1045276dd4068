// SPDX-License-Identifier: Apache-2.0

//go:build js && wasm

package main

import (
	"encoding/base64"
	"encoding/json"
	"syscall/js"

	"github.com/attesteer/attesteer/rats"
)

// get reads a member of an object. What a getter throws becomes a panic with a
// [js.Error] here; with [js.Value.Get] it would go through the program's stack
// and leave it broken.
func get(v js.Value, key any) js.Value { return js.Global().Get("Reflect").Call("get", v, key) }

// bytesOf returns what a Uint8Array holds, or a string in UTF-8.
func bytesOf(what string, v js.Value) ([]byte, error) {
	switch {
	case v.Type() == js.TypeString:
		return []byte(v.String()), nil
	case isBytes(v):
		// A fresh array has none of the caller's code in it.
		fresh := js.Global().Get("Uint8Array").New(v)
		b := make([]byte, fresh.Length())
		js.CopyBytesToGo(b, fresh)
		return b, nil
	default:
		return nil, rats.Errorf(rats.Malformed, "%s is neither a Uint8Array nor a string", what)
	}
}

func isBytes(v js.Value) bool {
	return js.Global().Get("ArrayBuffer").Call("isView", v).Bool() && v.InstanceOf(js.Global().Get("Uint8Array"))
}

// binaryOf is bytesOf for what a string writes in standard base64.
func binaryOf(what string, v js.Value) ([]byte, error) {
	b, err := bytesOf(what, v)
	if err != nil || v.Type() != js.TypeString {
		return b, err
	}
	b, err = base64.StdEncoding.DecodeString(string(b))
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "%s: %w", what, err)
	}
	return b, nil
}

// endorsementsOf reads an array of endorsements, or its JSON; undefined and null
// are none. Members that a node's API adds are passed over.
func endorsementsOf(v js.Value) ([]rats.Endorsement, error) {
	if v.IsUndefined() || v.IsNull() {
		return nil, nil
	}
	if !isArray(v) {
		text, err := bytesOf("endorsements", v)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "endorsements are neither an array nor its JSON")
		}
		var items []rats.Endorsement
		if err := json.Unmarshal(text, &items); err != nil {
			return nil, rats.Errorf(rats.Malformed, "endorsements: %w", err)
		}
		return items, nil
	}
	var items []rats.Endorsement
	err := each(v, func(i int, one js.Value) error {
		e, err := endorsementOf(one)
		if err != nil {
			return rats.Errorf(rats.Malformed, "endorsement %d: %w", i, err)
		}
		items = append(items, e)
		return nil
	})
	return items, err
}

func endorsementOf(v js.Value) (e rats.Endorsement, err error) {
	if v.Type() != js.TypeObject {
		return e, rats.Errorf(rats.Malformed, "no object")
	}
	kind := get(v, "kind")
	if kind.Type() != js.TypeString {
		return e, rats.Errorf(rats.Malformed, "kind is no string")
	}
	e.Kind = rats.EndorsementKind(kind.String())
	if e.Body, err = binaryOf("body", get(v, "body")); err != nil {
		return e, err
	}
	issuers := get(v, "issuers")
	if issuers.IsUndefined() || issuers.IsNull() {
		return e, nil
	}
	if !isArray(issuers) {
		return e, rats.Errorf(rats.Malformed, "issuers are no array")
	}
	err = each(issuers, func(_ int, issuer js.Value) error {
		der, err := binaryOf("issuer", issuer)
		e.Issuers = append(e.Issuers, der)
		return err
	})
	return e, err
}

// each calls do with the elements of an array up to the first error.
func each(array js.Value, do func(i int, element js.Value) error) error {
	length := get(array, "length")
	if length.Type() != js.TypeNumber {
		return rats.Errorf(rats.Malformed, "an array has no length")
	}
	for i := range length.Int() {
		if err := do(i, get(array, i)); err != nil {
			return err
		}
	}
	return nil
}

func isArray(v js.Value) bool { return js.Global().Get("Array").Call("isArray", v).Bool() }

// optionsOf returns options as JSON; undefined and null are none.
func optionsOf(v js.Value) ([]byte, error) {
	switch {
	case v.IsUndefined(), v.IsNull():
		return nil, nil
	case v.Type() == js.TypeObject && !isBytes(v):
		return jsonOf("options", v)
	default:
		return bytesOf("options", v)
	}
}

// timeOf returns the text of a string or a Date; undefined and null are empty.
func timeOf(v js.Value) (string, error) {
	if v.IsUndefined() || v.IsNull() {
		return "", nil
	}
	data, err := jsonOf("at", v)
	if err != nil {
		return "", err
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return "", rats.Errorf(rats.Malformed, "at is neither a string nor a Date")
	}
	return text, nil
}

// jsonOf returns the JSON of a value.
func jsonOf(what string, v js.Value) ([]byte, error) {
	text := js.Global().Get("JSON").Call("stringify", v)
	if text.Type() != js.TypeString {
		return nil, rats.Errorf(rats.Malformed, "%s: there is no JSON of it", what)
	}
	return []byte(text.String()), nil
}
