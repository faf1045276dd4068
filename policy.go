// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Policy is what a relying party demands of evidence. It is plain data. The
// zero Policy is the strictest: a vendor's root, production build, TCB up to
// date, revocation checked, nothing expired. Each field loosens or narrows one
// named thing.
type Policy struct {
	// AllowDebug accepts debug builds, whose memory their host can read.
	AllowDebug bool
	// AcceptTCB lists statuses that are accepted beside UpToDate. Revoked and
	// NotSupported are accepted only when they are listed.
	AcceptTCB []rats.TCBStatus
	// Roots replaces the pinned vendor roots when it is not nil. A simulated
	// root belongs here on development networks alone.
	Roots []rats.TrustRoot
	// EvaluationNumber decides which of several fitting endorsements are used;
	// the zero value takes the highest number that TCB info and identity share.
	EvaluationNumber dcap.EvaluationNumber
	// RuntimeData, when not nil, must hash to the evidence's report data:
	// SHA-256 in the first 32 bytes, zeros after.
	RuntimeData []byte
}
