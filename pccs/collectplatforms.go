// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/pccs/pck"
	"github.com/attesteer/attesteer/pccs/store"
)

// platforms adds the platforms of a store with their certificates.
func (c *collecting) platforms(ctx context.Context, from *store.Store) error {
	all, err := from.Platforms(ctx, c.opt.FMSPCs...)
	if err != nil {
		return storeFault(err)
	}
	for _, p := range all {
		if err := c.platform(ctx, from, p); err != nil {
			return err
		}
	}
	for _, ca := range []string{store.ProcessorCA, store.PlatformCA} {
		chain, err := from.Chain(ctx, ca)
		if err != nil {
			continue // there is none: no platform has certificates of that CA
		}
		if to := c.chainOf(ca); len(*to) == 0 {
			*to = chain
		}
	}
	return nil
}

func (c *collecting) chainOf(ca string) *[]byte {
	if ca == store.ProcessorCA {
		return &c.out.Chains.Processor
	}
	return &c.out.Chains.Platform
}

func (c *collecting) platform(ctx context.Context, from *store.Store, p store.Platform) error {
	name := "PCK certificates of platform " + legible(p.QEID)
	certs, err := from.PCKCerts(ctx, p.PlatformID)
	if err != nil {
		return storeFault(err)
	}
	raws, err := from.RawTCBs(ctx, p.PlatformID)
	if err != nil {
		return storeFault(err)
	}
	row := clienttool.Platform{
		QEID: p.QEID, PCEID: p.PCEID, EncryptedPPID: upperHex(p.EncryptedPPID), Manifest: upperHex(p.Manifest),
	}
	group := clienttool.PlatformCerts{QEID: row.QEID, PCEID: row.PCEID, EncryptedPPID: row.EncryptedPPID, Manifest: row.Manifest}
	for i := range certs {
		one, err := toolCert(&certs[i])
		if err != nil {
			c.leave(name, fmt.Sprintf("the certificate for TCB %s: %s", certs[i].TCBm, err))
			return nil
		}
		if one.PEM != nil {
			group.Certs = append(group.Certs, one)
		}
	}
	switch {
	case len(group.Certs) == 0:
		c.leave(name, "there are none")
		return nil
	case !c.selectable(p.FMSPC):
		c.leave(name, "there is no TCB info for SGX of FMSPC "+p.FMSPC+" to select by")
		return nil
	}
	c.out.PCKCerts = append(c.out.PCKCerts, group)
	if len(raws) == 0 {
		c.out.Platforms = append(c.out.Platforms, row)
	}
	for _, raw := range raws {
		row.CPUSVN, row.PCESVN = raw.CPUSVN, raw.PCESVN
		c.out.Platforms = append(c.out.Platforms, row)
	}
	return nil
}

// selectable reports whether the file has TCB info by which Intel's service can
// select among the certificates of an FMSPC; it refuses the file otherwise.
func (c *collecting) selectable(fmspc string) bool {
	for _, t := range c.out.TCBInfos {
		if strings.EqualFold(t.FMSPC, fmspc) {
			return t.SGX != nil || t.SGXEarly != nil
		}
	}
	return false
}

// toolCert returns a certificate as files have it. A level that is not known in
// the form in which the PCS sent it is written anew from the certificate.
func toolCert(c *store.PCKCert) (clienttool.Cert, error) {
	out := clienttool.Cert{TCB: c.TCB, TCBm: c.TCBm}
	if c.NotAvailable {
		return out, nil
	}
	out.PEM = c.Cert
	if len(out.TCB) > 0 {
		return out, nil
	}
	parsed, err := pck.ParsePEM(c.Cert)
	if err != nil {
		return out, err
	}
	var b strings.Builder
	b.WriteString("{")
	for i, svn := range parsed.Components {
		fmt.Fprintf(&b, `"sgxtcbcomp%02dsvn":%d,`, i+1, svn)
	}
	fmt.Fprintf(&b, `"pcesvn":%d}`, parsed.PCESVN)
	out.TCB = []byte(b.String())
	return out, nil
}

// ToolPlatform returns a queued platform as lists have it.
func ToolPlatform(q store.Queued) clienttool.Platform {
	return clienttool.Platform{
		QEID: q.QEID, PCEID: q.PCEID, CPUSVN: q.CPUSVN, PCESVN: q.PCESVN,
		EncryptedPPID: upperHex(q.EncryptedPPID), Manifest: upperHex(q.Manifest),
	}
}

// ToolPlatform returns a cached platform as lists have it.
func (p CachedPlatform) ToolPlatform() clienttool.Platform {
	return clienttool.Platform{
		QEID: p.QEID, PCEID: p.PCEID, CPUSVN: p.CPUSVN, PCESVN: p.PCESVN,
		EncryptedPPID: upperHex(p.EncryptedPPID), Manifest: upperHex(p.Manifest),
	}
}

// RegistrationOf returns an entry of a list of platforms as it is registered.
func RegistrationOf(p clienttool.Platform) (Registration, error) {
	out := Registration{PlatformID: store.PlatformID{QEID: p.QEID, PCEID: p.PCEID}, CPUSVN: p.CPUSVN, PCESVN: p.PCESVN}
	var err error
	if out.EncryptedPPID, err = hex.DecodeString(p.EncryptedPPID); err != nil {
		return out, badKey("the encrypted PPID is not hex")
	}
	if out.Manifest, err = hex.DecodeString(p.Manifest); err != nil {
		return out, badKey("the manifest is not hex")
	}
	return out, nil
}

// Inventory lists what a store holds as files of collateral are compared. Errors
// are Refusals.
func Inventory(ctx context.Context, from *store.Store) ([]clienttool.Item, error) {
	var b store.Batch
	var err error
	if b.Artefacts, err = from.ArtefactsWithBodies(ctx); err != nil {
		return nil, storeFault(err)
	}
	platforms, err := from.Platforms(ctx)
	if err != nil {
		return nil, storeFault(err)
	}
	for _, p := range platforms {
		certs, err := from.PCKCerts(ctx, p.PlatformID)
		if err != nil {
			return nil, storeFault(err)
		}
		b.PCKCerts = append(b.PCKCerts, certs...)
	}
	return BatchInventory(b), nil
}

// BatchInventory is [Inventory] of what is to be written to a store.
func BatchInventory(b store.Batch) []clienttool.Item {
	var out []clienttool.Item
	for i := range b.Artefacts {
		a := &b.Artefacts[i]
		name := a.Key.String()
		switch a.Kind {
		case store.PCKCRL, store.RootCRL, store.CRL:
			out = append(out, clienttool.CRLItem(strings.TrimSuffix(name, fmt.Sprintf(" v%d", a.Version)), a.Body))
		default:
			out = append(out, clienttool.StatementItem(name, a.Body))
		}
	}
	for _, c := range b.PCKCerts {
		out = append(out, clienttool.CertItem(c.QEID, c.PCEID, c.TCBm, c.Cert))
	}
	return out
}
