// SPDX-License-Identifier: Apache-2.0

package maa

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// Lifetime is for how long a token counts, unless what it rests on ends before.
const Lifetime = 8 * time.Hour

// policy is what the service calls its default, which refuses nothing genuine:
// that is what these tokens say too. Every claim is the reader's to judge.
const policy = "version= 1.0;authorizationrules{ => permit();};issuancerules{};"

// Statement is what a token says, and for whom.
type Statement struct {
	// Issuer is the URL under which clients reach the node, without a slash at its end.
	Issuer string
	Result *attesteer.Result
	// Evidence is what was posted, which the token names by its SHA-256.
	Evidence []byte
	// RuntimeData hash to the report data; nil for none. They come back as JSON
	// if RuntimeIsJSON, which they then have to be.
	RuntimeData   []byte
	RuntimeIsJSON bool
	// Nonce is the caller's, empty for none. Nothing binds the evidence to it.
	Nonce string
	// Chains are the digests, in lower-case hex, of the issuers of endorsements,
	// by the endorsement's kind.
	Chains map[rats.EndorsementKind]string
	At     time.Time
}

// Collateral are digests of what a token rests on, in lower-case hex.
type Collateral struct {
	QEIDCertsHash    string `json:"qeidcertshash,omitempty"`
	QEIDCRLHash      string `json:"qeidcrlhash,omitempty"`
	QEIDHash         string `json:"qeidhash,omitempty"`
	QuoteHash        string `json:"quotehash"`
	TCBInfoCertsHash string `json:"tcbinfocertshash,omitempty"`
	TCBInfoCRLHash   string `json:"tcbinfocrlhash,omitempty"`
	TCBInfoHash      string `json:"tcbinfohash,omitempty"`
}

// Sign makes a token of a statement about an SGX enclave.
func (s *Signer) Sign(st Statement) (string, error) {
	claims, err := st.claims()
	if err != nil {
		return "", err
	}
	return s.sign(claims, st.Issuer+"/certs")
}

// claims are those of the service, the names that it has deprecated among them,
// and a few of ours for what it does not say.
func (st Statement) claims() (map[string]any, error) {
	r := st.Result
	m := r.Measurement.SGXMeasurement
	if m == nil {
		return nil, rats.Errorf(rats.Unsupported, "these tokens are of SGX enclaves, and the evidence is %s", r.TEE)
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	// A ledger's clock may be set to another time than the reader's: what counts is
	// for how long the result holds, not until when.
	lifetime := Lifetime
	if r.ValidUntil != nil {
		lifetime = min(lifetime, r.ValidUntil.Sub(r.VerifiedAt))
	}
	until := st.At.Add(lifetime)
	debug, collateral := r.BuildMode == rats.Debug, st.collateral()
	hash := sha256.Sum256([]byte(encode([]byte(policy))))
	out := map[string]any{
		"jti": hex.EncodeToString(id[:]), "iss": st.Issuer,
		"iat": st.At.Unix(), "nbf": st.At.Unix(), "exp": until.Unix(),
		"x-ms-ver": "1.0", "x-ms-attestation-type": "sgx", "x-ms-policy-hash": encode(hash[:]),
		"x-ms-sgx-is-debuggable": debug, "x-ms-sgx-product-id": m.ISVProdID, "x-ms-sgx-svn": m.ISVSVN,
		"x-ms-sgx-mrenclave": m.MREnclave.String(), "x-ms-sgx-mrsigner": m.MRSigner.String(),
		"x-ms-sgx-report-data": r.ReportData.String(), "x-ms-sgx-collateral": collateral,
		"x-ms-sgx-config-id": m.ConfigID.String(), "x-ms-sgx-config-svn": m.ConfigSVN,
		"x-ms-sgx-isv-extended-product-id": m.ISVExtProdID.String(), "x-ms-sgx-isv-family-id": m.ISVFamilyID.String(),
		"is-debuggable": debug, "product-id": m.ISVProdID, "svn": m.ISVSVN, "tee": "sgx",
		"sgx-mrenclave": m.MREnclave.String(), "sgx-mrsigner": m.MRSigner.String(), "maa-attestationcollateral": collateral,
		"attesteer-tier": r.Tier, "attesteer-fmspc": r.TCB.FMSPC.String(), "attesteer-tcb-status": r.TCB.Status,
		"attesteer-advisories": r.TCB.Advisories, "attesteer-trust-root": r.TrustRoot,
	}
	if st.Nonce != "" {
		out["nonce"] = st.Nonce
	}
	switch {
	case st.RuntimeData == nil:
	case st.RuntimeIsJSON:
		out["x-ms-runtime"] = json.RawMessage(st.RuntimeData)
	default:
		held := encode(st.RuntimeData)
		out["x-ms-sgx-ehd"], out["maa-ehd"], out["aas-ehd"] = held, held, held
	}
	return out, nil
}

// collateral names what the result rests on.
func (st Statement) collateral() Collateral {
	sum := sha256.Sum256(st.Evidence)
	out := Collateral{
		QuoteHash:     hex.EncodeToString(sum[:]),
		QEIDCertsHash: st.Chains[rats.QEIdentity], TCBInfoCertsHash: st.Chains[rats.TCBInfo],
	}
	for _, e := range st.Result.Endorsements {
		switch e.Kind {
		case rats.TCBInfo:
			out.TCBInfoHash = e.SHA256.String()
		case rats.QEIdentity:
			out.QEIDHash = e.SHA256.String()
		case rats.RootCACRL:
			out.QEIDCRLHash, out.TCBInfoCRLHash = e.SHA256.String(), e.SHA256.String()
		default: // a token names no more
		}
	}
	return out
}

// Claims are the names of the claims that a token may have.
func Claims() []string {
	return []string{
		"is-debuggable", "sgx-mrsigner", "sgx-mrenclave", "product-id", "svn", "tee", "maa-ehd", "aas-ehd", "maa-attestationcollateral",
		"x-ms-ver", "x-ms-attestation-type", "x-ms-policy-hash", "x-ms-runtime", "nonce",
		"x-ms-sgx-is-debuggable", "x-ms-sgx-mrsigner", "x-ms-sgx-mrenclave", "x-ms-sgx-product-id", "x-ms-sgx-svn", "x-ms-sgx-ehd",
		"x-ms-sgx-report-data", "x-ms-sgx-collateral", "x-ms-sgx-config-id", "x-ms-sgx-config-svn",
		"x-ms-sgx-isv-extended-product-id", "x-ms-sgx-isv-family-id",
		"attesteer-tier", "attesteer-tcb-status", "attesteer-fmspc", "attesteer-advisories", "attesteer-trust-root",
	}
}

// Base64URL reads the encoding in which the service takes bytes: base64 of either
// alphabet, padded or not (RFC 4648 sections 4 and 5).
func Base64URL(name, text string) ([]byte, error) {
	for _, e := range []*base64.Encoding{base64.RawURLEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.StdEncoding} {
		if b, err := e.Strict().DecodeString(text); err == nil {
			return b, nil
		}
	}
	return nil, rats.Errorf(rats.Malformed, "%s: not base64url", name)
}
