// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// PolicySchema names the JSON form of [Policy].
const PolicySchema = "attesteer/policy/v1"

// policyFile is how a policy is written. docs/policy.md describes the members.
type policyFile struct {
	Schema              string           `json:"schema"`
	AllowDebug          bool             `json:"allow_debug,omitzero"`
	AcceptTCB           []rats.TCBStatus `json:"accept_tcb,omitzero"`
	GracePeriod         string           `json:"grace_period,omitzero"`
	AcceptAdvisories    []string         `json:"accept_advisories,omitzero"`
	MinTCBDate          time.Time        `json:"min_tcb_date,omitzero"`
	MinEvaluationNumber uint32           `json:"min_evaluation_number,omitzero"`
	MaxReportAge        string           `json:"max_report_age,omitzero"`
	EvaluationNumber    string           `json:"evaluation_number,omitzero"`
	Roots               []rats.TrustRoot `json:"roots,omitzero"`
	RuntimeData         []byte           `json:"runtime_data,omitzero"`
	ReportData          Hex              `json:"report_data,omitzero"`
	ReferenceValues     []ReferenceValue `json:"reference_values,omitzero"`
	Attributes          *Bits            `json:"attributes,omitzero"`
	MiscSelect          *Bits            `json:"misc_select,omitzero"`
	TDAttributes        *Bits            `json:"td_attributes,omitzero"`
	XFAM                *Bits            `json:"xfam,omitzero"`
	Platform            PlatformDemands  `json:"platform,omitzero"`
}

// MarshalJSON writes the policy so that [ParsePolicy] reads the same one. One
// that [Policy.Validate] refuses is not written.
func (p Policy) MarshalJSON() ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	f := policyFile{
		Schema: PolicySchema, AllowDebug: p.AllowDebug, AcceptTCB: p.AcceptTCB,
		AcceptAdvisories: p.AcceptAdvisories, MinEvaluationNumber: p.MinEvaluationNumber,
		EvaluationNumber: string(p.EvaluationNumber), Roots: p.Roots,
		RuntimeData: p.RuntimeData, ReportData: p.ReportData, ReferenceValues: p.ReferenceValues,
		Attributes: p.Attributes, MiscSelect: p.MiscSelect, TDAttributes: p.TDAttributes, XFAM: p.XFAM,
		Platform: p.Platform,
	}
	if p.GracePeriod != 0 {
		f.GracePeriod = periodText(p.GracePeriod)
	}
	if p.MaxReportAge != 0 {
		f.MaxReportAge = periodText(p.MaxReportAge)
	}
	if !p.MinTCBDate.IsZero() {
		f.MinTCBDate = p.MinTCBDate.UTC()
	}
	return json.Marshal(f)
}

// UnmarshalJSON reads a policy as [ParsePolicy] does.
func (p *Policy) UnmarshalJSON(data []byte) error {
	read, err := ParsePolicy(data)
	if err != nil {
		return err
	}
	*p = read
	return nil
}

// ParsePolicy reads a policy from JSON, strictly: a member that is unknown,
// given twice or null is an error, and so is what [Policy.Validate] refuses. A
// member that is left out stands for the zero value of its field; an empty list
// is a list, and accepts nothing. Hex is of either case, with or without 0x.
//
// The error is Malformed and names the member by its path, or Unsupported for
// another schema.
func ParsePolicy(data []byte) (Policy, error) {
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return Policy{}, rats.Errorf(rats.Malformed, "policy: not JSON: %w", err)
	}
	var p Policy
	if f := p.read(whole); f != nil {
		return Policy{}, f.error()
	}
	if err := p.Validate(); err != nil {
		return Policy{}, err
	}
	return p, nil
}

func (p *Policy) read(value json.RawMessage) *fault {
	var evaluation string
	f := object(value, map[string]reader{
		"schema":                readSchema,
		"allow_debug":           scalar(&p.AllowDebug, "true or false"),
		"accept_tcb":            list(&p.AcceptTCB, words[rats.TCBStatus]),
		"grace_period":          readPeriod(&p.GracePeriod),
		"accept_advisories":     list(&p.AcceptAdvisories, words[string]),
		"min_tcb_date":          readDate(&p.MinTCBDate),
		"min_evaluation_number": scalar(&p.MinEvaluationNumber, "a whole number"),
		"max_report_age":        readPeriod(&p.MaxReportAge),
		"evaluation_number":     scalar(&evaluation, "a string: a number, standard, early or highest"),
		"roots":                 list(&p.Roots, readRoot),
		"runtime_data":          readBase64(&p.RuntimeData),
		"report_data":           readHex(&p.ReportData),
		"reference_values":      list(&p.ReferenceValues, readReference),
		"attributes":            readBits(&p.Attributes),
		"misc_select":           readBits(&p.MiscSelect),
		"td_attributes":         readBits(&p.TDAttributes),
		"xfam":                  readBits(&p.XFAM),
		"platform":              func(value json.RawMessage) *fault { return p.Platform.read(value) },
	})
	p.EvaluationNumber = dcap.EvaluationNumber(evaluation)
	return f
}

func (d *PlatformDemands) read(value json.RawMessage) *fault {
	return object(value, map[string]reader{
		"dynamic_platform": pointer(&d.DynamicPlatform, "true or false"),
		"cached_keys":      pointer(&d.CachedKeys, "true or false"),
		"smt_enabled":      pointer(&d.SMTEnabled, "true or false"),
		"accept_sgx_types": list(&d.AcceptSGXTypes, func(to *int) reader { return scalar(to, "0, 1 or 2") }),
		"accept_issuers":   list(&d.AcceptIssuers, words[string]),
		"accept_fmspc":     list(&d.AcceptFMSPC, readHex),
		"reject_fmspc":     list(&d.RejectFMSPC, readHex),
	})
}

func readReference(v *ReferenceValue) reader {
	members := map[string]reader{
		"fingerprint":    readHex(&v.Fingerprint),
		"isv_prod_id":    pointer(&v.ISVProdID, "a whole number up to 65535"),
		"min_isv_svn":    scalar(&v.MinISVSVN, "a whole number up to 65535"),
		"min_config_svn": scalar(&v.MinConfigSVN, "a whole number up to 65535"),
	}
	for _, f := range append(v.sgx(&SGXMeasurement{}), v.tdx(&TDXMeasurement{})...) {
		members[f.name] = readHex(f.want)
	}
	return func(value json.RawMessage) *fault { return object(value, members) }
}

func readBits(to **Bits) reader {
	return func(value json.RawMessage) *fault {
		b := new(Bits)
		*to = b
		return object(value, map[string]reader{"value": readHex(&b.Value), "mask": readHex(&b.Mask)})
	}
}

func readRoot(r *rats.TrustRoot) reader {
	return func(value json.RawMessage) *fault {
		return object(value, map[string]reader{
			"name": scalar(&r.Name, "a string"), "subject": readBase64(&r.Subject), "public_key": readBase64(&r.PublicKey),
		})
	}
}

func readSchema(value json.RawMessage) *fault {
	var name string
	if f := scalar(&name, "a string")(value); f != nil {
		return f
	}
	if name != PolicySchema {
		return &fault{rats.Unsupported, "", "want " + PolicySchema}
	}
	return nil
}

// words reads a word; which ones there are is for Validate to say.
func words[T ~string](to *T) reader { return scalar(to, "a string") }

// readHex reads hex as people have it: of either case, with or without 0x,
// white space ignored.
func readHex(to *Hex) reader {
	return func(value json.RawMessage) *fault {
		var text string
		if f := scalar(&text, "a string of hex")(value); f != nil {
			return f
		}
		digits := strings.Join(strings.Fields(text), "")
		if len(digits) >= 2 && strings.EqualFold(digits[:2], "0x") {
			digits = digits[2:]
		}
		b, err := hex.DecodeString(digits)
		if err != nil {
			return faulty("", "not hex: %d characters", len(digits))
		}
		*to = b
		return nil
	}
}

func readBase64(to *[]byte) reader {
	return func(value json.RawMessage) *fault {
		var text string
		if f := scalar(&text, "a string of base64")(value); f != nil {
			return f
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return faulty("", "not standard base64")
		}
		*to = b
		return nil
	}
}

// readDate reads a time, or a date for the beginning of its day in UTC.
func readDate(to *time.Time) reader {
	return func(value json.RawMessage) *fault {
		var text string
		if f := scalar(&text, "a string")(value); f != nil {
			return f
		}
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if t, err := time.Parse(layout, text); err == nil {
				*to = t.UTC()
				return nil
			}
		}
		return faulty("", "want a time such as 2025-06-20T10:55:00Z or a date such as 2025-06-20")
	}
}

const day = 24 * time.Hour

// readPeriod reads a duration such as 720h, 90m, 30d or 1d12h.
func readPeriod(to *time.Duration) reader {
	return func(value json.RawMessage) *fault {
		var text string
		if f := scalar(&text, "a string")(value); f != nil {
			return f
		}
		wrong := faulty("", "want a duration such as 720h or 30d")
		var days uint64
		rest := text
		if before, after, found := strings.Cut(text, "d"); found {
			n, err := strconv.ParseUint(before, 10, 32)
			if err != nil || n > uint64(maxGracePeriod/day) {
				return wrong
			}
			if days, rest = n, after; rest == "" {
				rest = "0"
			}
		}
		d, err := time.ParseDuration(rest)
		if err != nil || d > maxGracePeriod || days > 0 && d < 0 {
			return wrong
		}
		*to = time.Duration(days)*day + d
		return nil
	}
}

func periodText(d time.Duration) string {
	if d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return d.String()
}
