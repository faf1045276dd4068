// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

func TestBrokenEndorsementsAreRefused(t *testing.T) {
	dir := filepath.Join(vectors(t), "collateral")
	for _, file := range glob(t, dir, "bad", "*qe3*") {
		for _, der := range certificates(t, dir, "chain", "*.pem") {
			e := rats.Endorsement{Kind: rats.QEIdentity, Body: read(t, file), Issuers: [][]byte{der}}
			if info, err := attesteer.CheckEndorsement(e, nil); err == nil {
				t.Errorf("%s: taken as %+v", filepath.Base(file), info)
			}
		}
	}
	for _, der := range certificates(t, dir, "chain", "*.pem") {
		body := read(t, dir, "bad", "corrupted_00906ea10000.tcb")
		if _, err := attesteer.CheckEndorsement(rats.Endorsement{Kind: rats.TCBInfo, Body: body, Issuers: [][]byte{der}}, nil); err == nil {
			t.Error("corrupted TCB info is taken")
		}
	}
	// A chain in which the PCK CA stands where the TCB signing certificate should.
	rest := read(t, dir, "bad", "tcb_certs_bad.pem")
	good := read(t, glob(t, dir, "tcbinfo", "00606A000000_SGX_v3_*.json")[0])
	for n := 0; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if n == 0 {
				t.Error("no certificates")
			}
			break
		}
		_, err := attesteer.CheckEndorsement(rats.Endorsement{Kind: rats.TCBInfo, Body: good, Issuers: [][]byte{block.Bytes}}, nil)
		if err == nil {
			t.Errorf("certificate %d vouches for TCB info", n)
		}
	}
}

func TestCheckingAnEndorsementSaysWhatItIs(t *testing.T) {
	dir := filepath.Join(vectors(t), "collateral")
	body := read(t, dir, "tcbinfo", "00606A000000_SGX_v3_20250606T123047Z_eval19.json")
	taken := 0
	for _, der := range certificates(t, dir, "chain", "tcb_*.pem") {
		info, err := attesteer.CheckEndorsement(rats.Endorsement{Kind: rats.TCBInfo, Body: body, Issuers: [][]byte{der}}, attesteer.Roots())
		if err != nil {
			continue
		}
		taken++
		want := rats.EndorsementKey{Kind: rats.TCBInfo, TEE: rats.SGX, Scope: "00606a000000", EvaluationDataNumber: 19, Version: 3}
		if info.Key != want || info.Issued.Format("20060102T150405Z") != "20250606T123047Z" || info.ValidFrom.Before(info.Issued) || info.ValidUntil.After(info.NextUpdate) {
			t.Errorf("%+v", info)
		}
	}
	if taken == 0 {
		t.Error("nobody vouches for real TCB info")
	}
	if _, err := attesteer.CheckEndorsement(rats.Endorsement{Kind: rats.TCBInfo, Body: body, Issuers: [][]byte{nil}}, nil); rats.KindOf(err) != rats.Malformed {
		t.Errorf("an empty certificate: %v", err)
	}
	if _, err := attesteer.CheckEndorsement(rats.Endorsement{Kind: rats.TCBInfo, Body: body, Issuers: certificates(t, dir, "chain", "tcb_*20320506*.pem")}, []rats.TrustRoot{}); rats.KindOf(err) != rats.UntrustedRoot {
		t.Errorf("no roots: %v", err)
	}
}

func TestEndorsementsKeepWhatTheyWereGiven(t *testing.T) {
	items := everything(t).Items()
	en, err := attesteer.ParseEndorsements(items...)
	if err != nil || len(en.Items()) != len(items) {
		t.Fatalf("%d of %d, %v", len(en.Items()), len(items), err)
	}
	for i, e := range en.Items() {
		if !bytes.Equal(e.Body, items[i].Body) {
			t.Fatal("another body")
		}
	}
	if _, err := attesteer.ParseEndorsements(items[0], rats.Endorsement{Kind: rats.TCBInfo}); rats.KindOf(err) != rats.Malformed {
		t.Errorf("one that does not parse: %v", err)
	}
	if (*attesteer.Endorsements)(nil).Items() != nil {
		t.Error("none has items")
	}
	half := len(items) / 2
	a, errA := attesteer.ParseEndorsements(items[:half]...)
	b, errB := attesteer.ParseEndorsements(items[half:]...)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	joined := attesteer.JoinEndorsements(a, nil, b)
	x, _ := verify(t, seed(t, "quote.bin"), joined, attesteer.Policy{}, midsummer)
	y, _ := verify(t, seed(t, "quote.bin"), en, attesteer.Policy{}, midsummer)
	if len(joined.Items()) != len(items) || marshal(t, x) != marshal(t, y) {
		t.Error("joined endorsements answer differently")
	}
}

func TestNeedsNameThePlatform(t *testing.T) {
	for _, file := range []string{"quote.bin", "oe_report.bin"} {
		needs, err := attesteer.Needs(attesteer.Evidence{Raw: seed(t, file)})
		if err != nil || len(needs) != 1 {
			t.Fatalf("%d needs, %v", len(needs), err)
		}
		n := needs[0]
		if n.TEE != rats.SGX || fmt.Sprintf("%x", n.FMSPC) != "00606a000000" || n.PCEID != [2]byte{} || len(n.CA) != 64 {
			t.Errorf("%+v", n)
		}
		if n.CA != strings.ToLower(n.CA) {
			t.Errorf("CA %s", n.CA)
		}
	}
	if _, err := attesteer.Needs(attesteer.Evidence{Raw: []byte("x")}); rats.KindOf(err) != rats.Malformed {
		t.Error(err)
	}
}

func TestThePinnedRootIsIntels(t *testing.T) {
	roots := attesteer.Roots()
	if len(roots) != 2 || roots[0].Name != "intel" || roots[1].Name != "intel" {
		t.Fatalf("%+v", roots)
	}
	// The key is that of the root certificate in a real quote, whose digest is
	// published.
	var last []byte
	for rest := seed(t, "pck_chain.pem"); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		last = block.Bytes
	}
	if !bytes.Contains(last, roots[0].PublicKey) || bytes.Count(last, roots[0].Subject) != 2 {
		t.Error("key or name are not those of the root certificate")
	}
	if got := digest(roots[0].PublicKey); got != "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e" {
		t.Errorf("key %s", got)
	}
	roots[0].PublicKey[0] = 0
	if attesteer.Roots()[0].PublicKey[0] == 0 {
		t.Error("a caller can change the pinned root")
	}
}

func TestTheSourceSaysWhichEvaluationNumberIsStandard(t *testing.T) {
	raw, all := seed(t, "quote.bin"), everything(t)
	r, err := verify(t, raw, all, lenient(), midsummer)
	if err != nil {
		t.Fatal(err)
	}
	newest := r.TCB.EvaluationDataNumber
	standard := all.WithStandard(rats.SGX, newest-1)
	for number, want := range map[dcap.EvaluationNumber]uint32{"": newest - 1, "standard": newest - 1, "early": newest} {
		p := lenient()
		p.AcceptTCB, p.EvaluationNumber = rats.TCBStatuses(), number
		if r, err := verify(t, raw, standard, p, midsummer); err != nil || r.TCB.EvaluationDataNumber != want {
			t.Errorf("%q: %v, want %d", number, err, want)
		}
	}
	if r, err := verify(t, raw, all, lenient(), midsummer); err != nil || r.TCB.EvaluationDataNumber != newest {
		t.Errorf("the first collection changed: %v", err)
	}
	var none *attesteer.Endorsements
	if _, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, none.WithStandard(rats.SGX, 1), lenient(), midsummer); rats.KindOf(err) != rats.EndorsementUnavailable {
		t.Errorf("of nothing: %v", err)
	}
}
