// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Names of the authorities that issue PCK certificates, as the parameter ca of
// a PCS has them (PCS API v4, Get Revocation List).
const (
	PlatformCA  = "platform"
	ProcessorCA = "processor"
)

// Document names one answer of a [PCS]. Fields that its kind has no use for are
// zero.
type Document struct {
	Kind rats.EndorsementKind
	// TEE is SGX or TDX, for TCB info, QE identities and lists of numbers.
	TEE rats.TEE
	// FMSPC is the platform's, for TCB info.
	FMSPC [6]byte
	// CA is PlatformCA or ProcessorCA, for PCK CRLs.
	CA string
	// Evaluation is "standard", "early" or a decimal number, for TCB info and QE
	// identities.
	Evaluation dcap.EvaluationNumber
	// Platform is that of a PCK certificate.
	Platform dcap.PlatformName
}

// String says which document it is, for people.
func (d Document) String() string {
	tee := strings.ToUpper(string(d.TEE))
	switch d.Kind {
	case rats.TCBInfo:
		return "TCB info for " + tee + " of FMSPC " + hex.EncodeToString(d.FMSPC[:]) + d.update()
	case rats.QEIdentity:
		return "QE identity for " + tee + d.update()
	case rats.EvaluationNumbers:
		return "TCB evaluation numbers for " + tee
	case rats.PCKCRL:
		return "revocation list of the PCK " + d.CA + " CA"
	case rats.RootCACRL:
		return "revocation list of the root CA"
	case rats.PCKCertificate:
		return "PCK certificate of the platform with QE id " + hex.EncodeToString(d.Platform.QEID[:])
	default:
		return string(d.Kind)
	}
}

func (d Document) update() string {
	if d.Evaluation == standard {
		return ""
	}
	return " (" + string(d.Evaluation) + ")"
}

// The evaluations that a PCS knows by name (PCS API v4, parameter update).
const (
	standard dcap.EvaluationNumber = "standard"
	early    dcap.EvaluationNumber = "early"
)

// evaluationOf returns what to ask a PCS for. It has no name for the highest
// number that there is: the newest evaluation is what it serves early.
func evaluationOf(number dcap.EvaluationNumber) (dcap.EvaluationNumber, error) {
	switch number {
	case "", standard:
		return standard, nil
	case early, "highest":
		return early, nil
	}
	if _, err := strconv.ParseUint(string(number), 10, 32); err != nil {
		return "", rats.Errorf(rats.Malformed, "evaluation %q is neither standard, early nor a number", number)
	}
	return number, nil
}

// place is where a PCS has its documents.
type place struct {
	// base ends in a slash; tdx is its twin for TDX, empty where there is none.
	base, tdx string
	// rootCRL is a whole URL.
	rootCRL string
	version int
	// intel: it is Intel's own service, no cache of it.
	intel bool
	// plainLists: revocation lists are asked for without a word on their encoding.
	plainLists bool
	// all and certificates are parameters that go along, already escaped.
	all, certificates string
}

// locate returns the URL of a document with all that goes along. The error is
// Unsupported for what a PCS of this version does not serve.
func (p place) locate(d Document) (string, error) {
	where, err := p.plain(d)
	if err != nil {
		return "", err
	}
	more := p.all
	switch {
	case d.Kind == rats.PCKCertificate:
		more += p.certificates
	case d.Kind == rats.RootCACRL && !p.ownsRootCRL():
		more = "" // another host's
	}
	if more == "" {
		return where, nil
	}
	if !strings.Contains(where, "?") {
		more = "?" + strings.TrimPrefix(more, "&")
	}
	return where + more, nil
}

// ownsRootCRL reports whether the root's list lies below the base.
func (p place) ownsRootCRL() bool { return strings.HasPrefix(p.rootCRL, p.base) }

// plain returns the URL of a document.
func (p place) plain(d Document) (string, error) {
	base := p.base
	if d.TEE == rats.TDX {
		base = p.tdx
	}
	unsupported := func() (string, error) {
		return "", rats.Errorf(rats.Unsupported, "PCS API v%d has no such document", p.version)
	}
	query := url.Values{}
	switch {
	case d.TEE == rats.TDX && base == "":
		return unsupported()
	case d.Kind == rats.RootCACRL:
		return p.rootCRL, nil
	case d.Kind == rats.PCKCRL:
		query.Set("ca", d.CA)
		if !p.plainLists {
			query.Set("encoding", "der")
		}
		return base + "pckcrl?" + query.Encode(), nil
	case d.Kind == rats.EvaluationNumbers && p.version >= 4:
		return base + "tcbevaluationdatanumbers", nil
	case d.Kind == rats.PCKCertificate:
		return p.pckCertificate(d.Platform)
	case d.Kind == rats.TCBInfo:
		query.Set("fmspc", strings.ToUpper(hex.EncodeToString(d.FMSPC[:])))
	case d.Kind == rats.QEIdentity:
	default:
		return unsupported()
	}
	switch d.Evaluation {
	case standard, early:
		query.Set("update", string(d.Evaluation))
	default:
		if p.version < 4 {
			return unsupported()
		}
		query.Set("tcbEvaluationDataNumber", string(d.Evaluation))
	}
	if d.Kind == rats.TCBInfo {
		return base + "tcb?" + query.Encode(), nil
	}
	return base + "qe/identity?" + query.Encode(), nil
}

// placeOf reads the base URL of a PCS. One without a path is a host that serves
// Intel's paths.
func placeOf(base, rootCRL string) (place, *url.URL, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return place{}, nil, rats.Errorf(rats.Malformed, "%q is not the base URL of a PCS, such as %s", base, IntelPCS)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/sgx/certification/v4/"
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	p := place{base: u.String(), rootCRL: rootCRL, version: 4, intel: u.Hostname() == intelHost}
	if strings.HasSuffix(u.Path, "/v3/") {
		p.version = 3
	} else if strings.Contains(u.Path, "/sgx/") {
		p.tdx = strings.Replace(p.base, "/sgx/", "/tdx/", 1)
	}
	if p.rootCRL == "" {
		p.rootCRL = p.base + "rootcacrl" // as a PCCS has it
		if p.intel {
			p.rootCRL = intelRootCRL
		}
	}
	if r, err := url.Parse(p.rootCRL); err != nil || r.Host == "" || r.Scheme != "https" && r.Scheme != "http" {
		return place{}, nil, rats.Errorf(rats.Malformed, "%q is not the URL of a revocation list", rootCRL)
	}
	return p, u, nil
}

// want is one thing that an appraisal needs, and the documents any of which may
// hold it.
type want struct {
	documents []Document
	// scope is that of the CRL that is wanted; empty where any will do.
	scope string
}

// lack reports whether what is wanted was got, and otherwise why it was not, or
// why there is none newer than the stale one that was got.
func (w want) lack(got []*Fetched, errs map[Document]error) (why string, ok bool) {
	why = "does not have it"
	for _, d := range slices.Backward(w.documents) {
		if err := errs[d]; err != nil {
			why = rats.AsError(err).Detail
		}
	}
	for _, f := range got {
		if !slices.Contains(w.documents, f.Document) ||
			w.scope != "" && f.Info.Key.Kind == rats.PCKCRL && f.Info.Key.Scope != w.scope {
			continue
		}
		err := errs[f.Document]
		if err == nil {
			return "", true
		}
		why = rats.AsError(err).Detail
	}
	return why, false
}

// name says what is wanted.
func (w want) name() string {
	if len(w.documents) == 1 {
		return w.documents[0].String()
	}
	if w.scope == "" {
		return "revocation list of a PCK CA"
	}
	return "revocation list of the PCK CA " + w.scope[:16]
}

// wants returns what a PCS has for needs. Evidence names the CA of its platform
// by key: until an answer has shown which of the two it is, both are asked for.
func (s *PCS) wants(needs []attesteer.Need) []want {
	var out []want
	add := func(w want) {
		same := func(o want) bool { return slices.Equal(o.documents, w.documents) && o.scope == w.scope }
		if !slices.ContainsFunc(out, same) {
			out = append(out, w)
		}
	}
	for _, need := range needs {
		add(want{documents: []Document{{Kind: rats.TCBInfo, TEE: need.TEE, FMSPC: need.FMSPC, Evaluation: s.evaluation}}})
		add(want{documents: []Document{{Kind: rats.QEIdentity, TEE: need.TEE, Evaluation: s.evaluation}}})
		add(want{documents: s.pckCRLs(need.CA), scope: need.CA})
		add(want{documents: []Document{{Kind: rats.RootCACRL}}})
	}
	return out
}

// pckCRLs returns the documents that may be the revocation list of a CA.
func (s *PCS) pckCRLs(ca string) []Document {
	if name, ok := s.memory.authority(ca); ok {
		return []Document{{Kind: rats.PCKCRL, CA: name}}
	}
	return []Document{{Kind: rats.PCKCRL, CA: PlatformCA}, {Kind: rats.PCKCRL, CA: ProcessorCA}}
}

// documentsFor returns the documents that may renew what stands under key.
func (s *PCS) documentsFor(key rats.EndorsementKey) []Document {
	switch key.Kind {
	case rats.TCBInfo:
		b, err := hex.DecodeString(key.Scope)
		if err != nil || len(b) != 6 {
			return nil
		}
		return []Document{{Kind: key.Kind, TEE: key.TEE, FMSPC: [6]byte(b), Evaluation: s.evaluation}}
	case rats.QEIdentity:
		return []Document{{Kind: key.Kind, TEE: key.TEE, Evaluation: s.evaluation}}
	case rats.EvaluationNumbers:
		return []Document{{Kind: key.Kind, TEE: key.TEE}}
	case rats.PCKCRL:
		return s.pckCRLs(key.Scope)
	case rats.RootCACRL:
		return []Document{{Kind: key.Kind}}
	default:
		return nil
	}
}
