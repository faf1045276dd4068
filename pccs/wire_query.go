// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"net/url"
	"strings"
)

// param is a parameter of a query that some endpoint reads.
type param int

// The parameters.
const (
	qeID param = iota
	cpuSVN
	pceSVN
	pceID
	encryptedPPID
	paramCA
	paramEncoding
	paramFMSPC
	paramUpdate
	paramNumber
	paramURI
	paramSource
	paramType
	paramPlatform
	paramKeep
	params // how many there are
)

// paramOf returns the parameter of that name, whose case counts.
func paramOf(name string) (param, bool) {
	switch name {
	case "qeid":
		return qeID, true
	case "cpusvn":
		return cpuSVN, true
	case "pcesvn":
		return pceSVN, true
	case "pceid":
		return pceID, true
	case "encrypted_ppid":
		return encryptedPPID, true
	case "ca":
		return paramCA, true
	case "encoding":
		return paramEncoding, true
	case "fmspc":
		return paramFMSPC, true
	case "update":
		return paramUpdate, true
	case "tcbEvaluationDataNumber":
		return paramNumber, true
	case "uri":
		return paramURI, true
	case "source":
		return paramSource, true
	case "type":
		return paramType, true
	case "platform":
		return paramPlatform, true
	case "keep":
		return paramKeep, true
	default:
		return 0, false
	}
}

// query holds the parameters of a request. Of one that is given twice the first
// counts; those that nothing reads are passed over.
type query struct {
	value [params]string
	given [params]bool
}

// has reports whether a parameter was given, and be it empty.
func (q *query) has(p param) bool { return q.given[p] }

// get returns a parameter; empty if it was not given.
func (q *query) get(p param) string { return q.value[p] }

// read reads what stands behind the question mark. What is not well
// percent-encoded stays as it is, and is then refused for what it holds.
func (q *query) read(raw string) {
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(part, "=")
		p, ok := paramOf(unescape(name))
		if !ok || q.given[p] {
			continue
		}
		q.given[p], q.value[p] = true, unescape(value)
	}
}

func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
