// SPDX-License-Identifier: Apache-2.0

package pcstest

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Machine is a platform that the service has PCK certificates for.
type Machine struct {
	// EncryptedPPID and Manifest are what it may be asked for by; either may be
	// empty. A PCCS also knows it by its QEID, in upper-case hex.
	EncryptedPPID, Manifest []byte
	QEID                    string
	// Certs are its certificates, the best first, each with its CA's certificate.
	Certs []rats.Endorsement
	// Missing are TCBs that it has no certificate for.
	Missing []dcap.PCKExtension
	// OldForm has TCBs written as members sgxtcbcomp01svn to 16svn.
	OldForm bool
	// Edit, unless nil, changes headers and body of an answer about the machine.
	Edit func(h http.Header, body []byte) []byte
}

// Install adds a machine.
func (p *PCS) Install(m Machine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.machines = append(p.machines, m)
}

// Uninstall removes all machines.
func (p *PCS) Uninstall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.machines = nil
}

// SetFMSPCs sets the list of FMSPCs, as it is served for each kind of platform.
func (p *PCS) SetFMSPCs(list []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fmspcs = list
}

// admits reports whether the API key that a call comes with, if any, is taken.
// An empty one is a false one.
func (p *PCS) admits(r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, sent := r.Header["Ocp-Apim-Subscription-Key"]
	return !sent || p.key != "" && key[0] == p.key
}

// SetKey has one API key taken, and no other; calls without one always are.
func (p *PCS) SetKey(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = key
}

// platforms answers what is asked about platforms, and reports whether it did.
func (p *PCS) platforms(w http.ResponseWriter, r *http.Request) bool {
	name, ok := strings.CutPrefix(r.URL.Path, "/sgx/certification/v4/")
	switch {
	case !ok, name != "pckcerts" && name != "pckcert" && name != "fmspcs":
		return false
	case !p.admits(r):
		p.fail(w, http.StatusUnauthorized)
	case name == "fmspcs":
		p.mu.Lock()
		list := p.fmspcs
		p.mu.Unlock()
		if list == nil || p.PCCS || r.Method != http.MethodGet {
			p.fail(w, http.StatusNotFound)
			break
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(list)
	case name == "pckcert" && p.PCCS && r.Method == http.MethodGet:
		p.pckCert(w, r.URL.Query())
	case name == "pckcerts" && !p.PCCS:
		p.pckCerts(w, r)
	default:
		p.fail(w, http.StatusNotFound)
	}
	return true
}

// pckCerts answers with all certificates of the machine that is asked for: by
// its encrypted PPID, or in a POST by its manifest.
func (p *PCS) pckCerts(w http.ResponseWriter, r *http.Request) {
	ppid, pceid := r.URL.Query().Get("encrypted_ppid"), r.URL.Query().Get("pceid")
	manifest := ""
	if r.Method == http.MethodPost {
		var in struct {
			PlatformManifest string `json:"platformManifest"`
			PCEID            string `json:"pceid"`
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.PlatformManifest == "" ||
			r.Header.Get("Content-Type") != "application/json" {
			w.Header().Set("Error-Code", "InvalidPlatformManifest")
			w.Header().Set("Error-Message", "The platform manifest is not one.")
			p.fail(w, http.StatusBadRequest)
			return
		}
		manifest, pceid = in.PlatformManifest, in.PCEID
	}
	if manifest == "" && len(ppid) != 768 || len(pceid) != 4 {
		w.Header().Set("Error-Code", "InvalidRequestSyntax")
		p.fail(w, http.StatusBadRequest)
		return
	}
	m := p.machine(func(m *Machine) bool {
		if manifest != "" {
			return strings.EqualFold(manifest, hex.EncodeToString(m.Manifest))
		}
		return strings.EqualFold(ppid, hex.EncodeToString(m.EncryptedPPID))
	})
	if m == nil {
		p.fail(w, http.StatusNotFound)
		return
	}
	type entry struct {
		TCB  any    `json:"tcb"`
		TCBm string `json:"tcbm"`
		Cert string `json:"cert"`
	}
	var list []entry
	for _, e := range m.Certs {
		ext := extension(e)
		list = append(list, entry{m.tcb(ext), tcbm(ext), escape(certificate(e.Body))})
	}
	for i := range m.Missing {
		list = append(list, entry{m.tcb(&m.Missing[i]), tcbm(&m.Missing[i]), "Not available"})
	}
	body, err := json.Marshal(list)
	if err != nil {
		p.fail(w, http.StatusInternalServerError)
		return
	}
	p.send(w, m, "application/json", body)
}

// pckCert answers with the first certificate that a raw TCB reaches.
func (p *PCS) pckCert(w http.ResponseWriter, q url.Values) {
	m := p.machine(func(m *Machine) bool {
		return m.QEID != "" && m.QEID == q.Get("qeid") || strings.EqualFold(q.Get("encrypted_ppid"), hex.EncodeToString(m.EncryptedPPID))
	})
	raw, err := hex.DecodeString(q.Get("cpusvn") + q.Get("pcesvn"))
	if err != nil || len(raw) != 18 {
		p.fail(w, http.StatusBadRequest)
		return
	}
	if m != nil {
		for _, e := range m.Certs {
			ext := extension(e)
			reached := uint16(raw[16])|uint16(raw[17])<<8 >= ext.PCESVN
			for i, svn := range ext.CPUSVN {
				reached = reached && raw[i] >= svn
			}
			if reached {
				w.Header()["SGX-TCBm"] = []string{tcbm(ext)}
				p.send(w, m, "application/x-pem-file", certificate(e.Body))
				return
			}
		}
	}
	p.fail(w, http.StatusNotFound)
}

// machine returns the first machine that fits, or nil.
func (p *PCS) machine(fits func(*Machine) bool) *Machine {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.machines {
		if fits(&p.machines[i]) {
			return &p.machines[i]
		}
	}
	return nil
}

// send answers with what is had of a machine, and the headers that go with it.
func (p *PCS) send(w http.ResponseWriter, m *Machine, media string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", media)
	if len(m.Certs) > 0 {
		fmspc := extension(m.Certs[0]).FMSPC
		h["SGX-FMSPC"] = []string{strings.ToUpper(hex.EncodeToString(fmspc[:]))}
		h["SGX-PCK-Certificate-CA-Type"] = []string{authority(m.Certs[0])}
		h["SGX-PCK-Certificate-Issuer-Chain"] = []string{p.chain(m.Certs[0])}
	}
	if m.Edit != nil {
		body = m.Edit(h, body)
	}
	_, _ = w.Write(body)
}

// identity answers with the identity of an enclave.
func (p *PCS) identity(w http.ResponseWriter, q url.Values, id string) {
	tee := rats.SGX
	if id == "TD_QE" {
		tee = rats.TDX
	}
	key := rats.EndorsementKey{Kind: rats.QEIdentity, TEE: tee, Scope: id}
	p.evaluated(w, q, "SGX-Enclave-Identity-Issuer-Chain", key)
}

// tcb returns a TCB in one of the forms that the service writes.
func (m *Machine) tcb(e *dcap.PCKExtension) any {
	if m.OldForm {
		out := map[string]int{"pcesvn": int(e.PCESVN)}
		for i, svn := range e.Components {
			out[fmt.Sprintf("sgxtcbcomp%02dsvn", i+1)] = int(svn)
		}
		return out
	}
	var parts []map[string]int
	for _, svn := range e.Components {
		parts = append(parts, map[string]int{"svn": int(svn)})
	}
	return map[string]any{"sgxtcbcomponents": parts, "pcesvn": e.PCESVN}
}

// tcbm returns the name of a TCB: CPUSVN, and PCESVN low byte first.
func tcbm(e *dcap.PCKExtension) string {
	return strings.ToUpper(fmt.Sprintf("%x%02x%02x", e.CPUSVN, byte(e.PCESVN), byte(e.PCESVN>>8))) //nolint:gosec // low byte first
}

// extension reads the SGX extension of a PCK certificate; a test that installs
// what has none sees zeros.
func extension(e rats.Endorsement) *dcap.PCKExtension {
	cert, err := x509.ParseCertificate(e.Body)
	if err == nil {
		if ext, err := dcap.ReadPCKExtension(cert); err == nil {
			return ext
		}
	}
	return &dcap.PCKExtension{}
}

func certificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// escape encodes as JavaScript's encodeURIComponent does.
func escape(text []byte) string {
	return strings.ReplaceAll(url.QueryEscape(string(bytes.TrimSpace(text))+"\n"), "+", "%20")
}
