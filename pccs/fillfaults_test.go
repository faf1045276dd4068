// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// upstreamFaults are what can be wrong with an answer, and what becomes of who
// asked.
func upstreamFaults(t testing.TB) map[string]struct {
	fault  pcstest.Fault
	status int
	says   string
} {
	until := make(chan struct{})
	t.Cleanup(func() { close(until) })
	return map[string]struct {
		fault  pcstest.Fault
		status int
		says   string
	}{
		"hangs up":                       {pcstest.Down(), 502, "hung up"},
		"does not answer":                {pcstest.Hanging(until), 502, "did not answer in time"},
		"answers 500":                    {pcstest.Status(500), 502, "answered 500"},
		"answers 503":                    {pcstest.Status(503), 503, "answered 503"},
		"answers 429 and asks for hours": {pcstest.Busy(100, 429, time.Hour), 503, "answered 429"},
		"answers 401":                    {pcstest.Status(401), 502, "answered 401"},
		"answers 400":                    {pcstest.Status(400), 404, "answered 400"},
		"answers 404":                    {pcstest.Status(404), 404, "answered 404"},
		"answers 410":                    {pcstest.Status(410), 410, "answered 410"},
		"answers 302":                    {pcstest.Redirect("https://example.org/"), 502, "answered 302"},
		"answers with a web page":        {pcstest.WebPage(), 502, "web page"},
		"answers half":                   {pcstest.Half(), 502, "cut its answer short"},
		"answers with too much":          {pcstest.Huge(), 502, "more than"},
		"compresses unasked":             {pcstest.Compressed(), 502, "compressed"},
		"answers with what is forged":    {pcstest.Forged(), 502, "not taken"},
		"answers without its chain":      {pcstest.Headless(), 502, "Issuer-Chain"},
		"answers with another's chain":   {pcstest.Chained("-----BEGIN%20CERTIFICATE-----%0AMIIB%0A-----END%20CERTIFICATE-----%0A"), 502, "chain"},
	}
}

// patience is short only where waiting is the fault: on a machine that is busy a
// large answer takes its time.
func patience(fault string) time.Duration {
	if fault == "does not answer" {
		return 3 * time.Second
	}
	return time.Minute
}

func TestNothingIsKeptOfAnAnswerThatIsNoAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range upstreamFaults(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			l := newLab(t, setup{timeout: patience(name)})
			l.must(t, rootKey())
			l.pcs.Break("/tcb?", c.fault)
			_, err := l.Artefact(t.Context(), tcbKey(rats.SGX, ""))
			wantStatus(t, err, c.status)
			if got := l.holds(t); len(got) != 1 {
				t.Errorf("kept: %q", got)
			}
			if !strings.Contains(l.log.String(), c.says) {
				t.Errorf("the log does not say %q:\n%s", c.says, l.log)
			}
			l.pcs.Mend()
			l.clock.advance(2 * time.Minute) // whatever pause it asked for
			l.must(t, tcbKey(rats.SGX, ""))
		})
	}
}

func TestNothingIsKeptOfPCKCertificatesThatAreNone(t *testing.T) {
	t.Parallel()
	for name, c := range upstreamFaults(t) {
		if strings.Contains(name, "forged") {
			continue // see TestPCKCertificatesThatDoNotFitAreRefused
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			l := newLab(t, setup{timeout: patience(name)})
			l.pcs.Install(machine(t, 1, simtee.Faults{}))
			l.pcs.Break("/pckcerts", c.fault)
			_, err := l.PCKCert(t.Context(), request(1))
			wantStatus(t, err, c.status)
			if p, err := l.store.Platforms(t.Context()); err != nil || len(p) > 0 {
				t.Errorf("platforms kept: %v, %v", p, err)
			}
			l.pcs.Mend()
			l.clock.advance(2 * time.Minute)
			if _, err := l.PCKCert(t.Context(), request(1)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheUpstreamsOwnReasonIsInTheLog(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	r := registration(1)
	r.Manifest = []byte{1, 2, 3}
	l.pcs.Break("/pckcerts", func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Error-Code", "InvalidOrRevokedPackage")
			w.Header().Set("Error-Message", "a package is revoked")
			w.Header().Set("Request-ID", "abc")
			w.WriteHeader(http.StatusBadRequest)
		})
	})
	err := l.Register(t.Context(), r, "")
	wantStatus(t, err, 404)
	for _, part := range []string{"InvalidOrRevokedPackage", "a package is revoked", "request abc", "400"} {
		if !strings.Contains(l.log.String(), part) {
			t.Errorf("the log does not say %q:\n%s", part, l.log)
		}
	}
}

func TestAnUpstreamWhoseTLSCertificateIsNotTrustedGivesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	server := httptest.NewUnstartedServer(l.pcs)
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := pccs.NewUpstream(pccs.UpstreamConfig{Base: server.URL, RootCRL: server.URL + "/IntelSGXRootCA.der"})
	if err != nil {
		t.Fatal(err)
	}
	other := newLab(t, setup{upstreams: []pccs.Upstream{u}})
	_, err = other.Artefact(t.Context(), rootKey())
	wantStatus(t, err, 502)
	if !strings.Contains(other.log.String(), "certificate that is not trusted") {
		t.Errorf("the log does not say why:\n%s", other.log)
	}
	if got := other.holds(t); len(got) != 0 {
		t.Errorf("kept: %q", got)
	}
}

func TestAnUpstreamWhoseTLSCertificateHasExpiredGivesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(l.pcs)
	server.Config.ErrorLog = quiet()
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	u, err := pccs.NewUpstream(pccs.UpstreamConfig{Base: server.URL, RootCRL: server.URL + "/IntelSGXRootCA.der", RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	other := newLab(t, setup{upstreams: []pccs.Upstream{u}})
	_, err = other.Artefact(t.Context(), rootKey())
	wantStatus(t, err, 502)
	if !strings.Contains(other.log.String(), "expired") || len(other.holds(t)) != 0 {
		t.Errorf("kept %q, and the log says:\n%s", other.holds(t), other.log)
	}
}

func TestAnAnswerAboutSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	instead := func(path, query string) pcstest.Fault {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r = r.Clone(r.Context())
				r.URL.Path, r.URL.RawQuery = path, query
				next.ServeHTTP(w, r)
			})
		}
	}
	numbered := qeKey(rats.SGX, "20")
	for name, c := range map[string]struct {
		key     store.Key
		answer  pcstest.Fault
		faults  simtee.Faults
		matches string
	}{
		"SGX for TDX":                  {qeKey(rats.TDX, ""), instead("/sgx/certification/v4/qe/identity", ""), simtee.Faults{}, "/tdx/"},
		"QVE for QE":                   {qeKey(rats.SGX, ""), instead("/sgx/certification/v4/qve/identity", ""), simtee.Faults{}, "/qe/identity"},
		"an identity for TCB info":     {tcbKey(rats.SGX, ""), instead("/sgx/certification/v4/qe/identity", ""), simtee.Faults{}, "/tcb"},
		"another evaluation":           {numbered, instead("/sgx/certification/v4/qe/identity", "update=standard"), revised(19), "qe/identity"},
		"the processor's list":         {pckKey("platform"), instead("/sgx/certification/v4/pckcrl", "ca=processor&encoding=der"), simtee.Faults{}, "ca=platform"},
		"a PCK CA's list for the root": {rootKey(), instead("/sgx/certification/v4/pckcrl", "ca=processor&encoding=der"), simtee.Faults{}, "RootCA"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{faults: c.faults})
			l.pcs.Break(c.matches, c.answer)
			_, err := l.Artefact(t.Context(), c.key)
			wantStatus(t, err, 502)
			for _, held := range l.holds(t) {
				if !strings.HasPrefix(held, "root_crl") {
					t.Errorf("kept: %s", held)
				}
			}
		})
	}
}

func TestANewListOfTheRootsSaysWhatItLeavesWithoutAVoucher(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.must(t, tcbKey(rats.SGX, ""))
	l.clock.advance(24 * time.Hour)
	l.renew(t, revoking(newPKI(t, simtee.Faults{}), simtee.TCBSigning))
	_, err := l.Refresh(t.Context(), pccs.RefreshRequest{})
	wantStatus(t, err, 503)
	if !strings.Contains(l.log.String(), "vouched for by a revoked certificate") {
		t.Errorf("the log does not say it:\n%s", l.log)
	}
}

func TestAllWhoWantOneThingWaitForOneCall(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.must(t, rootKey())
	l.pcs.Install(machine(t, 1, simtee.Faults{}))
	gate := make(chan struct{})
	l.pcs.Break("/tcb?", pcstest.Hanging(gate))
	l.pcs.Break("/pckcerts", pcstest.Hanging(gate))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := l.Artefact(t.Context(), tcbKey(rats.SGX, "standard")); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := l.PCKCert(t.Context(), request(1)); err != nil {
				t.Error(err)
			}
		})
	}
	// A slow miss blocks nobody else.
	l.must(t, qeKey(rats.SGX, ""))
	l.must(t, pckKey("platform"))
	close(gate)
	all.Wait()
	for _, part := range []string{"/sgx/certification/v4/tcb?fmspc=00A51E000000&update=standard", "/pckcerts?"} {
		if n := len(l.pcs.Calls(part)); n != 1 {
			t.Errorf("%d calls of %s", n, part)
		}
	}
}

func TestUpstreamsAreAskedInTheirOrderUntilOneGives(t *testing.T) {
	t.Parallel()
	down := newLab(t, setup{})
	down.pcs.Break("", pcstest.Status(500))
	without := newLab(t, setup{})
	without.pcs.Break("", pcstest.Status(404))
	forged := newLab(t, setup{})
	forged.pcs.Break("", pcstest.Forged())
	good := newLab(t, setup{})
	ask := func(labs ...*lab) (*lab, []pccs.Upstream) {
		var ups []pccs.Upstream
		for _, l := range labs {
			ups = append(ups, upstream(t, l.url, setup{}))
		}
		return newLab(t, setup{upstreams: ups}), ups
	}
	l, ups := ask(down, without, forged, good)
	a := l.must(t, rootKey())
	if a.Source != ups[3].Name() {
		t.Errorf("taken from %s", a.Source)
	}
	want := []pccs.Outcome{pccs.Down, pccs.Absent, pccs.Refused, pccs.Got}
	for i, e := range l.outcomes() {
		if e.Outcome != want[i] {
			t.Errorf("upstream %d: %s, %v", i, e.Outcome, e.Err)
		}
	}
	// What an upstream knows counts before what another cannot say.
	l, _ = ask(down, without)
	_, err := l.Artefact(t.Context(), qeKey(rats.SGX, ""))
	wantStatus(t, err, 404)
	l, _ = ask(without, forged)
	_, err = l.Artefact(t.Context(), rootKey())
	wantStatus(t, err, 404)
	l, _ = ask(forged, down)
	_, err = l.Artefact(t.Context(), rootKey())
	wantStatus(t, err, 502)
}

func TestAnUpstreamThatIsDownIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.pcs.Break("", pcstest.Status(500))
	for range 5 {
		_, err := l.Artefact(t.Context(), rootKey())
		if got := status(err); got != 502 && got != 503 {
			t.Fatalf("status %d: %v", got, err)
		}
	}
	calls := len(l.pcs.Calls(""))
	if calls != 6 { // three failures of two tries each
		t.Errorf("%d calls", calls)
	}
	l.pcs.Mend()
	_, err := l.Artefact(t.Context(), rootKey())
	wantStatus(t, err, 503)
	l.clock.advance(6 * time.Second)
	l.must(t, rootKey())
}

// TestWhoGivesWhatIsStaleDoesNotKeepTheNextFromBeingAsked: some caches serve what is
// past its time, and the next upstream has what is current.
func TestWhoGivesWhatIsStaleDoesNotKeepTheNextFromBeingAsked(t *testing.T) {
	t.Parallel()
	pki := newPKI(t, simtee.Faults{})
	old, err := pcstest.New(pki.RootCertificate(), vendor(t, simtee.Faults{}, start().Add(-40*24*time.Hour))...)
	if err != nil {
		t.Fatal(err)
	}
	now, err := pcstest.New(pki.RootCertificate(), vendor(t, simtee.Faults{}, start())...)
	if err != nil {
		t.Fatal(err)
	}
	var both []pccs.Upstream
	for _, one := range []*pcstest.PCS{old, now} {
		server := httptest.NewServer(one)
		t.Cleanup(server.Close)
		both = append(both, upstream(t, server.URL, setup{}))
	}
	l := newLab(t, setup{upstreams: both})
	for _, k := range []store.Key{rootKey(), pckKey("platform"), tcbKey(rats.SGX, "standard"), qeKey(rats.TDX, "standard")} {
		if a := l.must(t, k); l.Stale(a) {
			t.Errorf("%s is stale, and the second has another", k)
		}
	}
	// Without the second the first's is better than nothing, and newer than nothing.
	now.Break("", pcstest.Status(500))
	if a := l.must(t, qeKey(rats.SGX, "standard")); !l.Stale(a) {
		t.Error("the first has nothing that is current")
	}
	now.Mend()
	l.clock.advance(2 * time.Minute)
	if a := l.must(t, qeKey(rats.SGX, "standard")); l.Stale(a) {
		t.Error("the second was not asked again")
	}
	// In the other order nobody asks the one who has nothing current.
	first := newLab(t, setup{upstreams: []pccs.Upstream{both[1], both[0]}})
	before := len(old.Calls(""))
	first.must(t, tcbKey(rats.SGX, "standard"))
	if calls := old.Calls("")[before:]; len(calls) > 0 {
		t.Errorf("asked without need: %v", calls)
	}
}

func TestAnEvaluationThatIsRetiredIsGone(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.pcs.Retire(17)
	_, err := l.Artefact(t.Context(), tcbKey(rats.SGX, "17"))
	wantStatus(t, err, 410)
	_, err = l.Artefact(t.Context(), tcbKey(rats.SGX, "18"))
	wantStatus(t, err, 404)
}

func TestAnEvaluationByNumberIsTheOneThatIsThereByName(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	standard := l.must(t, tcbKey(rats.SGX, "standard"))
	before := len(l.pcs.Calls(""))
	if a := l.must(t, tcbKey(rats.SGX, "20")); a.Digest != standard.Digest {
		t.Error("evaluation 20 is another than the standard one, which is 20")
	}
	if len(l.pcs.Calls("")) != before {
		t.Error("it was asked for once more")
	}
}

func TestTheKeyIsSentOnlyWhereThereIsOne(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"none": "", "one": "0123456789abcdef"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{apiKey: key})
			l.pcs.SetKey(key)
			l.pcs.Install(machine(t, 1, simtee.Faults{}))
			var seen []string
			var mu sync.Mutex
			l.pcs.Break("", func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					seen = append(seen, r.Header["Ocp-Apim-Subscription-Key"]...)
					mu.Unlock()
					next.ServeHTTP(w, r)
				})
			})
			if _, err := l.PCKCert(t.Context(), request(1)); err != nil {
				t.Fatal(err)
			}
			if key == "" && len(seen) > 0 {
				t.Errorf("sent without a key: %q", seen)
			}
			if key != "" && len(seen) == 0 {
				t.Error("the key was not sent")
			}
		})
	}
}

func TestUpstreamsHaveTheirBasesRead(t *testing.T) {
	for base, want := range map[string]error{
		"https://pccs.example":                            nil,
		"https://pccs.example:8081/sgx/certification/v4/": nil,
		"https://pccs.example/a/sgx/certification/v4":     nil,
		"http://127.0.0.1:8081":                           nil,
		"http://pccs.example":                             rats.Malformed,
		"https://pccs.example/sgx/certification/v3/":      rats.Unsupported,
		"https://user:secret@pccs.example/":               rats.Malformed,
		"pccs.example":                                    rats.Malformed, "": rats.Malformed, "ftp://pccs.example/": rats.Malformed,
	} {
		_, err := pccs.NewUpstream(pccs.UpstreamConfig{Base: base})
		if want == nil && err != nil || want != nil && rats.KindOf(err) != want {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestARootsListThatCannotBeHadKeepsEverythingElseOut(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.pcs.Break("IntelSGXRootCA", pcstest.Status(404))
	_, err := l.Artefact(t.Context(), tcbKey(rats.SGX, ""))
	if status(err) == 200 {
		t.Fatal("kept without being held against the root's revocation list")
	}
	if got := l.holds(t); len(got) != 0 {
		t.Errorf("kept: %q", got)
	}
}

func TestWhatARevokedCertificateVouchesForIsRefused(t *testing.T) {
	t.Parallel()
	pki := newPKI(t, simtee.Faults{})
	for role, key := range map[simtee.Role]store.Key{
		simtee.TCBSigning: tcbKey(rats.SGX, ""), simtee.PCKCA: pckKey("platform"),
	} {
		t.Run(string(role), func(t *testing.T) {
			l := newLab(t, setup{faults: revoking(pki, role)})
			_, err := l.Artefact(t.Context(), key)
			wantStatus(t, err, 502)
			if rats.KindOf(err) != rats.Revoked {
				t.Errorf("refused as %v", err)
			}
			if got := l.holds(t); len(got) != 1 {
				t.Errorf("kept: %q", got)
			}
		})
	}
}

// revoking returns faults by which the root revokes the certificate of a role.
func revoking(pki *simtee.PKI, role simtee.Role) simtee.Faults {
	return simtee.Faults{CRL: func(list *simtee.RevocationList) {
		if list.Role == simtee.RootCA {
			list.Template.RevokedCertificateEntries = append(list.Template.RevokedCertificateEntries, simtee.Revoke(pki.Serial(role)))
		}
	}}
}
