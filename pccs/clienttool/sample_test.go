// SPDX-License-Identifier: Apache-2.0

package clienttool_test

import (
	"bytes"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

var day = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)

const (
	fmspc = "00A51E000000"
	qeID  = "0123456789ABCDEF0123456789ABCDEF"
	cdp   = "https://certificates.example/Root.der"
	level = `{"sgxtcbcomp01svn":14,"pcesvn":13}`
)

// must fails the test for an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func inPEM(ders ...[]byte) []byte {
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

// sample returns collateral of a simulated vendor with all parts that a file has.
func sample(t testing.TB, at time.Time) *clienttool.Collateral {
	t.Helper()
	pki := must(simtee.NewPKI(simtee.Faults{}))(t)
	platform := must(pki.NewPlatform(1, rats.UpToDate))(t)
	pck := platform.PCKCertificate()
	sgx, tdx := must(pki.EndorsementsFor(rats.SGX, at))(t), must(pki.EndorsementsFor(rats.TDX, at))(t)
	root := pki.RootCertificate()
	return &clienttool.Collateral{
		Version: 4,
		Platforms: []clienttool.Platform{{
			QEID: qeID, PCEID: "0000", CPUSVN: strings.Repeat("0E", 16), PCESVN: "0D00",
			EncryptedPPID: strings.Repeat("AB", 384),
		}},
		PCKCerts: []clienttool.PlatformCerts{{
			QEID: qeID, PCEID: "0000", EncryptedPPID: strings.Repeat("AB", 384),
			Certs: []clienttool.Cert{{TCB: []byte(level), TCBm: strings.Repeat("0E", 16) + "0D00", PEM: inPEM(pck.Body)}},
		}},
		TCBInfos: []clienttool.TCBInfos{{FMSPC: fmspc, SGX: sgx[0].Body, TDX: tdx[0].Body, SGXEarly: sgx[0].Body}},
		Identities: []clienttool.Identity{
			{Enclave: clienttool.QE, Body: sgx[1].Body},
			{Enclave: clienttool.QE, Early: true, Body: sgx[1].Body},
			{Enclave: clienttool.TDQE, Body: tdx[1].Body},
		},
		PlatformCRL: sgx[3].Body, RootCRL: sgx[2].Body, RootCRLURL: cdp,
		Chains: clienttool.Chains{
			Platform: inPEM(pck.Issuers[0], root),
			TCBInfo:  inPEM(sgx[0].Issuers[0], root), Identity: inPEM(sgx[0].Issuers[0], root),
		},
	}
}

func marshal(t testing.TB, c *clienttool.Collateral, version int) []byte {
	t.Helper()
	return must(c.Marshal(version))(t)
}

// spaced writes JSON as the default of Python's json.dumps does, by which
// PcsClientTool writes its files.
func spaced(text []byte) []byte {
	var out bytes.Buffer
	quoted := false
	for i := 0; i < len(text); i++ {
		out.WriteByte(text[i])
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
			out.WriteByte(text[i])
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == ':'):
			out.WriteByte(' ')
		}
	}
	return out.Bytes()
}

// verifies reports whether a form of a statement verifies under the simulated
// root, and returns that form.
func verifies(t testing.TB, kind rats.EndorsementKind, s clienttool.Statement, issuer []byte) []byte {
	t.Helper()
	for _, form := range s.Forms() {
		statement, err := dcap.Parse(rats.Endorsement{Kind: kind, Body: form, Issuers: [][]byte{issuer}})
		if err == nil && statement.Verify([]rats.TrustRoot{simtee.Root()}, nil) == nil {
			return form
		}
	}
	return nil
}

// small is a sample whose statements say little, for tests that read it often.
func small(t testing.TB) []byte {
	t.Helper()
	c := sample(t, day)
	c.TCBInfos[0] = clienttool.TCBInfos{FMSPC: fmspc, SGX: []byte(`{"tcbInfo":{"fmspc":"00a51e000000"},"signature":"00"}`)}
	c.Identities = []clienttool.Identity{{Enclave: clienttool.QE, Body: []byte(`{"enclaveIdentity":{},"signature":"00"}`)}}
	c.Chains = clienttool.Chains{Platform: c.PCKCerts[0].Certs[0].PEM}
	return marshal(t, c, 4)
}
