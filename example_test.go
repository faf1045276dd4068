// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// Verifying a quote with nothing to verify it by: what it proves itself is
// checked, and the rest is undecided, which is never accepted.
func ExampleVerify() {
	raw, err := os.ReadFile("testdata/seed/quote.bin")
	if err != nil {
		fmt.Println(err)
		return
	}
	var none *attesteer.Endorsements // from a folder, a PCS or a ledger
	at := time.Date(2025, 6, 20, 10, 55, 0, 0, time.UTC)

	result, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, none, attesteer.Policy{}, at)
	switch {
	case err == nil:
		fmt.Println("accepted")
	case errors.Is(err, rats.EndorsementUnavailable), errors.Is(err, rats.EndorsementExpired):
		fmt.Println("undecided:", err)
	default:
		fmt.Println("rejected:", err)
	}
	fmt.Println("root:", *result.TrustRoot)
	fmt.Println("fingerprint:", result.Fingerprint)
	for _, check := range result.Checks[:4] {
		fmt.Println(check.Name, check.Outcome)
	}
	// Output:
	// undecided: endorsement_unavailable: TCB info of FMSPC 00606a000000 is missing
	// root: intel
	// fingerprint: af3438654b544d7e94b6b538eaf58528a2136f6a107b95b4c442b0afc9c98d83
	// quote_format pass
	// padding skipped
	// quote_signature pass
	// qe_report_data pass
}

// A policy is plain data; each field loosens or narrows one named thing. This
// one takes debug builds, platforms that need a configuration, and only
// evidence that is bound to a key.
func ExamplePolicy() {
	key, err := os.ReadFile("testdata/seed/enclave_held_data.bin")
	if err != nil {
		fmt.Println(err)
		return
	}
	raw, err := os.ReadFile("testdata/seed/oe_report.bin")
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := attesteer.Policy{
		AllowDebug:  true,
		AcceptTCB:   []rats.TCBStatus{rats.ConfigurationNeeded, rats.SWHardeningNeeded},
		RuntimeData: key,
	}
	verifier := attesteer.NewVerifier(10_000) // remembers signatures between calls
	result, err := verifier.Verify(attesteer.Evidence{Raw: raw}, nil, policy, time.Date(2025, 6, 20, 0, 0, 0, 0, time.UTC))
	fmt.Println(rats.KindOf(err), result.Accepted)
	for _, check := range result.Checks {
		if check.Name == "runtime_data" || check.Name == "debug" || check.Name == "tcb_status" {
			fmt.Println(check.Name, check.Outcome)
		}
	}
	// Output:
	// endorsement_unavailable false
	// runtime_data pass
	// tcb_status skipped
	// debug pass
}

// Inspecting shows what evidence claims, and verifies nothing.
func ExampleInspect() {
	raw, err := attesteer.Decode([]byte("0x0300 0200"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = attesteer.Inspect(attesteer.Evidence{Raw: raw})
	fmt.Println(err)
	// Output:
	// malformed: so short an input is no evidence of a kind known here
}
