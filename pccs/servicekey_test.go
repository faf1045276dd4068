// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"testing"

	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

func TestOneThingHasOneKey(t *testing.T) {
	for _, c := range []struct{ ask, want store.Key }{
		{
			store.Key{Kind: store.TCBInfo, TEE: rats.SGX, Scope: "00A51E000000", Update: "EARLY"},
			store.Key{Kind: store.TCBInfo, TEE: rats.SGX, Scope: "00a51e000000", Update: "early", Version: 4},
		},
		{
			store.Key{Kind: store.QEIdentity, TEE: rats.TDX, Update: "020"},
			store.Key{Kind: store.QEIdentity, TEE: rats.TDX, Update: "20", Version: 4},
		},
		{
			store.Key{Kind: store.QVEIdentity, Version: 3},
			store.Key{Kind: store.QVEIdentity, TEE: rats.SGX, Update: "standard", Version: 3},
		},
		{
			store.Key{Kind: store.PCKCRL, TEE: rats.SGX, Scope: "PLATFORM", Version: 3, Update: "early"},
			store.Key{Kind: store.PCKCRL, Scope: "platform", Version: 4},
		},
		{store.Key{Kind: store.RootCRL, Scope: "x", Version: 3}, store.Key{Kind: store.RootCRL, Version: 4}},
		{store.Key{Kind: store.FMSPCs, Scope: "E3"}, store.Key{Kind: store.FMSPCs, TEE: rats.SGX, Scope: "e3", Version: 4}},
	} {
		if got, err := pccs.NormalKey(c.ask); err != nil || got != c.want {
			t.Errorf("%s: %s, not %s: %v", c.ask, got, c.want, err)
		}
	}
}

func TestAKeyThatIsNoneIsABadRequest(t *testing.T) {
	for _, k := range []store.Key{
		{Kind: "x"},
		{Kind: store.RootCRL, Version: 5},
		{Kind: store.TCBInfo, TEE: rats.SGX, Scope: "00A51E0000"},
		{Kind: store.TCBInfo, TEE: rats.SGX, Scope: "00A51E00000G"},
		{Kind: store.TCBInfo, TEE: rats.SNP, Scope: "00A51E000000"},
		{Kind: store.TCBInfo, TEE: rats.TDX, Scope: "00A51E000000", Version: 3},
		{Kind: store.QEIdentity, TEE: rats.SGX, Update: "late"},
		{Kind: store.QEIdentity, TEE: rats.SGX, Update: "-1"},
		{Kind: store.QEIdentity, TEE: rats.SGX, Update: "99999999999"},
		{Kind: store.PCKCRL, Scope: "root"},
		{Kind: store.FMSPCs, Scope: "E4"},
		{Kind: store.CRL, Scope: "https://example.org/IntelSGXRootCA.der"},
	} {
		if _, err := pccs.NormalKey(k); status(err) != 400 {
			t.Errorf("%s: %v", k, err)
		}
	}
}

func TestRevocationListsAreKnownByTheirURLs(t *testing.T) {
	root, platform := store.Key{Kind: store.RootCRL, Version: 4}, store.Key{Kind: store.PCKCRL, Scope: "platform", Version: 4}
	own := func(uri string) store.Key { return store.Key{Kind: store.CRL, Scope: uri, Version: 4} }
	for uri, want := range map[string]store.Key{
		"https://certificates.trustedservices.intel.com/IntelSGXRootCA.der":                              root,
		"https://certificates.trustedservices.intel.com/IntelSGXRootCA.crl":                              root,
		"https://certprx.adsdcsp.com/IntelSGXRootCA.der":                                                 root,
		"https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der":     platform,
		"https://api.trustedservices.intel.com/sgx/certification/v3/pckcrl?ca=PLATFORM":                  platform,
		"https://x.az.sgxprod.adsdcsp.com/sgx/certification/v4/pckcrl?ca=platform":                       platform,
		"https://sbx-certificates.trustedservices.intel.com/IntelSGXRootCA.der":                          own("https://sbx-certificates.trustedservices.intel.com/IntelSGXRootCA.der"),
		"https://sbx.api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der": own("https://sbx.api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der"),
	} {
		if got, err := pccs.CRLKey(uri); err != nil || got != want {
			t.Errorf("%s: %s, %v", uri, got, err)
		}
	}
	for _, uri := range []string{
		"", "x", "http://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
		"https://certificates.trustedservices.intel.com.example.org/IntelSGXRootCA.der",
		"https://example.org/certificates.trustedservices.intel.com/IntelSGXRootCA.der",
		"https://certificates.trustedservices.intel.com@example.org/IntelSGXRootCA.der",
		"https://a.b.certificates.trustedservices.intel.com/IntelSGXRootCA.der",
		"https://certificates.trustedservices.intel.com:8443/IntelSGXRootCA.der",
		"https://certificates.trustedservices.intel.com/else",
		"https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl",
		"https://api.trustedservices.intel.com/sgx/certification/v4/tcb?fmspc=00A51E000000",
		"https://api.trustedservices.intel.com/sgx/certification/v0/pckcrl?ca=platform",
		"https://127.0.0.1/sgx/certification/v4/pckcrl?ca=platform",
	} {
		if _, err := pccs.CRLKey(uri); status(err) != 400 {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
