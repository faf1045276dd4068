// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
)

// Upstream is where a service gets what it lacks: Intel's PCS, another PCCS, or
// whatever else has the same statements. Nothing that it says is trusted.
//
// Errors are *[Fault]; any other error counts as the upstream's being down.
// Implementations are safe for concurrent use.
type Upstream interface {
	// Name says which upstream it is, for people.
	Name() string
	// Artefact fetches what stands under a key, whose version is 4.
	Artefact(ctx context.Context, key store.Key) (*Answer, error)
	// PCKCerts fetches the PCK certificates of a platform.
	PCKCerts(ctx context.Context, q PCKQuery) (*PCKAnswer, error)
}

// Answer is an artefact as an upstream gave it.
type Answer struct {
	// Body is as it was signed; revocation lists are in DER.
	Body []byte
	// Chain is the issuer chain in PEM, signer first. It is empty where none
	// belongs.
	Chain []byte
	// Source overrides the upstream's name, unless it is empty.
	Source string
}

// PCKQuery names a platform whose PCK certificates are wanted.
type PCKQuery struct {
	store.PlatformID
	// EncryptedPPID has 384 bytes; with a manifest it may be empty.
	EncryptedPPID []byte
	Manifest      []byte
	// CPUSVN and PCESVN are the raw TCB, for upstreams that give the certificate
	// of one TCB at a time. They are empty where none is wanted in particular.
	CPUSVN, PCESVN string
}

// PCKAnswer are the PCK certificates of a platform as an upstream gave them.
type PCKAnswer struct {
	Entries []PCKEntry
	// FMSPC in hex and CA, "processor" or "platform", of either case.
	FMSPC, CA string
	// Chain is the CA's certificate and the root's in PEM.
	Chain []byte
	// Partial says that there are others that the upstream did not give: the
	// one entry is the certificate for the raw TCB that was asked for.
	Partial bool
}

// PCKEntry is one of a platform's PCK certificates.
type PCKEntry struct {
	// TCB is the TCB level in JSON, as it was sent; it may be empty.
	TCB json.RawMessage
	// TCBm is in 36 hex digits.
	TCBm string
	// Cert is in PEM. It is empty where the vendor says that there is none.
	Cert []byte
}

// FaultClass says what follows from an upstream's fault.
type FaultClass int

// The classes.
const (
	// FaultDown: no answer, or none that a PCS gives.
	FaultDown FaultClass = iota
	// FaultBusy: the upstream asks to be left alone for a while.
	FaultBusy
	// FaultAbsent: the upstream does not have what was asked for.
	FaultAbsent
	// FaultGone: it had it, and has it no longer.
	FaultGone
	// FaultBad: the upstream calls the request a bad one.
	FaultBad
	// FaultDenied: the upstream does not take the key.
	FaultDenied
)

// Fault is why an upstream did not give what was asked for.
type Fault struct {
	Class FaultClass
	// Err says why in the upstream's own words where it had some.
	Err error
	// Hold is how long the upstream wants to be left alone; zero if it did not say.
	Hold time.Duration
}

func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the reason.
func (f *Fault) Unwrap() error { return f.Err }
