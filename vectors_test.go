// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// midsummer is a time at which the real endorsements for the seed quote hold.
var midsummer = time.Date(2025, 6, 20, 10, 55, 0, 0, time.UTC)

const seedFingerprint = "af3438654b544d7e94b6b538eaf58528a2136f6a107b95b4c442b0afc9c98d83"

func read(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seed returns a file of the real quote that is part of the project.
func seed(t testing.TB, name string) []byte {
	t.Helper()
	return read(t, "testdata", "seed", name)
}

// vectors returns the folder of real evidence and endorsements.
func vectors(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "shared", "vectors")
	}
	if _, err := os.Stat(filepath.Join(dir, "dcap")); err != nil {
		t.Skip("no vectors: set ATTESTEER_VECTORS")
	}
	return filepath.Join(dir, "dcap")
}

func glob(t testing.TB, elem ...string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(elem...))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v: %d files, %v", elem, len(files), err)
	}
	return files
}

func certificates(t testing.TB, pattern ...string) [][]byte {
	t.Helper()
	var out [][]byte
	for _, file := range glob(t, pattern...) {
		block, _ := pem.Decode(read(t, file))
		out = append(out, block.Bytes)
	}
	return out
}

// everythingOnce holds what everything returns.
var everythingOnce struct {
	sync.Once
	set *attesteer.Endorsements
}

// everything returns all statements of the folder of real endorsements, each
// under every certificate that vouches for it: foreign ones, stale ones, for
// other platforms and other TEEs.
func everything(t testing.TB) *attesteer.Endorsements {
	t.Helper()
	dir := filepath.Join(vectors(t), "collateral")
	everythingOnce.Do(func() {
		v := attesteer.NewVerifier(1 << 12)
		var items []rats.Endorsement
		signing, cas := certificates(t, dir, "chain", "tcb_*.pem"), certificates(t, dir, "chain", "pck_*.pem")
		for _, group := range []struct {
			pattern string
			kind    rats.EndorsementKind
			issuers [][]byte
		}{
			{"tcbinfo/*.json", rats.TCBInfo, signing}, {"qeidentity/*.json", rats.QEIdentity, signing},
			{"crl/root_*.der", rats.RootCACRL, nil}, {"crl/p*.der", rats.PCKCRL, cas},
		} {
			for _, file := range glob(t, dir, group.pattern) {
				candidates := []rats.Endorsement{{Kind: group.kind, Body: read(t, file)}}
				for i, der := range group.issuers {
					if i == 0 {
						candidates = nil
					}
					candidates = append(candidates, rats.Endorsement{Kind: group.kind, Body: read(t, file), Issuers: [][]byte{der}})
				}
				for _, e := range candidates {
					if _, err := v.CheckEndorsement(e, nil); err == nil {
						items = append(items, e)
					}
				}
			}
		}
		set, err := attesteer.ParseEndorsements(items...)
		if err != nil {
			t.Fatal(err)
		}
		everythingOnce.set = set
	})
	if everythingOnce.set == nil {
		t.Fatal("no endorsements")
	}
	return everythingOnce.set
}

// lenient accepts the seed quote as it is: a debug build on a platform that is
// out of date.
func lenient() attesteer.Policy {
	return attesteer.Policy{AllowDebug: true, AcceptTCB: []rats.TCBStatus{rats.OutOfDate}}
}

// verify verifies and checks what must hold of every answer.
func verify(t testing.TB, raw []byte, en *attesteer.Endorsements, p attesteer.Policy, at time.Time) (*attesteer.Result, error) {
	t.Helper()
	r, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, en, p, at)
	checkAnswer(t, r, err)
	return r, err
}

func checkAnswer(t testing.TB, r *attesteer.Result, err error) {
	t.Helper()
	kind := rats.KindOf(err)
	var typed *rats.Error
	if err != nil && (!errors.As(err, &typed) || kind == rats.None || kind == rats.Internal || typed.Detail == "") {
		t.Fatalf("error %#v", err)
	}
	if r == nil {
		if kind != rats.Malformed && kind != rats.Unsupported {
			t.Fatalf("no result, and %v", err)
		}
		return
	}
	if r.Accepted != (err == nil) || r.Kind != kind || r.Schema != attesteer.ResultSchema {
		t.Errorf("accepted %v, kind %q, schema %q, error %v", r.Accepted, r.Kind, r.Schema, err)
	}
	first := ""
	for _, c := range r.Checks {
		if first == "" && (c.Outcome == rats.Fail || c.Outcome == rats.Undecided) {
			first = c.Name
			if typed == nil || typed.Check != c.Name || typed.Spec != c.Spec || typed.Detail != c.Detail {
				t.Errorf("%+v failed first, and the error is %+v", c, typed)
			}
		}
	}
	enveloped := 0
	for _, c := range r.Checks {
		switch c.Name {
		case "custom_claims", "stated_fields", "held_data", "tls_certificate", "tls_key", "tls_agreement":
			enveloped++
		}
	}
	if (first == "") != (err == nil) || len(r.Checks) != 23+enveloped {
		t.Errorf("%d checks, first failure %q, error %v", len(r.Checks), first, err)
	}
	b, jsonErr := json.Marshal(r)
	if jsonErr != nil {
		t.Fatal(jsonErr)
	}
	noNullLists(t, b)
}

// noNullLists: what is a list in the contract is never null.
func noNullLists(t testing.TB, b []byte) {
	t.Helper()
	var out struct {
		Endorsements, Checks []json.RawMessage
		TCB                  *struct{ Advisories []string }
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if out.Endorsements == nil || out.Checks == nil || out.TCB != nil && out.TCB.Advisories == nil {
		t.Errorf("a list is null: %s", b)
	}
}
