// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// CollectOptions say what of a store becomes a file of collateral.
type CollectOptions struct {
	// Version is that of the API, 3 or 4; 0 stands for 4.
	Version int
	// FMSPCs, in hex, are those of the TCB info and platforms; none stands for all.
	FMSPCs []string
	// WithoutPlatforms leaves platforms and their certificates out: what is left
	// says nothing of any machine.
	WithoutPlatforms bool
}

// LeftOut is something that a file of collateral cannot hold, and why.
type LeftOut struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Collect gathers what a store holds as a file of collateral that Intel's own
// service takes. Such a file has one chain for all statements, no evaluation by
// number, and no platform without TCB info for SGX: what does not fit is left
// out, and listed. Errors are Refusals.
func Collect(ctx context.Context, from *store.Store, opt CollectOptions) (*clienttool.Collateral, []LeftOut, error) {
	if opt.Version == 0 {
		opt.Version = 4
	}
	all, err := from.ArtefactsWithBodies(ctx)
	if err != nil {
		return nil, nil, storeFault(err)
	}
	c := &collecting{opt: opt, out: &clienttool.Collateral{Version: opt.Version}}
	for i := range c.opt.FMSPCs {
		c.opt.FMSPCs[i] = strings.ToUpper(c.opt.FMSPCs[i])
	}
	c.signer = commonSigner(all, opt.Version)
	for i := range all {
		c.artefact(&all[i])
	}
	if !opt.WithoutPlatforms {
		if err := c.platforms(ctx, from); err != nil {
			return nil, nil, err
		}
	}
	c.oneRoot()
	return c.out, c.left, nil
}

// collecting is one collection under way.
type collecting struct {
	opt    CollectOptions
	out    *clienttool.Collateral
	left   []LeftOut
	signer [32]byte
}

func (c *collecting) leave(name, why string) { c.left = append(c.left, LeftOut{name, why}) }

func (c *collecting) wants(fmspc string) bool {
	return len(c.opt.FMSPCs) == 0 || slices.Contains(c.opt.FMSPCs, strings.ToUpper(fmspc))
}

// commonSigner returns the digest of the certificate that signed what was issued
// last: it is the one whose chain goes into the file.
func commonSigner(all []store.Artefact, version int) (signer [32]byte) {
	var newest *store.Artefact
	for i := range all {
		a := &all[i]
		if evaluated(a.Kind) && a.Version == version && len(a.Chain) > 0 && (newest == nil || a.Issued.After(newest.Issued)) {
			newest = a
		}
	}
	if newest != nil {
		signer = signerOf(newest.Chain)
	}
	return signer
}

func signerOf(chain []byte) (signer [32]byte) {
	if certs, err := splitChain(chain); err == nil {
		signer = sha256.Sum256(certs[0])
	}
	return signer
}

// artefact puts one artefact where the file has a place for it.
func (c *collecting) artefact(a *store.Artefact) {
	name := a.Key.String()
	switch a.Kind {
	case store.RootCRL:
		c.out.RootCRL, c.out.RootCRLURL = a.Body, distributionPoint(a)
		return
	case store.PCKCRL:
		c.list(a)
		return
	case store.TCBInfo, store.QEIdentity, store.QVEIdentity:
	default:
		c.leave(name, "the file has no place for it")
		return
	}
	switch {
	case a.Version != c.opt.Version:
		return // it belongs into the file of the other version
	case numbered(a.Key):
		c.leave(name, "the file has no place for an evaluation by its number")
	case signerOf(a.Chain) != c.signer:
		c.leave(name, "another certificate signed it than what was issued last, and the file has one chain for all")
	case a.Kind == store.TCBInfo:
		c.tcbInfo(a)
	default:
		c.identity(a)
	}
}

// distributionPoint returns where the root's list comes from: where Intel has
// its own, nothing for another root's.
func distributionPoint(a *store.Artefact) string {
	list, err := x509.ParseRevocationList(a.Body)
	if err != nil {
		return ""
	}
	root, err := x509.ParseCertificate(IntelRootCertificate())
	if err != nil || !bytes.Equal(list.RawIssuer, root.RawSubject) || len(root.CRLDistributionPoints) == 0 {
		return ""
	}
	return root.CRLDistributionPoints[0]
}

func (c *collecting) list(a *store.Artefact) {
	if a.Scope == store.ProcessorCA {
		c.out.ProcessorCRL, c.out.Chains.Processor = a.Body, a.Chain
		return
	}
	c.out.PlatformCRL, c.out.Chains.Platform = a.Body, a.Chain
}

func (c *collecting) tcbInfo(a *store.Artefact) {
	fmspc := strings.ToUpper(a.Scope)
	if !c.wants(fmspc) {
		return
	}
	c.out.Chains.TCBInfo = a.Chain
	at := slices.IndexFunc(c.out.TCBInfos, func(t clienttool.TCBInfos) bool { return t.FMSPC == fmspc })
	if at < 0 {
		at = len(c.out.TCBInfos)
		c.out.TCBInfos = append(c.out.TCBInfos, clienttool.TCBInfos{FMSPC: fmspc})
	}
	t := &c.out.TCBInfos[at]
	switch early := a.Update == store.Early; {
	case a.TEE == rats.TDX && early:
		t.TDXEarly = a.Body
	case a.TEE == rats.TDX:
		t.TDX = a.Body
	case early:
		t.SGXEarly = a.Body
	default:
		t.SGX = a.Body
	}
}

func (c *collecting) identity(a *store.Artefact) {
	c.out.Chains.Identity = a.Chain
	id := clienttool.Identity{Enclave: clienttool.QE, Early: a.Update == store.Early, Body: a.Body}
	switch {
	case a.Kind == store.QVEIdentity:
		id.Enclave = clienttool.QVE
	case a.TEE == rats.TDX:
		id.Enclave = clienttool.TDQE
	}
	c.out.Identities = append(c.out.Identities, id)
}

// oneRoot ends every chain in one certificate of the root. Several circulate
// that differ in their validity alone, and Intel's service refuses a file whose
// chains end in two.
func (c *collecting) oneRoot() {
	chains := []*[]byte{&c.out.Chains.TCBInfo, &c.out.Chains.Identity, &c.out.Chains.Processor, &c.out.Chains.Platform}
	var root []byte
	for _, chain := range chains {
		certs, err := splitChain(*chain)
		if err != nil {
			continue
		}
		last, err := x509.ParseCertificate(certs[len(certs)-1])
		if err != nil || !bytes.Equal(last.RawSubject, last.RawIssuer) {
			continue
		}
		if root == nil {
			root = last.Raw
		}
		if full, err := ServedChain(certs[:len(certs)-1], root); err == nil {
			*chain = full
		}
	}
}
