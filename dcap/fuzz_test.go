// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Bounds of what one input may take: allocations, and the time after which it
// counts as hanging the process.
const (
	memoryBound = 64 << 20
	patience    = 30 * time.Second
)

// bounded runs f within the bounds.
func bounded(t *testing.T, f func()) {
	t.Helper()
	hung := time.AfterFunc(patience, func() { panic("one input takes longer than " + patience.String()) })
	defer hung.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	if n := sample[0].Value.Uint64() - before; n > memoryBound {
		t.Errorf("%d bytes allocated for one input", n)
	}
}

// realFiles returns files of the folder of real evidence, if there is one: at
// most sixteen that match, evenly among all.
func realFiles(t testing.TB, pattern ...string) [][]byte {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	files, err := filepath.Glob(filepath.Join(append([]string{dir, "dcap"}, pattern...)...))
	if err != nil {
		t.Fatal(err)
	}
	const most = 16
	var out [][]byte
	for i := range min(len(files), most) {
		out = append(out, read(t, files[i*len(files)/min(len(files), most)]))
	}
	return out
}

// The properties of every parser here: it does not panic, its errors have a
// kind that says that the input is to blame, it is deterministic, and what it
// takes keeps its bytes.

func fuzzStatement(f *testing.F, kind rats.EndorsementKind, real [][]byte, issuer func(*lab) [][]byte, seeds ...func(*lab) rats.Endorsement) {
	f.Helper()
	for _, body := range real {
		f.Add(body)
	}
	l := newLab(f)
	for _, seed := range seeds {
		f.Add(seed(l).Body)
	}
	issuers := issuer(l)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		var s *dcap.Statement
		var err error
		bounded(t, func() { s, err = dcap.Parse(rats.Endorsement{Kind: kind, Body: body, Issuers: issuers}) })
		if !bytes.Equal(body, before) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			blames(t, err)
			return
		}
		if from, until := s.Window(); until.Before(from) && s.NextUpdate().Before(s.Issued()) {
			t.Errorf("from %s until %s", from, until)
		}
		if !bytes.Equal(s.Endorsement().Body, body) || s.Key().Kind != kind || s.Digest() != s.Endorsement().Digest() {
			t.Error("what was taken is not what was given")
		}
	})
}

func blames(t *testing.T, err error) {
	t.Helper()
	switch kind := rats.KindOf(err); kind {
	case rats.Malformed, rats.Unsupported, rats.UntrustedRoot, rats.EndorsementUnavailable:
	default:
		t.Errorf("%v has kind %q", err, kind)
	}
}

func signingIssuer(l *lab) [][]byte { return [][]byte{l.signing.der} }

func FuzzTCBInfo(f *testing.F) {
	of := func(v func() object) func(*lab) rats.Endorsement {
		return func(l *lab) rats.Endorsement { return l.sign(rats.TCBInfo, v(), &l.signing) }
	}
	fuzzStatement(f, rats.TCBInfo, realFiles(f, "collateral", "tcbinfo", "*.json"), signingIssuer, of(tcbInfo), of(tcbInfoV2), of(tdxInfo))
}

func FuzzIdentity(f *testing.F) {
	fuzzStatement(f, rats.QEIdentity, realFiles(f, "collateral", "qeidentity", "*.json"), signingIssuer, func(l *lab) rats.Endorsement {
		return l.sign(rats.QEIdentity, identity(), &l.signing)
	})
}

func FuzzCRL(f *testing.F) {
	fuzzStatement(f, rats.RootCACRL, realFiles(f, "collateral", "crl", "*.der"), func(*lab) [][]byte { return nil },
		func(l *lab) rats.Endorsement { return l.crl(&l.root, nil) },
		func(l *lab) rats.Endorsement { return l.crl(&l.root, nil, 1, 2, 1<<40) })
}

func FuzzChain(f *testing.F) {
	seed, err := os.ReadFile(filepath.Join("..", "testdata", "seed", "pck_chain.pem"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(quote.CertPCKChain), seed)
	l := newLab(f)
	f.Add(uint16(quote.CertPCKChain), []byte(pemOf(l)))
	f.Add(uint16(quote.CertPCKLeaf), []byte(chainOf(&l.pck)))
	f.Add(uint16(quote.CertPPID), make([]byte, 36))
	for _, raw := range append(realFiles(f, "quotes", "*", "*.bin"), realFiles(f, "quotes", "sgx", "*", "sgx_*.bin")...) {
		q, err := quote.Parse(raw)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(q.CertificationData.Type, q.CertificationData.Data)
	}
	q, roots := l.evidence(), l.trust()
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		c := *q
		c.CertificationData = quote.CertificationData{Type: kind, Data: data}
		var need dcap.Need
		var err error
		bounded(t, func() { need, err = dcap.Needs(&c) })
		if err != nil {
			blames(t, err)
			return
		}
		if len(need.CA) != 64 && (kind != quote.CertPCKLeaf || need.CA != "") {
			t.Errorf("%+v", need)
		}
		// Whatever was read: only the lab's own chain is vouched for by its root.
		if a := dcap.Appraise(&c, nil, dcap.Options{Roots: roots}, noon); a.Root != "" && need != mustNeed(t, q) {
			t.Errorf("root %q vouches for %+v", a.Root, need)
		}
	})
}

func mustNeed(t *testing.T, q *quote.Quote) dcap.Need {
	t.Helper()
	need, err := dcap.Needs(q)
	if err != nil {
		t.Fatal(err)
	}
	return need
}

// FuzzEndorsement: any kind, with any certificate. Whatever was read: what a
// root vouches for holds bytes that it signed.
func FuzzEndorsement(f *testing.F) {
	kinds := []rats.EndorsementKind{
		rats.TCBInfo, rats.QEIdentity, rats.RootCACRL, rats.PCKCRL, rats.EvaluationNumbers, rats.PCKCertificate, "other",
	}
	l := newLab(f)
	genuine := append(l.endorsements(),
		l.sign(rats.EvaluationNumbers, numberList(), &l.signing),
		rats.Endorsement{Kind: rats.PCKCertificate, Body: l.pck.der, Issuers: [][]byte{l.ca.der}})
	genuine = append(genuine, realEndorsements(f)...)
	var signed [][]byte
	for _, e := range genuine {
		signed = append(signed, signedPart(f, e))
		for i, kind := range kinds {
			if kind == e.Kind {
				f.Add(uint8(i), e.Body, bytes.Join(e.Issuers, nil))
			}
		}
	}
	roots := append(l.trust(), dcap.Intel())
	f.Fuzz(func(t *testing.T, choice uint8, body, issuer []byte) {
		e := rats.Endorsement{Kind: kinds[int(choice)%len(kinds)], Body: body}
		if len(issuer) > 0 {
			e.Issuers = [][]byte{issuer}
		}
		bounded(t, func() {
			s, err := dcap.Parse(e)
			if err != nil {
				blames(t, err)
				return
			}
			err = s.Verify(roots, nil)
			if err == nil && !holdsOne(body, signed) {
				t.Errorf("%s that nobody signed is vouched for", e.Kind)
			}
			if code := rats.KindOf(err).ExitCode(); code != 0 && code != 10 && code != 13 && code != 14 {
				t.Errorf("%v", err)
			}
		})
	})
}

func holdsOne(body []byte, parts [][]byte) bool {
	for _, part := range parts {
		if bytes.Contains(body, part) {
			return true
		}
	}
	return false
}

// signedPart returns what the signature of an endorsement covers.
func signedPart(t testing.TB, e rats.Endorsement) []byte {
	t.Helper()
	switch e.Kind {
	case rats.RootCACRL, rats.PCKCRL:
		list, err := x509.ParseRevocationList(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		return list.RawTBSRevocationList
	case rats.PCKCertificate:
		c, err := x509.ParseCertificate(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		return c.RawTBSCertificate
	}
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(e.Body, &outer); err != nil {
		t.Fatal(err)
	}
	delete(outer, "signature")
	for _, inner := range outer {
		return inner
	}
	t.Fatalf("%s without what is signed", e.Kind)
	return nil
}

// realEndorsements returns some real statements of each kind that has any, each
// under every certificate of its kind of issuer.
func realEndorsements(t testing.TB) []rats.Endorsement {
	t.Helper()
	issuers := func(pattern string) (out [][]byte) {
		for _, b := range realFiles(t, "collateral", "chain", pattern) {
			block, _ := pem.Decode(b)
			out = append(out, block.Bytes)
		}
		return out
	}
	var out []rats.Endorsement
	for _, group := range []struct {
		kind    rats.EndorsementKind
		pattern string
		issuers [][]byte
	}{
		{rats.TCBInfo, "tcbinfo/*.json", issuers("tcb_*.pem")},
		{rats.QEIdentity, "qeidentity/*.json", issuers("tcb_*.pem")},
		{rats.EvaluationNumbers, "tcbeval/*.json", issuers("tcb_*.pem")},
		{rats.PCKCRL, "crl/p*.der", issuers("pck_*.pem")},
		{rats.RootCACRL, "crl/root_*.der", [][]byte{nil}},
	} {
		for _, body := range realFiles(t, "collateral", filepath.FromSlash(group.pattern)) {
			for _, der := range group.issuers {
				e := rats.Endorsement{Kind: group.kind, Body: body}
				if der != nil {
					e.Issuers = [][]byte{der}
				}
				out = append(out, e)
			}
		}
	}
	return out
}
