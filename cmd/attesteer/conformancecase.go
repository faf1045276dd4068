// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// manifestName and caseSchema tell a case's manifest.
const (
	manifestName = "manifest.json"
	caseSchema   = "attesteer/conformance/v1"
)

// conformanceCase is one case of a suite, as its manifest describes it
// (docs/conformance.md). Files are named from the manifest's folder.
type conformanceCase struct {
	Schema       string            `json:"schema"`
	Name         string            `json:"name"`
	Family       string            `json:"family"`
	Clause       string            `json:"clause"`
	Description  string            `json:"description"`
	Note         string            `json:"note,omitempty"`
	At           time.Time         `json:"at"`
	Root         string            `json:"root"`
	Policy       json.RawMessage   `json:"policy"`
	Evidence     string            `json:"evidence"`
	Endorsements []caseEndorsement `json:"endorsements"`
	Expected     expected          `json:"expected,omitzero"`
	Result       *string           `json:"result"`

	dir string
}

// caseEndorsement names the file of an endorsement and that of the certificates
// that vouch for it.
type caseEndorsement struct {
	Kind    rats.EndorsementKind `json:"kind"`
	Body    string               `json:"body"`
	Issuers string               `json:"issuers,omitempty"`
}

// expected is what must come of a case. A status of null is not compared.
type expected struct {
	Exit     int             `json:"exit"`
	Kind     rats.Kind       `json:"kind"`
	Accepted bool            `json:"accepted"`
	Status   *rats.TCBStatus `json:"status"`
}

// verdict is what came of a case. Other verifiers may have words of their own,
// or none.
type verdict struct {
	Exit     int     `json:"exit"`
	Kind     *string `json:"kind"`
	Accepted bool    `json:"accepted"`
	Status   *string `json:"status"`
	// saysKind and saysStatus tell silence from null.
	saysKind, saysStatus bool
}

// verdictOf says what this verifier answers by a result and an error.
func verdictOf(result *attesteer.Result, err error) *verdict {
	v := &verdict{Exit: rats.KindOf(err).ExitCode(), Accepted: err == nil, saysKind: true, saysStatus: true}
	if err != nil {
		kind := rats.KindOf(err).String()
		v.Kind = &kind
	}
	if result != nil && result.TCB != nil {
		status := string(result.TCB.Status)
		v.Status = &status
	}
	return v
}

// differs names what is not as it must be.
func (v *verdict) differs(want expected) (out []string) {
	if v.Exit != want.Exit {
		out = append(out, "exit")
	}
	if v.Accepted != want.Accepted {
		out = append(out, "accepted")
	}
	kind := ""
	if v.Kind != nil {
		kind = *v.Kind
	}
	if v.saysKind && kind != want.Kind.String() {
		out = append(out, "kind")
	}
	if v.saysStatus && want.Status != nil && (v.Status == nil || *v.Status != string(*want.Status)) {
		out = append(out, "status")
	}
	return out
}

// readCase reads a manifest. One that cannot be read is a usage error, since
// malformed is something that verifiers say.
func (a *app) readCase(file string) (*conformanceCase, error) {
	data, err := a.readInput(file)
	if err != nil {
		return nil, usageError{err}
	}
	c := &conformanceCase{dir: filepath.Dir(file)}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, usagef("%s: %w", file, err)
	}
	if c.Schema != caseSchema {
		return nil, usagef("%s: schema %q, want %s", file, c.Schema, caseSchema)
	}
	for _, name := range c.files() {
		// Cases share files two folders up, beside their families.
		if !filepath.IsLocal(strings.TrimPrefix(filepath.FromSlash(name), filepath.FromSlash("../../"))) {
			return nil, usagef("%s: file %q is not in the suite", file, name)
		}
	}
	return c, nil
}

// files names everything that the verifier of a case reads.
func (c *conformanceCase) files() []string {
	out := []string{c.Root, c.Evidence}
	for _, e := range c.Endorsements {
		out = append(out, e.Body)
		if e.Issuers != "" {
			out = append(out, e.Issuers)
		}
	}
	return out
}

func (c *conformanceCase) path(name string) string {
	return filepath.Join(c.dir, filepath.FromSlash(name))
}

// judge has this verifier judge a case. A case that cannot be read is Internal:
// no verdict comes to that.
func (a *app) judge(c *conformanceCase) (*attesteer.Result, error) {
	policy, err := attesteer.ParsePolicy(c.Policy)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "policy of %s: %w", c.Name, err)
	}
	root, err := a.caseRoot(c)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "%w", err)
	}
	policy.Roots = []rats.TrustRoot{root}
	evidence, err := a.readInput(c.path(c.Evidence))
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "%w", err)
	}
	items, err := a.caseEndorsements(c)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "%w", err)
	}
	endorsements, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		return nil, err
	}
	return attesteer.Verify(attesteer.Evidence{Raw: evidence}, endorsements, policy, c.At)
}

// caseRoot reads the root that a case pins: a certificate, of which name and key count.
func (a *app) caseRoot(c *conformanceCase) (rats.TrustRoot, error) {
	certs, err := a.readChain(c.path(c.Root))
	if err != nil {
		return rats.TrustRoot{}, err
	}
	if len(certs) != 1 {
		return rats.TrustRoot{}, rats.Errorf(rats.Malformed, "%s holds %d certificates, not the root's alone", c.Root, len(certs))
	}
	root, err := x509.ParseCertificate(certs[0])
	if err != nil {
		return rats.TrustRoot{}, rats.Errorf(rats.Malformed, "%s: %w", c.Root, err)
	}
	return rats.TrustRoot{Name: rats.SimulatedRoot, Subject: root.RawSubject, PublicKey: root.RawSubjectPublicKeyInfo}, nil
}

// caseEndorsements reads what a case endorses.
func (a *app) caseEndorsements(c *conformanceCase) ([]rats.Endorsement, error) {
	out := make([]rats.Endorsement, 0, len(c.Endorsements))
	for _, e := range c.Endorsements {
		body, err := a.readInput(c.path(e.Body))
		if err != nil {
			return nil, err
		}
		if e.Kind == rats.RootCACRL || e.Kind == rats.PCKCRL {
			body = listDER(body)
		}
		item := rats.Endorsement{Kind: e.Kind, Body: body}
		if e.Issuers != "" {
			if item.Issuers, err = a.readChain(c.path(e.Issuers)); err != nil {
				return nil, err
			}
			item.Issuers = withoutRoot(item.Issuers)
		}
		out = append(out, item)
	}
	return out, nil
}

// readChain reads concatenated PEM certificates.
func (a *app) readChain(file string) ([][]byte, error) {
	data, err := a.readInput(file)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		out = append(out, block.Bytes)
	}
	return out, nil
}

// withoutRoot leaves out the root that ends a chain, as PCS sends it.
func withoutRoot(chain [][]byte) [][]byte {
	if n := len(chain); n > 1 {
		if last, err := x509.ParseCertificate(chain[n-1]); err == nil && bytes.Equal(last.RawSubject, last.RawIssuer) {
			return chain[:n-1]
		}
	}
	return chain
}

// listDER returns a revocation list in DER, whether it was in PEM, hex or DER.
func listDER(data []byte) []byte {
	if block, _ := pem.Decode(data); block != nil {
		return block.Bytes
	}
	if der, err := hex.DecodeString(string(bytes.TrimSpace(data))); err == nil && len(der) > 0 {
		return der
	}
	return data
}

// sameResult compares a result with the one that a case expects, but for the
// words of its checks, which are for people.
func (c *conformanceCase) sameResult(a *app, got *attesteer.Result) (bool, error) {
	if c.Result == nil || got == nil {
		return c.Result == nil && got == nil, nil
	}
	want, err := a.readInput(c.path(*c.Result))
	if err != nil {
		return false, err
	}
	plain := *got
	plain.Checks = slices.Clone(got.Checks)
	for i := range plain.Checks {
		plain.Checks[i].Detail, plain.Checks[i].Spec = "", ""
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return false, err
	}
	return bytes.Equal(bytes.TrimSpace(want), text), nil
}
