// SPDX-License-Identifier: Apache-2.0

package attester_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/attester"
	"github.com/attesteer/attesteer/attester/teetest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// TestMain lets the test's own program be the one that a command names.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// noon is when everything simulated is judged.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func sgx(reportData [64]byte) ([]byte, error) { return simtee.Enclave{ReportData: reportData}.Quote() }
func tdx(reportData [64]byte) ([]byte, error) { return simtee.TD{ReportData: reportData}.Quote() }

// asked is report data of which no byte is like its neighbours.
func asked() (data [64]byte) {
	for i := range data {
		data[i] = byte(i + 1)
	}
	return data
}

// on opens an attester on a machine, and does not dally.
func on(t testing.TB, name string, m *teetest.Machine) attester.Attester {
	t.Helper()
	a, err := attester.Open(name, attester.Options{Files: m, Pause: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantKind checks that an error has a kind, says something, and that its advice
// does.
func wantKind(t testing.TB, err error, kind rats.Kind, says, advice string) {
	t.Helper()
	if rats.KindOf(err) != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("%v; want %s, %q", err, kind, says)
	}
	if !strings.Contains(attester.Advice(err), advice) {
		t.Errorf("%v: advice %q, want %q", err, attester.Advice(err), advice)
	}
}

func TestEvidenceOfEveryDeviceVerifiesAndIsBound(t *testing.T) {
	commanded, err := attester.Open(attester.Command, acting("binary"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from attester.Attester
		tee  rats.TEE
	}{
		attester.Gramine:  {on(t, attester.Gramine, &teetest.Machine{Gramine: &teetest.Gramine{Quote: sgx, Type: "dcap"}}), rats.SGX},
		attester.ConfigFS: {on(t, attester.ConfigFS, &teetest.Machine{TSM: &teetest.TSM{Quote: tdx, Provider: "tdx_guest"}}), rats.TDX},
		attester.Command:  {commanded, rats.SGX},
	} {
		t.Run(name, func(t *testing.T) {
			if c.from.Name() != name {
				t.Errorf("it is called %q", c.from.Name())
			}
			want := asked()
			for range 2 { // each may be asked again, for other data
				want[0]++
				raw, err := c.from.Evidence(t.Context(), want)
				if err != nil {
					t.Fatal(err)
				}
				items, err := simtee.EndorsementsFor(c.tee, noon())
				if err != nil {
					t.Fatal(err)
				}
				en, err := attesteer.ParseEndorsements(items...)
				if err != nil {
					t.Fatal(err)
				}
				r, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, en, attesteer.Policy{Roots: []rats.TrustRoot{simtee.Root()}, ReportData: want[:]}, noon())
				if err != nil || r.TEE != c.tee {
					t.Errorf("%v, %v", r, err)
				}
			}
		})
	}
}

func TestTheMachinesOwnDeviceIsFound(t *testing.T) {
	enclave, guest := &teetest.Gramine{Quote: sgx, Type: "dcap"}, &teetest.TSM{Quote: tdx, Provider: "tdx_guest"}
	for want, m := range map[string]*teetest.Machine{
		attester.Gramine:  {Gramine: enclave, TSM: guest}, // an enclave's word is its own
		attester.ConfigFS: {TSM: guest},
	} {
		if found, err := attester.Detect(attester.Options{Files: m}); found != want || err != nil {
			t.Errorf("%q, %v; want %q", found, err, want)
		}
		if a := on(t, attester.Auto, m); a.Name() != want {
			t.Errorf("auto is %q, want %q", a.Name(), want)
		}
	}
}

func TestWhereThereIsNoDeviceTheTracesOfOneGiveAdvice(t *testing.T) {
	for advice, m := range map[string]*teetest.Machine{
		"run this in the enclave": {},
		"gramine-sgx":             {Gramine: &teetest.Gramine{Direct: true}},
		"tdx_guest is loaded":     {Others: []string{"dev/tdx_guest"}},
		"sev_guest is loaded":     {Others: []string{"dev/sev-guest"}},
		"this process is in none": {Others: []string{"dev/sgx_enclave"}},
	} {
		for _, name := range []string{attester.Auto, attester.Gramine, attester.ConfigFS} {
			_, err := attester.Open(name, attester.Options{Files: m})
			wantKind(t, err, rats.Unsupported, "", advice)
		}
	}
	// Without a stand-in: an empty folder is no machine with a TEE either.
	_, err := attester.Open(attester.Auto, attester.Options{Root: t.TempDir()})
	wantKind(t, err, rats.Unsupported, "shows no TEE", "run this in the enclave")
	_, err = attester.Open("tz", attester.Options{})
	wantKind(t, err, rats.Unsupported, `no TEE is called "tz"`, "")
}

// unreadable is a machine that does not even say what it has.
type unreadable struct{ *teetest.Machine }

func (unreadable) Stat(string) error { return os.ErrPermission }

func TestADeviceThatMayNotBeLookedAtIsNotMissing(t *testing.T) {
	for _, name := range []string{attester.Auto, attester.Gramine, attester.ConfigFS} {
		_, err := attester.Open(name, attester.Options{Files: unreadable{&teetest.Machine{}}})
		wantKind(t, err, rats.Unauthorized, "permission", "run this as root")
	}
}

// TestSeveralCallersTakeTurns: Gramine would give the quote of one the report
// data of another.
func TestSeveralCallersTakeTurns(t *testing.T) {
	a := on(t, attester.Gramine, &teetest.Machine{Gramine: &teetest.Gramine{Quote: sgx, Type: "dcap"}})
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			if _, err := a.Evidence(t.Context(), [64]byte{byte(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
}

func TestNobodyIsAskedForACallerWhoHasGone(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	quoted := 0
	count := func(d [64]byte) ([]byte, error) { quoted++; return tdx(d) }
	guest := &teetest.TSM{Quote: count, Provider: "tdx_guest"}
	for name, m := range map[string]*teetest.Machine{
		attester.Gramine:  {Gramine: &teetest.Gramine{Quote: count, Type: "dcap"}},
		attester.ConfigFS: {TSM: guest},
	} {
		if raw, err := on(t, name, m).Evidence(gone, asked()); raw != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if quoted > 0 || len(guest.Entries()) > 0 {
		t.Errorf("%d quotes, entries %v", quoted, guest.Entries())
	}
}

func TestOnlyTheWholeReportDataIsTheRightOne(t *testing.T) {
	good, err := sgx(asked())
	if err != nil {
		t.Fatal(err)
	}
	const at = 48 + 320 // header, then report data in an enclave's report (Intel SDM vol. 3D, 38.15)
	answer := good
	a := on(t, attester.Gramine, &teetest.Machine{Gramine: &teetest.Gramine{
		Type: "dcap", Quote: func([64]byte) ([]byte, error) { return answer, nil },
	}})
	for bit := range 64 * 8 {
		answer = append([]byte(nil), good...)
		answer[at+bit/8] ^= 1 << (bit % 8)
		if raw, err := a.Evidence(t.Context(), asked()); raw != nil || !errors.Is(err, rats.BindingMismatch) {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	for n := range good {
		answer = good[:n]
		if raw, err := a.Evidence(t.Context(), asked()); raw != nil || !errors.Is(err, rats.Malformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(good), err)
		}
	}
}

func FuzzWhatIsHandedOnIsBound(f *testing.F) {
	for _, quoter := range []teetest.Quoter{sgx, tdx, snp} {
		raw, err := quoter(asked())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)/2])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, answer []byte) {
		a := on(t, attester.ConfigFS, &teetest.Machine{TSM: &teetest.TSM{
			Provider: "tdx_guest", Quote: func([64]byte) ([]byte, error) { return answer, nil },
		}})
		raw, err := a.Evidence(t.Context(), asked())
		switch {
		case raw == nil && err == nil:
			t.Error("neither evidence nor an error")
		case raw == nil, errors.Is(err, rats.Unsupported):
		case err != nil:
			t.Errorf("evidence with %v", err)
		default:
			in, err := attesteer.Inspect(attesteer.Evidence{Raw: raw})
			if want := asked(); err != nil || string(in.ReportData) != string(want[:]) {
				t.Errorf("%v, %v", in, err)
			}
		}
	})
}
