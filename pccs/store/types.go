// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// Kind names what an artefact says.
type Kind string

// The kinds of artefacts, each an answer of Intel's PCS API v4.
const (
	TCBInfo           Kind = "tcb_info"
	QEIdentity        Kind = "qe_identity"
	QVEIdentity       Kind = "qve_identity"
	QAEIdentity       Kind = "qae_identity"
	PCKCRL            Kind = "pck_crl"
	RootCRL           Kind = "root_crl"
	CRL               Kind = "crl"
	EvaluationNumbers Kind = "evaluation_numbers"
	// FMSPCs is the list of known FMSPCs, the one kind that nobody signs.
	FMSPCs Kind = "fmspcs"
)

// Kinds returns every kind.
func Kinds() []Kind {
	return []Kind{TCBInfo, QEIdentity, QVEIdentity, QAEIdentity, PCKCRL, RootCRL, CRL, EvaluationNumbers, FMSPCs}
}

// Values of [Key.Update] that are no number, and of [Key.Scope] and
// [Platform.CA] for the two CAs that issue PCK certificates.
const (
	Standard    = "standard"
	Early       = "early"
	ProcessorCA = "processor"
	PlatformCA  = "platform"
)

// Key is the place of an artefact: under one key one artefact is current.
type Key struct {
	Kind Kind
	// TEE is SGX or TDX, and empty for CRLs. The identity of TDX's quoting
	// enclave is that of Kind QEIdentity with TDX.
	TEE rats.TEE
	// Scope is the FMSPC in lower-case hex (TCB info), "processor" or "platform"
	// (PCK CRL), the URL (CRL), the parameter platform (FMSPCs), else empty.
	Scope string
	// Update is "standard", "early" or a TCB evaluation data number in decimal,
	// and empty for kinds that have none.
	Update string
	// Version is that of the API whose form the body has, 3 or 4.
	Version int
}

// normal returns k as it is kept.
func (k Key) normal() Key {
	k.Update = strings.ToLower(k.Update)
	if k.Kind != CRL {
		k.Scope = strings.ToLower(k.Scope)
	}
	return k
}

// String returns k for people, such as "tcb_info sgx 00906ed50000 standard v4".
func (k Key) String() string {
	words := []string{string(k.Kind)}
	for _, word := range []string{string(k.TEE), k.Scope, k.Update} {
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(append(words, "v"+strconv.Itoa(k.Version)), " ")
}

// Compare orders keys for listings.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Kind, o.Kind), cmp.Compare(k.TEE, o.TEE), cmp.Compare(k.Scope, o.Scope),
		cmp.Compare(k.Update, o.Update), cmp.Compare(k.Version, o.Version))
}

// Artefact is one statement as it was signed, with what is served beside it.
type Artefact struct {
	Key
	// Body is the statement byte for byte: JSON as sent, CRLs in DER.
	Body []byte
	// Chain is PEM, signer first and root last; empty where none belongs.
	Chain []byte
	// Digest is SHA-256 of Body. Write computes it; what it is given is ignored.
	Digest [sha256.Size]byte
	// Issued and NextUpdate are what the statement says, Fetched is when it was
	// got; each is zero where unknown.
	Issued, NextUpdate, Fetched time.Time
	// Source says for people where it came from: "intel", a URL, "import:NAME",
	// "ledger".
	Source string
}

// Compare orders artefacts of one key by which shall be current: negative where
// o shall replace a. What was issued later wins; where nothing says when (the
// list of FMSPCs), what was fetched later. Then, so that the order of writes
// never matters: the greater digest; of equal bodies the one with a chain,
// fetched later, with the greater chain, then source.
func (a *Artefact) Compare(o *Artefact) int {
	unsigned := 0
	if a.Issued.IsZero() && o.Issued.IsZero() {
		unsigned = a.Fetched.Compare(o.Fetched)
	}
	return cmp.Or(
		a.Issued.Compare(o.Issued), unsigned, bytes.Compare(a.Digest[:], o.Digest[:]),
		cmp.Compare(min(len(a.Chain), 1), min(len(o.Chain), 1)), a.Fetched.Compare(o.Fetched),
		bytes.Compare(a.Chain, o.Chain), cmp.Compare(a.Source, o.Source), a.NextUpdate.Compare(o.NextUpdate),
	)
}

// PlatformID names a platform: the QE identity (or platform identity) and the
// PCE identity, in upper-case hex as on the wire.
type PlatformID struct{ QEID, PCEID string }

// normal returns p as it is kept.
func (p PlatformID) normal() PlatformID {
	return PlatformID{QEID: strings.ToUpper(p.QEID), PCEID: strings.ToUpper(p.PCEID)}
}

// Platform is one that is known.
type Platform struct {
	PlatformID
	// EncryptedPPID and Manifest are the bytes that the wire has in hex; each is
	// empty where it was not given.
	EncryptedPPID, Manifest []byte
	// FMSPC is upper-case hex; CA is "processor" or "platform", in lower case.
	FMSPC, CA string
	// Seen is when it was last heard of.
	Seen time.Time
}

// RawTCB says which PCK certificate serves a platform at a raw TCB.
type RawTCB struct {
	PlatformID
	// CPUSVN and PCESVN are upper-case hex, PCESVN with its low byte first.
	CPUSVN, PCESVN string
	// TCBm names the certificate: CPUSVN and PCESVN of its TCB level.
	TCBm string
}

// PCKCert is a platform's PCK certificate for one TCB level.
type PCKCert struct {
	PlatformID
	TCBm string
	// Cert is PEM, without the chain; empty where NotAvailable.
	Cert []byte
	// NotAvailable: Intel's service named the level and had no certificate for it.
	NotAvailable bool
	// TCB is the level as sent, JSON.
	TCB []byte
}

// QueueState is how far a queued platform is.
type QueueState int

// The states, with the numbers that Intel's service keeps them under.
const (
	// New: it waits for certificates.
	New QueueState = 0
	// NotAvailable: Intel's service had none for some of its TCB levels.
	NotAvailable QueueState = 1
	// Deleted: somebody took it off the queue.
	Deleted QueueState = 9
)

func (s QueueState) valid() bool { return s == New || s == NotAvailable || s == Deleted }

// Queued is a platform at a raw TCB that asked for certificates.
type Queued struct {
	// ID names this request. One that says something else of the same platform
	// and TCB, or comes after the last was acknowledged, has another ID: to
	// acknowledge what was read never swallows what came since.
	ID int64
	PlatformID
	// CPUSVN and PCESVN are empty where a manifest was given.
	CPUSVN, PCESVN          string
	EncryptedPPID, Manifest []byte
	State                   QueueState
	Seen                    time.Time
}

// Policy is an appraisal policy that a tenant put.
type Policy struct {
	// ID is lower-case hex of SHA-384 of the JWT.
	ID string
	// Type is 0 for SGX, 1 for TDX 1.0, 2 for TDX 1.5.
	Type int
	JWT  []byte
	// Default: it is served to whoever asks for its FMSPC. One policy of each
	// FMSPC is; to write another one takes the mark from the one before.
	Default bool
	FMSPC   string
}

// Batch is what one transaction changes. Its parts are written in the order of
// its fields, ReplacePCK first.
type Batch struct {
	// ReplacePCK: the PCK certificates of these platforms are removed before
	// PCKCerts are written. Raw TCBs stay.
	ReplacePCK []PlatformID
	Artefacts  []Artefact
	Platforms  []Platform
	RawTCBs    []RawTCB
	PCKCerts   []PCKCert
	// Chains are the PEM chains of PCK certificates' issuers, by "processor" or
	// "platform".
	Chains   map[string][]byte
	Policies []Policy
	// Enqueue are put into the queue; their IDs are ignored.
	Enqueue []Queued
	// Mark sets states by ID. An ID that is no longer there is left out.
	Mark map[int64]QueueState
}
