// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/hex"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// View is the outward JSON form of a record at a stated ledger time (schema
// attesteer/enclave/v1). Byte strings are lower-case hex.
type View struct {
	Schema      string        `json:"schema"`
	ID          string        `json:"id"`
	Fingerprint string        `json:"fingerprint"`
	TEE         rats.TEE      `json:"tee"`
	Signer      SignerView    `json:"signer"`
	Registrar   *string       `json:"registrar"`
	URL         *string       `json:"url"`
	Listings    []ListingView `json:"listings"`

	FirstAttested Millis `json:"first_attested"`
	LastAttested  Millis `json:"last_attested"`
	Expires       Millis `json:"expires"`
	ValidUntil    Millis `json:"valid_until"`
	Attestations  uint64 `json:"attestations"`

	State        State          `json:"state"`
	Tier         rats.Tier      `json:"tier"`
	BuildMode    rats.BuildMode `json:"build_mode"`
	Status       rats.TCBStatus `json:"status"`
	StatusSince  Millis         `json:"status_since"`
	StatusReason Reason         `json:"status_reason"`

	MRSigner   string        `json:"mr_signer"`
	ISVProdID  uint16        `json:"isv_prod_id"`
	ISVSVN     uint16        `json:"isv_svn"`
	FMSPC      string        `json:"fmspc"`
	Advisories []string      `json:"advisories"`
	TrustRoot  string        `json:"trust_root"`
	Freshness  FreshnessView `json:"freshness"`

	// Envelope lists the formats of the last evidence, outermost first, and
	// CustomClaims what the enclave says in it beside its measurement. They are
	// empty in records of before version 5 of the state machine.
	Envelope     []rats.Format           `json:"envelope"`
	CustomClaims []attesteer.CustomClaim `json:"custom_claims"`

	EvidenceSHA256 string   `json:"evidence_sha256"`
	AppraisedWith  []string `json:"appraised_with"`
	Height         uint64   `json:"height"`
	Tx             string   `json:"tx"`
	// WillChange is set when published vendor data says that the status will fall.
	WillChange *WillChange `json:"will_change"`
	// Withdrawn is set for good once the subject's key has withdrawn the record,
	// be it that newer evidence revived it.
	Withdrawn *WithdrawalView `json:"withdrawn" doc:"when its own key last withdrew it, null if never; state says whether it was revived since"`
}

// SignerView shows a record's subject.
type SignerView struct {
	Opaque string `json:"opaque"`
	// Key is the public key that the subject is the hash of, null where none was shown.
	Key *KeyView `json:"key" doc:"the public key that opaque is the hash of, null where none was shown"`
}

// KeyView shows a public key.
type KeyView struct {
	Algorithm Algorithm `json:"algorithm" enum:"ed25519,ecdsa-p256,ecdsa-p384,rsa"`
	// Bits is the size of the key, and SHA256 that of its SubjectPublicKeyInfo in
	// DER.
	Bits   int    `json:"bits"`
	SHA256 string `json:"sha256" doc:"SHA-256 of the key's SubjectPublicKeyInfo in DER"`
	// RuntimeData is the key in the spelling that was shown.
	RuntimeData []byte `json:"runtime_data" doc:"the key as it was shown, SubjectPublicKeyInfo in DER or PEM"`
}

// WithdrawalView says when the subject's key last withdrew the record.
type WithdrawalView struct {
	At     Millis `json:"at"`
	Height uint64 `json:"height"`
}

// ListingView shows a listing.
type ListingView struct {
	Registrar string  `json:"registrar"`
	URL       *string `json:"url"`
	Since     Millis  `json:"since"`
	Expires   Millis  `json:"expires"`
}

// FreshnessView shows what ties the evidence to a time.
type FreshnessView struct {
	Kind   string  `json:"kind"`
	Height *uint64 `json:"height,omitempty"`
}

// WillChange announces a fall of status that published data makes certain.
type WillChange struct {
	At     Millis         `cbor:"1,keyasint" json:"at"`
	To     rats.TCBStatus `cbor:"2,keyasint" json:"to"`
	Reason Reason         `cbor:"3,keyasint" json:"reason"`
}

// View returns the outward form of r at ledger time at.
func (r *Record) View(at Millis) View {
	v := View{
		Schema: Schema, ID: hex.EncodeToString(r.ID[:]),
		Fingerprint: hex.EncodeToString(r.Fingerprint), TEE: r.TEE,
		Signer:   SignerView{Opaque: hex.EncodeToString(r.Subject)},
		Listings: make([]ListingView, 0, len(r.Listings)),

		FirstAttested: r.FirstAttested, LastAttested: r.LastAttested,
		Expires: r.Expires, ValidUntil: r.ValidUntil, Attestations: r.Attestations,

		Tier: r.Tier, BuildMode: r.BuildMode, Status: r.Status,

		MRSigner: hex.EncodeToString(r.MRSigner), ISVProdID: r.ISVProdID, ISVSVN: r.ISVSVN,
		FMSPC: hex.EncodeToString(r.FMSPC), Advisories: append([]string{}, r.Advisories...),
		TrustRoot: r.TrustRoot, Freshness: FreshnessView{Kind: r.Freshness.Kind},

		Envelope: append([]rats.Format{}, r.Envelope...), CustomClaims: make([]attesteer.CustomClaim, 0, len(r.Claims)),

		EvidenceSHA256: hex.EncodeToString(r.EvidenceSHA256[:]),
		AppraisedWith:  make([]string, 0, len(r.AppraisedWith)),
		Height:         r.Height, Tx: hex.EncodeToString(r.Tx[:]), WillChange: r.WillChange,
	}
	v.State, v.StatusSince, v.StatusReason = r.standingAt(at)
	if r.Freshness.Kind == FreshnessBlock {
		h := r.Freshness.Height
		v.Freshness.Height = &h
	}
	if key, err := ReadKey(r.Key); err == nil {
		v.Signer.Key = &KeyView{Algorithm: key.Algorithm, Bits: key.Bits, SHA256: hex.EncodeToString(key.SHA256[:]), RuntimeData: r.Key}
	}
	if r.WithdrawnHeight != 0 {
		v.Withdrawn = &WithdrawalView{At: r.WithdrawnAt, Height: r.WithdrawnHeight}
	}
	for i := range r.Listings {
		v.Listings = append(v.Listings, r.Listings[i].view())
	}
	for _, c := range r.Claims {
		v.CustomClaims = append(v.CustomClaims, attesteer.NewCustomClaim(c.Name, c.Value))
	}
	for _, d := range r.AppraisedWith {
		v.AppraisedWith = append(v.AppraisedWith, hex.EncodeToString(d[:]))
	}
	if top := r.TopListing(at); top != nil {
		lv := top.view()
		v.Registrar, v.URL = &lv.Registrar, lv.URL
	}
	return v
}

func (l *Listing) view() ListingView {
	v := ListingView{Registrar: hex.EncodeToString(l.Registrar[:]), Since: l.Since, Expires: l.Expires}
	if l.URL != "" {
		url := l.URL
		v.URL = &url
	}
	return v
}

// TopListing returns the listing that stands for the record at a time: the
// first that is active, admitted registrars before unknown ones, then the
// oldest; where none is active any more, the same order over all; nil when
// there is none.
func (r *Record) TopListing(at Millis) *Listing {
	var top *Listing
	better := func(a, b *Listing) bool {
		if x, y := a.Expires > at, b.Expires > at; x != y {
			return x
		}
		if a.Admitted != b.Admitted {
			return a.Admitted
		}
		return a.Since < b.Since
	}
	for i := range r.Listings {
		if top == nil || better(&r.Listings[i], top) {
			top = &r.Listings[i]
		}
	}
	return top
}

// StateAt derives the record's state at a ledger time from what the record
// carries, so that a stale copy cannot look alive: what is expired, withdrawn or
// revoked stays so; past the last listing's expiry it is expired; past the end
// of the data that the verdict rests on it is undecided.
func (r *Record) StateAt(at Millis) State {
	switch {
	case r.State != Active && r.State != Undecided:
		return r.State
	case at >= r.Expires:
		return Expired
	case r.State == Undecided || at > r.ValidUntil:
		return Undecided
	default:
		return Active
	}
}

// standingAt is StateAt, with since when that holds and why: what the record says of
// its stored state, or for one that is derived what the ledger will write of it.
func (r *Record) standingAt(at Millis) (State, Millis, Reason) {
	switch state := r.StateAt(at); state {
	case r.State:
		return state, r.StatusSince, r.StatusReason
	case Expired:
		return state, r.Expires, ReasonExpired
	default:
		return state, r.ValidUntil + 1, ReasonLapsed
	}
}
