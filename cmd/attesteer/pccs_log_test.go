// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTheRecordOfACacheIsListedAndHeldAgainstWhatWasNoted fills a cache, notes the
// head, and then changes the database behind its back.
func TestTheRecordOfACacheIsListedAndHeldAgainstWhatWasNoted(t *testing.T) {
	_, url := simulatedPCS(t)
	home, file := t.TempDir(), filepath.Join(t.TempDir(), "c.json")
	asked := []string{"--trust-simulated", "--upstream", "pcs+" + url, "--upstream-root-crl", url + "/IntelSGXRootCA.der"}
	if code, _, errs := command(t, append([]string{"pccs", "fetch", "--fmspc", "00a51e000000", "-o", file}, asked...)...); code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	log := func(args ...string) (int, string, string) {
		return command(t, append([]string{"pccs", "log", "--home", home}, args...)...)
	}
	if code, out, errs := log(); code != 0 || !strings.HasPrefix(out, "head 0:000") {
		t.Errorf("an empty one: %d %s%s", code, out, errs)
	}
	if code, _, errs := command(t, "pccs", "import", file, "--home", home, "--trust-simulated"); code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	code, out, errs := log()
	head := regexp.MustCompile(`(?m)^head ([0-9]+:[0-9a-f]{64})\n\z`).FindStringSubmatch(out)
	if code != 0 || head == nil || !regexp.MustCompile(`(?m)^ +1  20.*Z  root_crl v4  issued 20.*, until 20.*, from import:c.json$`).MatchString(out) {
		t.Fatalf("%d %s%s", code, out, errs)
	}
	code, out, errs = log("--json", "--after", "1")
	var listed struct {
		Head    string `json:"head"`
		Entries []loggedVersion
	}
	if err := json.Unmarshal([]byte(out), &listed); code != 0 || err != nil || listed.Head != head[1] || len(listed.Entries) < 3 || listed.Entries[0].Number != 2 {
		t.Errorf("%d %v %s%s", code, err, out, errs)
	}
	for _, e := range listed.Entries {
		if e.Kind != "tcb_info" {
			continue
		}
		code, out, _ := log("--body", strconv.FormatInt(e.Number, 10))
		if code != 0 || fmt.Sprintf("%x", sha256.Sum256([]byte(out))) != e.SHA256 {
			t.Errorf("entry %d is not as it was signed: %d", e.Number, code)
		}
	}
	for name, c := range map[string]struct {
		code int
		args []string
	}{
		"what was noted": {0, []string{"--known", head[1]}}, "another hash": {10, []string{"--known", "1:" + strings.Repeat("0", 64)}},
		"cut off": {10, []string{"--known", "999:" + strings.Repeat("0", 64)}}, "no head": {2, []string{"--known", "1"}}, "no entry": {15, []string{"--body", "999"}},
		"no number": {2, []string{"--after", "-1"}},
	} {
		if code, _, errs := log(c.args...); code != c.code {
			t.Errorf("%s: %d %s", name, code, errs)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(home, "data", "pccs.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it is thrown away
	if _, err := db.ExecContext(t.Context(), `UPDATE pccs_log SET source = 'intel' WHERE number = 2`); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := log(); code != 10 || out != "" || !strings.Contains(errs, "entry 2 of the log was changed") {
		t.Errorf("a record that was changed: %d %s%s", code, out, errs)
	}
}
