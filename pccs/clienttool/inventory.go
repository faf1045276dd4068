// SPDX-License-Identifier: Apache-2.0

package clienttool

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Item is one thing that a file or a store holds, as [Compare] looks at it.
type Item struct {
	// Name says what it is, the same wherever it lies: such as "tcb_info sgx
	// 00906ed50000 standard v4", "pck_crl platform" or "pck_cert", the platform's
	// QE id and PCE id, and the TCBm.
	Name string
	// SHA256 is of its content: a statement without the white space around its
	// parts, DER of lists and certificates.
	SHA256 [32]byte
	// Issued and NextUpdate are what it says itself, zero where it says nothing.
	Issued, NextUpdate time.Time
	// EvaluationNumber is the TCB evaluation data number, zero where there is none.
	EvaluationNumber uint32
}

// Inventory lists what the file holds, with dates that nobody has verified. What
// says nothing of itself that can be read has no dates.
func (c *Collateral) Inventory() []Item {
	var out []Item
	for _, t := range c.TCBInfos {
		for _, s := range tcbInfoUpdates(&t) {
			if s.body != nil {
				name := fmt.Sprintf("tcb_info %s %s %s v%d", s.tee, strings.ToLower(t.FMSPC), s.update, c.Version)
				out = append(out, StatementItem(name, s.body))
			}
		}
	}
	for _, id := range c.Identities {
		out = append(out, StatementItem(fmt.Sprintf("%s %s v%d", identityKind(id.Enclave), update(id.Early), c.Version), id.Body))
	}
	for _, crl := range []struct {
		name string
		der  []byte
	}{{"pck_crl processor", c.ProcessorCRL}, {"pck_crl platform", c.PlatformCRL}, {"root_crl", c.RootCRL}} {
		if crl.der != nil {
			out = append(out, CRLItem(crl.name, crl.der))
		}
	}
	for _, p := range c.PCKCerts {
		for _, cert := range p.Certs {
			out = append(out, CertItem(p.QEID, p.PCEID, cert.TCBm, cert.PEM))
		}
	}
	return out
}

type updated struct {
	tee, update string
	body        Statement
}

func tcbInfoUpdates(t *TCBInfos) []updated {
	return []updated{
		{"sgx", "standard", t.SGX}, {"tdx", "standard", t.TDX},
		{"sgx", "early", t.SGXEarly}, {"tdx", "early", t.TDXEarly},
	}
}

func update(early bool) string {
	if early {
		return "early"
	}
	return "standard"
}

// identityKind returns how stores name the identity of an enclave.
func identityKind(e Enclave) string {
	switch e {
	case TDQE:
		return "qe_identity tdx"
	case QVE:
		return "qve_identity sgx"
	default:
		return "qe_identity sgx"
	}
}

// StatementItem describes a signed statement under a name.
func StatementItem(name string, body Statement) Item {
	type said struct {
		IssueDate  time.Time `json:"issueDate"`
		NextUpdate time.Time `json:"nextUpdate"`
		Number     uint32    `json:"tcbEvaluationDataNumber"`
	}
	forms := body.Forms()
	item := Item{Name: name, SHA256: sha256.Sum256(forms[len(forms)-1])}
	var outer map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil {
		return item
	}
	for _, inner := range []string{"tcbInfo", "enclaveIdentity", "tcbEvaluationDataNumbers"} {
		var s said
		if raw := outer[inner]; raw != nil && json.Unmarshal(raw, &s) == nil {
			item.Issued, item.NextUpdate, item.EvaluationNumber = s.IssueDate.UTC(), s.NextUpdate.UTC(), s.Number
		}
	}
	return item
}

// CRLItem describes a revocation list in DER under a name.
func CRLItem(name string, der []byte) Item {
	item := Item{Name: name, SHA256: sha256.Sum256(der)}
	if crl, err := x509.ParseRevocationList(der); err == nil {
		item.Issued, item.NextUpdate = crl.ThisUpdate.UTC(), crl.NextUpdate.UTC()
	}
	return item
}

// CertItem describes the PCK certificate of a platform at a TCB level; one that
// is not available has no content.
func CertItem(qeID, pceID, tcbm string, text []byte) Item {
	item := Item{Name: fmt.Sprintf("pck_cert %s %s %s", qeID, pceID, tcbm)}
	blocks, ok := certificates(text)
	if !ok || len(blocks) != 1 {
		return item
	}
	item.SHA256 = sha256.Sum256(blocks[0])
	if cert, err := x509.ParseCertificate(blocks[0]); err == nil {
		item.Issued, item.NextUpdate = cert.NotBefore.UTC(), cert.NotAfter.UTC()
	}
	return item
}

// MarshalJSON writes an item for programs: hashes in hex, times in RFC 3339, null
// for what is not known.
func (i Item) MarshalJSON() ([]byte, error) {
	date := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return json.Marshal(struct {
		SHA256           string     `json:"sha256"`
		Issued           *time.Time `json:"issued"`
		NextUpdate       *time.Time `json:"next_update"`
		EvaluationNumber uint32     `json:"evaluation_data_number,omitempty"`
	}{hex.EncodeToString(i.SHA256[:]), date(i.Issued), date(i.NextUpdate), i.EvaluationNumber})
}
