// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// policyBody is the JSON of a policy as the caller sent it, for
// [attesteer.ParsePolicy] to read, who sees more than a schema can say.
type policyBody []byte

// UnmarshalJSON implements json.Unmarshaler. Null is no policy, as everywhere.
func (b *policyBody) UnmarshalJSON(data []byte) error {
	if *b = nil; string(data) != "null" {
		*b = bytes.Clone(data)
	}
	return nil
}

const policyBodyName = "PolicyBody"

// Schema implements [huma.SchemaProvider].
func (policyBody) Schema(r huma.Registry) *huma.Schema {
	s := policySchema()
	s.PrecomputeMessages()
	r.Map()[policyBodyName] = s
	return &huma.Schema{Ref: "#/components/schemas/" + policyBodyName}
}

// policySchema describes the members of a policy.
func policySchema() *huma.Schema {
	return objectSchema(map[string]*huma.Schema{
		"schema":                {Type: huma.TypeString, Enum: []any{attesteer.PolicySchema}},
		"allow_debug":           boolSchema("accept debug builds"),
		"accept_tcb":            listSchema(&huma.Schema{Type: huma.TypeString, Enum: statuses()}, "TCB statuses accepted beside UpToDate"),
		"grace_period":          textSchema("for how long after an update should have been installed a platform without it is accepted, such as 720h or 30d"),
		"accept_advisories":     listSchema(textSchema(""), "advisories that may apply; without, any"),
		"min_tcb_date":          textSchema("RFC 3339 time, or a date: the least of the TCB levels' dates"),
		"max_report_age":        textSchema("how old an IAS report may be, such as 24h or 1d"),
		"min_evaluation_number": numberSchema(1<<32-1, "the least TCB evaluation data number to be judged by"),
		"evaluation_number": {
			Type: huma.TypeString, Pattern: "^(highest|standard|early|[0-9]{1,10})?$",
			Description: "which TCB evaluation decides; without, the highest that TCB info and QE identity share",
		},
		"roots": listSchema(objectSchema(map[string]*huma.Schema{
			"name": textSchema(""), "subject": textSchema("standard base64 of DER"), "public_key": textSchema("standard base64 of DER"),
		}), "for policies elsewhere: here the network's roots count, and naming others is refused"),
		"runtime_data":     textSchema("standard base64 of what hashes to the report data"),
		"report_data":      textSchema("hex of the report data, filled up with zeros to 64 bytes"),
		"reference_values": listSchema(referenceSchema(), "the code that is expected; without, any"),
		"attributes":       bitsSchema("SGX ATTRIBUTES, 16 bytes"),
		"misc_select":      bitsSchema("SGX MISCSELECT, 4 bytes"),
		"td_attributes":    bitsSchema("TDX TDATTRIBUTES, 8 bytes"),
		"xfam":             bitsSchema("TDX XFAM, 8 bytes"),
		"platform": objectSchema(map[string]*huma.Schema{
			"dynamic_platform": boolSchema("what the PCK certificate has to say"),
			"cached_keys":      boolSchema("what the PCK certificate has to say"),
			"smt_enabled":      boolSchema("what the PCK certificate has to say"),
			"accept_sgx_types": listSchema(numberSchema(2, "0 standard, 1 scalable, 2 scalable with integrity"), ""),
			"accept_issuers":   listSchema(&huma.Schema{Type: huma.TypeString, Enum: []any{"platform", "processor"}}, "the PCK CAs that are accepted"),
			"accept_fmspc":     listSchema(textSchema("hex, 6 bytes"), ""),
			"reject_fmspc":     listSchema(textSchema("hex, 6 bytes"), ""),
		}),
	})
}

func referenceSchema() *huma.Schema {
	fields := map[string]*huma.Schema{
		"isv_prod_id":    numberSchema(1<<16-1, ""),
		"min_isv_svn":    numberSchema(1<<16-1, ""),
		"min_config_svn": numberSchema(1<<16-1, ""),
	}
	for _, name := range []string{
		"fingerprint", "mr_enclave", "mr_signer", "isv_ext_prod_id", "isv_family_id", "config_id",
		"mr_td", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mr_seam", "mr_signer_seam",
		"mr_config_id", "mr_owner", "mr_owner_config", "mr_service_td",
	} {
		fields[name] = textSchema("hex")
	}
	return objectSchema(fields)
}

func objectSchema(fields map[string]*huma.Schema) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: fields}
}

func bitsSchema(doc string) *huma.Schema {
	s := objectSchema(map[string]*huma.Schema{"value": textSchema("hex"), "mask": textSchema("hex")})
	s.Description = doc + ": (field AND mask) has to be value"
	s.Required = []string{"value", "mask"}
	return s
}

func listSchema(items *huma.Schema, doc string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: items, Description: doc}
}

func textSchema(doc string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: doc}
}

func boolSchema(doc string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeBoolean, Description: doc}
}

func numberSchema(most float64, doc string) *huma.Schema {
	least := 0.0
	return &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Description: doc}
}

func statuses() []any {
	var out []any
	for _, s := range rats.TCBStatuses() {
		out = append(out, string(s))
	}
	return out
}
