// SPDX-License-Identifier: Apache-2.0

// Package pcstest is a stand-in for Intel's Provisioning Certification Service,
// for tests: it answers as the service does, with the endorsements that it is
// given, whoever signed them, and with whatever fault a test asks for.
//
// It knows the documents of versions 3 and 4 that vouch for platforms. Only
// tests import it.
package pcstest

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// PCS is the service: a handler, and what a test can see and change of it.
type PCS struct {
	// PCCS makes it answer as Intel's cache does: lists in hex, evaluation
	// numbers ignored, pages in HTML for what it does not know.
	PCCS bool

	mu         sync.Mutex // guards what follows
	key        string
	statements []*dcap.Statement
	root       []byte
	standard   uint32
	retired    map[uint32]bool
	faults     []placed
	calls      []string
	machines   []Machine
	fmspcs     []byte
	requests   []*http.Request
}

// Fault is something wrong with the service: it answers instead of what it is
// given.
type Fault func(http.Handler) http.Handler

type placed struct {
	match string
	fault Fault
}

// New returns a service that has the given endorsements. root is the DER of the
// certificate at the end of its chains; without it they end below the root.
func New(root []byte, items ...rats.Endorsement) (*PCS, error) {
	p := &PCS{root: root, retired: make(map[uint32]bool)}
	return p, p.Set(items...)
}

// Set replaces the endorsements that it has.
func (p *PCS) Set(items ...rats.Endorsement) error {
	var statements []*dcap.Statement
	for _, e := range items {
		s, err := dcap.Parse(e)
		if err != nil {
			return err
		}
		statements = append(statements, s)
	}
	// The latest first, as the service has but one of each.
	slices.SortStableFunc(statements, func(a, b *dcap.Statement) int { return b.Issued().Compare(a.Issued()) })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.statements = statements
	return nil
}

// Standard makes an evaluation the standard one; without, it is the lowest.
func (p *PCS) Standard(number uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.standard = number
}

// Retire makes an evaluation one that is no longer served.
func (p *PCS) Retire(number uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retired[number] = true
}

// Break makes the service answer with a fault where match is in the path or
// query of a call; empty is everywhere. The first fault that matches counts.
func (p *PCS) Break(match string, fault Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, placed{match, fault})
}

// Mend takes all faults away.
func (p *PCS) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// Calls returns the calls so far that have match in their path or query.
func (p *PCS) Calls(match string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, call := range p.calls {
		if strings.Contains(call, match) {
			out = append(out, call)
		}
	}
	return out
}

// Requests returns the requests so far that have match in their path or query.
func (p *PCS) Requests(match string) []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*http.Request
	for _, r := range p.requests {
		if strings.Contains(r.URL.RequestURI(), match) {
			out = append(out, r)
		}
	}
	return out
}

// ServeHTTP implements [http.Handler].
func (p *PCS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.calls = append(p.calls, r.URL.RequestURI())
	p.requests = append(p.requests, r.Clone(r.Context()))
	var handler http.Handler = http.HandlerFunc(p.answer)
	for _, f := range p.faults {
		if strings.Contains(r.URL.RequestURI(), f.match) {
			handler = f.fault(handler)
			break
		}
	}
	p.mu.Unlock()
	handler.ServeHTTP(w, r)
}

// answer serves as if nothing were wrong.
func (p *PCS) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Request-ID", "00112233445566778899aabbccddeeff")
	if p.platforms(w, r) {
		return
	}
	if r.Method != http.MethodGet {
		p.fail(w, http.StatusMethodNotAllowed)
		return
	}
	if !p.admits(r) {
		p.fail(w, http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/IntelSGXRootCA.der" && !p.PCCS {
		p.crl(w, rats.RootCACRL, "", "der")
		return
	}
	tee, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/certification/")
	version, name, more := strings.Cut(rest, "/")
	if !ok || !more || tee != "sgx" && tee != "tdx" || version != "v4" && (version != "v3" || tee == "tdx") {
		p.fail(w, http.StatusNotFound)
		return
	}
	p.document(w, r.URL.Query(), rats.TEE(tee), version, name)
}

func (p *PCS) document(w http.ResponseWriter, q url.Values, tee rats.TEE, version, name string) {
	switch {
	case name == "tcb":
		fmspc, err := hex.DecodeString(q.Get("fmspc"))
		if err != nil || len(fmspc) != 6 {
			p.fail(w, http.StatusBadRequest)
			return
		}
		header := "TCB-Info-Issuer-Chain"
		if version == "v3" {
			header = "SGX-TCB-Info-Issuer-Chain"
		}
		p.evaluated(w, q, header, rats.EndorsementKey{Kind: rats.TCBInfo, TEE: tee, Scope: hex.EncodeToString(fmspc)})
	case name == "qe/identity" && tee == rats.TDX:
		p.identity(w, q, "TD_QE")
	case name == "qe/identity":
		p.identity(w, q, "QE")
	case name == "qve/identity" && tee == rats.SGX:
		p.identity(w, q, "QVE")
	case name == "qae/identity" && tee == rats.SGX && !p.PCCS:
		p.identity(w, q, "QAE")
	case name == "tcbevaluationdatanumbers" && version == "v4" && !p.PCCS:
		key := rats.EndorsementKey{Kind: rats.EvaluationNumbers, TEE: tee}
		p.statement(w, "TCB-Evaluation-Data-Numbers-Issuer-Chain", p.matching(key))
	case name == "pckcrl" && tee == rats.SGX:
		p.crl(w, rats.PCKCRL, strings.ToLower(q.Get("ca")), q.Get("encoding"))
	case name == "rootcacrl" && tee == rats.SGX && p.PCCS:
		p.crl(w, rats.RootCACRL, "", "hex")
	default:
		p.fail(w, http.StatusNotFound)
	}
}

// fail answers with a status: with an empty body as Intel's service does, with
// words as its cache does.
func (p *PCS) fail(w http.ResponseWriter, status int) {
	if p.PCCS {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	w.WriteHeader(status)
	if p.PCCS {
		_, _ = w.Write([]byte("No cache data for this platform."))
	}
}

// matching returns what it has under a key whose scope, if it is empty, and
// numbers may be any, the latest first.
func (p *PCS) matching(key rats.EndorsementKey) []*dcap.Statement {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*dcap.Statement
	for _, s := range p.statements {
		if k := s.Key(); k.Kind == key.Kind && k.TEE == key.TEE && (key.Scope == "" || k.Scope == key.Scope) {
			out = append(out, s)
		}
	}
	return out
}

// evaluated answers with a document of which there is one for each evaluation.
func (p *PCS) evaluated(w http.ResponseWriter, q url.Values, header string, key rats.EndorsementKey) {
	update, number := strings.ToLower(q.Get("update")), q.Get("tcbEvaluationDataNumber")
	if p.PCCS {
		number = ""
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if update != "" && number != "" || number != "" && err != nil ||
		update != "" && update != "early" && update != "standard" {
		p.fail(w, http.StatusBadRequest)
		return
	}
	all := p.matching(key)
	p.mu.Lock()
	want, retired := p.standard, p.retired[uint32(n)]
	p.mu.Unlock()
	numbers := make([]uint32, 0, len(all))
	for _, s := range all {
		numbers = append(numbers, s.Key().EvaluationDataNumber)
	}
	switch {
	case retired:
		p.fail(w, http.StatusGone)
		return
	case len(all) == 0:
		p.fail(w, http.StatusNotFound)
		return
	case number != "":
		want = uint32(n)
	case update == "early":
		want = slices.Max(numbers)
	case want == 0:
		want = slices.Min(numbers)
	}
	p.statement(w, header, slices.DeleteFunc(all, func(s *dcap.Statement) bool {
		return s.Key().EvaluationDataNumber != want
	}))
}

// statement answers with the first of some.
func (p *PCS) statement(w http.ResponseWriter, header string, some []*dcap.Statement) {
	if len(some) == 0 {
		p.fail(w, http.StatusNotFound)
		return
	}
	e := some[0].Endorsement()
	w.Header().Set("Content-Type", "application/json")
	w.Header()[header] = []string{p.chain(e)}
	_, _ = w.Write(e.Body)
}

// crl answers with a revocation list; ca is empty for the root's.
func (p *PCS) crl(w http.ResponseWriter, kind rats.EndorsementKind, ca, encoding string) {
	if kind == rats.PCKCRL && ca != "platform" && ca != "processor" {
		p.fail(w, http.StatusBadRequest)
		return
	}
	some := slices.DeleteFunc(p.matching(rats.EndorsementKey{Kind: kind}), func(s *dcap.Statement) bool {
		return kind == rats.PCKCRL && authority(s.Endorsement()) != ca
	})
	if len(some) == 0 {
		p.fail(w, http.StatusNotFound)
		return
	}
	e := some[0].Endorsement()
	if kind == rats.PCKCRL {
		w.Header()["SGX-PCK-CRL-Issuer-Chain"] = []string{p.chain(e)}
	}
	body, media := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: e.Body}), "application/x-pem-file"
	switch {
	case encoding == "der":
		body, media = e.Body, "application/pkix-crl"
	case p.PCCS:
		body = []byte(hex.EncodeToString(e.Body))
	}
	w.Header().Set("Content-Type", media)
	_, _ = w.Write(body)
}

// authority returns the name by which the service calls the issuer of a list.
func authority(e rats.Endorsement) string {
	cert, err := x509.ParseCertificate(e.Issuers[0])
	if err == nil && strings.Contains(cert.Subject.CommonName, "Processor") {
		return "processor"
	}
	return "platform"
}

// chain returns an issuer chain as the headers have it: PEM, with everything
// escaped that JavaScript's encodeURIComponent escapes.
func (p *PCS) chain(e rats.Endorsement) string {
	var b bytes.Buffer
	for _, der := range append(slices.Clone(e.Issuers), p.root) {
		if der != nil {
			b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		}
	}
	return strings.ReplaceAll(url.QueryEscape(b.String()), "+", "%20")
}
