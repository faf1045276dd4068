// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"

	"github.com/attesteer/attesteer/gateway"
)

// readinessOf reads what a node says of itself at /readyz, or at /healthz, which
// gives no reasons. Of what cannot be read it knows nothing.
func readinessOf(body []byte) said {
	var r said
	if json.Unmarshal(body, &r) != nil {
		return said{}
	}
	return r
}

// said is what a node says of itself.
type said struct{ gateway.Readiness }

// words lists the reasons behind a colon; nothing if there is none.
func (s said) words() string {
	all := make([]string, 0, len(s.Reasons))
	for _, c := range s.Reasons {
		all = append(all, c.Code+" ("+c.Detail+")")
	}
	if len(all) == 0 {
		return ""
	}
	return ": " + strings.Join(all, ", ")
}
