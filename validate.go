// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Validate checks that every demand of the policy can be met by some evidence
// and means what it seems to. The error is Malformed and names the member by
// its path in JSON.
func (p Policy) Validate() error {
	for _, part := range []func() *fault{p.checkTCB, p.checkRoots, p.checkReport, p.checkPlatform} {
		if f := part(); f != nil {
			return f.error()
		}
	}
	return nil
}

// maxGracePeriod, a century, keeps sums of times within what they can hold.
const maxGracePeriod = 36500 * day

// fault is what is wrong with one member of a policy.
type fault struct {
	kind rats.Kind
	// path leads to the member in JSON, such as "platform.accept_fmspc[1]".
	path   string
	detail string
}

func faulty(path, format string, args ...any) *fault {
	return &fault{rats.Malformed, path, fmt.Sprintf(format, args...)}
}

// in returns the fault as one of a part of what lies at a path; nil stays nil.
func (f *fault) in(path string) *fault {
	if f == nil {
		return nil
	}
	if f.path != "" && path != "" && f.path[0] != '[' {
		path += "."
	}
	return &fault{f.kind, path + f.path, f.detail}
}

func (f *fault) error() error {
	if f.path == "" {
		return rats.Errorf(f.kind, "policy: %s", f.detail)
	}
	return rats.Errorf(f.kind, "policy: %s: %s", f.path, f.detail)
}

func (p *Policy) checkTCB() *fault {
	for i, s := range p.AcceptTCB {
		if !s.Valid() {
			return faulty(item("accept_tcb", i), "%q is not a TCB status; they are %s", s, statusWords())
		}
	}
	if slices.Contains(p.AcceptAdvisories, "") {
		return faulty("accept_advisories", "an empty name is no advisory")
	}
	switch {
	case p.GracePeriod < 0:
		return faulty("grace_period", "is negative")
	case p.GracePeriod%time.Second != 0:
		return faulty("grace_period", "want whole seconds")
	case p.GracePeriod > maxGracePeriod:
		return faulty("grace_period", "want at most %d days", maxGracePeriod/day)
	}
	switch {
	case p.MaxReportAge < 0:
		return faulty("max_report_age", "is negative")
	case p.MaxReportAge%time.Second != 0:
		return faulty("max_report_age", "want whole seconds")
	}
	if year := p.MinTCBDate.UTC().Year(); year < 0 || year > 9999 {
		return faulty("min_tcb_date", "want a year of four digits")
	}
	switch p.EvaluationNumber {
	case "", "standard", "early", "highest":
	default:
		if _, err := strconv.ParseUint(string(p.EvaluationNumber), 10, 32); err != nil {
			return faulty("evaluation_number", "%q is neither a number nor standard, early or highest", p.EvaluationNumber)
		}
	}
	return nil
}

func statusWords() string {
	var words []string
	for _, s := range rats.TCBStatuses() {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}

func item(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// checkRoots: the name of a pinned root stands in results for its key and for
// no other.
func (p *Policy) checkRoots() *fault {
	for i, r := range p.Roots {
		at := item("roots", i)
		parsed, err := x509.ParsePKIXPublicKey(r.PublicKey)
		key, ok := parsed.(*ecdsa.PublicKey)
		pinned := slices.ContainsFunc(Roots(), func(p rats.TrustRoot) bool {
			return p.Name == r.Name && bytes.Equal(p.Subject, r.Subject) && bytes.Equal(p.PublicKey, r.PublicKey)
		})
		switch {
		case pinned:
		case r.Name == "":
			return faulty(at+".name", "is missing")
		case len(r.Subject) == 0:
			return faulty(at+".subject", "is missing")
		case err != nil || !ok || key.Curve != elliptic.P256():
			return faulty(at+".public_key", "is not the SubjectPublicKeyInfo of a P-256 key in DER")
		}
		if !pinned && slices.ContainsFunc(Roots(), func(p rats.TrustRoot) bool { return p.Name == r.Name }) {
			return faulty(at+".name", "%s is the name of the pinned root, which this is not", r.Name)
		}
		for _, other := range p.Roots[:i] {
			if bytes.Equal(r.Subject, other.Subject) {
				return faulty(at+".subject", "another root has it")
			}
		}
	}
	return nil
}

func (p *Policy) checkReport() *fault {
	if n := len(p.ReportData); n > reportDataSize {
		return faulty("report_data", "want at most %d bytes, not %d", reportDataSize, n)
	}
	for i := range p.ReferenceValues {
		if f := p.ReferenceValues[i].check(); f != nil {
			return f.in(item("reference_values", i))
		}
	}
	for _, b := range p.bits(Measurement{}) {
		if b.want != nil {
			if f := b.want.check(b.size); f != nil {
				return f.in(b.name)
			}
		}
	}
	return nil
}

// check says what is wrong with b as a demand of a field of so many bytes.
func (b *Bits) check(size int) *fault {
	switch {
	case len(b.Mask) != size:
		return faulty("mask", "want %d bytes, not %d", size, len(b.Mask))
	case len(b.Value) != size:
		return faulty("value", "want %d bytes, not %d", size, len(b.Value))
	}
	for i, v := range b.Value {
		if v&^b.Mask[i] != 0 {
			return faulty("value", "byte %d has bits outside the mask, so that nothing could match", i)
		}
	}
	return nil
}

func (p *Policy) checkPlatform() *fault {
	d := &p.Platform
	for i, t := range d.AcceptSGXTypes {
		if t < 0 || t > 2 {
			return faulty(item("platform.accept_sgx_types", i), "want 0 standard, 1 scalable or 2 scalable with integrity, not %d", t)
		}
	}
	for i, name := range d.AcceptIssuers {
		if name != issuerPlatform && name != issuerProcessor {
			return faulty(item("platform.accept_issuers", i), "want platform or processor, not %q", name)
		}
	}
	for _, list := range []struct {
		name   string
		values []Hex
	}{{"platform.accept_fmspc", d.AcceptFMSPC}, {"platform.reject_fmspc", d.RejectFMSPC}} {
		for i, v := range list.values {
			if len(v) != fmspcSize {
				return faulty(item(list.name, i), "want %d bytes, not %d", fmspcSize, len(v))
			}
		}
	}
	return nil
}
