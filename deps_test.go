// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestEveryDirectDependencyIsAccountedFor holds docs/dependencies.md, which says
// why each one is there, against go.mod.
func TestEveryDirectDependencyIsAccountedFor(t *testing.T) {
	var mod struct {
		Require []struct {
			Path, Version string
			Indirect      bool
		}
	}
	if err := json.Unmarshal([]byte(goCommand(t, nil, "mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	// A row begins: | `module` | version |
	var explained []string
	versions := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^ ]+) \\|").FindAllSubmatch(page, -1) {
		explained = append(explained, string(row[1]))
		versions[string(row[1])] = string(row[2])
	}
	for _, need := range mod.Require {
		if need.Indirect {
			continue
		}
		i := slices.Index(explained, need.Path)
		if i < 0 {
			t.Errorf("docs/dependencies.md does not say why %s is there", need.Path)
			continue
		}
		explained = slices.Delete(explained, i, i+1)
		if versions[need.Path] != need.Version {
			t.Errorf("docs/dependencies.md has %s at %s, go.mod at %s", need.Path, versions[need.Path], need.Version)
		}
	}
	for _, path := range explained {
		t.Errorf("docs/dependencies.md explains %s, which go.mod does not require directly", path)
	}
}
