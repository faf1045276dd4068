// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/attesteer/attesteer/pccs/pck"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// pckSet are the certificates of a platform, verified.
type pckSet struct {
	// fmspc is in upper-case hex; ca is "processor" or "platform".
	fmspc, ca string
	certs     []store.PCKCert
	// parsed are those of certs that are available, in their order.
	parsed []*pck.Certificate
	// revoked names those that were left out.
	revoked []string
}

// available returns the certificates that there are.
func (s *pckSet) available() []*pck.Certificate { return s.parsed }

// checkPCK verifies the certificates of a platform: chain up to a pinned root,
// names and signatures; that neither the CA nor a certificate is revoked, of
// which the latter are left out; and that what the extension certifies agrees
// with the request, with the answer's headers, and among them. Errors that are
// no Refusals are the answer's fault.
func (s *Service) checkPCK(ctx context.Context, id store.PlatformID, a *PCKAnswer) (*pckSet, error) {
	issuers, err := s.openChain(a.Chain)
	if err != nil {
		return nil, err
	}
	if len(issuers) != 1 {
		return nil, rats.Errorf(rats.UntrustedRoot, "the issuer chain has %d certificates below the root, not 1", len(issuers))
	}
	set := &pckSet{ca: caName(issuers[0]), fmspc: strings.ToUpper(a.FMSPC)}
	if a.CA != "" && !strings.EqualFold(a.CA, set.ca) {
		return nil, rats.Errorf(rats.Malformed, "it names the %s CA and comes with the %s CA's chain", legible(a.CA), set.ca)
	}
	known, err := s.pckLists(ctx, set.ca)
	if err != nil {
		return nil, err
	}
	return set, s.checkEntries(set, id, a.Entries, issuers, known)
}

// checkEntries adds the entries of an answer to a set.
func (s *Service) checkEntries(set *pckSet, id store.PlatformID, entries []PCKEntry, issuers [][]byte, known lists) error {
	if err := known.admits(issuers); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, missing := range []bool{false, true} { // what there is goes before what there is not
		for i := range entries {
			e := &entries[i]
			if missing != (len(e.Cert) == 0) {
				continue
			}
			tcbm := e.name()
			if b, err := hex.DecodeString(tcbm); err != nil || len(b) != 18 {
				return rats.Errorf(rats.Malformed, "SGX-TCBm %q is not 36 hex digits", legible(e.TCBm))
			}
			if seen[tcbm] {
				continue // several levels may have one certificate
			}
			seen[tcbm] = true
			if err := s.checkEntry(set, id, e, tcbm, issuers, known); err != nil {
				return err
			}
		}
	}
	if len(set.parsed) == 0 && len(set.revoked) > 0 {
		return rats.Errorf(rats.Revoked, "the PCK certificates of the platform are revoked")
	}
	return nil
}

// checkEntry adds one entry to a set.
func (s *Service) checkEntry(set *pckSet, id store.PlatformID, e *PCKEntry, tcbm string, issuers [][]byte, known lists) error {
	row := store.PCKCert{PlatformID: id, TCBm: tcbm, TCB: e.TCB, NotAvailable: len(e.Cert) == 0}
	if row.NotAvailable {
		set.certs = append(set.certs, row)
		return nil
	}
	c, err := s.checkLeaf(e.Cert, issuers)
	if err != nil {
		return err
	}
	if err := set.agrees(c, id, tcbm); err != nil {
		return err
	}
	list := known.pck[string(c.X509.RawIssuer)]
	if list == nil {
		return rats.Errorf(rats.EndorsementUnavailable, "there is no revocation list of the %s CA to hold it against", set.ca)
	}
	if revokes(list, c.X509) {
		set.revoked = append(set.revoked, tcbm)
		return nil
	}
	row.Cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.X509.Raw})
	set.certs, set.parsed = append(set.certs, row), append(set.parsed, c)
	return nil
}

// name returns the TCB of an entry in 36 upper-case hex digits: where there is
// no certificate, that of the level, which is what the platform lacks.
func (e *PCKEntry) name() string {
	var members map[string]json.RawMessage
	if len(e.Cert) == 0 && json.Unmarshal(e.TCB, &members) == nil {
		if tcb, err := pck.ParseTCB(members); err == nil {
			return tcb.Name()
		}
	}
	return strings.ToUpper(e.TCBm)
}

// checkLeaf verifies one certificate up to a pinned root.
func (s *Service) checkLeaf(text []byte, issuers [][]byte) (*pck.Certificate, error) {
	c, err := pck.ParsePEM(text)
	if err != nil {
		return nil, err
	}
	e := rats.Endorsement{Kind: rats.PCKCertificate, Body: c.X509.Raw, Issuers: issuers}
	if _, err := s.verifier.CheckEndorsement(e, s.roots); err != nil {
		return nil, err
	}
	return c, nil
}

// agrees holds what a certificate says against what it is to be kept as. A set
// without an FMSPC takes the first certificate's.
func (s *pckSet) agrees(c *pck.Certificate, id store.PlatformID, tcbm string) error {
	fmspc := upperHex(c.FMSPC[:])
	if s.fmspc == "" {
		s.fmspc = fmspc
	}
	switch {
	case fmspc != s.fmspc:
		return rats.Errorf(rats.BindingMismatch, "a PCK certificate is for FMSPC %s, not %s", fmspc, legible(s.fmspc))
	case upperHex(c.PCEID[:]) != strings.ToUpper(id.PCEID):
		return rats.Errorf(rats.BindingMismatch, "a PCK certificate is for PCE id %x, not %s", c.PCEID, id.PCEID)
	case c.TCBm() != tcbm:
		return rats.Errorf(rats.BindingMismatch, "a PCK certificate is for TCB %s, not %s", c.TCBm(), tcbm)
	case len(s.parsed) > 0 && s.parsed[0].PPID != c.PPID:
		return rats.Errorf(rats.BindingMismatch, "the PCK certificates are of two platforms")
	}
	return nil
}

// pckLists returns the lists that PCK certificates of a CA are held against.
func (s *Service) pckLists(ctx context.Context, ca string) (lists, error) {
	root, err := s.list(ctx, store.Key{Kind: store.RootCRL, Version: 4})
	if err != nil {
		return lists{}, err
	}
	list, err := s.list(ctx, store.Key{Kind: store.PCKCRL, Scope: ca, Version: 4})
	if err != nil {
		return lists{}, err
	}
	out := lists{root: root}
	if list != nil {
		out.pck = map[string]*x509.RevocationList{string(list.RawIssuer): list}
	}
	return out, nil
}

// refusalIn returns the Refusal that err is, or nil.
func refusalIn(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return nil
}

// digestName stands for bytes in a name.
func digestName(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
