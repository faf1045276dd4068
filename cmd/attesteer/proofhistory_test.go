// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// TestARecordsPastIsProvenFromTheCommandLine attests one enclave three times and
// proves the last two of its events, and then the state before the last.
func TestARecordsPastIsProvenFromTheCommandLine(t *testing.T) {
	home := t.TempDir()
	p := startNode(t, home, "--network", "dev")
	platform, err := simtee.NewPlatform(7, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	id := ""
	for key := range uint32(3) {
		e := numbered(1)
		e.AttestationKey = key
		q, err := platform.Quote(e)
		if err != nil {
			t.Fatal(err)
		}
		if id, err = submitQuote(t.Context(), p.url, q); err != nil {
			t.Fatal(err)
		}
	}
	genesis, bundle := filepath.Join(home, "config", "genesis.json"), filepath.Join(t.TempDir(), "bundle.json")
	proven := func(args ...string) provenView {
		t.Helper()
		must := append([]string{"enclaves", "proof", id, "--node", p.url, "-o", bundle}, args...)
		if code, _, errs := command(t, must...); code != 0 {
			t.Fatalf("enclaves proof %v: exit %d\n%s", args, code, errs)
		}
		code, out, errs := command(t, "proof", "verify", bundle, "--trust", genesis, "--json")
		if code != 0 {
			t.Fatalf("proof verify: exit %d\n%s", code, errs)
		}
		return decode[provenView](t, []byte(out))
	}
	v := proven("--events", "2")
	if len(v.Events) != 2 || v.Events[0].Event != "attested" || v.Events[1].Sequence <= v.Events[0].Sequence || v.Record.Attestations != 3 {
		t.Errorf("%+v, %d attestations", v.Events, v.Record.Attestations)
	}
	if v := proven("--height", strconv.FormatUint(v.Events[1].Height-1, 10)); v.Record.Attestations != 2 || len(v.Events) != 0 {
		t.Errorf("before the last: %d attestations, %+v", v.Record.Attestations, v.Events)
	}
	long, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	if v := proven("--events", "2", "--format", "cbor"); len(v.Events) != 2 {
		t.Errorf("in CBOR: %+v", v.Events)
	}
	if short, err := os.ReadFile(bundle); err != nil || json.Valid(short) || len(short) >= len(long) {
		t.Errorf("%d bytes of CBOR, %d of JSON, %v", len(short), len(long), err)
	}
	at := v.Record.Expires.Time().Add(time.Hour).Format(time.RFC3339)
	code, words, errs := command(t, "proof", "verify", bundle, "--trust", genesis, "--at", at)
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, errs)
	}
	for _, want := range []string{
		"proven: the ledger holds this record", "state of height +[0-9]+\n", "signed by validators +power 10 of 10\n",
		"judged at +" + at, "state +expired", "status since +" + v.Record.Expires.Time().Format(time.RFC3339) + ` \(expired\)`,
	} {
		if !regexp.MustCompile(want).MatchString(words) {
			t.Errorf("no %q in\n%s", want, words)
		}
	}
	if code, _, _ := command(t, "enclaves", "proof", id, "--node", p.url, "--format", "xml"); code != 2 {
		t.Errorf("another format: exit %d, want 2", code)
	}
	if code, _, _ := command(t, "enclaves", "proof", id, "--node", p.url, "--height", "999999"); code != 15 {
		t.Errorf("a height to come: exit %d, want 15", code)
	}
	if code, _, _ := command(t, "enclaves", "proof", id, "--node", p.url, "--events", "9999"); code != 14 {
		t.Errorf("too many events: exit %d, want 14", code)
	}
}
