// SPDX-License-Identifier: Apache-2.0

//go:build js && wasm

package main

import (
	"fmt"
	"os"
	"syscall/js"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// name is that of the global object.
const name = "attesteer"

func main() {
	m := newModule(time.Now)
	functions := map[string]js.Func{
		"verify": function(m.verifyJS), "inspect": function(m.inspectJS), "verifyProof": function(m.verifyProofJS),
	}
	functions["release"] = js.FuncOf(func(js.Value, []js.Value) any {
		js.Global().Delete(name)
		for _, f := range functions {
			f.Release()
		}
		return nil
	})
	object := js.Global().Get("Object").New()
	for key, f := range functions {
		object.Set(key, f)
	}
	js.Global().Set(name, object)
	// Never to return: wasm_exec.js leaves the runtime's timers running at the end
	// of a program, and throws when one fires after it.
	select {}
}

// arguments are those of a call; those left out are undefined.
type arguments []js.Value

func (a arguments) at(i int) js.Value {
	if i < len(a) {
		return a[i]
	}
	return js.Undefined()
}

// function makes a call known to JavaScript, which gets {result, error}.
func function(call func(arguments) (string, error)) js.Func {
	return js.FuncOf(func(_ js.Value, args []js.Value) any {
		result, err := guard(func() (string, error) { return call(args) }, explain)
		answer := map[string]any{"result": nil, "error": nil}
		if result != "" {
			answer["result"] = result
		}
		if err != nil {
			e := rats.AsError(err)
			answer["error"] = map[string]any{"kind": e.Kind.String(), "detail": e.Detail}
		}
		return answer
	})
}

func (m *module) inspectJS(args arguments) (string, error) {
	evidence, err := bytesOf("evidence", args.at(0))
	if err != nil {
		return "", err
	}
	return m.inspect(evidence)
}

func (m *module) verifyJS(args arguments) (string, error) {
	evidence, err := bytesOf("evidence", args.at(0))
	if err != nil {
		return "", err
	}
	items, err := endorsementsOf(args.at(1))
	if err != nil {
		return "", err
	}
	options, err := optionsOf(args.at(2))
	if err != nil {
		return "", err
	}
	return m.verify(evidence, items, options)
}

func (m *module) verifyProofJS(args arguments) (string, error) {
	bundle, err := bytesOf("bundle", args.at(0))
	if err != nil {
		return "", err
	}
	trust, err := bytesOf("trust", args.at(1))
	if err != nil {
		return "", err
	}
	at, err := timeOf(args.at(2))
	if err != nil {
		return "", err
	}
	return m.verifyProof(bundle, trust, at)
}

// explain returns what a panic comes to. JavaScript that throws is the caller's,
// met while an argument was read; all else is a fault of this program.
func explain(panicked any) error {
	if _, thrown := panicked.(js.Error); thrown {
		return rats.Errorf(rats.Malformed, "an argument threw an error when it was read")
	}
	_, _ = fmt.Fprintln(os.Stderr, "error: internal:", panicked)
	return rats.Internal
}
