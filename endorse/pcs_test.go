// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

var (
	_ endorse.Source    = (*endorse.PCS)(nil)
	_ endorse.Source    = (*endorse.Order)(nil)
	_ endorse.Renewer   = (*endorse.Order)(nil)
	_ endorse.Certifier = (*endorse.Order)(nil)
	_ endorse.Certifier = (*endorse.Split)(nil)
	_ endorse.Certifier = endorse.Prepared{}
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// service is a stand-in with a client of it.
type service struct {
	*pcstest.PCS
	client *endorse.PCS
	clock  *clock
	url    string
	// stop ends the stand-in.
	stop func()

	mu     sync.Mutex // guards events
	events []endorse.Event
}

// said returns the outcomes of the calls so far.
func (s *service) said() []endorse.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []endorse.Outcome
	for _, e := range s.events {
		out = append(out, e.Outcome)
	}
	return out
}

// serve starts a service that has items, and a client at the time of at.
func serve(t testing.TB, items []rats.Endorsement, change func(*pcstest.PCS, *endorse.PCSConfig)) *service {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{clock: &clock{now: at()}}
	if s.PCS, err = pcstest.New(pki.RootCertificate(), items...); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.PCS)
	t.Cleanup(server.Close)
	s.url, s.stop = server.URL, server.Close
	cfg := endorse.PCSConfig{
		Base: s.url, RootCRL: s.url + "/IntelSGXRootCA.der", Roots: []rats.TrustRoot{simtee.Root()},
		Now: s.clock.Now,
		Report: func(e endorse.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		},
	}
	if change != nil {
		change(s.PCS, &cfg)
	}
	if s.client, err = endorse.NewPCS(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

// vendor returns what the simulated vendor endorses on a day, in the evaluation
// of a number.
func vendor(t testing.TB, day time.Time, number int, faults simtee.Faults) []rats.Endorsement {
	t.Helper()
	faults.TCBInfo = func(i *simtee.TCBInfo) { i.EvaluationDataNumber = number }
	faults.Identity = func(i *simtee.Identity) { i.EvaluationDataNumber = number }
	pki, err := simtee.NewPKI(faults)
	if err != nil {
		t.Fatal(err)
	}
	var items []rats.Endorsement
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		all, err := pki.EndorsementsFor(tee, day)
		if err != nil {
			t.Fatal(err)
		}
		numbers, err := pki.EvaluationNumbers(tee, day)
		if err != nil {
			t.Fatal(err)
		}
		items = append(append(items, all...), numbers)
	}
	return items
}

func usual(t testing.TB) []rats.Endorsement { return vendor(t, at(), 20, simtee.Faults{}) }

// needsOf returns what an appraisal of a quote looks for.
func needsOf(t testing.TB, quote []byte, err error) []attesteer.Need {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	needs, err := attesteer.Needs(attesteer.Evidence{Raw: quote})
	if err != nil {
		t.Fatal(err)
	}
	return needs
}

// wantVerified demands that a quote is accepted with items.
func wantVerified(t *testing.T, quote []byte, items []rats.Endorsement) {
	t.Helper()
	en, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		t.Fatal(err)
	}
	policy := attesteer.Policy{Roots: []rats.TrustRoot{simtee.Root()}}
	if _, err := attesteer.Verify(attesteer.Evidence{Raw: quote}, en, policy, at()); err != nil {
		t.Errorf("with what the service gave: %v", err)
	}
}

func TestAServiceGivesAllThatAnAppraisalNeeds(t *testing.T) {
	for name, test := range map[string]struct {
		faults simtee.Faults
		quote  func(*simtee.PKI) ([]byte, error)
		change func(*pcstest.PCS, *endorse.PCSConfig)
	}{
		"an enclave": {simtee.Faults{}, enclaveQuote, nil},
		"an enclave under the processor CA": {
			simtee.Faults{ProcessorCA: true}, enclaveQuote, nil,
		},
		"a trust domain": {simtee.Faults{}, func(*simtee.PKI) ([]byte, error) { return simtee.TD{}.Quote() }, nil},
		"from a PCCS": {simtee.Faults{}, enclaveQuote, func(p *pcstest.PCS, cfg *endorse.PCSConfig) {
			p.PCCS, cfg.RootCRL, cfg.Base = true, "", cfg.Base+"/sgx/certification/v4"
		}},
		"in version 3": {simtee.Faults{}, enclaveQuote, func(_ *pcstest.PCS, cfg *endorse.PCSConfig) {
			cfg.Base += "/sgx/certification/v3/"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			pki, err := simtee.NewPKI(test.faults)
			if err != nil {
				t.Fatal(err)
			}
			quote, err := test.quote(pki)
			needs := needsOf(t, quote, err)
			s := serve(t, vendor(t, at(), 20, test.faults), test.change)
			got, err := s.client.Endorsements(t.Context(), needs, at())
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 4 {
				t.Errorf("%d endorsements, want 4", len(got))
			}
			wantVerified(t, quote, got)
			if n, ok := s.client.Standard(needs[0].TEE); n != 20 || !ok {
				t.Errorf("standard: %d, %t", n, ok)
			}
			if _, ok := s.client.Standard(rats.SNP); ok {
				t.Error("knows a standard that it was not asked for")
			}
		})
	}
}

func enclaveQuote(pki *simtee.PKI) ([]byte, error) {
	m, err := pki.NewPlatform(1, "")
	if err != nil {
		return nil, err
	}
	return m.Quote(simtee.Enclave{ISVSVN: 1})
}

func TestDocumentsAreAskedForAsTheAPIHasThem(t *testing.T) {
	fmspc := [6]byte{0x00, 0xa5, 0x1e}
	for _, test := range []struct {
		document endorse.Document
		base     string
		want     string
	}{
		{endorse.Document{Kind: rats.TCBInfo, TEE: rats.SGX, FMSPC: fmspc}, "", "/sgx/certification/v4/tcb?fmspc=00A51E000000&update=standard"},
		{endorse.Document{Kind: rats.TCBInfo, TEE: rats.TDX, FMSPC: fmspc, Evaluation: "early"}, "", "/tdx/certification/v4/tcb?fmspc=00A51E000000&update=early"},
		{endorse.Document{Kind: rats.TCBInfo, TEE: rats.SGX, FMSPC: fmspc, Evaluation: "20"}, "", "/sgx/certification/v4/tcb?fmspc=00A51E000000&tcbEvaluationDataNumber=20"},
		{endorse.Document{Kind: rats.QEIdentity, TEE: rats.SGX}, "", "/sgx/certification/v4/qe/identity?update=standard"},
		{endorse.Document{Kind: rats.QEIdentity, TEE: rats.TDX, Evaluation: "20"}, "", "/tdx/certification/v4/qe/identity?tcbEvaluationDataNumber=20"},
		{endorse.Document{Kind: rats.EvaluationNumbers, TEE: rats.TDX}, "", "/tdx/certification/v4/tcbevaluationdatanumbers"},
		{endorse.Document{Kind: rats.PCKCRL, CA: endorse.PlatformCA}, "", "/sgx/certification/v4/pckcrl?ca=platform&encoding=der"},
		{endorse.Document{Kind: rats.RootCACRL}, "", "/IntelSGXRootCA.der"},
		{endorse.Document{Kind: rats.TCBInfo, TEE: rats.SGX, FMSPC: fmspc}, "/sgx/certification/v3", "/sgx/certification/v3/tcb?fmspc=00A51E000000&update=standard"},
	} {
		s := serve(t, usual(t), func(_ *pcstest.PCS, cfg *endorse.PCSConfig) { cfg.Base += test.base })
		got, err := s.client.Fetch(t.Context(), test.document)
		if err != nil {
			t.Errorf("%s: %v", test.document, err)
			continue
		}
		if calls := s.Calls(""); !slices.Equal(calls, []string{test.want}) {
			t.Errorf("%s: asked %v, want %s", test.document, calls, test.want)
		}
		if got.Info.Key.Kind != test.document.Kind || got.Endorsement.Kind != test.document.Kind {
			t.Errorf("%s: %+v", test.document, got.Info.Key)
		}
	}
}

func TestWhatAVersionDoesNotServeIsNotAskedFor(t *testing.T) {
	s := serve(t, usual(t), func(_ *pcstest.PCS, cfg *endorse.PCSConfig) { cfg.Base += "/sgx/certification/v3/" })
	for _, d := range []endorse.Document{
		{Kind: rats.QEIdentity, TEE: rats.TDX}, {Kind: rats.EvaluationNumbers, TEE: rats.SGX},
		{Kind: rats.QEIdentity, TEE: rats.SGX, Evaluation: "20"}, {Kind: "policy"},
	} {
		if _, err := s.client.Fetch(t.Context(), d); rats.KindOf(err) != rats.Unsupported {
			t.Errorf("%s: %v", d, err)
		}
	}
	if calls := s.Calls(""); len(calls) != 0 {
		t.Errorf("asked %v", calls)
	}
}

func TestTheEvaluationIsTheOneThatWasAskedFor(t *testing.T) {
	items := append(vendor(t, at(), 18, simtee.Faults{}), vendor(t, at(), 20, simtee.Faults{})...)
	for asked, want := range map[dcap.EvaluationNumber]uint32{"": 18, "standard": 18, "early": 20, "highest": 20, "20": 20, "18": 18} {
		s := serve(t, items, func(p *pcstest.PCS, cfg *endorse.PCSConfig) { cfg.Evaluation = asked })
		got, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at())
		if err != nil {
			t.Fatalf("%q: %v", asked, err)
		}
		for _, e := range got {
			info, err := attesteer.CheckEndorsement(e, []rats.TrustRoot{simtee.Root()})
			if err != nil {
				t.Fatal(err)
			}
			if n := info.Key.EvaluationDataNumber; n != want && (e.Kind == rats.TCBInfo || e.Kind == rats.QEIdentity) {
				t.Errorf("%q: %s of evaluation %d", asked, e.Kind, n)
			}
		}
		if n, ok := s.client.Standard(rats.SGX); ok != (want == 18 && asked != "18") || ok && n != 18 {
			t.Errorf("%q: standard %d, %t", asked, n, ok)
		}
	}
}

func TestAnEvaluationThatIsNotServedIsMissing(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*pcstest.PCS)
		want   string
	}{
		"unknown":         {func(*pcstest.PCS) {}, "does not have it (404)"},
		"retired":         {func(p *pcstest.PCS) { p.Retire(7) }, "no longer (410)"},
		"another instead": {func(p *pcstest.PCS) { p.PCCS = true }, "evaluation 20"},
	} {
		s := serve(t, usual(t), func(p *pcstest.PCS, cfg *endorse.PCSConfig) {
			test.change(p)
			cfg.Evaluation = "7"
			if p.PCCS {
				cfg.RootCRL = ""
			}
		})
		got, err := s.client.Endorsements(t.Context(), simulatedNeeds(t), at())
		if rats.KindOf(err) != rats.EndorsementUnavailable || !strings.Contains(err.Error(), test.want) ||
			!strings.Contains(err.Error(), "FMSPC 00a51e000000 (7)") || strings.Contains(err.Error(), "revocation") {
			t.Errorf("%s: %v", name, err)
		}
		if len(got) != 2 {
			t.Errorf("%s: %d endorsements beside the error, want the two lists", name, len(got))
		}
	}
}

func TestABaseURLIsCheckedBeforeUse(t *testing.T) {
	for _, base := range []string{
		"", "api.trustedservices.intel.com", "ftp://localhost/", "https://", "https://user:secret@localhost/",
		"https://localhost/?x=1", "https://localhost/#x", "http://pccs.example/sgx/certification/v4/", "https://local host/",
	} {
		if _, err := endorse.NewPCS(endorse.PCSConfig{Base: base, Now: at}); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%q: %v", base, err)
		}
	}
	for _, cfg := range []endorse.PCSConfig{
		{Base: endorse.IntelPCS}, {Base: endorse.IntelPCS, Now: at, Evaluation: "newest"},
		{Base: endorse.IntelPCS, Now: at, RootCRL: "IntelSGXRootCA.der"}, {Base: endorse.IntelPCS, Now: at, RootCRL: "http://crl.example/"},
	} {
		if _, err := endorse.NewPCS(cfg); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	for _, cfg := range []endorse.PCSConfig{
		{Base: endorse.IntelPCS}, {Base: "https://localhost:8081"}, {Base: "http://[::1]:80/x/sgx/certification/v4"},
		{Base: "http://pccs.example/", UnsafeSkipTLS: true},
	} {
		cfg.Now = at
		s, err := endorse.NewPCS(cfg)
		if err != nil {
			t.Errorf("%s: %v", cfg.Base, err)
			continue
		}
		s.Close()
	}
}

func TestRealAnswersAreTakenAsIntelGivesThem(t *testing.T) {
	moment := time.Date(2025, time.June, 20, 10, 55, 0, 0, time.UTC)
	dir := collateral(t)
	quote := readFile(t, dir, "..", "..", "seed", "quote.bin")
	var items []rats.Endorsement
	for _, e := range readFolder(t, dir, nil).All() {
		info, err := attesteer.CheckEndorsement(e, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !info.Issued.After(moment) && info.ValidUntil.After(moment) { // also of the certificate
			items = append(items, e)
		}
	}
	s := serve(t, items, func(p *pcstest.PCS, cfg *endorse.PCSConfig) {
		cfg.Roots, cfg.Now = nil, func() time.Time { return moment }
		p.Standard(19)
	})
	got, err := s.client.Endorsements(t.Context(), needsOf(t, quote, nil), moment)
	if err != nil {
		t.Fatal(err)
	}
	en, err := attesteer.ParseEndorsements(got...)
	if err != nil {
		t.Fatal(err)
	}
	number, _ := s.client.Standard(rats.SGX)
	policy := attesteer.Policy{AllowDebug: true, AcceptTCB: []rats.TCBStatus{rats.OutOfDate}}
	result, err := attesteer.Verify(attesteer.Evidence{Raw: quote}, en.WithStandard(rats.SGX, number), policy, moment)
	if err != nil || result.TCB.EvaluationDataNumber != 19 {
		t.Errorf("%+v, %v", result, err)
	}
}
