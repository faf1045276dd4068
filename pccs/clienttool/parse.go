// SPDX-License-Identifier: Apache-2.0

package clienttool

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"strings"
)

// Parse reads a file of collateral, of the version that it names; one that names
// none is of version 3. Signed statements are kept as they stand. Errors are
// Malformed, with line and column, or TooLarge.
func Parse(data []byte) (*Collateral, error) {
	root, err := open(data)
	if err != nil {
		return nil, err
	}
	c := &Collateral{}
	o := root.object()
	if v, ok := o.need("platforms"); ok {
		c.Platforms = readPlatforms(v)
	}
	if v, ok := o.need("collaterals"); ok {
		c.read(v.object())
	}
	o.rest()
	if root.err != nil {
		return nil, root.err
	}
	c.Ignored = root.ignored
	return c, nil
}

func (c *Collateral) read(o object) {
	c.Version = 3
	if v, ok := o.take("version"); ok {
		switch string(v.raw()) {
		case "3":
		case "4":
			c.Version = 4
		default:
			v.fail("want 3 or 4")
		}
	}
	if v, ok := o.need("pck_certs"); ok && o.err == nil {
		for _, item := range v.list(maxPlatforms) {
			c.PCKCerts = append(c.PCKCerts, readPlatformCerts(item.object()))
			if o.err != nil {
				return
			}
		}
	}
	if v, ok := o.need("tcbinfos"); ok && o.err == nil {
		for _, item := range v.list(maxTCBInfos) {
			c.TCBInfos = append(c.TCBInfos, readTCBInfos(item.object(), c.Version))
			if o.err != nil {
				return
			}
		}
	}
	c.readIdentities(o)
	c.readCRLs(o)
	if v, ok := o.need("certificates"); ok {
		c.readChains(v.object())
	}
	o.rest()
}

func readPlatformCerts(o object) PlatformCerts {
	p := PlatformCerts{
		QEID: o.qeID(), PCEID: o.hex("pce_id", 4, true),
		EncryptedPPID: o.hex("enc_ppid", 768, false), Manifest: o.manifest(),
	}
	if v, ok := o.need("certs"); ok {
		for _, item := range v.list(maxCerts) {
			p.Certs = append(p.Certs, readCert(item.object()))
		}
	}
	o.rest()
	return p
}

func readCert(o object) Cert {
	c := Cert{TCBm: o.hex("tcbm", 36, true)}
	if v, ok := o.need("tcb"); ok {
		v.object()
		c.TCB = bytes.Clone(v.raw())
	}
	if v, ok := o.need("cert"); ok {
		if text := v.str(); text != notAvailable {
			c.PEM = v.pem(text)
			if blocks, _ := certificates(c.PEM); v.err == nil && len(blocks) != 1 {
				v.fail("has %d certificates, not 1", len(blocks))
			}
		}
	}
	o.rest()
	return c
}

// pem reads certificates in PEM, percent-encoded or not.
func (v value) pem(text string) []byte {
	if v.err != nil {
		return nil
	}
	plain, err := url.PathUnescape(text)
	if err != nil {
		v.fail("broken percent-encoding")
		return nil
	}
	if _, ok := certificates([]byte(plain)); !ok {
		v.fail("want certificates in PEM")
		return nil
	}
	return []byte(plain)
}

// certificates returns the DER of certificates in PEM, of which there must be
// one at least and nothing beside them but white space.
func certificates(text []byte) (blocks [][]byte, ok bool) {
	const begin = "-----BEGIN CERTIFICATE-----"
	for {
		text = bytes.TrimSpace(text)
		if len(text) == 0 {
			return blocks, len(blocks) > 0
		}
		if !bytes.HasPrefix(text, []byte(begin)) {
			return blocks, false
		}
		block, rest := pem.Decode(text)
		// The decoder passes over a block that is broken and takes the next.
		if block == nil || bytes.Count(text[:len(text)-len(rest)], []byte(begin)) != 1 {
			return blocks, false
		}
		blocks = append(blocks, block.Bytes)
		text = rest
	}
}

func readTCBInfos(o object, version int) TCBInfos {
	t := TCBInfos{FMSPC: o.hex("fmspc", 12, true)}
	for _, slot := range tcbInfoSlots(version) {
		v, ok := o.take(slot.name)
		if !ok {
			continue
		}
		statement := v.object()
		info, ok := statement.need("tcbInfo")
		if !ok {
			continue
		}
		statement.need("signature")
		if f, ok := info.object().need("fmspc"); ok && v.err == nil && !strings.EqualFold(f.str(), t.FMSPC) {
			f.fail("is TCB info for another FMSPC than %s, under which it stands", t.FMSPC)
		}
		*slot.of(&t) = bytes.Clone(v.raw())
	}
	o.rest()
	return t
}

// readIdentities reads identities, which stand in files as strings.
func (c *Collateral) readIdentities(o object) {
	for _, enclave := range enclaves() {
		for _, early := range []bool{false, true} {
			v, ok := o.take(identityName(enclave, early))
			if !ok {
				continue
			}
			body := []byte(v.str())
			if len(body) == 0 {
				continue // PcsClientTool's word for none
			}
			inner, err := open(body)
			if err != nil {
				v.fail("is no JSON in a string")
				return
			}
			statement := inner.object()
			statement.need("enclaveIdentity")
			statement.need("signature")
			if inner.err != nil {
				v.fail("is no signed identity")
				return
			}
			c.Identities = append(c.Identities, Identity{enclave, early, body})
		}
	}
}

func identityName(enclave Enclave, early bool) string {
	if early {
		return string(enclave) + "identity_early"
	}
	return string(enclave) + "identity"
}

func (c *Collateral) readCRLs(o object) {
	if v, ok := o.take("pckcacrl"); ok {
		crls := v.object()
		c.ProcessorCRL, c.PlatformCRL = crls.der("processorCrl"), crls.der("platformCrl")
		crls.rest()
	}
	c.RootCRL = o.der("rootcacrl")
	if v, ok := o.take("rootcacrl_cdp"); ok {
		c.RootCRLURL = v.str()
	}
}

// der reads a list in hex of DER, nil where there is none.
func (o object) der(name string) []byte {
	v, ok := o.take(name)
	if !ok {
		return nil
	}
	text := v.str()
	if text == "" {
		return nil
	}
	der, err := hex.DecodeString(text)
	if v.err == nil && (err != nil || der[0] != 0x30) {
		v.fail("want a revocation list in hex of DER")
	}
	return der
}

func (c *Collateral) readChains(o object) {
	if v, ok := o.take(pckChain); ok {
		chains := v.object()
		c.Chains.Processor, c.Chains.Platform = chains.chain("PROCESSOR"), chains.chain("PLATFORM")
		chains.rest()
	}
	name := tcbChain
	if c.Version == 3 {
		name = tcbChainV3
	}
	c.Chains.TCBInfo, c.Chains.Identity = o.chain(name), o.chain(identityChain)
	o.rest()
}

func (o object) chain(name string) []byte {
	v, ok := o.take(name)
	if !ok {
		return nil
	}
	text := v.str()
	if text == "" {
		return nil
	}
	return v.pem(text)
}
