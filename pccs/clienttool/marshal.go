// SPDX-License-Identifier: Apache-2.0

package clienttool

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// Marshal writes a file of collateral for a version, 3 or 4, in the form in
// which Intel's own PCCS takes it: signed statements byte for byte as they are
// here, identities as strings, lists in hex, certificates percent-encoded as
// encodeURIComponent does. Its reader takes every PCK certificate for one, so
// those that are not available are left out, and platforms of which none is.
// Version 3 knows no TDX.
//
// The error is Malformed for what is no JSON or no certificate.
func (c *Collateral) Marshal(version int) ([]byte, error) {
	if version != 3 && version != 4 {
		return nil, rats.Errorf(rats.Unsupported, "collateral of version %d", version)
	}
	w := &writer{version: version}
	w.text(`{"platforms":`)
	writePlatforms(&w.out, c.Platforms)
	w.text(`,"collaterals":{"version":`)
	w.plain(version)
	w.text(`,"pck_certs":[`)
	w.pckCerts(c.PCKCerts)
	w.text(`],"tcbinfos":[`)
	w.tcbInfos(c.TCBInfos)
	w.text(`],"pckcacrl":{`)
	w.members(
		member{"processorCrl", hex.EncodeToString(c.ProcessorCRL)},
		member{"platformCrl", hex.EncodeToString(c.PlatformCRL)})
	w.text(`}`)
	w.identities(c.Identities)
	w.text(`,"certificates":{"` + pckChain + `":{`)
	w.members(member{"PROCESSOR", w.chain(c.Chains.Processor)}, member{"PLATFORM", w.chain(c.Chains.Platform)})
	w.text(`}`)
	name := tcbChain
	if version == 3 {
		name = tcbChainV3
	}
	w.more(name, w.chain(c.Chains.TCBInfo))
	w.more(identityChain, w.chain(c.Chains.Identity))
	w.text(`}`)
	w.more("rootcacrl_cdp", c.RootCRLURL)
	w.more("rootcacrl", hex.EncodeToString(c.RootCRL))
	w.text(`}}`)
	if w.err != nil {
		return nil, w.err
	}
	return w.out.Bytes(), nil
}

// writer writes JSON by hand: the standard encoder would write signed statements
// anew. It keeps the first error.
type writer struct {
	out     bytes.Buffer
	version int
	err     error
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = rats.Errorf(rats.Malformed, format, args...)
	}
}

func (w *writer) text(s string) { w.out.WriteString(s) }
func (w *writer) plain(v any)   { w.out.Write(plain(v)) }

// member is a name with its value.
type member struct{ name, value string }

// members writes names with their values, leaving out what is empty.
func (w *writer) members(all ...member) {
	first := true
	for _, m := range all {
		if m.value == "" {
			continue
		}
		if !first {
			w.text(",")
		}
		first = false
		w.plain(m.name)
		w.text(":")
		w.plain(m.value)
	}
}

// more writes one more member, unless it is empty.
func (w *writer) more(name, value string) {
	if value != "" {
		w.text(",")
		w.members(member{name, value})
	}
}

func (w *writer) pckCerts(all []PlatformCerts) {
	first := true
	for _, p := range all {
		if !p.available() {
			continue
		}
		if !first {
			w.text(",")
		}
		first = false
		w.text("{")
		w.plain("qe_id")
		w.text(":")
		w.plain(p.QEID)
		for _, m := range [][2]string{{"pce_id", p.PCEID}, {"enc_ppid", p.EncryptedPPID}, {"platform_manifest", p.Manifest}} {
			w.text(",")
			w.plain(m[0])
			w.text(":")
			w.plain(m[1])
		}
		w.text(`,"certs":[`)
		w.certs(p.Certs)
		w.text("]}")
	}
}

// available reports whether there is a certificate for any level.
func (p *PlatformCerts) available() bool {
	for i := range p.Certs {
		if p.Certs[i].PEM != nil {
			return true
		}
	}
	return false
}

func (w *writer) certs(all []Cert) {
	first := true
	for _, c := range all {
		if c.PEM == nil {
			continue
		}
		if !first {
			w.text(",")
		}
		first = false
		w.text(`{"tcb":`)
		w.object("the TCB of a PCK certificate", c.TCB)
		w.text(",")
		w.members(member{"tcbm", c.TCBm}, member{"cert", w.chain(c.PEM)})
		w.text("}")
	}
}

func (w *writer) tcbInfos(all []TCBInfos) {
	for i := range all {
		if i > 0 {
			w.text(",")
		}
		w.text("{")
		w.members(member{"fmspc", all[i].FMSPC})
		for _, slot := range tcbInfoSlots(w.version) {
			if body := *slot.of(&all[i]); body != nil {
				w.text(`,"` + slot.name + `":`)
				w.object("TCB info", body)
			}
		}
		w.text("}")
	}
}

// object writes an object as it stands.
func (w *writer) object(what string, body []byte) {
	if !json.Valid(body) || bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		w.fail("%s is no JSON object", what)
		return
	}
	w.out.Write(body)
}

func (w *writer) identities(all []Identity) {
	for _, enclave := range enclaves() {
		for _, id := range all {
			if id.Enclave == enclave && (enclave != TDQE || w.version != 3) {
				w.more(identityName(enclave, id.Early), string(id.Body))
			}
		}
	}
}

// chain returns certificates as files have them. The reference compares roots by
// their text and splits chains at the beginning of the last certificate, so each
// is written anew in one way.
func (w *writer) chain(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	blocks, ok := certificates(text)
	if !ok {
		w.fail("a chain is not certificates in PEM")
		return ""
	}
	var out bytes.Buffer
	for _, der := range blocks {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return Escape(out.String())
}

// Escape encodes text as encodeURIComponent of ECMAScript does for every
// character that stands in PEM: a blank becomes %20, a line's end %0A.
func Escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
