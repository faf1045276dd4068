// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// sample is evidence with endorsements, and a time and policy under which it is
// accepted by them.
type sample struct {
	name   string
	raw    []byte
	items  []rats.Endorsement
	policy attesteer.Policy
	at     time.Time
}

// accepting accepts everything genuine under roots, nil for the vendors'.
func accepting(roots ...rats.TrustRoot) attesteer.Policy {
	return attesteer.Policy{AllowDebug: true, AcceptTCB: rats.TCBStatuses(), Roots: roots}
}

// endorsements parses what belongs to the sample.
func (s sample) endorsements(t testing.TB) *attesteer.Endorsements {
	t.Helper()
	en, err := attesteer.ParseEndorsements(s.items...)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return en
}

// simulatedSamples returns one sample for each layout of a quote, and for the
// types of certification data that name a platform or carry its certificate
// alone. They are the same on every call.
func simulatedSamples(t testing.TB) []sample {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := pki.NewPlatform(3, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	items, err := pki.EndorsementsFor(rats.SGX, simTime)
	if err != nil {
		t.Fatal(err)
	}
	tdx, err := pki.EndorsementsFor(rats.TDX, simTime)
	if err != nil {
		t.Fatal(err)
	}
	// The revocation lists are the same for both.
	items = append(items, tdx[0], tdx[1], m.PCKCertificate())
	var out []sample
	add := func(name string, raw []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, sample{"simulated " + name, raw, items, accepting(simtee.Root()), simTime})
	}
	sgx := func(name string, form simtee.Form) {
		t.Helper()
		raw, err := m.Quote(simtee.Enclave{MREnclave: [32]byte{0xe1}, ReportData: [64]byte{0xda}, Form: form})
		add(name, raw, err)
	}
	td := func(name string, body quote.BodyType, form simtee.Form) {
		t.Helper()
		raw, err := m.QuoteTD(simtee.TD{MRTD: [48]byte{0x7d}, ReportData: [64]byte{0xda}, Body: body, Form: form})
		add(name, raw, err)
	}
	sgx("version 3, SGX", simtee.Form{Version: 3})
	sgx("version 4, SGX", simtee.Form{Version: 4})
	sgx("version 5, SGX", simtee.Form{Version: 5})
	td("version 4, TDX 1.0", quote.BodyTD10, simtee.Form{Version: 4})
	td("version 5, TDX 1.0", quote.BodyTD10, simtee.Form{Version: 5})
	td("version 5, TDX 1.5", quote.BodyTD15, simtee.Form{Version: 5})
	td("version 5, TDX 1.5 extended", quote.BodyTD15Ext, simtee.Form{Version: 5})
	sgx("PPID", simtee.Form{Version: 3, Certification: quote.CertPPID})
	sgx("encrypted PPID", simtee.Form{Version: 3, Certification: quote.CertPPIDRSA3072})
	sgx("PCK certificate alone", simtee.Form{Version: 4, Certification: quote.CertPCKLeaf})
	return out
}

// named returns the sample of a name.
func named(t testing.TB, samples []sample, name string) sample {
	t.Helper()
	for _, s := range samples {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("no sample %q among %d", name, len(samples))
	return sample{}
}

// realSamples returns the real quotes of the folder of real evidence, each with
// the endorsements and the time of the first of its cases, or none if there is
// no such folder. Those that have no case, because nobody kept their
// endorsements, come without any.
func realSamples(t testing.TB) []sample {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "shared", "vectors")
	}
	dir = filepath.Join(dir, "dcap")
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	cases := casesOf(t, dir)
	v := attesteer.NewVerifier(1 << 12)
	var out []sample
	for _, pattern := range []string{"sgx/*.bin", "sgx/other/*.bin", "tdx/*.bin", "tdx/padded/*.bin"} {
		for _, file := range glob(t, dir, "quotes", filepath.FromSlash(pattern)) {
			name, err := filepath.Rel(dir, file)
			if err != nil {
				t.Fatal(err)
			}
			s := sample{name: filepath.ToSlash(name), raw: read(t, file), policy: accepting(), at: midsummer}
			if row := cases[s.name]; row != nil {
				s.items, s.at = endorsementsOf(t, v, dir, row), row.at
			}
			out = append(out, s)
		}
	}
	return out
}

// realCase is the first row of cases.tsv about a quote.
type realCase struct {
	// files of TCB info, identity, root CRL and PCK CRL.
	files [4]string
	at    time.Time
}

func casesOf(t testing.TB, dir string) map[string]*realCase {
	t.Helper()
	out := map[string]*realCase{}
	for _, line := range strings.Split(strings.TrimSpace(string(read(t, dir, "cases.tsv"))), "\n")[1:] {
		cells := strings.Split(line, "\t")
		if out[cells[0]] != nil {
			continue
		}
		at, err := time.Parse(time.RFC3339, cells[5])
		if err != nil {
			t.Fatal(err)
		}
		out[cells[0]] = &realCase{[4]string(cells[1:5]), at}
	}
	return out
}

// endorsementsOf returns a case's statements, each with a certificate that
// vouches for it.
func endorsementsOf(t testing.TB, v *attesteer.Verifier, dir string, c *realCase) []rats.Endorsement {
	t.Helper()
	signing, cas := certificates(t, dir, "collateral", "chain", "tcb_*.pem"), certificates(t, dir, "collateral", "chain", "pck_*.pem")
	var out []rats.Endorsement
	for i, group := range []struct {
		kind    rats.EndorsementKind
		issuers [][]byte
	}{{rats.TCBInfo, signing}, {rats.QEIdentity, signing}, {rats.RootCACRL, nil}, {rats.PCKCRL, cas}} {
		body, before := read(t, dir, filepath.FromSlash(c.files[i])), len(out)
		if group.issuers == nil {
			out = append(out, rats.Endorsement{Kind: group.kind, Body: body})
		}
		// Certificates of one name and key, with different validities: all that fit.
		for _, der := range group.issuers {
			e := rats.Endorsement{Kind: group.kind, Body: body, Issuers: [][]byte{der}}
			if _, err := v.CheckEndorsement(e, nil); err == nil {
				out = append(out, e)
			}
		}
		if len(out) == before {
			t.Fatalf("%s: no certificate vouches for it", c.files[i])
		}
	}
	return out
}

// derOf returns the certificates of concatenated PEM, none if it is not.
func derOf(text []byte) (out [][]byte) {
	// END and BEGIN may share a line.
	const end = "-----END CERTIFICATE-----"
	rest := bytes.ReplaceAll(text, []byte(end), []byte(end+"\n"))
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out
		}
		out = append(out, block.Bytes)
	}
}
