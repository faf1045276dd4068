// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/pccs/qcnltest"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// carried is what PcsClientTool carries over an air gap for a simulated platform.
func carried(t testing.TB, platform *simtee.Platform) *clienttool.Collateral {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	ext, pck := extensionOf(t, platform), platform.PCKCertificate()
	tcb := map[string]int{"pcesvn": int(ext.PCESVN)}
	for i, svn := range ext.Components {
		tcb[fmt.Sprintf("sgxtcbcomp%02dsvn", i+1)] = int(svn)
	}
	level, err := json.Marshal(tcb)
	if err != nil {
		t.Fatal(err)
	}
	root := pki.RootCertificate()
	chain := []byte(pemOf(pck.Issuers[0], root))
	me := named(ext)
	id, pce, ppid := strings.ToUpper(hex.EncodeToString(me.QEID)), strings.ToUpper(hex.EncodeToString([]byte{byte(me.PCEID), byte(me.PCEID >> 8)})), strings.ToUpper(hex.EncodeToString(me.EncryptedPPID))
	out := &clienttool.Collateral{
		Version: 4, RootCRLURL: "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
		Platforms: []clienttool.Platform{{QEID: id, PCEID: pce, CPUSVN: tcbmOf(ext)[:32], PCESVN: tcbmOf(ext)[32:], EncryptedPPID: ppid}},
		PCKCerts: []clienttool.PlatformCerts{{QEID: id, PCEID: pce, EncryptedPPID: ppid, Certs: []clienttool.Cert{
			{TCB: level, TCBm: tcbmOf(ext), PEM: []byte(pemOf(pck.Body))},
		}}},
		Chains: clienttool.Chains{Platform: chain},
	}
	infos := clienttool.TCBInfos{FMSPC: strings.ToUpper(hex.EncodeToString(ext.FMSPC[:]))}
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		items, err := pki.EndorsementsFor(tee, noon())
		if err != nil {
			t.Fatal(err)
		}
		info, identity := items[0], items[1]
		out.Chains.TCBInfo = []byte(pemOf(info.Issuers[0], root))
		out.Chains.Identity, out.RootCRL, out.PlatformCRL = out.Chains.TCBInfo, items[2].Body, items[3].Body
		if tee == rats.SGX {
			infos.SGX, infos.SGXEarly = info.Body, info.Body
			out.Identities = append(out.Identities, clienttool.Identity{Enclave: clienttool.QE, Body: identity.Body})
			continue
		}
		infos.TDX = info.Body
		out.Identities = append(out.Identities, clienttool.Identity{Enclave: clienttool.TDQE, Body: identity.Body})
	}
	out.TCBInfos = []clienttool.TCBInfos{infos}
	return out
}

func written(t testing.TB, c *clienttool.Collateral) []byte {
	t.Helper()
	b, err := c.Marshal(4)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatWasCarriedOverAnAirGapIsServedToQCNL(t *testing.T) {
	t.Parallel()
	s, platform := simulated(t, mode(pccs.Offline))
	ext := extensionOf(t, platform)
	fmspc := hex.EncodeToString(ext.FMSPC[:])
	s.want(s.get(api+"tcb?fmspc="+fmspc), http.StatusNotFound)
	file := carried(t, platform)
	r := s.admin(http.MethodPut, api+"platformcollateral", string(written(t, file)))
	if r.status != http.StatusOK || string(r.body) != "Operation successful." {
		t.Fatalf("%d %q %v\n%s", r.status, r.body, r.header, s.logged)
	}
	// At once: what was answered before is not remembered.
	if r := s.want(s.get(api+"tcb?fmspc="+fmspc), http.StatusOK); !bytes.Equal(r.body, file.TCBInfos[0].SGX) {
		t.Errorf("%.80s", r.body)
	}
	client := s.client(qcnltest.Conf{})
	got, err := client.Collateral(t.Context(), true, ext.FMSPC, "platform")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := platform.QuoteTD(simtee.TD{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attesteer.Verify(attesteer.Evidence{Raw: raw}, endorsements(t, got, true), attesteer.Policy{Roots: roots()}, noon()); err != nil {
		t.Error(err)
	}
	if config, err := client.PCKCert(t.Context(), named(ext)); err != nil || config.CPUSVN != ext.CPUSVN {
		t.Errorf("%v", err)
	}
	if n := len(s.upstream.Calls("")) + int(s.upstream.asked.Load()); n != 0 {
		t.Errorf("upstream was asked %d times", n)
	}
}

func TestAnImportThatDoesNotVerifyIs460(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*clienttool.Collateral){
		"forged TCB info": func(c *clienttool.Collateral) {
			c.TCBInfos[0].SGX = bytes.Replace(c.TCBInfos[0].SGX, []byte(`"UpToDate"`), []byte(`"OutOfDate"`), 1)
		},
		"forged identity": func(c *clienttool.Collateral) {
			c.Identities[0].Body = bytes.Replace(c.Identities[0].Body, []byte(`"isvsvn":`), []byte(`"isvsvn":1`), 1)
		},
		"forged list": func(c *clienttool.Collateral) {
			c.PlatformCRL = bytes.Clone(c.PlatformCRL)
			c.PlatformCRL[len(c.PlatformCRL)-1] ^= 1
		},
		"mixed roots": func(c *clienttool.Collateral) {
			c.Chains.Identity = append(bytes.Clone(c.Chains.Identity[:bytes.Index(c.Chains.Identity, []byte("-----END CERTIFICATE-----"))+len("-----END CERTIFICATE-----\n")]), foreignRoot(t)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, platform := simulated(t, mode(pccs.Offline))
			file := carried(t, platform)
			spoil(file)
			r := s.want(s.admin(http.MethodPut, api+"platformcollateral", string(written(t, file))), pccs.StatusIntegrity)
			if string(r.body) != "The integrity of the data can't be verified." {
				t.Errorf("%q", r.body)
			}
			if !strings.Contains(s.logged.String(), "refused") {
				t.Errorf("the log does not say so:\n%s", s.logged)
			}
		})
	}
}

// foreignRoot is one that vouches for nothing simulated: of the quote that comes
// with the project.
func foreignRoot(t testing.TB) []byte {
	t.Helper()
	all := ders(t, read(t, "..", "testdata", "seed", "pck_chain.pem"))
	return []byte(pemOf(all[len(all)-1]))
}
