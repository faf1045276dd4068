// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	tdxtesting "github.com/google/go-tdx-guest/testing"
	"github.com/google/go-tdx-guest/testing/testdata"
)

// sample is one quote with the endorsements and the time that it is judged by.
type sample struct {
	name  string
	quote []byte
	// As Intel signed them: JSON with its signature, and CRLs in DER.
	tcbInfo, qeIdentity, rootCRL, pckCRL []byte
	// DER of the certificates that vouch for them, and of the root above.
	tcbSigner, qeSigner, pckCA, root []byte
	at                               time.Time
}

// endorsements returns what we take.
func (s *sample) endorsements() []rats.Endorsement {
	return []rats.Endorsement{
		{Kind: rats.TCBInfo, Body: s.tcbInfo, Issuers: [][]byte{s.tcbSigner}},
		{Kind: rats.QEIdentity, Body: s.qeIdentity, Issuers: [][]byte{s.qeSigner}},
		{Kind: rats.RootCACRL, Body: s.rootCRL},
		{Kind: rats.PCKCRL, Body: s.pckCRL, Issuers: [][]byte{s.pckCA}},
	}
}

// vectors returns the folder of real quotes and endorsements.
func vectors(t testing.TB) string {
	t.Helper()
	dir, ok := vectorsFolder()
	if !ok {
		t.Skip("no vectors: set ATTESTEER_VECTORS")
	}
	return dir
}

func vectorsFolder() (string, bool) {
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	dir = filepath.Join(dir, "dcap")
	_, err := os.Stat(dir)
	return dir, err == nil
}

func read(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// realCase is a row of cases.tsv: a sample and the window in which all of its
// data hold, both ends included.
type realCase struct {
	sample
	from, to time.Time
}

// realCases reads cases.tsv.
func realCases(t testing.TB) []realCase {
	t.Helper()
	dir := vectors(t)
	lines := strings.Split(strings.TrimRight(string(read(t, dir, "cases.tsv")), "\n"), "\n")
	names := strings.Split(lines[0], "\t")
	chain := chainFolder(t, dir)
	var out []realCase
	for i, line := range lines[1:] {
		cells := strings.Split(line, "\t")
		cell := func(name string) string { return cells[slices.Index(names, name)] }
		when := func(name string) time.Time {
			at, err := time.Parse(time.RFC3339, cell(name))
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		s := sample{
			name:  fmt.Sprintf("row %d, %s", i+2, filepath.Base(cell("quote"))),
			quote: read(t, dir, cell("quote")), at: when("time"),
			tcbInfo: read(t, dir, cell("tcb_info")), qeIdentity: read(t, dir, cell("qe_identity")),
			rootCRL: read(t, dir, cell("root_crl")), pckCRL: read(t, dir, cell("pck_crl")),
			root: chain.root,
		}
		s.tcbSigner = chain.issuer(t, rats.TCBInfo, s.tcbInfo, s.at)
		s.qeSigner = chain.issuer(t, rats.QEIdentity, s.qeIdentity, s.at)
		s.pckCA = chain.issuer(t, rats.PCKCRL, s.pckCRL, s.at)
		out = append(out, realCase{sample: s, from: when("window_from"), to: when("window_to")})
	}
	return out
}

// issuers are the certificates of the vectors, in DER.
type issuers struct {
	root     []byte
	vouching [][]byte
	verifier *attesteer.Verifier
	found    map[string][]byte
}

func chainFolder(t testing.TB, dir string) *issuers {
	t.Helper()
	out := &issuers{verifier: attesteer.NewVerifier(1 << 12), found: map[string][]byte{}}
	files, err := filepath.Glob(filepath.Join(dir, "collateral", "chain", "*.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		der := ders(t, read(t, file))[0]
		switch name := filepath.Base(file); {
		case !strings.HasPrefix(name, "root_"):
			out.vouching = append(out.vouching, der)
		case strings.Contains(name, "_20491231_"):
			// The root certificate that Intel sends now, and that the peers pin.
			out.root = der
		}
	}
	if out.root == nil || len(out.vouching) == 0 {
		t.Fatalf("%d certificates", len(files))
	}
	return out
}

// issuer returns the certificate that vouches for a body at a time; where none
// does at that time, any that vouches for it at all.
func (c *issuers) issuer(t testing.TB, kind rats.EndorsementKind, body []byte, at time.Time) []byte {
	t.Helper()
	key := string(body) + at.String()
	for _, der := range c.vouching {
		if c.found[key] != nil {
			break
		}
		e := rats.Endorsement{Kind: kind, Body: body, Issuers: [][]byte{der}}
		info, err := c.verifier.CheckEndorsement(e, nil)
		if err == nil && !at.Before(info.ValidFrom) && !at.After(info.ValidUntil) {
			c.found[key] = der
		}
	}
	if c.found[key] == nil {
		t.Fatalf("%s: no certificate vouches for it at %v", kind, at)
	}
	return c.found[key]
}

// ders returns the certificates of a PEM text.
func ders(t testing.TB, text []byte) [][]byte {
	t.Helper()
	var out [][]byte
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		out, text = append(out, block.Bytes), rest
	}
	if len(out) == 0 {
		t.Fatal("no certificate")
	}
	return out
}

// pemText writes certificates one after the other.
func pemText(certificates ...[]byte) []byte {
	var out []byte
	for _, der := range certificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

// peerSamples returns the samples that go-tdx-guest is published with, at its
// own tests' time and at the moment each of its TCB infos was issued. Their
// statements share no window in which all of them hold and the platform has a
// level, so each is a case of refusal.
func peerSamples(t testing.TB) []sample {
	t.Helper()
	responses := tdxtesting.TestGetter.Responses
	header := func(part, name string) [][]byte {
		for address, response := range responses {
			if strings.Contains(address, part) {
				text, err := url.QueryUnescape(response.Header[name][0])
				if err != nil {
					t.Fatal(err)
				}
				return ders(t, []byte(text))
			}
		}
		t.Fatalf("no response for %s", part)
		return nil
	}
	tcb := header("/tcb?", tcbInfoChain)
	qe := header("/qe/identity", qeIdentityChain)
	ca := header("/pckcrl?", pckCRLChain)
	base := sample{
		qeIdentity: testdata.QeIdentityBody, rootCRL: testdata.RootCrlBody, pckCRL: testdata.PckCrlBody,
		tcbSigner: tcb[0], qeSigner: qe[0], pckCA: ca[0], root: tcb[1],
	}
	var out []sample
	for _, version := range []struct {
		name           string
		quote, tcbInfo []byte
		at             []time.Time
	}{
		{"v4", testdata.RawQuote, testdata.TcbInfoBody, []time.Time{
			time.Date(2023, 7, 1, 1, 0, 0, 0, time.UTC),
		}},
		{"v5", testdata.RawQuoteV5, testdata.TcbInfoBodyV5, []time.Time{
			time.Date(2023, 7, 1, 1, 0, 0, 0, time.UTC), issueDate(t, testdata.TcbInfoBodyV5),
		}},
	} {
		for _, at := range version.at {
			s := base
			s.name = "go-tdx-guest's " + version.name + " at " + at.Format(time.DateOnly)
			s.quote, s.tcbInfo, s.at = version.quote, version.tcbInfo, at
			out = append(out, s)
		}
	}
	return out
}
