// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// Bounds on what is kept.
const (
	maxBody = 1 << 20
	// maxFMSPCs bounds the list of FMSPCs.
	maxFMSPCs = 4096
	// quoteLibrary is how much TCB info and chain Intel's quote verification
	// library can take: its lengths have 16 bits.
	quoteLibrary = 65534
)

// lists are the revocation lists that statements are held against.
type lists struct {
	root *x509.RevocationList
	// pck are those of the CAs of PCK certificates, by the name of the CA (DER).
	pck map[string]*x509.RevocationList
}

// check verifies an answer and returns the artefact that it is: form, chain up
// to a pinned root, signature, what it is about, and that nobody who vouches
// for it is revoked. It does not look at dates: what is stale is taken, and
// marked by its next update.
func (s *Service) check(k store.Key, a *Answer, known lists) (*store.Artefact, error) {
	if len(a.Body) > maxBody {
		return nil, rats.Errorf(rats.TooLarge, "it has %d bytes, over %d", len(a.Body), maxBody)
	}
	out := &store.Artefact{
		Key: k, Body: bytes.Clone(a.Body), Digest: sha256.Sum256(a.Body), Fetched: s.now().UTC(), Source: a.Source,
	}
	if k.Kind == store.FMSPCs {
		return out, checkFMSPCs(a.Body)
	}
	issuers, err := s.openChain(a.Chain)
	if err != nil {
		return nil, err
	}
	e := rats.Endorsement{Kind: endorsementKind(k, issuers), Body: a.Body, Issuers: issuers}
	info, err := s.verifier.CheckEndorsement(e, s.roots)
	if err != nil {
		return nil, err
	}
	if err := fits(k, a.Body, info, issuers); err != nil {
		return nil, err
	}
	if err := known.admits(issuers); err != nil {
		return nil, err
	}
	out.Chain, out.Issued = a.Chain, info.Issued
	// A statement ends with the certificate that vouches for it at the latest.
	out.NextUpdate = info.NextUpdate
	if info.ValidUntil.Before(out.NextUpdate) {
		out.NextUpdate = info.ValidUntil
	}
	return out, nil
}

// endorsementKind returns what verification calls the kind of an artefact. A
// list at a URL is the root's where no certificate comes with it.
func endorsementKind(k store.Key, issuers [][]byte) rats.EndorsementKind {
	switch k.Kind {
	case store.TCBInfo:
		return rats.TCBInfo
	case store.EvaluationNumbers:
		return rats.EvaluationNumbers
	case store.PCKCRL:
		return rats.PCKCRL
	case store.RootCRL:
		return rats.RootCACRL
	case store.CRL:
		if len(issuers) == 0 {
			return rats.RootCACRL
		}
		return rats.PCKCRL
	default:
		return rats.QEIdentity
	}
}

// openChain returns the certificates of a chain without the root, which must be
// a pinned one where it is there.
func (s *Service) openChain(chain []byte) ([][]byte, error) {
	if len(chain) == 0 {
		return nil, nil
	}
	if len(chain) > maxChain {
		return nil, rats.Errorf(rats.TooLarge, "its chain has %d bytes, over %d", len(chain), maxChain)
	}
	certs, err := splitChain(chain)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for i, der := range certs {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, rats.Errorf(rats.Malformed, "its chain: %w", err)
		}
		if !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
			out = append(out, der)
			continue
		}
		if i != len(certs)-1 {
			return nil, rats.Errorf(rats.Malformed, "the root does not end its chain")
		}
		if !s.pinned(cert) {
			return nil, rats.Errorf(rats.UntrustedRoot, "the chain ends in %q, which is not a pinned root", cert.Subject.CommonName)
		}
	}
	return out, nil
}

// pinned reports whether a certificate bears name and key of a pinned root.
func (s *Service) pinned(cert *x509.Certificate) bool {
	roots := s.roots
	if roots == nil {
		roots = attesteer.Roots()
	}
	for _, r := range roots {
		if bytes.Equal(r.Subject, cert.RawSubject) && bytes.Equal(r.PublicKey, cert.RawSubjectPublicKeyInfo) {
			return true
		}
	}
	return false
}

// fits holds what a statement says against what it is to be kept as. Some
// services answer something else where they do not know what was asked.
func fits(k store.Key, body []byte, info *attesteer.EndorsementInfo, issuers [][]byte) error {
	is := info.Key
	wrong := func(format string, args ...any) error { return rats.Errorf(rats.Malformed, format, args...) }
	switch k.Kind {
	case store.TCBInfo:
		if !strings.EqualFold(is.Scope, k.Scope) {
			return wrong("it is for FMSPC %s", is.Scope)
		}
		if want := uint32(k.Version) - 1; is.Version != want { //nolint:gosec // 3 or 4
			return wrong("it is TCB info of version %d, not %d", is.Version, want)
		}
	case store.QEIdentity, store.QVEIdentity, store.QAEIdentity:
		if want := enclaveOf(k); is.Scope != want {
			return wrong("it is the identity of %s, not of %s", is.Scope, want)
		}
	case store.PCKCRL:
		if ca := caName(issuers[0]); ca != k.Scope {
			return wrong("it is the list of the %s CA", ca)
		}
	case store.EvaluationNumbers, store.RootCRL, store.CRL:
	default:
		return wrong("nothing is known of kind %q", k.Kind)
	}
	if needsTEE(k.Kind) && is.TEE != k.TEE {
		return wrong("it is for %s", is.TEE)
	}
	if n, err := strconv.ParseUint(k.Update, 10, 32); err == nil && uint64(is.EvaluationDataNumber) != n {
		return wrong("it is of evaluation %d", is.EvaluationDataNumber)
	}
	return nil
}

// enclaveOf returns the id that an identity must have (PCS API v4, Get QE
// Identity and its like).
func enclaveOf(k store.Key) string {
	switch {
	case k.Kind == store.QVEIdentity:
		return "QVE"
	case k.Kind == store.QAEIdentity:
		return "QAE"
	case k.TEE == rats.TDX:
		return "TD_QE"
	default:
		return "QE"
	}
}

// caName returns what services call the CA of PCK certificates that has a
// certificate. The profile tells them apart by a phrase in the name (1.2).
func caName(der []byte) string {
	cert, err := x509.ParseCertificate(der)
	switch {
	case err != nil:
		return ""
	case strings.Contains(cert.Subject.CommonName, "Processor"):
		return store.ProcessorCA
	default:
		return store.PlatformCA
	}
}

// admits reports whether none of the root's issues is revoked by the root's
// list. Without that list nothing is admitted that the root did not sign itself.
func (l lists) admits(issuers [][]byte) error {
	for _, der := range issuers {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return rats.Errorf(rats.Malformed, "its chain: %w", err)
		}
		if l.root == nil || !bytes.Equal(l.root.RawIssuer, cert.RawIssuer) {
			return rats.Errorf(rats.EndorsementUnavailable, "there is no revocation list of its root to hold it against")
		}
		if revokes(l.root, cert) {
			return rats.Errorf(rats.Revoked, "the certificate %q that vouches for it is revoked", cert.Subject.CommonName)
		}
	}
	return nil
}

// revokes reports whether a list names a certificate of its issuer's.
func revokes(list *x509.RevocationList, cert *x509.Certificate) bool {
	for i := range list.RevokedCertificateEntries {
		if list.RevokedCertificateEntries[i].SerialNumber.Cmp(cert.SerialNumber) == 0 {
			return true
		}
	}
	return false
}

// checkFMSPCs checks the form of the list of FMSPCs, which nobody signs (PCS
// API v4, Get FMSPCs).
func checkFMSPCs(body []byte) error {
	var list []struct {
		FMSPC    string `json:"fmspc"`
		Platform string `json:"platform"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return rats.Errorf(rats.Malformed, "list of FMSPCs: %w", err)
	}
	if len(list) > maxFMSPCs {
		return rats.Errorf(rats.TooLarge, "list of FMSPCs: it has %d, over %d", len(list), maxFMSPCs)
	}
	for _, item := range list {
		if b, err := hex.DecodeString(item.FMSPC); err != nil || len(b) != 6 || item.Platform == "" {
			return rats.Errorf(rats.Malformed, "list of FMSPCs: %q is none", legible(item.FMSPC))
		}
	}
	return nil
}

// Stale reports whether an artefact is past its next update. One that promised
// none is never stale.
func (s *Service) Stale(a *store.Artefact) bool { return staleAt(a, s.now()) }

func staleAt(a *store.Artefact, at time.Time) bool {
	return !a.NextUpdate.IsZero() && at.After(a.NextUpdate)
}
