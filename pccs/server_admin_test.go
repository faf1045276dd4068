// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/qcnltest"
	"github.com/attesteer/attesteer/pccs/store"
)

func TestOnlyWhoHasTheTokenMayChangeOrListWhatIsKept(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t, mode(pccs.Offline))
	for _, c := range []struct{ method, path, header, good string }{
		{"POST", "platforms", "user-token", goodUser}, {"GET", "platforms", "admin-token", goodAdmin},
		{"POST", "platforms/acknowledge", "admin-token", goodAdmin}, {"PUT", "platformcollateral", "admin-token", goodAdmin},
		{"GET", "refresh", "admin-token", goodAdmin}, {"POST", "refresh", "admin-token", goodAdmin}, {"PUT", "appraisalpolicy", "admin-token", goodAdmin},
	} {
		other := map[string]string{goodUser: goodAdmin, goodAdmin: goodUser}[c.good]
		for _, wrong := range []map[string]string{
			nil, {c.header: ""}, {c.header: other}, {c.header: c.good + "x"}, {c.header: strings.ToUpper(c.good)}, {"Authorization": "Bearer " + c.good},
			{c.header: hex.EncodeToString(func() []byte { h := pccs.HashToken(c.good); return h[:] }())},
		} {
			for _, version := range []string{"v3", "v4"} {
				r := s.call(c.method, "/sgx/certification/"+version+"/"+c.path, wrong, nil)
				if r.status != http.StatusUnauthorized || string(r.body) != "Authentication failed." {
					t.Errorf("%s %s with %v: %d %q", c.method, c.path, wrong, r.status, r.body)
				}
			}
		}
		if r := s.call(c.method, api+c.path, map[string]string{c.header: c.good}, nil); r.status == http.StatusUnauthorized {
			t.Errorf("%s %s with its token: %d", c.method, c.path, r.status)
		}
	}
}

func TestWithoutATokenToCompareWithNobodyMay(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t, func(_ *pccs.Config, c *pccs.ServerConfig) { c.Admin, c.User = pccs.TokenHashes{}, pccs.TokenHashes{} })
	for _, token := range []string{"", goodAdmin} {
		s.want(s.call("GET", api+"platforms", map[string]string{"admin-token": token}, nil), http.StatusUnauthorized)
		s.want(s.call("POST", api+"platforms", map[string]string{"user-token": token}, nil), http.StatusUnauthorized)
	}
}

func TestAFileOfHashesIsTakenWholeOrNotAtAll(t *testing.T) {
	good := hex.EncodeToString(func() []byte { h := pccs.HashToken(goodAdmin); return h[:] }())
	for text, ok := range map[string]bool{
		good: true, good + "\n": true, strings.ToUpper(good) + " its name\r\n": true, "# two\n\n" + good + "\n" + good + "\n": true,
		"": false, "\n# nothing\n": false, good[:127]: false, good + "00": false, "hunter2": false, good + "\nhunter2\n": false, strings.Repeat("x", 1<<17): false,
	} {
		tokens, err := pccs.ParseTokenHashes([]byte(text))
		if (err == nil) != ok || tokens.None() == ok {
			t.Errorf("%.40q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("what may be a token is shown: %v", err)
		}
	}
}

func TestPCKIDRetrievalToolRegistersAPlatformInEveryMode(t *testing.T) {
	t.Parallel()
	for _, m := range []pccs.Mode{pccs.Lazy, pccs.Req, pccs.Offline} {
		t.Run(string(m), func(t *testing.T) {
			s, platform := simulated(t, mode(m))
			ext := extensionOf(t, platform)
			client := s.client(qcnltest.Conf{})
			if _, err := client.PCKCert(t.Context(), named(ext)); m != pccs.Lazy && qcnltest.CodeOf(err) != qcnltest.PlatformUnknown {
				t.Errorf("a platform that nobody registered: %v", err)
			}
			for range 2 { // the second time it is there already
				status, err := client.Register(t.Context(), goodUser, "", qcnltest.PlatformBody(named(ext), nil))
				if err != nil || status != http.StatusOK {
					t.Fatalf("%d, %v", status, err)
				}
			}
			if status, err := client.Register(t.Context(), "wrong", "all", qcnltest.PlatformBody(named(ext), nil)); err != nil || status != http.StatusUnauthorized {
				t.Errorf("%d, %v", status, err)
			}
			_, err := client.PCKCert(t.Context(), named(ext))
			queued := queueOf(s, "source=reg&keep=1")
			if m == pccs.Offline {
				if qcnltest.CodeOf(err) != qcnltest.PlatformUnknown || len(queued) != 1 {
					t.Errorf("%v, %v", err, queued)
				}
				return
			}
			if err != nil || len(queued) != 0 {
				t.Errorf("%v, %v", err, queued)
			}
		})
	}
}

func queueOf(s *scene, source string) []map[string]any {
	s.Helper()
	r := s.want(s.admin(http.MethodGet, api+"platforms?"+source, ""), http.StatusOK)
	var out []map[string]any
	if err := json.Unmarshal(r.body, &out); err != nil {
		s.Fatalf("%v: %s", err, r.body)
	}
	if r.header.Get("platform-count") != fmt.Sprint(len(out)) {
		s.Errorf("platform-count %q of %d", r.header.Get("platform-count"), len(out))
	}
	return out
}

func TestTheQueueIsReadDestructivelyAsIntelsIsOrWithAcknowledgement(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t, mode(pccs.Offline))
	ext := extensionOf(t, platform)
	register := func(id string) {
		p := named(ext)
		p.QEID = []byte(id)
		if status, err := s.client(qcnltest.Conf{}).Register(t.Context(), goodUser, "", qcnltest.PlatformBody(p, nil)); err != nil || status != http.StatusOK {
			t.Fatalf("%d, %v", status, err)
		}
	}
	register("one platform    ")
	register("another platform")
	for range 2 {
		if all := queueOf(s, "keep=1"); len(all) != 2 || all[0]["id"] == nil || all[0]["id"] == all[1]["id"] {
			t.Fatalf("%v", all)
		}
	}
	first := queueOf(s, "source=reg&keep=1")[0]
	s.want(s.admin(http.MethodPost, api+"platforms/acknowledge", fmt.Sprintf(`{"ids":[%.0f, 99999]}`, first["id"])), http.StatusOK)
	rest := queueOf(s, "source=reg")
	if len(rest) != 1 || rest[0]["qe_id"] == first["qe_id"] || rest[0]["id"] != nil {
		t.Fatalf("%v after %v", rest, first)
	}
	for name, n := range map[string]int{"qe_id": 32, "pce_id": 4, "cpu_svn": 32, "pce_svn": 4, "enc_ppid": 768, "platform_manifest": 0} {
		if text, ok := rest[0][name].(string); !ok || len(text) != n {
			t.Errorf("%s is %v", name, rest[0][name])
		}
	}
	if all := queueOf(s, "source=reg"); len(all) != 0 {
		t.Errorf("it was not emptied: %v", all)
	}
	queueOf(s, "source=reg_na")
	queueOf(s, "source=[]")
	queueOf(s, "source=[00606A000000,50806F000000]")
	queueOf(s, "source=") // to Intel's service that is as good as nothing
	for _, wrong := range []string{"source=all", "source=[12]", "source=[00606A000000", "source=reg&keep=yes"} {
		s.want(s.admin(http.MethodGet, api+"platforms?"+wrong, ""), http.StatusBadRequest)
	}
	for _, wrong := range []string{"", "[]", `{"ids":"1"}`, `{"ids":[1.5]}`, `{}`, `{"ids":null}`} {
		s.want(s.admin(http.MethodPost, api+"platforms/acknowledge", wrong), http.StatusBadRequest)
	}
}

// TestHEADIsAnsweredWhereverGETIs is as Express has it. The queue stays, though: the
// answer has no room for it.
func TestHEADIsAnsweredWhereverGETIs(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t, mode(pccs.Req))
	ext := extensionOf(t, platform)
	s.upstream.certs = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	if status, err := s.client(qcnltest.Conf{}).Register(t.Context(), goodUser, "", qcnltest.PlatformBody(named(ext), nil)); err != nil || status != http.StatusNotFound {
		t.Fatalf("%d, %v", status, err)
	}
	s.want(s.admin(http.MethodGet, api+"refresh", ""), http.StatusOK)
	for _, path := range []string{
		api + "rootcacrl", api + "qe/identity", api + "tcb?fmspc=12", api + "platforms?keep=1", api + "platforms", api + "platforms?source=[]",
		api + "platforms?source=x", api + "refresh", api + "refresh?type=x", api + "platformcollateral", "/healthz", "/nowhere",
	} {
		head := s.admin(http.MethodHead, path, "")
		if path == api+"platforms" && len(queueOf(s, "keep=1")) != 1 {
			t.Error("the queue was emptied")
		}
		get := s.admin(http.MethodGet, path, "")
		if head.status != get.status || len(head.body) != 0 || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("%s: %d %v, not %d %v", path, head.status, head.header, get.status, get.header)
		}
		for _, name := range []string{"Content-Length", "platform-count", "ETag"} {
			if head.header.Get(name) != get.header.Get(name) || name == "Content-Length" && get.header.Get(name) != fmt.Sprint(len(get.body)) {
				t.Errorf("%s: %s is %q, not %q", path, name, head.header.Get(name), get.header.Get(name))
			}
		}
	}
	for _, path := range []string{"platforms", "refresh"} {
		s.want(s.call(http.MethodHead, api+path, nil, nil), http.StatusUnauthorized)
	}
}

func TestKnownPlatformsAreListedByFMSPC(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	ext := extensionOf(t, platform)
	if _, err := s.client(qcnltest.Conf{}).PCKCert(t.Context(), named(ext)); err != nil {
		t.Fatal(err)
	}
	fmspc := strings.ToUpper(hex.EncodeToString(ext.FMSPC[:]))
	for _, source := range []string{"source=[]", "source=[" + fmspc + "]", "source=[" + strings.ToLower(fmspc) + "]"} {
		all := queueOf(s, source)
		if len(all) != 1 || all[0]["qe_id"] != strings.ToUpper(hex.EncodeToString(ext.PPID[:])) || all[0]["enc_ppid"] != strings.Repeat("5A", 384) {
			t.Errorf("%s: %v", source, all)
		}
	}
	if all := queueOf(s, "source=[000000000000]"); len(all) != 0 {
		t.Errorf("%v", all)
	}
}

func TestARegistrationThatIsWrongIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t, mode(pccs.Offline))
	good := qcnltest.PlatformBody(named(extensionOf(t, platform)), nil)
	change := func(name, to string) string {
		var all map[string]json.RawMessage
		if err := json.Unmarshal([]byte(good), &all); err != nil {
			t.Fatal(err)
		}
		if all[name] = json.RawMessage(to); to == "" {
			delete(all, name)
		}
		b, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, body := range []string{
		"", "{", "[]", "null", `"x"`, good + "}", change("qe_id", ""), change("qe_id", `""`), change("qe_id", `"\u0000"`), change("qe_id", "7"), change("qe_id", `"`+strings.Repeat("A", 261)+`"`),
		change("pce_id", `"000"`), change("pce_id", `"000G"`), change("cpu_svn", ""), change("cpu_svn", `"12"`), change("pce_svn", "null"), change("enc_ppid", `"00"`),
		change("enc_ppid", "{}"), change("platform_manifest", `"xyz"`), change("platform_manifest", `["00"]`),
	} {
		r := s.call(http.MethodPost, api+"platforms", map[string]string{"user-token": goodUser}, []byte(body))
		if r.status != http.StatusBadRequest {
			t.Errorf("%.80s: %d", body, r.status)
		}
	}
	s.want(s.call(http.MethodPost, api+"platforms?update=never", map[string]string{"user-token": goodUser}, []byte(good)), http.StatusBadRequest)
	if all := queueOf(s, "source=reg&keep=1"); len(all) != 0 {
		t.Errorf("%v", all)
	}
	// Some editors put a byte order mark first.
	s.want(s.call(http.MethodPost, api+"platforms", map[string]string{"user-token": goodUser}, []byte("\ufeff"+good)), http.StatusOK)
	if all := queueOf(s, "source=reg"); len(all) != 1 {
		t.Errorf("%v", all)
	}
	// With a manifest the rest says nothing, but must not be nonsense.
	id := qcnltest.PlatformIDBody(bytes.Repeat([]byte{7}, 130), 0, []byte("a manifest"))
	s.want(s.call(http.MethodPost, api+"platforms", map[string]string{"user-token": goodUser}, []byte(id)), http.StatusOK)
	if all := queueOf(s, "source=reg"); len(all) != 1 || all[0]["platform_manifest"] != hex.EncodeToString([]byte("a manifest")) || all[0]["cpu_svn"] != "" {
		t.Errorf("%v", all)
	}
}

func TestRefreshSaysWhatFailedAndOfflineRefusesIt(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t)
	s.want(s.get(readPaths(platform, t)[3]), http.StatusOK)
	s.upstream.Break("", pcstest.Down())
	r := s.want(s.admin(http.MethodPost, api+"refresh", ""), http.StatusServiceUnavailable)
	if string(r.body) != "Server is currently unable to process the request." || !strings.Contains(r.header.Get("Error-Message"), "hung up") {
		t.Errorf("%q %v", r.body, r.header)
	}
	offline, _ := simulated(t, mode(pccs.Offline))
	offline.want(offline.admin(http.MethodGet, api+"refresh", ""), http.StatusServiceUnavailable)
	offline.want(offline.admin(http.MethodGet, api+"refresh?type=x", ""), http.StatusBadRequest)
}

// policyFor returns a policy of the shape that Intel's tools sign.
func policyFor(class string) string {
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	payload, _ := json.Marshal(map[string]any{"policy_array": []any{map[string]any{"environment": map[string]any{"class_id": class}}}})
	return part(map[string]string{"alg": "ES384"}) + "." + part(map[string]any{"policy_payload": string(payload)}) + ".c2ln"
}

func TestAppraisalPoliciesAreServedByFMSPC(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t, mode(pccs.Offline))
	one, other := policyFor("3123ec35-8d38-4ea5-87a5-d6c48b567570"), policyFor("9eec018b-7481-4b1c-8e1a-9f7c0c8c777f")
	s.want(s.get(api+"appraisalpolicy?fmspc=00606A000000"), http.StatusNotFound)
	for _, jwt := range []string{one, other} {
		r := s.want(s.admin(http.MethodPut, api+"appraisalpolicy", fmt.Sprintf(`{"is_default":true,"fmspc":"00606A000000","policy":%q}`, jwt)), http.StatusOK)
		if len(r.body) != 96 {
			t.Errorf("the id is %q", r.body)
		}
	}
	s.want(s.admin(http.MethodPut, api+"appraisalpolicy", fmt.Sprintf(`{"is_default":false,"fmspc":"50806F000000","policy":%q}`, one)), http.StatusOK)
	r := s.want(s.get(api+"appraisalpolicy?fmspc=00606a000000"), http.StatusOK)
	if string(r.body) != other { // one counts at a time: the last
		t.Errorf("%s", r.body)
	}
	s.want(s.get(api+"appraisalpolicy?fmspc=50806F000000"), http.StatusNotFound)
	for _, wrong := range []string{`{}`, `{"is_default":1,"fmspc":"00606A000000","policy":"x"}`, `{"is_default":true,"fmspc":"0060","policy":"x"}`, `{"is_default":true,"fmspc":"00606A000000","policy":"x"}`, `{"is_default":true,"fmspc":"00606A000000"}`} {
		s.want(s.admin(http.MethodPut, api+"appraisalpolicy", wrong), http.StatusBadRequest)
	}
}

func TestCollateralThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t, mode(pccs.Offline))
	for _, body := range []string{"", "{}", "[]", `{"platforms":[],"collaterals":{}}`, "<html>"} {
		r := s.want(s.admin(http.MethodPut, api+"platformcollateral", body), http.StatusBadRequest)
		if r.header.Get("Error-Message") == "" {
			t.Errorf("%q: nobody says why", body)
		}
	}
}

// TestAReplicaSeesWhatAnotherWrote: two services on one store, each with answers in
// memory.
func TestAReplicaSeesWhatAnotherWrote(t *testing.T) {
	t.Parallel()
	dsn := filepath.Join(t.TempDir(), "shared.sqlite")
	share := func(c *pccs.Config, _ *pccs.ServerConfig) {
		kept, err := store.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = kept.Close() })
		c.Store, c.Mode = kept, pccs.Offline
	}
	one, _ := simulated(t, share)
	other, _ := simulated(t, share)
	for _, s := range []*scene{one, other} {
		go s.server.Watch(t.Context())
	}
	jwt := policyFor("3123ec35-8d38-4ea5-87a5-d6c48b567570")
	put := func(s *scene, fmspc, jwt string) {
		s.want(s.admin(http.MethodPut, api+"appraisalpolicy", fmt.Sprintf(`{"is_default":true,"fmspc":%q,"policy":%q}`, fmspc, jwt)), http.StatusOK)
	}
	put(one, "00606A000000", jwt)
	if r := other.want(other.get(api+"appraisalpolicy?fmspc=00606A000000"), http.StatusOK); string(r.body) != jwt {
		t.Errorf("%s", r.body)
	}
	changed := jwt + "Mg"
	put(one, "00606A000000", changed)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		r := other.want(other.get(api+"appraisalpolicy?fmspc=00606A000000"), http.StatusOK)
		if string(r.body) == changed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it still serves %s", r.body)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestHealthIsToldFromReadiness(t *testing.T) {
	t.Parallel()
	s, _ := simulated(t)
	s.want(s.get("/healthz"), http.StatusOK)
	s.want(s.get("/readyz"), http.StatusOK)
	s.server.Leave()
	s.want(s.get("/healthz"), http.StatusOK)
	s.want(s.get("/readyz"), http.StatusServiceUnavailable)
}
