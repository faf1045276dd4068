// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse/pcstest"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

func TestPCKCertificatesThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	other := machine(t, 2, simtee.Faults{})
	processor := machine(t, 1, simtee.Faults{ProcessorCA: true})
	elsewhere := machine(t, 1, simtee.Faults{Extension: func(e *dcap.PCKExtension) { e.FMSPC[0] = 9 }})
	pce := machine(t, 1, simtee.Faults{Extension: func(e *dcap.PCKExtension) { e.PCEID[1] = 1 }})
	header := func(name, value string) func(m *pcstest.Machine) {
		return func(m *pcstest.Machine) {
			m.Edit = func(h http.Header, body []byte) []byte {
				if value == "" {
					delete(h, name)
				} else {
					h[name] = []string{value}
				}
				return body
			}
		}
	}
	body := func(edit func([]map[string]any)) func(m *pcstest.Machine) {
		return func(m *pcstest.Machine) {
			m.Edit = func(_ http.Header, body []byte) []byte {
				var list []map[string]any
				if err := json.Unmarshal(body, &list); err != nil {
					t.Error(err)
				}
				edit(list)
				out, err := json.Marshal(list)
				if err != nil {
					t.Error(err)
				}
				return out
			}
		}
	}
	for name, edit := range map[string]func(m *pcstest.Machine){
		"one of another platform":             func(m *pcstest.Machine) { m.Certs[2] = other.Certs[2] },
		"one of another CA":                   func(m *pcstest.Machine) { m.Certs[1] = processor.Certs[1] },
		"one of another FMSPC":                func(m *pcstest.Machine) { m.Certs[1] = elsewhere.Certs[1] },
		"all for another PCE id":              func(m *pcstest.Machine) { m.Certs = pce.Certs },
		"a CA certificate in place of a leaf": func(m *pcstest.Machine) { m.Certs[1].Body = m.Certs[1].Issuers[0] },
		"a header with another FMSPC":         header("SGX-FMSPC", "00906EA10000"),
		"no FMSPC":                            header("SGX-FMSPC", ""),
		"a header with another CA":            header("SGX-PCK-Certificate-CA-Type", "processor"),
		"no chain":                            header("SGX-PCK-Certificate-Issuer-Chain", ""),
		"an SGX-TCBm of another level":        body(func(l []map[string]any) { l[0]["tcbm"] = l[1]["tcbm"]; l[1]["tcbm"] = rawNone + pceBest }),
		"an SGX-TCBm that is none":            body(func(l []map[string]any) { l[0]["tcbm"] = "00" }),
		"a certificate that is flipped": body(func(l []map[string]any) {
			text := []byte(l[0]["cert"].(string))
			i := bytes.Index(text, []byte("%0A")) + 100
			text[i] = 'A' + (text[i]-'A'+1)%26
			l[0]["cert"] = string(text)
		}),
		"a certificate that is no text": body(func(l []map[string]any) { l[0]["cert"] = "%zz" }),
		"an object instead of a list": func(m *pcstest.Machine) {
			m.Edit = func(http.Header, []byte) []byte { return []byte(`{"certs":[]}`) }
		},
		"an empty list": func(m *pcstest.Machine) { m.Edit = func(http.Header, []byte) []byte { return []byte(`[]`) } },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{})
			m := machine(t, 1, simtee.Faults{})
			edit(&m)
			l.pcs.Install(m)
			_, err := l.PCKCert(t.Context(), request(1))
			wantStatus(t, err, 502)
			if p, err := l.store.Platforms(t.Context()); err != nil || len(p) > 0 {
				t.Errorf("platforms kept: %v, %v", p, err)
			}
		})
	}
}

func TestWhatIsServedIsWhatTheVendorIssued(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]simtee.Faults{"platform": {}, "processor": {ProcessorCA: true}} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, setup{faults: f})
			m := machine(t, 1, f)
			l.pcs.Install(m)
			got, err := l.PCKCert(t.Context(), request(1))
			if err != nil {
				t.Fatal(err)
			}
			if got.CA != name || got.FMSPC != simFMSPC || got.TCBm != rawBest+pceBest {
				t.Errorf("%s, %s, %s", got.CA, got.FMSPC, got.TCBm)
			}
			leaf, rest := pem.Decode(got.Cert)
			if leaf == nil || len(rest) > 0 || !bytes.Equal(leaf.Bytes, m.Certs[0].Body) {
				t.Error("the certificate is not the one that was issued")
			}
			ca, rest := pem.Decode(got.Chain)
			root, rest := pem.Decode(rest)
			if ca == nil || root == nil || len(rest) > 0 || !bytes.Equal(ca.Bytes, m.Certs[0].Issuers[0]) {
				t.Error("the chain is not CA and root")
			}
		})
	}
}

func TestARevokedPCKCertificateIsNotServed(t *testing.T) {
	t.Parallel()
	f := simtee.Faults{RevokedPlatforms: []uint32{1}}
	l := newLab(t, setup{faults: f})
	l.pcs.Install(machine(t, 1, f))
	l.pcs.Install(machine(t, 2, f))
	_, err := l.PCKCert(t.Context(), request(1))
	wantStatus(t, err, 502)
	if rats.KindOf(err) != rats.Revoked {
		t.Errorf("refused as %v", err)
	}
	if _, err := l.PCKCert(t.Context(), request(2)); err != nil {
		t.Errorf("a platform that is not revoked: %v", err)
	}
}

func TestTCBsWithoutCertificateAreQueuedInREQAndBreakNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []pccs.Mode{pccs.Lazy, pccs.Req} {
		for _, old := range []bool{false, true} {
			l := newLab(t, setup{mode: mode})
			m := machine(t, 1, simtee.Faults{})
			m.OldForm = old
			above := dcap.PCKExtension{Components: [16]uint8{20, 20, 3}, CPUSVN: [16]byte{20, 20, 3}, PCESVN: 0x010d}
			m.Missing = []dcap.PCKExtension{above}
			l.pcs.Install(m)
			if err := l.Register(t.Context(), registration(1), ""); err != nil {
				t.Fatalf("%s: %v", mode, err)
			}
			if _, err := l.PCKCert(t.Context(), request(1)); err != nil {
				t.Errorf("%s: %v", mode, err)
			}
			missing, err := l.TakeQueue(t.Context(), store.NotAvailable)
			if err != nil {
				t.Fatal(err)
			}
			if mode == pccs.Lazy {
				if len(missing) != 0 {
					t.Errorf("LAZY queued %d", len(missing))
				}
				continue
			}
			if len(missing) != 1 || missing[0].CPUSVN != "14140300000000000000000000000000" || missing[0].PCESVN != "0D01" {
				t.Errorf("queued without certificate: %+v", missing)
			}
		}
	}
}

func TestAPlatformWithoutAnyCertificateIsNotKept(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Req})
	m := machine(t, 1, simtee.Faults{})
	m.Missing = []dcap.PCKExtension{{PCESVN: 13}}
	m.Edit = func(_ http.Header, body []byte) []byte {
		var list []map[string]any
		if err := json.Unmarshal(body, &list); err != nil {
			t.Error(err)
		}
		for i := range list {
			list[i]["cert"] = "Not available"
		}
		out, _ := json.Marshal(list)
		return out
	}
	l.pcs.Install(m)
	wantStatus(t, l.Register(t.Context(), registration(1), ""), 404)
	_, err := l.PCKCert(t.Context(), request(1))
	wantStatus(t, err, 461)
	if waiting, missing := l.queued(t); waiting+missing != 4 {
		t.Errorf("%d wait and %d lack a certificate", waiting, missing)
	}
}

func TestAManifestAsksForThePlatformByItself(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{mode: pccs.Req})
	m := machine(t, 1, simtee.Faults{})
	l.pcs.Install(m)
	r := registration(1)
	r.Manifest = m.Manifest
	r.CPUSVN, r.PCESVN, r.EncryptedPPID = "of no", "use", []byte("here")
	if err := l.Register(t.Context(), r, ""); err != nil {
		t.Fatal(err)
	}
	if n := len(l.pcs.Calls("/pckcerts")); n != 1 || len(l.pcs.Calls("encrypted_ppid")) != 0 {
		t.Fatalf("asked for by %q", l.pcs.Calls("/pckcerts"))
	}
	p, err := l.store.Platform(t.Context(), r.PlatformID)
	if err != nil || !bytes.Equal(p.Manifest, m.Manifest) || len(p.EncryptedPPID) > 0 {
		t.Errorf("kept as %+v, %v", p, err)
	}
	if _, err := l.PCKCert(t.Context(), request(1)); err != nil {
		t.Error(err)
	}
	calls := len(l.pcs.Calls("/pckcerts"))
	// The same manifest, or none with a raw TCB that is known: cached.
	for _, again := range []pccs.Registration{r, registration(1)} {
		if err := l.Register(t.Context(), again, ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.pcs.Calls("/pckcerts")); n != calls {
		t.Errorf("asked for once more, though cached")
	}
	// None with a raw TCB that is new: asked for by the manifest that is known.
	more := registration(1)
	more.CPUSVN = rawMore
	if err := l.Register(t.Context(), more, ""); err != nil {
		t.Fatal(err)
	}
	if n := len(l.pcs.Calls("/pckcerts")); n != calls+1 || len(l.pcs.Calls("encrypted_ppid")) != 0 {
		t.Errorf("asked for by %q", l.pcs.Calls("/pckcerts"))
	}
	// Another manifest: not cached, and not known to the PCS.
	r.Manifest = []byte{1}
	wantStatus(t, l.Register(t.Context(), r, ""), 404)
}

func TestARegistrationLacksNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	for name, edit := range map[string]func(*pccs.Registration){
		"no QE id":               func(r *pccs.Registration) { r.QEID = "" },
		"a QE id that is long":   func(r *pccs.Registration) { r.QEID = strings.Repeat("A", 261) },
		"no CPUSVN":              func(r *pccs.Registration) { r.CPUSVN = "" },
		"no PCESVN":              func(r *pccs.Registration) { r.PCESVN = "" },
		"no encrypted PPID":      func(r *pccs.Registration) { r.EncryptedPPID = nil },
		"half an encrypted PPID": func(r *pccs.Registration) { r.EncryptedPPID = r.EncryptedPPID[:192] },
		"a PCE id of 5 digits":   func(r *pccs.Registration) { r.PCEID = "00000" },
		"a CPUSVN of no hex":     func(r *pccs.Registration) { r.CPUSVN = strings.Repeat("G", 32) },
		"a manifest of a book":   func(r *pccs.Registration) { r.Manifest = make([]byte, 1<<20) },
	} {
		r := registration(1)
		edit(&r)
		if err := l.Register(t.Context(), r, ""); status(err) != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantStatus(t, l.Register(t.Context(), registration(1), "late"), 400)
	if calls := l.pcs.Calls(""); len(calls) > 0 {
		t.Errorf("calls were made: %q", calls)
	}
}

func TestNobodyTakesAnothersPlaceByItsQEID(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.pcs.Install(machine(t, 1, simtee.Faults{}))
	l.pcs.Install(machine(t, 2, simtee.Faults{}))
	want, err := l.PCKCert(t.Context(), request(1))
	if err != nil {
		t.Fatal(err)
	}
	thief := registration(2)
	thief.QEID, thief.CPUSVN = qeid(1), rawMore
	wantStatus(t, l.Register(t.Context(), thief, ""), 502)
	if got, err := l.PCKCert(t.Context(), request(1)); err != nil || !bytes.Equal(got.Cert, want.Cert) {
		t.Errorf("served another's certificate: %v", err)
	}
}

func TestRawTCBsThatAnyoneMayAskForDoNotFillTheStore(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.pcs.Install(machine(t, 1, simtee.Faults{}))
	for i := range 100 {
		r := request(1)
		r.CPUSVN = "0E0E0303FFFF0100000000000000" + strings.ToUpper(hexByte(i)) + "00"
		if _, err := l.PCKCert(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	raws, err := l.store.RawTCBs(t.Context(), registration(1).PlatformID)
	if err != nil || len(raws) != 64 {
		t.Errorf("%d raw TCBs are kept: %v", len(raws), err)
	}
}

func TestAnotherPCCSGivesCertificatesOneTCBAtATime(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{pccs: true})
	m := machine(t, 1, simtee.Faults{})
	l.pcs.Install(m)
	for _, c := range []struct{ cpusvn, pcesvn, tcbm string }{
		{rawThird, pceThird, rawThird + pceThird},
		{rawBest, pceBest, rawBest + pceBest}, // selection among what is here would give the third
	} {
		r := request(1)
		r.CPUSVN, r.PCESVN = c.cpusvn, c.pcesvn
		for range 2 {
			got, err := l.PCKCert(t.Context(), r)
			if err != nil || got.TCBm != c.tcbm {
				t.Fatalf("raw TCB %s: %v, %v", c.cpusvn, got, err)
			}
		}
	}
	if n := len(l.pcs.Calls("/pckcert?")); n != 2 {
		t.Errorf("%d calls", n)
	}
	// What cannot be had any more is served from what is here.
	l.pcs.Break("/pckcert?", pcstest.Status(500))
	r := request(1)
	r.CPUSVN = rawMore
	if got, err := l.PCKCert(t.Context(), r); err != nil || got.TCBm != rawBest+pceBest {
		t.Errorf("%v, %v", got, err)
	}
	if calls := l.pcs.Calls("/v3/"); len(calls) > 0 {
		t.Errorf("version 3 was asked: %q", calls)
	}
}

func TestTheCachedPlatformsAreListedByFMSPC(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.pcs.Install(machine(t, 1, simtee.Faults{}))
	for _, cpusvn := range []string{rawBest, rawMore} {
		r := request(1)
		r.CPUSVN = cpusvn
		if _, err := l.PCKCert(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		fmspcs []string
		want   int
	}{{nil, 2}, {[]string{simFMSPC}, 2}, {[]string{"00906EA10000"}, 0}, {[]string{"00906EA10000", simFMSPC}, 2}} {
		got, err := l.Cached(t.Context(), c.fmspcs)
		if err != nil || len(got) != c.want {
			t.Errorf("%q: %d platforms, %v", c.fmspcs, len(got), err)
		}
	}
}

// TestACertificateIsServedThoughTheStoreTakesNothing: on a full disk, or a database
// that answers reads alone, what is there is selected from all the same.
func TestACertificateIsServedThoughTheStoreTakesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, setup{})
	l.pcs.Install(machine(t, 1, simtee.Faults{}))
	if _, err := l.PCKCert(t.Context(), request(1)); err != nil {
		t.Fatal(err)
	}
	file, err := sql.Open("sqlite", l.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	if _, err := file.ExecContext(t.Context(), `CREATE TRIGGER full BEFORE INSERT ON pccs_raw_tcb BEGIN SELECT RAISE(ABORT, 'no room'); END`); err != nil {
		t.Fatal(err)
	}
	another := request(1)
	another.CPUSVN = strings.Repeat("FF", 16)
	if _, err := l.PCKCert(t.Context(), another); err != nil {
		t.Errorf("another raw TCB of a platform that is known: %v", err)
	}
	if !strings.Contains(l.log.String(), "not remembered") {
		t.Errorf("the log does not say so:\n%s", l.log)
	}
}
