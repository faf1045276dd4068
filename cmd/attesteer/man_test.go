// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write golden files anew")

// tree returns all commands, as a user's run sees them.
func tree(t *testing.T) (*app, *cobra.Command) {
	t.Helper()
	a := &app{system: system{getenv: func(name string) string {
		return map[string]string{"HOME": "/home/somebody"}[name]
	}}}
	root := a.root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return a, root
}

// pages returns the manual pages of a release called v1.2.3.
func pages(t *testing.T) (map[string][]byte, *cobra.Command) {
	t.Helper()
	a, root := tree(t)
	return a.manPages(root, "v1.2.3"), root
}

func TestEveryCommandHasAManualPageAndEveryFlagAPlaceOnIt(t *testing.T) {
	written, root := pages(t)
	missing := maps.Clone(written)
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Hidden || cmd.Name() == "help" {
			return
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page, ok := written[name]
		if !ok {
			t.Errorf("%q has no manual page", cmd.CommandPath())
		}
		delete(missing, name)
		text := strings.ReplaceAll(string(page), `\-`, "-")
		flags := func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(text, `\fB--`+f.Name+`\fP`) {
				t.Errorf("%s does not tell of --%s", name, f.Name)
			}
			if f.Name != "help" && !strings.Contains(text, "\n"+environmentName(f.Name)+"\n") {
				t.Errorf("%s does not tell of %s", name, environmentName(f.Name))
			}
		}
		cmd.LocalFlags().VisitAll(flags)
		cmd.InheritedFlags().VisitAll(flags)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
	for name := range missing {
		t.Errorf("%s is the manual page of no command", name)
	}
}

func TestAManualPageHasNothingOfTheMachineThatMadeIt(t *testing.T) {
	written, _ := pages(t)
	for name, page := range written {
		if strings.Contains(string(page), "/home/somebody") {
			t.Errorf("%s names a folder of whoever built it", name)
		}
	}
	if !strings.Contains(string(written["attesteer-serve.1"]), `(default \(ti/.attesteer)`) {
		t.Error("attesteer-serve.1 does not say where a home is by default")
	}
}

func TestAManualPageReadsAsItsGoldenFile(t *testing.T) {
	written, _ := pages(t)
	const name = "attesteer-healthcheck.1"
	golden := filepath.Join("testdata", "man", name)
	if *update {
		if err := os.WriteFile(golden, written[name], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(written[name])); diff != "" {
		t.Errorf("%s changed (go test ./cmd/attesteer -run Golden -update):\n%s", name, diff)
	}
}

func TestTextInAManualPageIsNoInstruction(t *testing.T) {
	for text, want := range map[string]string{
		".so /etc/passwd":     `\&.so /etc/passwd`,
		"a\n.b":               "a\n" + `\&.b`,
		"'quoted'":            `\(aqquoted\(aq`,
		`C:\new --flag`:       `C:\enew \-\-flag`,
		"~/a `b` ^c \"d\"":    `\(ti/a \(gab\(ga \(hac \(dqd\(dq`,
		"one\ntwo ... three.": "one\ntwo ... three.",
	} {
		if got := roff(text); got != want {
			t.Errorf("roff(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestManualPagesAreCleanForWhoReadsThem(t *testing.T) {
	written, _ := pages(t)
	dir := t.TempDir()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(written)) {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, written[name], 0o644); err != nil {
			t.Fatal(err)
		}
		all = append(all, file)
	}
	linted := false
	if groff, err := exec.LookPath("groff"); err == nil {
		linted = true
		// -ww warns of everything, -z prints nothing else.
		out, err := exec.Command(groff, append([]string{"-man", "-Tutf8", "-Kutf8", "-ww", "-z"}, all...)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("groff: %v\n%s", err, out)
		}
	}
	if mandoc, err := exec.LookPath("mandoc"); err == nil {
		linted = true
		out, err := exec.Command(mandoc, append([]string{"-Tlint", "-Wwarning"}, all...)...).CombinedOutput()
		// A page without a date is the same whenever it is built.
		lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(out)), "\n"), func(line string) bool {
			return line == "" || strings.Contains(line, "missing date")
		})
		if len(lines) > 0 {
			t.Errorf("mandoc: %v\n%s", err, strings.Join(lines, "\n"))
		}
	}
	if !linted {
		t.Skip("neither groff nor mandoc is here")
	}
}
