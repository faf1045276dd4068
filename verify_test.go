// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

func TestTheSeedQuoteIsGenuineOutOfDateAndADebugBuild(t *testing.T) {
	for file, format := range map[string]rats.Format{"quote.bin": rats.SGXQuoteV3, "oe_report.bin": rats.OEReport} {
		t.Run(file, func(t *testing.T) {
			r, err := verify(t, seed(t, file), everything(t), attesteer.Policy{}, midsummer)
			if rats.KindOf(err) != rats.TCBRejected {
				t.Fatalf("%v, want tcb_rejected", err)
			}
			if r.Format != format || r.TEE != rats.SGX || r.Fingerprint.String() != seedFingerprint || r.BuildMode != rats.Debug {
				t.Errorf("%s %s %s %s", r.Format, r.TEE, r.Fingerprint, r.BuildMode)
			}
			tcb := r.TCB
			if tcb.Status != rats.OutOfDate || tcb.PlatformStatus != rats.OutOfDate || tcb.QEStatus != rats.UpToDate ||
				tcb.Date.Format(time.DateOnly) != "2023-02-15" || tcb.EvaluationDataNumber != 19 || tcb.FMSPC.String() != "00606a000000" {
				t.Errorf("%+v", tcb)
			}
			if r.Tier != rats.Contraindicated || *r.TrustRoot != "intel" || len(r.Endorsements) != 4 {
				t.Errorf("tier %s, root %s, %d endorsements", r.Tier, *r.TrustRoot, len(r.Endorsements))
			}
			if midsummer.Before(*r.ValidFrom) || midsummer.After(*r.ValidUntil) {
				t.Errorf("valid from %s until %s", r.ValidFrom, r.ValidUntil)
			}
			if len(r.Subject) != 64 || len(r.Platform) == 0 || r.ReplayKey == [32]byte{} {
				t.Errorf("subject %x, platform %x, replay key %x", r.Subject, r.Platform, r.ReplayKey)
			}
			r, err = verify(t, seed(t, file), everything(t), lenient(), midsummer)
			if err != nil || !r.Accepted || r.Tier != rats.Contraindicated {
				t.Errorf("%v, tier %s", err, r.Tier)
			}
		})
	}
}

// TestTheEnvelopeMakesNoDifference: an Open Enclave report and the quote in it
// give one result but for the names of the formats.
func TestTheEnvelopeMakesNoDifference(t *testing.T) {
	a, _ := verify(t, seed(t, "quote.bin"), everything(t), lenient(), midsummer)
	b, _ := verify(t, seed(t, "oe_report.bin"), everything(t), lenient(), midsummer)
	if a.ReplayKey != b.ReplayKey || !bytes.Equal(a.Platform, b.Platform) {
		t.Error("replay key or platform differ")
	}
	if want := []rats.Format{rats.OEReport, rats.SGXQuoteV3}; !slices.Equal(b.Envelope, want) || b.Format != want[0] {
		t.Errorf("%s in %v", b.Format, b.Envelope)
	}
	b.Format, b.Envelope = a.Format, a.Envelope
	if x, y := marshal(t, a), marshal(t, b); x != y {
		t.Errorf("%s\n%s", x, y)
	}
}

func marshal(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheResultReadsAsTheContractSays(t *testing.T) {
	r, _ := verify(t, seed(t, "quote.bin"), everything(t), attesteer.Policy{}, midsummer)
	var out map[string]any
	if err := json.Unmarshal([]byte(marshal(t, r)), &out); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range out {
		names = append(names, name)
	}
	slices.Sort(names)
	const want = "accepted build_mode checks custom_claims endorsements envelope fingerprint format kind measurement pck report_data runtime_data runtime_key " +
		"schema tcb tee tier trust_root valid_from valid_until verified_at"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("members %s", got)
	}
	if out["kind"] != "tcb_rejected" || out["runtime_data"] != nil || out["verified_at"] != "2025-06-20T10:55:00Z" {
		t.Errorf("kind %v, runtime data %v, at %v", out["kind"], out["runtime_data"], out["verified_at"])
	}
	measurement := out["measurement"].(map[string]any)
	if measurement["mr_enclave"] != seedFingerprint || measurement["attributes"] != "07000000000000000700000000000000" ||
		measurement["isv_prod_id"] != 1.0 || measurement["isv_svn"] != 1.0 {
		t.Errorf("%v", measurement)
	}
	tcb := out["tcb"].(map[string]any)
	if tcb["module_status"] != nil || tcb["date"] != "2023-02-15T00:00:00Z" || tcb["earliest_date"] != "2023-02-15T00:00:00Z" {
		t.Errorf("%v", tcb)
	}
	if accepted, _ := verify(t, seed(t, "quote.bin"), everything(t), lenient(), midsummer); !strings.Contains(marshal(t, accepted), `"kind":null`) {
		t.Error("the kind of what is accepted is not null")
	}
}

func TestWithoutEndorsementsNothingIsDecided(t *testing.T) {
	for name, en := range map[string]*attesteer.Endorsements{"none": nil, "an empty collection": new(attesteer.Endorsements)} {
		r, err := verify(t, seed(t, "quote.bin"), en, lenient(), midsummer)
		if rats.KindOf(err) != rats.EndorsementUnavailable || rats.KindOf(err).ExitCode() != 12 {
			t.Errorf("%s: %v", name, err)
		}
		if r.Tier != rats.TierNone || r.TCB != nil || r.ValidUntil != nil || *r.TrustRoot != "intel" || r.Fingerprint.String() != seedFingerprint {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestOutsideTheirTimeEndorsementsDecideNothing(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2023, 1, 19, 0, 0, 0, 0, time.UTC),
		time.Date(2025, 12, 24, 0, 0, 0, 0, time.UTC), time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		r, err := verify(t, seed(t, "quote.bin"), everything(t), lenient(), at)
		if rats.KindOf(err) != rats.EndorsementExpired || r.Tier != rats.TierNone || r.TCB != nil {
			t.Errorf("%s: %v, tier %s, TCB %v", at, err, r.Tier, r.TCB)
		}
	}
}

func TestThePolicyIsHeldInItsOrder(t *testing.T) {
	data := seed(t, "enclave_held_data.bin")
	accept := func(s ...rats.TCBStatus) []rats.TCBStatus { return s }
	tests := []struct {
		name   string
		policy attesteer.Policy
		want   rats.Kind
	}{
		{"the strictest", attesteer.Policy{}, rats.TCBRejected},
		{"debug allowed alone", attesteer.Policy{AllowDebug: true}, rats.TCBRejected},
		{"the status accepted alone", attesteer.Policy{AcceptTCB: accept(rats.OutOfDate)}, rats.DebugForbidden},
		{"another status accepted", attesteer.Policy{AllowDebug: true, AcceptTCB: accept(rats.SWHardeningNeeded, rats.TCBRevoked)}, rats.TCBRejected},
		{"both", lenient(), rats.None},
		{"the runtime data", attesteer.Policy{AllowDebug: true, AcceptTCB: accept(rats.OutOfDate), RuntimeData: data}, rats.None},
		{"other runtime data come before all", attesteer.Policy{RuntimeData: data[1:]}, rats.BindingMismatch},
		{"empty runtime data are data", attesteer.Policy{RuntimeData: []byte{}}, rats.BindingMismatch},
		{"other roots", attesteer.Policy{Roots: []rats.TrustRoot{}}, rats.UntrustedRoot},
		{"an evaluation number that is not there", attesteer.Policy{EvaluationNumber: "99"}, rats.EndorsementUnavailable},
		{"an evaluation number that is", attesteer.Policy{AllowDebug: true, AcceptTCB: accept(rats.OutOfDate), EvaluationNumber: "17"}, rats.None},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := verify(t, seed(t, "quote.bin"), everything(t), tt.policy, midsummer)
			if rats.KindOf(err) != tt.want {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			bound := r.RuntimeData != nil
			if want := tt.policy.RuntimeData != nil && tt.want != rats.BindingMismatch; bound != want {
				t.Errorf("runtime data %v", r.RuntimeData)
			}
			if tt.policy.EvaluationNumber == "17" && r.TCB.EvaluationDataNumber != 17 {
				t.Errorf("evaluation number %d", r.TCB.EvaluationDataNumber)
			}
		})
	}
}

func TestBadQuotesAreRefused(t *testing.T) {
	for _, file := range glob(t, vectors(t), "quotes", "sgx", "bad", "*") {
		_, err := verify(t, read(t, file), everything(t), lenient(), midsummer)
		if code := rats.KindOf(err).ExitCode(); code != 10 && code != 13 && code != 14 {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
}

// TestQuotesThatOnlyNameTheirPlatformAreUndecided, and what they prove
// themselves is checked all the same.
func TestQuotesThatOnlyNameTheirPlatformAreUndecided(t *testing.T) {
	for _, file := range glob(t, vectors(t), "quotes", "sgx", "other", "*.bin") {
		raw := read(t, file)
		r, err := verify(t, raw, everything(t), lenient(), midsummer)
		if rats.KindOf(err) != rats.EndorsementUnavailable || r.TrustRoot != nil {
			t.Fatalf("%s: %v", filepath.Base(file), err)
		}
		for _, c := range r.Checks[:4] {
			if c.Outcome != rats.Pass && c.Name != "padding" {
				t.Errorf("%s: %+v", filepath.Base(file), c)
			}
		}
		raw[100] ^= 1
		if _, err := verify(t, raw, everything(t), lenient(), midsummer); rats.KindOf(err) != rats.BadSignature {
			t.Errorf("%s with a flipped bit: %v", filepath.Base(file), err)
		}
		if _, err := attesteer.Needs(attesteer.Evidence{Raw: raw}); rats.KindOf(err) != rats.EndorsementUnavailable {
			t.Errorf("%s: needs %v", filepath.Base(file), err)
		}
	}
}

func TestPaddingIsAcceptedAndReported(t *testing.T) {
	raw := seed(t, "quote.bin")
	plain, _ := verify(t, raw, everything(t), lenient(), midsummer)
	for _, tail := range []string{"\x00", strings.Repeat("\x00", 5006), "something else"} {
		r, err := verify(t, append(bytes.Clone(raw), tail...), everything(t), lenient(), midsummer)
		if err != nil || r.ReplayKey != plain.ReplayKey {
			t.Fatalf("%d bytes: %v", len(tail), err)
		}
		if c := r.Checks[1]; c.Name != "padding" || c.Outcome != rats.Pass || strings.Contains(c.Detail, "zero bytes") == (tail[0] != 0) {
			t.Errorf("%+v", c)
		}
	}
}

// TestAMemoryChangesSpeedAndNothingElse: one verifier asked by many at once
// answers, byte for byte, as a stranger would.
func TestAMemoryChangesSpeedAndNothingElse(t *testing.T) {
	good, en := seed(t, "quote.bin"), everything(t)
	forged := bytes.Clone(good)
	forged[200] ^= 1
	type question struct {
		raw []byte
		en  *attesteer.Endorsements
		at  time.Time
	}
	questions := []question{
		{good, en, midsummer}, {forged, en, midsummer}, {good, nil, midsummer}, {good, en, midsummer.AddDate(1, 0, 0)},
		{good, en, midsummer.In(time.FixedZone("elsewhere", 7200))},
	}
	answer := func(r *attesteer.Result, err error) string { return marshal(t, r) + rats.KindOf(err).String() }
	var want []string
	for _, q := range questions {
		want = append(want, answer(verify(t, q.raw, q.en, attesteer.Policy{}, q.at)))
	}
	if want[4] != want[0] {
		t.Error("the zone of the time counts")
	}
	for _, v := range []*attesteer.Verifier{new(attesteer.Verifier), attesteer.NewVerifier(1), attesteer.NewVerifier(1000)} {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i, q := range questions {
					if got := answer(v.Verify(attesteer.Evidence{Raw: q.raw}, q.en, attesteer.Policy{}, q.at)); got != want[i] {
						t.Errorf("question %d: %s", i, got)
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestInputsAreNotWrittenTo(t *testing.T) {
	raw := seed(t, "oe_report.bin")
	before := bytes.Clone(raw)
	r, _ := verify(t, raw, everything(t), lenient(), midsummer)
	for _, b := range [][]byte{r.Fingerprint, r.ReportData, r.Measurement.MREnclave, r.TCB.FMSPC, r.Platform} {
		clear(b)
	}
	if !bytes.Equal(raw, before) {
		t.Error("the evidence changed")
	}
	if again, err := verify(t, raw, everything(t), lenient(), midsummer); err != nil || again.Fingerprint.String() != seedFingerprint {
		t.Error("a result shares memory with what comes after it")
	}
}

func TestEvaluationNumbersAreWords(t *testing.T) {
	for n, note := range map[dcap.EvaluationNumber]string{"standard": "no source says which number is standard", "early": "evaluation number 19"} {
		p := lenient()
		p.EvaluationNumber = n
		r, err := verify(t, seed(t, "quote.bin"), everything(t), p, midsummer)
		if err != nil || r.TCB.EvaluationDataNumber != 19 {
			t.Fatalf("%s: %v", n, err)
		}
		i := slices.IndexFunc(r.Checks, func(c rats.Check) bool { return c.Name == "endorsements_present" })
		if !strings.Contains(r.Checks[i].Detail, note) {
			t.Errorf("%s: %+v", n, r.Checks[i])
		}
	}
}
