// SPDX-License-Identifier: Apache-2.0

package clienttool_test

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/rats"
)

func TestWhatIsWrongIsSaidWithLineAndColumn(t *testing.T) {
	good := string(marshal(t, sample(t, day), 4))
	list := string(clienttool.MarshalPlatforms(sample(t, day).Platforms))
	for _, c := range []struct{ what, old, new, want string }{
		{"a trailing comma", `"platforms":[`, "\n" + `"platforms":[,`, "line 2, column 14: not JSON"},
		{"a version of its own", `"version":4`, "\n\n  \"version\":5", "line 3, column 13: collaterals.version: want 3 or 4"},
		{"a version in a string", `"version":4`, `"version":"4"`, "collaterals.version: want 3 or 4"},
		{"no platforms", `{"platforms":`, `{"other":`, "has no platforms"},
		{"no certificates", `"certificates":`, `"others":`, "collaterals: has no certificates"},
		{"no list of PCK certificates", `"pck_certs":`, `"others":`, "collaterals: has no pck_certs"},
		{"a member twice", `"version":4`, `"version":4,"version":4`, "collaterals.version: stands twice"},
		{"half a digit", `"pce_id":"0000"`, `"pce_id":"000"`, "platforms[0].pce_id: want 4 hex digits"},
		{"a letter that is no digit", `"pce_svn":"0D00"`, `"pce_svn":"0G00"`, "platforms[0].pce_svn: want 4 hex digits"},
		{"an empty QE id", `"qe_id":"` + qeID + `"`, `"qe_id":""`, "platforms[0].qe_id: has 0 characters, not 1 to 260"},
		{"a long QE id", `"qe_id":"` + qeID + `"`, `"qe_id":"` + strings.Repeat("0", 261) + `"`, "has 261 characters"},
		{"a control character", `"qe_id":"` + qeID + `"`, `"qe_id":"a\u0000b"`, "platforms[0].qe_id: has a control character in it"},
		{"a number for a name", `"qe_id":"` + qeID + `"`, `"qe_id":7`, "platforms[0].qe_id: want a string"},
		{"a manifest that is no hex", `"platform_manifest":""`, `"platform_manifest":"xy"`, "platforms[0].platform_manifest: want hex"},
		{"platforms in an object", `"platforms":[`, `"platforms":{"a":[`, "not JSON"},
		{"an FMSPC too short", `"fmspc":"` + fmspc + `"`, `"fmspc":"00A5"`, "collaterals.tcbinfos[0].fmspc: want 12 hex digits"},
		{"another FMSPC", `"fmspc":"` + fmspc + `"`, `"fmspc":"00A51E000001"`, "is TCB info for another FMSPC"},
		{"TCB info in a string", `"sgx_tcbinfo":{`, `"sgx_tcbinfo":"","tdx_tcbinfo_early":{`, "collaterals.tcbinfos[0].sgx_tcbinfo: want an object"},
		{"TCB info without a signature", `"signature":`, `"Signature":`, "has no signature"},
		{"an identity as an object", `"qeidentity":"`, `"qeidentity":{},"x":"`, "collaterals.qeidentity: want a string"},
		{"an identity that is no JSON", `"qeidentity":"{`, `"qeidentity":"`, "collaterals.qeidentity: is no JSON in a string"},
		{"an identity of nothing", `"qeidentity":"`, `"qeidentity":"{}","x":"`, "collaterals.qeidentity: is no signed identity"},
		{"a list in base64", `"platformCrl":"30`, `"platformCrl":"MIIB`, "collaterals.pckcacrl.platformCrl: want a revocation list"},
		{"a list of nothing known", `"rootcacrl":"30`, `"rootcacrl":"31`, "collaterals.rootcacrl: want a revocation list"},
		{"a TCBm too long", `"tcbm":"`, `"tcbm":"00`, "collaterals.pck_certs[0].certs[0].tcbm: want 36 hex digits"},
		{"a certificate of words", `"cert":"`, `"cert":"not available`, "certs[0].cert: want certificates in PEM"},
		{"a broken percent", `"cert":"-----BEGIN%20`, `"cert":"-----BEGIN%2`, "certs[0].cert: want certificates in PEM"},
		{"no percent at all", `"cert":"-----BEGIN%20`, `"cert":"-----BEGIN%zz`, "certs[0].cert: broken percent-encoding"},
		{"a chain of rubbish", `"PLATFORM":"`, `"PLATFORM":"x`, "PLATFORM: want certificates in PEM"},
		{"a TCB in a string", `"tcb":{`, `"tcb":"","x":{`, "certs[0].tcb: want an object"},
	} {
		file := strings.Replace(good, c.old, c.new, 1)
		if file == good {
			t.Fatalf("%s: %q is not in the file", c.what, c.old)
		}
		_, err := clienttool.Parse([]byte(file))
		if rats.KindOf(err) != rats.Malformed || !strings.Contains(err.Error(), c.want) ||
			!regexp.MustCompile(`line \d+, column \d+: `).MatchString(err.Error()) {
			t.Errorf("%s: got %v, want %q", c.what, err, c.want)
		}
	}
	if _, err := clienttool.ParsePlatforms([]byte(strings.Replace(list, `"cpu_svn":"0`, `"cpu_svn":"`, 1))); err == nil ||
		!strings.Contains(err.Error(), "[0].cpu_svn: want 32 hex digits") {
		t.Errorf("got %v", err)
	}
}

func TestColumnsCountCharacters(t *testing.T) {
	_, err := clienttool.ParsePlatforms([]byte("[{\"é\":1,\n\"日本\":2, \"qe_id\":1}]"))
	if err == nil || !strings.Contains(err.Error(), "line 2, column 17") {
		t.Errorf("got %v", err)
	}
	_, err = clienttool.ParsePlatforms([]byte("[\n\"\xff\"]"))
	if err == nil || !strings.Contains(err.Error(), "line 2, column 2: not UTF-8") {
		t.Errorf("got %v", err)
	}
}

func TestWhatNobodyKnowsIsPassedOverAndListed(t *testing.T) {
	file := strings.Replace(string(marshal(t, sample(t, day), 4)), `"version":4`, "\n"+`"amd":{"vcek":[1,2]},"version":4`, 1)
	c := must(clienttool.Parse([]byte(file)))(t)
	if len(c.Ignored) != 1 || c.Ignored[0] != "line 2, column 7: collaterals.amd" {
		t.Errorf("got %q", c.Ignored)
	}
	// Version 3 knows no TDX.
	three := bytes.Replace(marshal(t, sample(t, day), 4), []byte(`"version":4`), []byte(`"version":3`), 1)
	c = must(clienttool.Parse(three))(t)
	if len(c.TCBInfos) != 1 || c.TCBInfos[0].SGX != nil || len(c.Ignored) != 4 {
		t.Errorf("got %d TCB infos, %q", len(c.TCBInfos), c.Ignored)
	}
}

func TestNoTruncatedFileIsTaken(t *testing.T) {
	file := small(t)
	for n := range len(file) {
		if _, err := clienttool.Parse(file[:n]); rats.KindOf(err) != rats.Malformed {
			t.Fatalf("%d of %d bytes: %v", n, len(file), err)
		}
	}
	list := clienttool.MarshalPlatforms(sample(t, day).Platforms)
	for n := range len(list) {
		if _, err := clienttool.ParsePlatforms(list[:n]); rats.KindOf(err) != rats.Malformed {
			t.Fatalf("%d of %d bytes: %v", n, len(list), err)
		}
	}
}

// What is read of a file with a flipped bit, if anything, is what the file says:
// written again and read again it is the same.
func TestAFlippedBitIsRefusedOrKept(t *testing.T) {
	file := small(t)
	for bit := 0; bit < 8*len(file); bit += 19 {
		flipped := bytes.Clone(file)
		flipped[bit/8] ^= 1 << (bit % 8)
		c, err := clienttool.Parse(flipped)
		if err != nil {
			if rats.KindOf(err) != rats.Malformed {
				t.Fatalf("bit %d: %v", bit, err)
			}
			continue
		}
		checkAgain(t, c)
	}
}

// checkAgain writes collateral and reads it back.
func checkAgain(t testing.TB, c *clienttool.Collateral) {
	t.Helper()
	file, err := c.Marshal(c.Version)
	if err != nil {
		t.Fatalf("what was read cannot be written: %v", err)
	}
	again, err := clienttool.Parse(file)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	twice := marshal(t, again, again.Version)
	if !bytes.Equal(file, twice) {
		t.Fatalf("read and written again:\n%.300s\n%.300s", file, twice)
	}
}

func TestListsAndFilesAreBounded(t *testing.T) {
	entry := `{"tcb":{},"tcbm":"` + strings.Repeat("0", 36) + `","cert":"Not available"}`
	many := strings.Repeat(entry+",", 512) + entry
	file := strings.Replace(string(marshal(t, sample(t, day), 4)), `"certs":[`, `"certs":[`+many+",", 1)
	if _, err := clienttool.Parse([]byte(file)); !errors.Is(err, rats.TooLarge) {
		t.Errorf("514 certificates: %v", err)
	}
	if _, err := clienttool.ParsePlatforms(make([]byte, clienttool.MaxSize+1)); !errors.Is(err, rats.TooLarge) {
		t.Errorf("a file over the bound: %v", err)
	}
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	file = strings.Replace(string(marshal(t, sample(t, day), 4)), `"version":4`, `"deep":`+deep+`,"version":4`, 1)
	if _, err := clienttool.Parse([]byte(file)); err != nil {
		t.Errorf("what is passed over may be deep: %v", err)
	}
}

func TestWhatCannotBeWrittenIsAnError(t *testing.T) {
	for name, spoil := range map[string]func(*clienttool.Collateral){
		"TCB info that is no JSON": func(c *clienttool.Collateral) { c.TCBInfos[0].SGX = []byte("{") },
		"TCB info in a list":       func(c *clienttool.Collateral) { c.TCBInfos[0].SGX = []byte("[]") },
		"a TCB that is not there":  func(c *clienttool.Collateral) { c.PCKCerts[0].Certs[0].TCB = nil },
		"a chain of rubbish":       func(c *clienttool.Collateral) { c.Chains.TCBInfo = []byte("rubbish") },
	} {
		c := sample(t, day)
		spoil(c)
		if _, err := c.Marshal(4); rats.KindOf(err) != rats.Malformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := sample(t, day).Marshal(5); rats.KindOf(err) != rats.Unsupported {
		t.Errorf("version 5: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(marshal(f, sample(f, day), 4))
	f.Add(marshal(f, sample(f, day), 3))
	f.Add(clienttool.MarshalPlatforms(sample(f, day).Platforms))
	f.Add([]byte(`{"platforms":[],"collaterals":{"version":4,"pck_certs":[],"tcbinfos":[],"certificates":{}}}`))
	for _, odd := range []string{`{"platforms":[],"collaterals":{"pck_certs":[]`, `{"a":"\ud800\\"}`, `[[[]]]`, `{"qe_id":1e9}`, "\ufeff"} {
		f.Add([]byte(odd))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := clienttool.Parse(data); err == nil {
			checkAgain(t, c)
			clienttool.Compare(c.Inventory(), c.Inventory())
		} else if kind := rats.KindOf(err); kind != rats.Malformed && kind != rats.TooLarge {
			t.Fatalf("%v", err)
		}
		if list, err := clienttool.ParsePlatforms(data); err == nil {
			again := must(clienttool.ParsePlatforms(clienttool.MarshalPlatforms(list)))(t)
			if fmt.Sprint(list) != fmt.Sprint(again) {
				t.Fatalf("read and written again: %v", again)
			}
		}
		clienttool.Recognise(data)
	})
}
