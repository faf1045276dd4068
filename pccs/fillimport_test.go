// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

func pemChain(ders ...[]byte) []byte {
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

// file returns collateral as PcsClientTool would have fetched it from the
// simulated vendor for one platform.
func file(t testing.TB, f simtee.Faults, at time.Time) *clienttool.Collateral {
	t.Helper()
	root := newPKI(t, f).RootCertificate()
	c := &clienttool.Collateral{Version: 4}
	infos := clienttool.TCBInfos{FMSPC: simFMSPC}
	for _, e := range vendor(t, f, at) {
		s, err := dcap.Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		switch key := s.Key(); {
		case key.Kind == rats.TCBInfo && key.TEE == rats.SGX:
			infos.SGX, c.Chains.TCBInfo = e.Body, pemChain(e.Issuers[0], root)
		case key.Kind == rats.TCBInfo:
			infos.TDX = e.Body
		case key.Kind == rats.RootCACRL:
			c.RootCRL = e.Body
		case key.Kind == rats.PCKCRL && strings.Contains(string(e.Issuers[0]), "Processor"):
			c.ProcessorCRL, c.Chains.Processor = e.Body, pemChain(e.Issuers[0], root)
		case key.Kind == rats.PCKCRL:
			c.PlatformCRL, c.Chains.Platform = e.Body, pemChain(e.Issuers[0], root)
		case key.Kind == rats.QEIdentity:
			enclave := map[string]clienttool.Enclave{"QE": clienttool.QE, "TD_QE": clienttool.TDQE, "QVE": clienttool.QVE}[key.Scope]
			if enclave != "" {
				c.Identities = append(c.Identities, clienttool.Identity{Enclave: enclave, Body: e.Body})
				c.Chains.Identity = pemChain(e.Issuers[0], root)
			}
		}
	}
	c.TCBInfos = []clienttool.TCBInfos{infos}
	certs := clienttool.PlatformCerts{QEID: qeid(1), PCEID: "0000"}
	for _, e := range machine(t, 1, f).Certs {
		certs.Certs = append(certs.Certs, clienttool.Cert{TCB: []byte(`{"pcesvn":1}`), TCBm: nameOfTCB(t, e), PEM: pemChain(e.Body)})
	}
	c.PCKCerts = []clienttool.PlatformCerts{certs}
	r := request(1)
	c.Platforms = []clienttool.Platform{{
		QEID: r.QEID, PCEID: r.PCEID, CPUSVN: r.CPUSVN, PCESVN: r.PCESVN, EncryptedPPID: hex.EncodeToString(r.EncryptedPPID),
	}}
	return c
}

func nameOfTCB(t testing.TB, e rats.Endorsement) string {
	t.Helper()
	s, err := dcap.Parse(e)
	if err != nil {
		t.Fatal(err)
	}
	scope := strings.ToUpper(s.Key().Scope) // PPID, CPUSVN, PCESVN, PCE id
	return scope[32:64] + scope[66:68] + scope[64:66]
}

func TestAnImportFillsAServiceThatNeverAsks(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Offline})
	c := file(t, simtee.Faults{}, start())
	report, err := l.PutCollateral(t.Context(), c, "import:a.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Taken) != 9 || len(report.Stale)+len(report.Older)+len(report.Refused) > 0 {
		t.Errorf("%+v", report)
	}
	if a := l.must(t, tcbKey(rats.SGX, "")); !bytes.Equal(a.Body, c.TCBInfos[0].SGX) || a.Source != "import:a.json" {
		t.Error("TCB info is not as it was signed, or from where it came")
	}
	got, err := l.PCKCert(t.Context(), request(1))
	if err != nil || got.TCBm != rawBest+pceBest || !bytes.Equal(got.Chain, c.Chains.Platform) {
		t.Errorf("%+v, %v", got, err)
	}
	all, err := l.Cached(t.Context(), nil)
	if err != nil || len(all) != 1 || all[0].CPUSVN != rawBest || len(all[0].EncryptedPPID) != 384 {
		t.Errorf("%+v, %v", all, err)
	}
	if calls := l.pcs.Calls(""); len(calls) > 0 {
		t.Errorf("calls were made: %q", calls)
	}
}

func TestAnImportThatWasFormattedAnewIsTakenAsItWasSigned(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Offline})
	c := file(t, simtee.Faults{}, start())
	signed := []byte(c.TCBInfos[0].SGX)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, signed, "", "    "); err != nil {
		t.Fatal(err)
	}
	c.TCBInfos[0].SGX = pretty.Bytes()
	if _, err := l.PutCollateral(t.Context(), c, ""); err != nil {
		t.Fatal(err)
	}
	if a := l.must(t, tcbKey(rats.SGX, "")); !bytes.Equal(a.Body, signed) {
		t.Error("not kept in the form that was signed")
	}
}

func TestAStaleImportIsTakenAndMarkedAndAnOlderOneChangesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Offline})
	l.clock.advance(90 * 24 * time.Hour)
	report, err := l.PutCollateral(t.Context(), file(t, simtee.Faults{}, start().Add(24*time.Hour)), "")
	if err != nil || len(report.Stale) != 8 {
		t.Fatalf("%+v, %v", report, err)
	}
	a := l.must(t, tcbKey(rats.SGX, ""))
	if !l.Stale(a) {
		t.Error("not marked")
	}
	report, err = l.PutCollateral(t.Context(), file(t, simtee.Faults{}, start()), "")
	if err != nil || len(report.Older) != 8 {
		t.Fatalf("%+v, %v", report, err)
	}
	if again := l.must(t, tcbKey(rats.SGX, "")); again.Digest != a.Digest {
		t.Error("an older import replaced it")
	}
}

func TestWhatIsForgedInAnImportIsRefusedAndNamed(t *testing.T) {
	t.Parallel()
	flip := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b }
	digit := func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"tcbEvaluationDataNumber":20`), []byte(`"tcbEvaluationDataNumber":21`), 1)
	}
	other := machine(t, 2, simtee.Faults{})
	for name, c := range map[string]struct {
		forge   func(c *clienttool.Collateral)
		refused string
		count   int
	}{
		"TCB info":             {func(c *clienttool.Collateral) { c.TCBInfos[0].SGX = digit(c.TCBInfos[0].SGX) }, "tcb_info sgx", 2},
		"TCB info for TDX":     {func(c *clienttool.Collateral) { c.TCBInfos[0].TDX = digit(c.TCBInfos[0].TDX) }, "tcb_info tdx", 1},
		"TCB info of another":  {func(c *clienttool.Collateral) { c.TCBInfos[0].TDX = c.TCBInfos[0].SGX }, "tcb_info tdx", 1},
		"identity":             {func(c *clienttool.Collateral) { c.Identities[0].Body = digit(c.Identities[0].Body) }, "_identity", 1},
		"identity of another":  {func(c *clienttool.Collateral) { c.Identities[0].Body = c.Identities[1].Body }, "_identity", 1},
		"list of the platform": {func(c *clienttool.Collateral) { c.PlatformCRL = flip(c.PlatformCRL) }, "pck_crl platform", 2},
		"lists in wrong place": {func(c *clienttool.Collateral) { c.ProcessorCRL = c.PlatformCRL }, "pck_crl processor", 1},
		"certificate of another platform": {func(c *clienttool.Collateral) {
			c.PCKCerts[0].Certs[1].PEM = pemChain(other.Certs[1].Body)
		}, "PCK certificates", 1},
		"TCBm of another certificate": {func(c *clienttool.Collateral) { c.PCKCerts[0].Certs[1].TCBm = rawNone + pceBest }, "PCK certificates", 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{mode: pccs.Offline})
			in := file(t, simtee.Faults{}, start())
			c.forge(in)
			report, err := l.PutCollateral(t.Context(), in, "")
			wantStatus(t, err, 460)
			if len(report.Refused) != c.count || !slices.ContainsFunc(report.Refused, func(r pccs.RefusedItem) bool {
				return strings.Contains(r.Name, c.refused) && rats.KindOf(r.Err) != rats.None
			}) {
				t.Errorf("refused: %+v", report.Refused)
			}
			if len(report.Taken) != 9-c.count {
				t.Errorf("taken: %q", report.Taken)
			}
			for _, r := range report.Refused {
				if slices.Contains(l.holds(t), r.Name) {
					t.Errorf("%s is kept", r.Name)
				}
			}
		})
	}
}

func TestAnImportOfTwoRootsIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Offline})
	c := file(t, simtee.Faults{}, start())
	c.Chains.TCBInfo = append(pemChain(mustPEM(t, c.Chains.TCBInfo)), intelRoot(t)...)
	report, err := l.PutCollateral(t.Context(), c, "")
	wantStatus(t, err, 460)
	if got := l.holds(t); len(got) > 0 || len(report.Taken) > 0 {
		t.Errorf("kept: %q", got)
	}
}

func mustPEM(t testing.TB, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM")
	}
	return block.Bytes
}

func intelRoot(t testing.TB) []byte {
	t.Helper()
	return readFile(t, collateral(t), "chain", "root_20180521_20491231_44a019.pem")
}

func TestAnImportUnderARootThatIsNotPinnedIsRefused(t *testing.T) {
	t.Parallel()
	dir := collateral(t)
	l := newLab(t, setup{mode: pccs.Offline}) // the simulated root alone
	report, err := l.PutCollateral(t.Context(), realFile(t, dir, "tdx_quote_collateral.json"), "")
	wantStatus(t, err, 460)
	if len(report.Taken) > 0 || len(l.holds(t)) > 0 {
		t.Errorf("taken: %q", report.Taken)
	}
}

func TestPCKCertificatesWithoutTCBInfoAreABadRequest(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Offline})
	c := file(t, simtee.Faults{}, start())
	c.TCBInfos = nil
	_, err := l.PutCollateral(t.Context(), c, "")
	wantStatus(t, err, 400)
	if got := l.holds(t); len(got) > 0 {
		t.Errorf("kept: %q", got)
	}
}

func TestAnImportIsHeldAgainstItsOwnRevocationLists(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Offline})
	c := file(t, simtee.Faults{RevokedPlatforms: []uint32{1}}, start())
	report, err := l.PutCollateral(t.Context(), c, "")
	wantStatus(t, err, 460)
	if len(report.Refused) != 1 || rats.KindOf(report.Refused[0].Err) != rats.Revoked {
		t.Errorf("refused: %+v", report.Refused)
	}
	l = newLab(t, setup{mode: pccs.Offline})
	c = file(t, revoking(newPKI(t, simtee.Faults{}), simtee.TCBSigning), start())
	report, err = l.PutCollateral(t.Context(), c, "")
	wantStatus(t, err, 460)
	for _, k := range l.holds(t) {
		if strings.HasPrefix(k, "tcb_info") || strings.Contains(k, "identity") {
			t.Errorf("%s is kept, though who signed it is revoked: %+v", k, report)
		}
	}
}

// realFile returns real collateral, for Intel's root.
func realFile(t testing.TB, dir, name string) *clienttool.Collateral {
	t.Helper()
	var in map[string]string
	if err := json.Unmarshal(readFile(t, dir, "dcap-qvl", name), &in); err != nil {
		t.Fatal(err)
	}
	der := func(text string) []byte {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tdx := strings.HasPrefix(name, "tdx")
	c := &clienttool.Collateral{
		Version: 4, RootCRL: der(in["root_ca_crl"]),
		Chains: clienttool.Chains{TCBInfo: []byte(in["tcb_info_issuer_chain"]), Identity: []byte(in["qe_identity_issuer_chain"])},
	}
	info := clienttool.Statement(`{"tcbInfo":` + in["tcb_info"] + `,"signature":"` + in["tcb_info_signature"] + `"}`)
	identity := clienttool.Identity{
		Enclave: clienttool.QE,
		Body:    clienttool.Statement(`{"enclaveIdentity":` + in["qe_identity"] + `,"signature":"` + in["qe_identity_signature"] + `"}`),
	}
	if tdx {
		identity.Enclave = clienttool.TDQE
		c.TCBInfos = []clienttool.TCBInfos{{FMSPC: "B0C06F000000", TDX: info}}
		c.PlatformCRL, c.Chains.Platform = der(in["pck_crl"]), []byte(in["pck_crl_issuer_chain"])
	} else {
		c.TCBInfos = []clienttool.TCBInfos{{FMSPC: "00A067110000", SGX: info}}
		c.ProcessorCRL, c.Chains.Processor = der(in["pck_crl"]), []byte(in["pck_crl_issuer_chain"])
	}
	c.Identities = []clienttool.Identity{identity}
	return c
}

func TestRealCollateralIsTakenByteForByteAndMarkedAsStale(t *testing.T) {
	dir := collateral(t)
	s, err := store.Open(t.Context(), t.TempDir()+"/pccs.db")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	service, err := pccs.New(pccs.Config{
		Store: s, Mode: pccs.Offline, Now: func() time.Time { return time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	c := realFile(t, dir, "tdx_quote_collateral.json")
	report, err := service.PutCollateral(t.Context(), c, "")
	if err != nil || len(report.Taken) != 4 || len(report.Stale) != 4 {
		t.Fatalf("%+v, %v", report, err)
	}
	k := store.Key{Kind: store.TCBInfo, TEE: rats.TDX, Scope: "b0c06f000000", Update: "standard", Version: 4}
	a, err := service.Artefact(t.Context(), k)
	if err != nil || !bytes.Equal(a.Body, c.TCBInfos[0].TDX) || !service.Stale(a) {
		t.Errorf("%v, %v", a, err)
	}
	// The root's list by the name that verifiers read in certificates.
	list, err := service.CRL(t.Context(), "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der")
	if err != nil || !bytes.Equal(list.Body, c.RootCRL) {
		t.Errorf("%v, %v", list, err)
	}
	list, err = service.CRL(t.Context(), "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der")
	if err != nil || !bytes.Equal(list.Body, c.PlatformCRL) {
		t.Errorf("%v, %v", list, err)
	}
	_, err = service.CRL(t.Context(), "https://sbx-certificates.trustedservices.intel.com/IntelSGXRootCA.der")
	wantStatus(t, err, 404)
}

func TestABatchOfAnotherServiceIsVerifiedToo(t *testing.T) {
	t.Parallel()
	filler := filled(t, setup{})
	artefacts, err := filler.store.ArtefactsWithBodies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := registration(1).PlatformID
	platforms, err := filler.store.Platforms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	certs, err := filler.store.PCKCerts(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := filler.store.Chain(t.Context(), "platform")
	if err != nil {
		t.Fatal(err)
	}
	b := store.Batch{
		Artefacts: artefacts, Platforms: platforms, PCKCerts: certs, Chains: map[string][]byte{"platform": chain},
		RawTCBs:  []store.RawTCB{{PlatformID: id, CPUSVN: rawMore, PCESVN: pceBest}},
		Policies: []store.Policy{{ID: "x", JWT: []byte("no policy"), FMSPC: simFMSPC}},
	}
	i := slices.IndexFunc(b.Artefacts, func(a store.Artefact) bool { return a.Key == qeKey(rats.TDX, "early") })
	b.Artefacts[i].Body = bytes.Replace(b.Artefacts[i].Body, []byte("20"), []byte("21"), 1)
	l := newLab(t, setup{mode: pccs.Offline})
	report, err := l.PutBatch(t.Context(), b, "import:old.db")
	wantStatus(t, err, 460)
	if len(report.Refused) != 2 {
		t.Errorf("refused: %+v", report.Refused)
	}
	if _, err := l.PCKCert(t.Context(), request(1)); err != nil {
		t.Error(err)
	}
	if got, err := l.Policies(t.Context(), simFMSPC); err != nil || len(got) > 0 {
		t.Errorf("policies: %v, %v", got, err)
	}
}

func TestWhatWasMadeForVersion3IsServedByVersion3Alone(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	c := file(t, simtee.Faults{TCBInfo: func(i *simtee.TCBInfo) {
		if i.ID == "SGX" {
			i.ID, i.Version = "", 2
		}
	}}, start())
	c.Version, c.TCBInfos[0].TDX = 3, nil
	c.Identities = slices.DeleteFunc(c.Identities, func(i clienttool.Identity) bool { return i.Enclave == clienttool.TDQE })
	if _, err := l.PutCollateral(t.Context(), c, ""); err != nil {
		t.Fatal(err)
	}
	for _, k := range []store.Key{tcbKey(rats.SGX, ""), qeKey(rats.SGX, ""), rootKey(), pckKey("platform")} {
		k.Version = 3
		l.must(t, k)
	}
	r := request(1)
	r.Version, r.CPUSVN, r.EncryptedPPID = 3, rawMore, nil
	if got, err := l.PCKCert(t.Context(), r); err != nil || got.TCBm != rawBest+pceBest {
		t.Errorf("%+v, %v", got, err)
	}
	if calls := l.pcs.Calls(""); len(calls) > 0 {
		t.Errorf("calls were made: %q", calls)
	}
	if a := l.must(t, tcbKey(rats.SGX, "")); bytes.Equal(a.Body, c.TCBInfos[0].SGX) {
		t.Error("version 4 is answered with the TCB info of version 3")
	}
	// A refresh leaves version 3 as it is: nobody has a newer one.
	if _, err := l.Refresh(t.Context(), pccs.RefreshRequest{}); err != nil {
		t.Error(err)
	}
	if calls := l.pcs.Calls("/v3/"); len(calls) > 0 {
		t.Errorf("version 3 was asked: %q", calls)
	}
}
