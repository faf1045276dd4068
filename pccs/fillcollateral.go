// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/pccs/pck"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// importSource is the source of what comes without the name of one.
const importSource = "import"

// PutCollateral takes a file of collateral, as PUT platformcollateral does. Each
// part is verified: what is forged, revoked or under no pinned root is refused,
// what is stale is taken. Parts that verify are taken though others are refused;
// nothing is taken of a file whose chains end in different roots. source says
// for people where the file came from.
//
// Errors are Refusals: 400 where certificates come without the TCB info to
// select by, 460 where anything was refused, which the report then names.
func (s *Service) PutCollateral(ctx context.Context, c *clienttool.Collateral, source string) (ImportReport, error) {
	p := &parcel{source: source, chains: map[string][]byte{
		store.ProcessorCA: c.Chains.Processor, store.PlatformCA: c.Chains.Platform,
	}}
	if p.source == "" {
		p.source = importSource
	}
	version := c.Version
	p.add(store.Key{Kind: store.RootCRL}, clienttool.Statement(c.RootCRL), nil)
	p.add(store.Key{Kind: store.PCKCRL, Scope: store.ProcessorCA}, clienttool.Statement(c.ProcessorCRL), c.Chains.Processor)
	p.add(store.Key{Kind: store.PCKCRL, Scope: store.PlatformCA}, clienttool.Statement(c.PlatformCRL), c.Chains.Platform)
	for _, t := range c.TCBInfos {
		p.add(tcbInfoKey(rats.SGX, t.FMSPC, UpdateStandard, version), t.SGX, c.Chains.TCBInfo)
		p.add(tcbInfoKey(rats.SGX, t.FMSPC, UpdateEarly, version), t.SGXEarly, c.Chains.TCBInfo)
		p.add(tcbInfoKey(rats.TDX, t.FMSPC, UpdateStandard, version), t.TDX, c.Chains.TCBInfo)
		p.add(tcbInfoKey(rats.TDX, t.FMSPC, UpdateEarly, version), t.TDXEarly, c.Chains.TCBInfo)
	}
	for _, id := range c.Identities {
		k := store.Key{Kind: store.QEIdentity, TEE: rats.SGX, Update: UpdateStandard, Version: version}
		switch id.Enclave {
		case clienttool.TDQE:
			k.TEE = rats.TDX
		case clienttool.QVE:
			k.Kind = store.QVEIdentity
		case clienttool.QE:
		}
		if id.Early {
			k.Update = UpdateEarly
		}
		p.add(k, id.Body, c.Chains.Identity)
	}
	if err := p.addPlatforms(c); err != nil {
		return ImportReport{}, err
	}
	if err := s.selectable(ctx, p, c); err != nil {
		return ImportReport{}, err
	}
	return s.put(ctx, p)
}

// add adds a statement, unless it is not in the file.
func (p *parcel) add(k store.Key, body clienttool.Statement, chain []byte) {
	if len(body) == 0 {
		return
	}
	forms := [][]byte{body}
	if k.Kind != store.RootCRL && k.Kind != store.PCKCRL && k.Kind != store.CRL {
		forms = body.Forms()
	}
	p.artefacts = append(p.artefacts, parcelArtefact{key: k, forms: forms, chain: chain})
}

// addPlatforms adds the platforms that certificates are for, with the raw TCBs
// that the file names for them.
func (p *parcel) addPlatforms(c *clienttool.Collateral) error {
	for _, group := range c.PCKCerts {
		one := parcelPlatform{}
		one.PlatformID = store.PlatformID{QEID: strings.ToUpper(group.QEID), PCEID: strings.ToUpper(group.PCEID)}
		ppid, manifest := group.EncryptedPPID, group.Manifest
		for _, platform := range c.Platforms {
			if !strings.EqualFold(platform.QEID, group.QEID) || !strings.EqualFold(platform.PCEID, group.PCEID) {
				continue
			}
			if ppid == "" {
				ppid = platform.EncryptedPPID
			}
			if manifest == "" {
				manifest = platform.Manifest
			}
			if platform.CPUSVN != "" && platform.PCESVN != "" {
				one.raws = append(one.raws, store.RawTCB{
					CPUSVN: strings.ToUpper(platform.CPUSVN), PCESVN: strings.ToUpper(platform.PCESVN),
				})
			}
		}
		var err error
		if one.EncryptedPPID, err = hex.DecodeString(ppid); err != nil {
			return badKey("the encrypted PPID of platform %s is not hex", legible(group.QEID))
		}
		if one.Manifest, err = hex.DecodeString(manifest); err != nil {
			return badKey("the manifest of platform %s is not hex", legible(group.QEID))
		}
		for _, cert := range group.Certs {
			one.entries = append(one.entries, PCKEntry{TCB: cert.TCB, TCBm: cert.TCBm, Cert: cert.PEM})
		}
		if len(one.entries) == 0 {
			return badKey("platform %s comes without certificates", legible(group.QEID))
		}
		p.platforms = append(p.platforms, one)
	}
	return nil
}

// selectable checks that there is TCB info for SGX of each FMSPC that the file
// has certificates of, in it or here.
func (s *Service) selectable(ctx context.Context, p *parcel, c *clienttool.Collateral) error {
	for i := range p.platforms {
		fmspc := fmspcOf(p.platforms[i].entries)
		if fmspc == "" || slices.ContainsFunc(c.TCBInfos, func(t clienttool.TCBInfos) bool {
			return strings.EqualFold(t.FMSPC, fmspc) && (len(t.SGX) > 0 || len(t.SGXEarly) > 0)
		}) {
			continue
		}
		if _, err := s.levels(ctx, fmspc); err != nil {
			if absent(err) {
				return refuse(http.StatusBadRequest, rats.EndorsementUnavailable,
					"the file has PCK certificates for FMSPC %s, and no TCB info for SGX to select by", fmspc)
			}
			return err
		}
	}
	return nil
}

// fmspcOf returns the FMSPC of the first certificate that can be read.
func fmspcOf(entries []PCKEntry) string {
	for i := range entries {
		if c, err := pck.ParsePEM(entries[i].Cert); err == nil {
			return upperHex(c.FMSPC[:])
		}
	}
	return ""
}

// issuedBy reports whether a CA's name is that of the issuer of certificates.
func issuedBy(entries []PCKEntry, ca []byte) bool {
	cert, err := x509.ParseCertificate(ca)
	if err != nil {
		return false
	}
	for i := range entries {
		if block, _ := pem.Decode(entries[i].Cert); block != nil {
			leaf, err := x509.ParseCertificate(block.Bytes)
			return err == nil && bytes.Equal(leaf.RawIssuer, cert.RawSubject)
		}
	}
	return false
}

// PutBatch takes what another service kept, such as what the database of
// Intel's holds, and verifies it as [Service.PutCollateral] does.
func (s *Service) PutBatch(ctx context.Context, b store.Batch, source string) (ImportReport, error) {
	p := &parcel{source: source, chains: b.Chains}
	for i := range b.Artefacts {
		a := &b.Artefacts[i]
		p.artefacts = append(p.artefacts, parcelArtefact{
			key: a.Key, forms: clienttool.Statement(a.Body).Forms(), chain: a.Chain,
		})
	}
	for _, platform := range b.Platforms {
		one := parcelPlatform{Platform: platform}
		for _, cert := range b.PCKCerts {
			if cert.PlatformID == platform.PlatformID {
				one.entries = append(one.entries, PCKEntry{TCB: cert.TCB, TCBm: cert.TCBm, Cert: cert.Cert})
			}
		}
		for _, raw := range b.RawTCBs {
			if raw.PlatformID == platform.PlatformID {
				one.raws = append(one.raws, raw)
			}
		}
		if len(one.entries) > 0 {
			p.platforms = append(p.platforms, one)
		}
	}
	report, err := s.put(ctx, p)
	if err != nil && refusalOf(err).Status != StatusIntegrity || len(b.Policies)+len(b.Enqueue) == 0 {
		return report, err
	}
	rest := store.Batch{Enqueue: b.Enqueue}
	for _, policy := range b.Policies {
		if _, wrong := policyType(string(policy.JWT)); wrong != nil {
			report.Refused = append(report.Refused, RefusedItem{Name: "appraisal policy " + legible(policy.ID), Err: refusalOf(wrong).Err})
			continue
		}
		rest.Policies = append(rest.Policies, policy)
	}
	if wrong := s.store.Write(ctx, rest); wrong != nil {
		return report, storeFault(wrong)
	}
	return report, report.refusal()
}
