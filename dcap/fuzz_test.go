// SPDX-License-Identifier: Apache-2.0

package dcap_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// The properties of every parser here: it does not panic, its errors have a
// kind that says that the input is to blame, it is deterministic, and what it
// takes keeps its bytes.

func fuzzStatement(f *testing.F, kind rats.EndorsementKind, issuer func(*lab) [][]byte, seeds ...func(*lab) rats.Endorsement) {
	f.Helper()
	l := newLab(f)
	for _, seed := range seeds {
		f.Add(seed(l).Body)
	}
	issuers := issuer(l)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		s, err := dcap.Parse(rats.Endorsement{Kind: kind, Body: body, Issuers: issuers})
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
	fuzzStatement(f, rats.TCBInfo, signingIssuer, of(tcbInfo), of(tcbInfoV2), of(tdxInfo))
}

func FuzzIdentity(f *testing.F) {
	fuzzStatement(f, rats.QEIdentity, signingIssuer, func(l *lab) rats.Endorsement {
		return l.sign(rats.QEIdentity, identity(), &l.signing)
	})
}

func FuzzCRL(f *testing.F) {
	fuzzStatement(f, rats.RootCACRL, func(*lab) [][]byte { return nil },
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
	q, roots := l.evidence(), l.trust()
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		c := *q
		c.CertificationData = quote.CertificationData{Type: kind, Data: data}
		need, err := dcap.Needs(&c)
		if err != nil {
			blames(t, err)
			return
		}
		if len(need.CA) != 64 && !(kind == quote.CertPCKLeaf && need.CA == "") {
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
