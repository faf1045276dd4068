// SPDX-License-Identifier: Apache-2.0

package pck_test

import (
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/pccs/pck"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// collateral returns the folder of real endorsements.
func collateral(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	dir = filepath.Join(dir, "dcap", "collateral")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no real endorsements here: set ATTESTEER_VECTORS")
	}
	return dir
}

func readFile(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestARealCertificateServesItsOwnTCBAndNoneBelow(t *testing.T) {
	dir := collateral(t)
	cert, err := pck.ParsePEM(readFile(t, dir, "intel-qvl-sample", "pckCert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	levels, err := pck.ParseLevels(readFile(t, dir, "intel-qvl-sample", "tcbInfo.json"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := pck.ParseRaw(cert.TCBm()[:32], cert.TCBm()[32:])
	if err != nil || raw != cert.TCB() {
		t.Fatalf("SGX-TCBm is read as %v, not %v: %v", raw, cert.TCB(), err)
	}
	certs := []*pck.Certificate{cert}
	if i, err := pck.Select(certs, levels, cert.PCEID, raw); err != nil || i != 0 {
		t.Errorf("the certificate does not serve its own TCB: %d, %v", i, err)
	}
	for part := range raw {
		if raw[part] == 0 {
			continue
		}
		less := raw
		less[part]--
		if _, err := pck.Select(certs, levels, cert.PCEID, less); !errors.Is(err, rats.NotFound) {
			t.Errorf("a TCB that is lower in part %d is served: %v", part, err)
		}
	}
}

func TestEveryRealTCBInfoForSGXHasItsLevelsRead(t *testing.T) {
	dir := filepath.Join(collateral(t), "tcbinfo")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no TCB info: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		levels, err := pck.ParseLevels(readFile(t, file))
		if strings.Contains(name, "_TDX_") {
			if !errors.Is(err, rats.Unsupported) {
				t.Errorf("%s: levels of TDX are taken for SGX's: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if fmspc, _, _ := strings.Cut(name, "_"); !strings.EqualFold(fmspc, hex.EncodeToString(levels.FMSPC[:])) {
			t.Errorf("%s: for FMSPC %x", name, levels.FMSPC)
		}
		for i := 1; i < len(levels.TCBs); i++ { // Intel sends the highest first
			if levels.TCBs[i].Reaches(levels.TCBs[i-1]) && levels.TCBs[i] != levels.TCBs[i-1] {
				t.Errorf("%s: level %d is above the one before it", name, i)
			}
		}
	}
}

// machine returns the certificates of one simulated platform, the best first,
// and TCB info for them.
func machine(t testing.TB, seed uint32) ([]*pck.Certificate, *pck.Levels) {
	t.Helper()
	pki, err := simtee.NewPKI(simtee.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	var certs []*pck.Certificate
	for _, status := range []rats.TCBStatus{rats.UpToDate, rats.SWHardeningNeeded, rats.OutOfDate, rats.TCBRevoked, rats.NotSupported} {
		p, err := pki.NewPlatform(seed, status)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := pck.Parse(p.PCKCertificate().Body)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	items, err := pki.Endorsements(time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range items {
		if e.Kind == rats.TCBInfo {
			levels, err := pck.ParseLevels(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			return certs, levels
		}
	}
	t.Fatal("no TCB info")
	return nil, nil
}

func TestEachTCBOfAPlatformHasTheBestCertificateThatItReaches(t *testing.T) {
	certs, levels := machine(t, 1)
	for i, c := range certs {
		for _, more := range []uint16{0, 1} { // a little better than the level serves with the level's
			raw := c.TCB()
			raw[0] += more
			if got, err := pck.Select(certs, levels, c.PCEID, raw); err != nil || got != i {
				t.Errorf("TCB %d and %d more: certificate %d serves: %v", i, more, got, err)
			}
		}
	}
}

func TestWhatIsNotOfOnePlatformIsRefused(t *testing.T) {
	certs, levels := machine(t, 1)
	others, _ := machine(t, 2)
	raw := certs[0].TCB()
	foreign := *levels
	foreign.FMSPC[0]++
	for name, try := range map[string]func() error{
		"certificates of two platforms": func() error {
			_, err := pck.Select([]*pck.Certificate{certs[0], others[1]}, levels, [2]byte{}, raw)
			return err
		},
		"TCB info of another FMSPC": func() error { _, err := pck.Select(certs, &foreign, [2]byte{}, raw); return err },
		"a PCE that nothing is for": func() error { _, err := pck.Select(certs, levels, [2]byte{0, 1}, raw); return err },
	} {
		if err := try(); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRawTCBsAreReadLowByteFirst(t *testing.T) {
	tcb, err := pck.ParseRaw("0102030405060708090A0B0C0D0E0F10", "0D01")
	if err != nil {
		t.Fatal(err)
	}
	if tcb[0] != 1 || tcb[15] != 16 || tcb[16] != 0x010d {
		t.Errorf("read as %v", tcb)
	}
	for _, bad := range [][2]string{
		{"", "0D00"}, {"0102030405060708090A0B0C0D0E0F", "0D00"}, {"0102030405060708090A0B0C0D0E0F10", "0D"},
		{"0102030405060708090A0B0C0D0E0F1G", "0D00"}, {"0102030405060708090A0B0C0D0E0F10", "0D000"},
	} {
		if _, err := pck.ParseRaw(bad[0], bad[1]); !errors.Is(err, rats.Malformed) {
			t.Errorf("%q is read: %v", bad, err)
		}
	}
}

func TestBothFormsOfATCBAreRead(t *testing.T) {
	var list, members map[string]json.RawMessage
	parts := make([]string, 16)
	for i := range parts {
		parts[i] = `{"svn":` + string(rune('1'+i%9)) + `}`
	}
	one := `{"sgxtcbcomponents":[` + strings.Join(parts, ",") + `],"pcesvn":13}`
	two := `{"pcesvn":13`
	for i := range parts {
		two += `,"sgxtcbcomp` + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10)) + `svn":` + string(rune('1'+i%9))
	}
	if json.Unmarshal([]byte(one), &list) != nil || json.Unmarshal([]byte(two+"}"), &members) != nil {
		t.Fatal("the test's JSON")
	}
	a, err := pck.ParseTCB(list)
	b, err2 := pck.ParseTCB(members)
	if err != nil || err2 != nil || a != b || a[16] != 13 {
		t.Errorf("%v (%v) and %v (%v)", a, err, b, err2)
	}
	delete(members, "sgxtcbcomp16svn")
	if _, err := pck.ParseTCB(members); err == nil {
		t.Error("a TCB without its last component is read")
	}
}

func TestOnlyOneCertificateInPEMIsACertificate(t *testing.T) {
	p, err := simtee.NewPlatform(1, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.PCKCertificate().Body})
	if _, err := pck.ParsePEM(text); err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.PCKCertificate().Issuers[0]})
	for name, bad := range map[string][]byte{
		"nothing": nil, "two": append(append([]byte{}, text...), text...), "a word before": append([]byte("x\n"), text...),
		"no SGX extension": ca, "half": text[:len(text)/2],
	} {
		if _, err := pck.ParsePEM(bad); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzLevelsAreReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"tcbInfo":{"tcbType":0,"fmspc":"00a51e000000","pceId":"0000","tcbLevels":[{"tcb":{"pcesvn":1}}]}}`))
	f.Add([]byte(`{"tcbInfo":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		levels, err := pck.ParseLevels(data)
		if err == nil && (levels == nil || len(levels.TCBs) == 0) {
			t.Error("neither levels nor an error")
		}
	})
}

func BenchmarkSelect(b *testing.B) {
	certs, levels := machine(b, 1)
	raw := certs[len(certs)-1].TCB()
	for b.Loop() {
		if _, err := pck.Select(certs, levels, [2]byte{}, raw); err != nil {
			b.Fatal(err)
		}
	}
}
