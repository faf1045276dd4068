// SPDX-License-Identifier: Apache-2.0

package record

import (
	"crypto/ed25519"
	"crypto/sha256"
	"net/url"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// MaxEndorsements bounds the endorsements of one transaction.
const MaxEndorsements = 64

// Opened is a decoded transaction whose signature is not yet checked.
type Opened struct {
	Hash TxHash
	Kind TxKind
	// Tick is set for a time tick, Tx for a registrar's transaction, Motion for a
	// governance one. Registrar is the key that signed either of these two.
	Tick      *TimeTick
	Tx        *Transaction
	Motion    *Motion
	Registrar Registrar

	body      []byte
	signature []byte
}

// SignedBytes returns what a registrar signs: a domain tag and the body.
func SignedBytes(body []byte) []byte {
	return append([]byte(tagSignature), body...)
}

// Sign returns the bytes of a registrar's transaction, ready to submit.
func Sign(key ed25519.PrivateKey, tx Transaction) ([]byte, error) {
	body, err := Marshal(tx)
	if err != nil {
		return nil, err
	}
	return Marshal(Envelope{
		Kind: KindRegistrar, Body: body,
		Signer: key[ed25519.SeedSize:], Signature: ed25519.Sign(key, SignedBytes(body)),
	})
}

// NewTick returns the bytes of the transaction that carries a block's ledger time.
func NewTick(at Millis) ([]byte, error) {
	body, err := Marshal(TimeTick{Time: at})
	if err != nil {
		return nil, err
	}
	return Marshal(Envelope{Kind: KindTime, Body: body, Signer: []byte{}, Signature: []byte{}})
}

// HashTx returns the name of a transaction.
func HashTx(b []byte) TxHash { return sha256.Sum256(b) }

// Open decodes a transaction strictly. It checks form and limits, and no
// signature: [Opened.Verify] does. Errors are Malformed, TooLarge or Unsupported.
func Open(b []byte) (*Opened, error) {
	if len(b) > MaxTransaction {
		return nil, rats.Errorf(rats.TooLarge, "transaction of %d bytes is over %d", len(b), MaxTransaction)
	}
	var e Envelope
	if err := Unmarshal(b, &e); err != nil {
		return nil, err
	}
	if e.Body == nil || e.Signer == nil || e.Signature == nil {
		// null is a second spelling of no bytes.
		return nil, rats.Errorf(rats.Malformed, "an envelope's parts are byte strings")
	}
	o := &Opened{Hash: HashTx(b), Kind: e.Kind, body: e.Body, signature: e.Signature}
	switch e.Kind {
	case KindTime:
		if len(e.Signer) != 0 || len(e.Signature) != 0 {
			return nil, rats.Errorf(rats.Malformed, "a time tick is signed by nobody")
		}
		o.Tick = &TimeTick{}
		if err := Unmarshal(e.Body, o.Tick); err != nil {
			return nil, err
		}
		return o, nil
	case KindRegistrar, KindGovernance:
		if len(e.Signer) != ed25519.PublicKeySize || len(e.Signature) != ed25519.SignatureSize {
			return nil, rats.Errorf(rats.Malformed, "transaction with a key of %d and a signature of %d bytes", len(e.Signer), len(e.Signature))
		}
		o.Registrar = Registrar(e.Signer)
		read := o.readBody
		if e.Kind == KindGovernance {
			read = o.readMotion
		}
		if err := read(); err != nil {
			return nil, err
		}
		return o, nil
	default:
		return nil, rats.Errorf(rats.Unsupported, "transaction of kind %d", e.Kind)
	}
}

func (o *Opened) readBody() error {
	// The version is looked at first: a later one may have other fields.
	version, err := versionOf(o.body)
	if err != nil {
		return err
	}
	if version != TransactionVersion {
		return rats.Errorf(rats.Unsupported, "transaction version %d", version)
	}
	var tx Transaction
	if err := Unmarshal(o.body, &tx); err != nil {
		return err
	}
	o.Tx = &tx
	switch {
	case len(tx.Endorsements) > MaxEndorsements:
		return rats.Errorf(rats.TooLarge, "%d endorsements are over %d", len(tx.Endorsements), MaxEndorsements)
	case tx.Withdrawal != nil:
		return tx.checkWithdrawal()
	case tx.Submission == nil && len(tx.Endorsements) == 0:
		return rats.Errorf(rats.Malformed, "transaction without content")
	case tx.Submission == nil:
		return nil
	default:
		return tx.Submission.check()
	}
}

// check checks form and limits of a submission.
func (s *Submission) check() error {
	switch {
	case len(s.Evidence) == 0:
		return rats.Errorf(rats.Malformed, "the evidence is empty")
	case len(s.Evidence) > MaxEvidence:
		return rats.Errorf(rats.TooLarge, "evidence of %d bytes is over %d", len(s.Evidence), MaxEvidence)
	case len(s.RuntimeData) > MaxEvidence:
		return rats.Errorf(rats.TooLarge, "runtime data of %d bytes are over %d", len(s.RuntimeData), MaxEvidence)
	case s.ValidFor < 0:
		return rats.Errorf(rats.Malformed, "the duration is negative")
	}
	return CheckURL(s.URL)
}

// Verify checks the registrar's or the validator's signature: BadSignature.
func (o *Opened) Verify() error {
	var signed []byte
	switch o.Kind {
	case KindRegistrar:
		signed = SignedBytes(o.body)
	case KindGovernance:
		signed = GovernanceBytes(o.body)
	case KindTime: // nobody signs it
	}
	if signed == nil || !ed25519.Verify(o.Registrar[:], signed, o.signature) {
		return rats.Errorf(rats.BadSignature, "the key that the transaction names did not sign it")
	}
	return nil
}

// CheckURL checks where an enclave says that it serves: empty, or at most 256
// bytes of printable ASCII that are an http or https URL, or a host with an
// optional port and path. Malformed otherwise.
func CheckURL(text string) error {
	if len(text) > MaxURL {
		return rats.Errorf(rats.Malformed, "URL of %d bytes is over %d", len(text), MaxURL)
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' {
			return rats.Errorf(rats.Malformed, "the URL holds a byte that is not printable ASCII")
		}
	}
	if text == "" {
		return nil
	}
	full := text
	if !strings.Contains(full, "://") {
		full = "https://" + full
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil {
		return rats.Errorf(rats.Malformed, "the URL names no host")
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
		return nil
	default:
		return rats.Errorf(rats.Malformed, "a URL with scheme %q is none that a browser opens", u.Scheme)
	}
}
