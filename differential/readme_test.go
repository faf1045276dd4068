// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// update makes TestTheReadmeTellsWhatWasFound write what it would look for.
var update = flag.Bool("update", false, "write the tables of README.md anew")

// The marks around what is generated.
const (
	tablesBegin = "<!-- written by go test -run Readme -update -->\n"
	tablesEnd   = "<!-- end of what is written -->\n"
)

func TestTheReadmeTellsWhatWasFound(t *testing.T) {
	vectors(t)
	page := string(read(t, "README.md"))
	before, rest, ok := strings.Cut(page, tablesBegin)
	_, after, end := strings.Cut(rest, tablesEnd)
	if !ok || !end {
		t.Fatal("README.md has no marks around its tables")
	}
	want := before + tablesBegin + tables(everything(t)) + tablesEnd + after
	if want == page {
		return
	}
	if !*update {
		t.Fatalf("README.md is behind: go test -run Readme -update; want\n%s", tables(everything(t)))
	}
	if err := os.WriteFile("README.md", []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tables returns how much was compared, and each class of disagreement.
func tables(c *comparison) string {
	var b strings.Builder
	b.WriteString("\n| samples |")
	for _, p := range peers() {
		fmt.Fprintf(&b, " %s: compared | disagree |", p.name())
	}
	b.WriteString("\n|---|" + strings.Repeat("---|---|", len(peers())) + "\n")
	for _, family := range families() {
		fmt.Fprintf(&b, "| %s |", family)
		for _, p := range peers() {
			disagree := 0
			for _, e := range explanations() {
				if e.peer == p.name() {
					disagree += c.explained[e.class][family]
				}
			}
			fmt.Fprintf(&b, " %d | %d |", c.compared[[2]string{family, p.name()}], disagree)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n| peer | what it does | " + strings.Join(families(), " | ") + " | why | who is right | where |\n")
	b.WriteString("|---|---|" + strings.Repeat("---|", len(families())) + "---|---|---|\n")
	for _, e := range explanations() {
		fmt.Fprintf(&b, "| %s | %s |", e.peer, e.class)
		for _, family := range families() {
			fmt.Fprintf(&b, " %d |", c.explained[e.class][family])
		}
		fmt.Fprintf(&b, " %s | %s | `%s` |\n", e.why, e.right, e.source)
	}
	b.WriteString("\n")
	return b.String()
}

// TestEveryDependencyIsAccountedFor holds the table of dependencies against
// go.mod: each module at its version, and none besides.
func TestEveryDependencyIsAccountedFor(t *testing.T) {
	// A line of go.mod says: module version, and perhaps: // indirect.
	required := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^\t(\S+) (v\S+)( // indirect)?$`).FindAllStringSubmatch(string(read(t, "go.mod")), -1) {
		required[line[1]] = line[2]
	}
	delete(required, "github.com/attesteer/attesteer")
	if len(required) < 2 {
		t.Fatalf("go.mod was not understood: %v", required)
	}
	// A row begins: | `module` | version | licence |
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (\\S+) \\| \\S+").FindAllStringSubmatch(string(read(t, "README.md")), -1) {
		if !strings.HasPrefix(row[2], "v") {
			continue
		}
		if required[row[1]] != row[2] {
			t.Errorf("README.md has %s at %s, go.mod at %q", row[1], row[2], required[row[1]])
		}
		delete(required, row[1])
	}
	for path, version := range required {
		t.Errorf("README.md does not account for %s %s", path, version)
	}
}
