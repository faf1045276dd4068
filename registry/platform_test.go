// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/registry"
)

// platformCertificate is the real one of the platform of the example quote.
func platformCertificate(t *testing.T) rats.Endorsement {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "seed", "pck_chain.pem"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, rest := pem.Decode(text)
	ca, _ := pem.Decode(rest)
	e := rats.Endorsement{Kind: rats.PCKCertificate, Body: leaf.Bytes, Issuers: [][]byte{ca.Bytes}}
	if _, err := attesteer.CheckEndorsement(e, nil); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestCertificatesOfPlatformsAreNotKept(t *testing.T) {
	c := realChain(t, registry.Main)
	e := platformCertificate(t)
	c.refused(c.publish(e), rats.Unsupported, "single platform")
	if n := len(c.reg.Endorsements()); n != 0 {
		t.Errorf("%d endorsements are kept", n)
	}
	if n := len(c.reg.Lacks([]rats.Endorsement{e})); n != 0 {
		t.Errorf("%d are asked for", n)
	}
}

// TestEvidenceThatOnlyNamesItsPlatformStaysUndecided takes the certificate out
// of a genuine quote, where no signature covers it.
func TestEvidenceThatOnlyNamesItsPlatformStaysUndecided(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "seed", "quote.bin"))
	if err != nil {
		t.Fatal(err)
	}
	q, err := quote.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	// PPID, CPUSVN, PCE SVN and PCE id (SGX ECDSA Quote Library API, A.4).
	q.CertificationData = quote.CertificationData{Type: quote.CertPPID, Data: make([]byte, 16+16+2+2)}
	c := realChain(t, registry.Dev)
	c.refused(c.submit(key(1), q.Marshal()), rats.EndorsementUnavailable, "PCK certificate")
}
