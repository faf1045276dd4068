// SPDX-License-Identifier: Apache-2.0

package gateway

//go:generate go test -run=TestTheDocumentationIsOfWhatIsServed . -update

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// entry is one operation of the API: a typed handler, where REST serves it, and
// its name over JSON-RPC. From the table of them come both ways to call, the
// description of REST and the documentation.
type entry struct {
	// rest describes the call; a Hidden one REST does not serve.
	rest huma.Operation
	// method is the name over JSON-RPC; empty where there is none.
	method   string
	register func(huma.API)
}

// entries is the table of the API.
func (g *Gateway) entries() []entry {
	return slices.Concat(
		g.evidenceEntries(),
		g.receiptEntries(),
		g.appraisalEntries(),
		g.keySetEntries(),
		g.enclaveEntries(),
		g.eventEntries(),
		g.withdrawalEntries(),
		g.endorsementEntries(),
		g.ledgerEntries(),
		g.lightEntries(),
		g.governanceEntries(),
		g.tokenEntries(),
		g.probeEntries(),
		g.discoveryEntries(),
		g.compatibleEntries(),
		g.azureEntries(),
	)
}

// serve makes an entry of a handler that op describes.
//
// Over JSON-RPC the parameters are those of I that stand in path and query, and
// the members of its body, by name or in the order of I's fields; headers are
// left out. The result is the body of O: a string where it is not JSON. So
// what a handler does about headers, such as conditions, concerns REST alone.
func serve[I, O any](method string, op huma.Operation, handle func(context.Context, *I) (*O, error)) entry {
	op = bind(op, binding{method: method, order: parameterNames(reflect.TypeFor[I]())})
	return entry{rest: op, method: method, register: func(api huma.API) { register(api, op, handle) }}
}

// methodOnly describes an operation that REST does not serve, for [serve].
func (g *Gateway) methodOnly(id, tag, summary string) huma.Operation {
	op := g.operation("RPC", "/"+id, id, tag, summary)
	op.Hidden = true
	return op
}

// binding is what an operation's Metadata hold about its method, if it has one,
// and the names of its parameters.
type binding struct {
	method string
	order  []string
}

// bindingKey is the key of a binding.
const bindingKey = "method"

func bind(op huma.Operation, b binding) huma.Operation {
	all := map[string]any{bindingKey: b}
	for key, value := range op.Metadata {
		all[key] = value
	}
	op.Metadata = all
	return op
}

// parameterNames returns the names of an input's parameters in the order of its
// fields. One that query and body both have is the body's.
func parameterNames(input reflect.Type) []string {
	var all []string
	for f := range fields(input) {
		switch {
		case f.Name == "Body":
			body := f.Type
			if body.Kind() == reflect.Pointer {
				body = body.Elem()
			}
			for m := range fields(body) {
				name, _, _ := strings.Cut(m.Tag.Get("json"), ",")
				all = slices.DeleteFunc(all, func(had string) bool { return had == name })
				all = append(all, name)
			}
		case f.Tag.Get("path") != "":
			all = append(all, f.Tag.Get("path"))
		case f.Tag.Get("query") != "":
			name, _, _ := strings.Cut(f.Tag.Get("query"), ",")
			all = append(all, name)
		}
	}
	return all
}

// fields goes through the fields of a struct, and of those that it embeds.
func fields(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(t) {
			if !f.Anonymous && !yield(f) {
				return
			}
		}
	}
}

// twofold is the adapter of REST, which hands to JSON-RPC what has a name there.
type twofold struct {
	huma.Adapter
	rpc     *rpc
	schemas huma.Registry
}

// Handle implements [huma.Adapter].
func (t twofold) Handle(op *huma.Operation, handle func(huma.Context)) {
	if b, ok := op.Metadata[bindingKey].(binding); ok && b.method != "" {
		t.rpc.add(&served{op: op, name: b.method, params: parametersOf(op, b.order, t.schemas), handle: handle})
	}
	if !op.Hidden {
		t.Adapter.Handle(op, handle)
	}
}
