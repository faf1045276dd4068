// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/token"
)

// newSchemas returns the schemas of the API, none yet.
func newSchemas() huma.Registry {
	all := huma.NewMapRegistry("#/components/schemas/", schemaName)
	all.RegisterTypeAlias(reflect.TypeFor[record.Millis](), reflect.TypeFor[millisSchema]())
	return all
}

// schemaName names schemas by their types, with a clearer name for some.
func schemaName(t reflect.Type, hint string) string {
	switch t {
	case reflect.TypeFor[record.View]():
		return "Enclave"
	case reflect.TypeFor[record.Validator]():
		return "Governor"
	case reflect.TypeFor[record.Proposal]():
		return "Change"
	case reflect.TypeFor[token.View]():
		return "Token"
	case reflect.TypeFor[token.Made]():
		return "MadeToken"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// millisSchema stands for ledger times in the description.
type millisSchema struct{}

// Schema implements [huma.SchemaProvider].
func (millisSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Nullable: true, Description: "RFC 3339 in UTC; null where there is none"}
}

// bodies are the schemas of what callers send; all others are of answers.
func bodies() []string {
	return []string{"AppraisalBody", "EvidenceBody", "PolicyBody", "PushInputBody", "PushedItem", "QuoteInputBody", "TokenBody", "TransactionInputBody", "WithdrawBody"}
}

// nullable are the fields of answers that may be null where their Go type does
// not say so.
func nullable() map[string][]string {
	return map[string][]string{
		"Result":     {"kind", "tcb", "runtime_data", "runtime_key"},
		"Recorded":   {"result"},
		"Enclave":    {"will_change", "withdrawn"},
		"SignerView": {"key"},
		"Governance": {"planned_version"},
	}
}

// straighten makes the schemas say what is: answers may gain fields and hold no
// null for a list, and no error has huma's own form, which it describes whether
// or not anything answers in it.
func straighten(schemas map[string]*huma.Schema) {
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	for name, s := range schemas {
		if slices.Contains(bodies(), name) {
			continue
		}
		s.AdditionalProperties = nil
		if name == "Measurement" {
			s.Required = nil // it holds what one kind of TEE measures
		}
		for _, p := range s.Properties {
			if p.Type == huma.TypeArray {
				p.Nullable = false
			}
		}
		for _, field := range nullable()[name] {
			p := s.Properties[field]
			if p.Ref == "" {
				p.Nullable = true
				continue
			}
			s.Properties[field] = &huma.Schema{AnyOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}}
		}
	}
}
