// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"encoding/hex"
	"strings"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// fits reports whether an endorsement under key can serve an appraisal that
// needs need. It errs on the side of giving: whoever appraises looks closely.
func fits(key rats.EndorsementKey, need attesteer.Need) bool {
	switch key.Kind {
	case rats.TCBInfo:
		return key.TEE == need.TEE && strings.EqualFold(key.Scope, hex.EncodeToString(need.FMSPC[:]))
	case rats.QEIdentity, rats.EvaluationNumbers:
		return key.TEE == need.TEE
	case rats.PCKCRL:
		// Evidence may carry its PCK certificate without the CA's.
		return need.CA == "" || key.Scope == need.CA
	case rats.RootCACRL:
		return true
	default:
		return false
	}
}
