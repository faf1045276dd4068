// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// openRPC describes the methods of the API in the form of OpenRPC 1.3.
type openRPC struct {
	OpenRPC    string       `json:"openrpc"`
	Info       *huma.Info   `json:"info"`
	Methods    []rpcMethod  `json:"methods"`
	Components rpcComponent `json:"components"`
}

type rpcComponent struct {
	Schemas map[string]*huma.Schema `json:"schemas"`
}

type rpcMethod struct {
	Name        string      `json:"name"`
	Summary     string      `json:"summary"`
	Description string      `json:"description,omitempty"`
	Structure   string      `json:"paramStructure"`
	Params      []rpcMember `json:"params"`
	Result      rpcMember   `json:"result"`
}

type rpcMember struct {
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Required    bool         `json:"required,omitempty"`
	Schema      *huma.Schema `json:"schema"`
}

// discoveryOutput holds an openRPC: its type is kept from the description of REST,
// which does not answer it.
type discoveryOutput struct{ Body any }

// discoveryEntries serve what OpenRPC calls service discovery.
func (g *Gateway) discoveryEntries() []entry {
	op := g.methodOnly("discover", "process", "Describe the methods")
	op.Description = "The result is an OpenRPC document, about registry.* and verifier.*."
	return []entry{serve("rpc.discover", op, func(context.Context, *nothing) (*discoveryOutput, error) {
		return &discoveryOutput{Body: g.discovered()}, nil
	})}
}

func (g *Gateway) discovered() openRPC {
	out := openRPC{OpenRPC: "1.3.2", Info: g.api.OpenAPI().Info, Components: rpcComponent{g.schemas.Map()}}
	for _, s := range g.rpc.served {
		if strings.HasPrefix(s.name, "rpc.") {
			continue
		}
		m := rpcMethod{
			Name: s.name, Summary: s.op.Summary, Description: s.op.Description, Structure: "either",
			Params: make([]rpcMember, 0, len(s.params)), Result: rpcMember{Name: "result", Schema: resultSchema(s.op)},
		}
		for _, p := range s.params {
			m.Params = append(m.Params, rpcMember{Name: p.name, Description: p.doc, Required: p.required, Schema: p.schema})
		}
		out.Methods = append(out.Methods, m)
	}
	return out
}

// resultSchema returns the schema of what an operation answers where it does not
// fail; one that may be of several media types is JSON or a string.
func resultSchema(op *huma.Operation) *huma.Schema {
	var all []*huma.Schema
	for _, status := range []string{"200", "201"} {
		r := op.Responses[status]
		if r == nil {
			continue
		}
		for kind, media := range r.Content {
			if media.Schema != nil && kind != cborType { // which headers ask for
				all = append(all, media.Schema)
			}
		}
	}
	switch len(all) {
	case 0:
		return &huma.Schema{}
	case 1:
		return all[0]
	}
	return &huma.Schema{AnyOf: all}
}
