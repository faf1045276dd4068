// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// namedEvidence is a quote that names its platform by a type of certification
// data, with the platform's certificate and what the quote says of it.
func namedEvidence(t testing.TB, kind uint16) (ev attesteer.Evidence, cert rats.Endorsement, name dcap.PlatformName) {
	t.Helper()
	platform, err := simtee.NewPlatform(7, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := platform.Quote(simtee.Enclave{ISVSVN: 1, Form: simtee.Form{Certification: kind}})
	if err != nil {
		t.Fatal(err)
	}
	ev = attesteer.Evidence{Raw: raw}
	name, named, err := attesteer.NamedPlatform(ev)
	if err != nil || !named {
		t.Fatal(named, err)
	}
	return ev, platform.PCKCertificate(), name
}

// machineOf is a stand-in's knowledge of a platform.
func machineOf(name dcap.PlatformName, certs ...rats.Endorsement) pcstest.Machine {
	return pcstest.Machine{
		QEID: strings.ToUpper(hex.EncodeToString(name.QEID[:])), EncryptedPPID: []byte(name.EncryptedPPID), Certs: certs,
	}
}

// TestEvidenceThatNamesItsPlatformIsAppraisedWithWhatAServiceGives goes from
// evidence without a certificate to a verdict.
func TestEvidenceThatNamesItsPlatformIsAppraisedWithWhatAServiceGives(t *testing.T) {
	for _, kind := range []uint16{quote.CertPPID, quote.CertPPIDRSA2048, quote.CertPPIDRSA3072} {
		ev, cert, name := namedEvidence(t, kind)
		if _, err := attesteer.Needs(ev); rats.KindOf(err) != rats.EndorsementUnavailable {
			t.Errorf("type %d needs nothing more: %v", kind, err)
		}
		stand := serve(t, usual(t), func(p *pcstest.PCS, cfg *endorse.PCSConfig) {
			p.PCCS, cfg.RootCRL = true, ""
			p.Install(machineOf(name, cert))
		})
		order := inOrder(never, &fake{}, stand.client)
		certs, err := order.PCKCertificates(t.Context(), name, at())
		if err != nil || len(certs) != 1 {
			t.Fatalf("type %d: %d certificates, %v", kind, len(certs), err)
		}
		needs, err := attesteer.Needs(ev, certs...)
		if err != nil {
			t.Fatal(err)
		}
		answer := order.Ask(t.Context(), needs, at())
		en, err := attesteer.ParseEndorsements(append(certs, answer.Items...)...)
		if err != nil {
			t.Fatal(err)
		}
		policy := attesteer.Policy{Roots: []rats.TrustRoot{simtee.Root()}}
		if r, err := attesteer.Verify(ev, en, policy, at()); err != nil {
			t.Errorf("type %d: %v %+v, short %v", kind, err, r, answer.Short)
		}
	}
}

func TestAPCKCertificateIsAskedForAsIntelsClientAsks(t *testing.T) {
	_, cert, name := namedEvidence(t, quote.CertPPIDRSA3072)
	name.QEID = [16]byte{0xab, 1}
	digits := func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
	svn := binary.LittleEndian.AppendUint16(nil, name.PCESVN)
	stand := serve(t, nil, func(p *pcstest.PCS, cfg *endorse.PCSConfig) {
		p.PCCS, cfg.RootCRL = true, ""
		cfg.Certificates = endorse.Custom{
			Headers: []endorse.Pair{{Name: "metadata", Value: "true"}}, Params: []endorse.Pair{{Name: "api-version", Value: "2021-07-22-preview"}},
		}
		p.Install(machineOf(name, cert))
	})
	got, err := stand.client.PCKCertificates(t.Context(), name, at())
	if err != nil || len(got) != 1 || !bytes.Equal(got[0].Body, cert.Body) || !slices.EqualFunc(got[0].Issuers, cert.Issuers, bytes.Equal) {
		t.Fatalf("%d, %v", len(got), err)
	}
	want := "/sgx/certification/v4/pckcert?qeid=" + digits(name.QEID[:]) + "&encrypted_ppid=" + digits([]byte(name.EncryptedPPID)) +
		"&cpusvn=" + digits(name.CPUSVN[:]) + "&pcesvn=" + digits(svn) + "&pceid=0000&api-version=2021-07-22-preview"
	if calls := stand.Calls(""); !slices.Equal(calls, []string{want}) {
		t.Errorf("asked %q, want %q", calls, want)
	}
	if r := stand.Requests("pckcert")[0]; r.Header.Get("Metadata") != "true" {
		t.Errorf("headers %v", r.Header)
	}
	// Without an encrypted PPID there are zeros in its place.
	name.EncryptedPPID = ""
	if _, err := stand.client.PCKCertificates(t.Context(), name, at()); err != nil {
		t.Error(err)
	}
	if calls := stand.Calls("encrypted_ppid=" + strings.Repeat("0", 768) + "&"); len(calls) != 1 {
		t.Errorf("asked %q", stand.Calls(""))
	}
}

func TestWhatIsWrongWithAPCKCertificateIsSaid(t *testing.T) {
	_, cert, name := namedEvidence(t, quote.CertPPIDRSA3072)
	stranger, err := simtee.NewPlatform(8, rats.OutOfDate)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(change func(h http.Header, body []byte) []byte) pcstest.Machine {
		m := machineOf(name, cert)
		m.Edit = change
		return m
	}
	const chain = "SGX-PCK-Certificate-Issuer-Chain"
	for what, test := range map[string]struct {
		machine pcstest.Machine
		want    string
	}{
		"of another TCB": {machineOf(name, stranger.PCKCertificate()), "another TCB or platform"},
		"forged": {edit(func(_ http.Header, _ []byte) []byte {
			body := bytes.Clone(cert.Body)
			body[len(body)-1] ^= 1
			return toPEM("CERTIFICATE", body)
		}), "bad_signature"},
		"without its chain":   {edit(func(h http.Header, b []byte) []byte { delete(h, chain); return b }), chain},
		"a web page":          {edit(func(_ http.Header, _ []byte) []byte { return []byte("<html>") }), "web page"},
		"nothing":             {edit(func(_ http.Header, _ []byte) []byte { return nil }), "no certificate"},
		"JSON without one":    {edit(func(_ http.Header, _ []byte) []byte { return []byte(`{"tcbm":"00"}`) }), "no PCK certificate"},
		"somebody unheard of": {pcstest.Machine{}, "404"},
	} {
		stand := serve(t, nil, func(p *pcstest.PCS, cfg *endorse.PCSConfig) {
			p.PCCS, cfg.RootCRL = true, ""
			p.Install(test.machine)
		})
		got, err := inOrder(never, stand.client).PCKCertificates(t.Context(), name, at())
		if len(got) != 0 || rats.KindOf(err) != rats.EndorsementUnavailable || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %d, %v, want %q", what, len(got), err, test.want)
		}
	}
}

func TestAzureAnswersItsMachinesInJSON(t *testing.T) {
	_, cert, name := namedEvidence(t, quote.CertPPIDRSA3072)
	p, err := pcstest.New(nil, usual(t)...)
	if err != nil {
		t.Fatal(err)
	}
	p.Install(machineOf(name, cert))
	server := httptest.NewServer(pcstest.AzureVM(p))
	defer server.Close()
	cfg, ok := endorse.KnownService("azure-vm")
	if !ok || cfg.Base != "http://169.254.169.254/metadata/THIM/sgx/certification/v4/" {
		t.Fatalf("%+v, %t", cfg, ok)
	}
	cfg.Base = strings.Replace(cfg.Base, "http://169.254.169.254", server.URL, 1)
	cfg.Now, cfg.Roots = at, []rats.TrustRoot{simtee.Root()}
	vm, err := endorse.NewPCS(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer vm.Close()
	if got, err := vm.PCKCertificates(t.Context(), name, at()); err != nil || len(got) != 1 || !bytes.Equal(got[0].Body, cert.Body) {
		t.Errorf("%d, %v", len(got), err)
	}
	if got, err := vm.Endorsements(t.Context(), simulatedNeeds(t), at()); err != nil || len(got) != 4 {
		t.Errorf("%d, %v", len(got), err)
	}
	cfg.Custom = endorse.Custom{} // it answers nobody who does not say what it wants to hear
	other, err := endorse.NewPCS(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Endorsements(t.Context(), simulatedNeeds(t), at()); err == nil {
		t.Error("answered without the header")
	}
}

func TestAFolderGivesPCKCertificates(t *testing.T) {
	_, cert, name := namedEvidence(t, quote.CertPPIDRSA3072)
	dir := t.TempDir()
	if _, err := endorse.WriteFolder(dir, append(usual(t), cert)); err != nil {
		t.Fatal(err)
	}
	folder, err := endorse.ReadFolder(t.Context(), dir, []rats.TrustRoot{simtee.Root()})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := folder.PCKCertificates(t.Context(), name, at()); err != nil || len(got) != 1 {
		t.Errorf("%d, %v", len(got), err)
	}
	name.CPUSVN[0]++
	if got, err := folder.PCKCertificates(t.Context(), name, at()); err != nil || len(got) != 0 {
		t.Errorf("another TCB: %d, %v", len(got), err)
	}
}

// prepared is a file as Intel's tools prepare it.
func prepared(t testing.TB, until time.Time, certs ...rats.Endorsement) []byte {
	t.Helper()
	type entry struct {
		Cert string `json:"cert"`
		TCBm string `json:"tcbm"`
	}
	list := []entry{{"Not available", ""}}
	var chain string
	for _, e := range certs {
		list = append(list, entry{url.PathEscape(string(toPEM("CERTIFICATE", e.Body))), "00"})
		chain = url.PathEscape(string(toPEM("CERTIFICATE", e.Issuers[0])))
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	b := binary.LittleEndian.AppendUint16(nil, 1)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint64(b, uint64(until.Unix()))
	for _, part := range []string{strings.Repeat("00", 16), "{}", chain, string(text)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

func TestCertificatesPreparedForIntelsClientAreRead(t *testing.T) {
	_, cert, name := namedEvidence(t, quote.CertPPIDRSA3072)
	own := hex.EncodeToString(name.QEID[:]) + "_0000"
	good := prepared(t, at().AddDate(0, 1, 0), cert)
	for what, test := range map[string]struct {
		file string
		data []byte
		want int
		kind rats.Kind
	}{
		"of the platform":      {own, good, 1, rats.None},
		"of every platform":    {"0000000000000000_0000", good, 1, rats.None},
		"of another":           {"11" + own, good, 0, rats.None},
		"past its time":        {own, prepared(t, at().AddDate(0, -1, 0), cert), 0, rats.EndorsementExpired},
		"without certificates": {own, prepared(t, at().AddDate(0, 1, 0)), 0, rats.None},
		"forged":               {own, prepared(t, at().AddDate(0, 1, 0), forged(cert)), 0, rats.None},
		"no such file":         {own, []byte("cache"), 0, rats.Malformed},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, test.file), test.data, 0o600); err != nil {
			t.Fatal(err)
		}
		p := endorse.Prepared{Dir: dir, Roots: []rats.TrustRoot{simtee.Root()}}
		got, err := p.PCKCertificates(t.Context(), name, at())
		if len(got) != test.want || rats.KindOf(err) != test.kind {
			t.Errorf("%s: %d, %v", what, len(got), err)
		}
	}
	if got, err := (endorse.Prepared{Dir: filepath.Join(t.TempDir(), "none")}).PCKCertificates(t.Context(), name, at()); got != nil || err != nil {
		t.Errorf("no folder: %v, %v", got, err)
	}
	dir := t.TempDir()
	p := endorse.Prepared{Dir: dir, Roots: []rats.TrustRoot{simtee.Root()}}
	for n := 0; n < len(good); n += 1 + len(good)/200 {
		if err := os.WriteFile(filepath.Join(dir, own), good[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := p.PCKCertificates(t.Context(), name, at()); len(got) != 0 || rats.KindOf(err) == rats.None {
			t.Errorf("%d bytes of %d: %d, %v", n, len(good), len(got), err)
		}
	}
}
