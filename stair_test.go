// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// modulePath is the root package's path and the prefix of all others.
const modulePath = "github.com/attesteer/attesteer"

// floors is the stair of ARCHITECTURE.md: every import of the module's own goes
// to a strictly lower floor. A new package has to be given its floor here.
var floors = map[string]int{
	"rats":               0,
	"quote":              1,
	"openenclave":        1,
	"evcert":             1,
	"secretfile":         1,
	"dcap":               2,
	"epid":               2,
	"":                   3,
	"record":             4,
	"tree":               4,
	"endorse":            4,
	"endorse/pcstest":    4,
	"endorse/qcnl":       4,
	"simtee":             4,
	"checkpoint":         4,
	"maa":                4,
	"ear":                4,
	"pccs/pck":           4,
	"attester":           4,
	"attester/teetest":   4,
	"registry":           5,
	"proof":              5,
	"client":             5,
	"pccs/clienttool":    5,
	"pccs/qcnltest":      5,
	"pccs/store":         5,
	"token":              5,
	"certificate":        5,
	"ledger":             6,
	"gateway":            6,
	"explorer":           6,
	"metrics":            6,
	"pccs":               6,
	"agent":              6,
	"cmd/attesteer":      7,
	"cmd/attesteer-wasm": 7,
	"packaging/release":  7,
	"reliability":        7,
}

// serviceFloor is the lowest floor whose packages may know a clock and write logs.
const serviceFloor = 6

// browser are the packages that must run in a reader's browser.
var browser = []string{"rats", "quote", "openenclave", "evcert", "dcap", "epid", "", "record", "tree", "proof"}

// network are the packages below the services that may reach it.
var network = []string{"endorse", "endorse/pcstest", "client", "pccs/qcnltest"}

// confined are foreign modules that only the named packages may import; an
// empty list means that only tests may.
var confined = map[string][]string{
	"github.com/cometbft":                 {"ledger", "reliability"},
	"github.com/cosmos/ics23":             nil,
	"github.com/golang-jwt/jwt":           nil,
	"github.com/google/go-cmp":            nil,
	"go.yaml.in/yaml":                     nil,
	"github.com/chromedp":                 nil,
	"github.com/rogpeppe/go-internal":     nil,
	"pgregory.net/rapid":                  nil,
	modulePath + "/simtee":                {"cmd/attesteer", "reliability"},
	modulePath + "/endorse/pcstest":       nil,
	modulePath + "/pccs/qcnltest":         nil,
	modulePath + "/attester/teetest":      nil,
	"github.com/spf13/cobra":              {"cmd/attesteer"},
	"github.com/danielgtaylor/huma":       {"gateway"},
	"github.com/creachadair/jrpc2":        {"gateway", "client"},
	"github.com/coder/websocket":          {"gateway", "client", "reliability"},
	"modernc.org/sqlite":                  {"explorer", "pccs/store"},
	"github.com/jackc/pgx":                {"pccs/store"},
	"github.com/fxamacker/cbor":           {"record", "tree", "registry", "proof", "ledger"},
	"github.com/transparency-dev/merkle":  {"tree", "registry", "proof"},
	"golang.org/x/mod":                    {"checkpoint"},
	"github.com/prometheus/client_golang": {"metrics"},
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	Deps         []string
	TestImports  []string
	XTestImports []string
}

// name is the package's path in the module; the root package's is empty.
func (p listed) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, modulePath), "/")
}

// own returns the path in the module of an import, if it is the module's own.
func own(importPath string) (string, bool) {
	rest, ok := strings.CutPrefix(importPath, modulePath)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return strings.TrimPrefix(rest, "/"), true
}

func packages(t *testing.T) []listed {
	t.Helper()
	fields := "-json=ImportPath,Dir,GoFiles,Imports,Deps,TestImports,XTestImports"
	out := goCommand(t, nil, "list", fields, "./...")
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatal("go list found no package")
	}
	return all
}

// goCommand runs the go command in the module's root and returns what it prints.
func goCommand(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func TestEveryPackageHasAFloorAndEveryFloorAPackage(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range packages(t) {
		seen[p.name()] = true
		if _, ok := floors[p.name()]; !ok {
			t.Errorf("package %q has no floor: give it one here and in ARCHITECTURE.md", p.name())
		}
	}
	for name := range floors {
		if !seen[name] {
			t.Errorf("the stair names package %q, which does not exist", name)
		}
	}
}

func TestEveryImportGoesDownTheStair(t *testing.T) {
	for _, p := range packages(t) {
		floor := floors[p.name()]
		for _, path := range p.Imports {
			if to, ok := own(path); ok && floors[to] >= floor {
				t.Errorf("%q on floor %d imports %q on floor %d", p.name(), floor, to, floors[to])
			}
		}
		for _, path := range p.TestImports {
			if to, ok := own(path); ok && floors[to] >= floor {
				t.Errorf("the tests inside %q on floor %d import %q on floor %d", p.name(), floor, to, floors[to])
			}
		}
		// Tests beside a package may use its equals, and simulated TEES, which
		// exist for tests.
		for _, path := range p.XTestImports {
			if to, ok := own(path); ok && floors[to] > floor && to != "simtee" {
				t.Errorf("the tests beside %q on floor %d import %q on floor %d", p.name(), floor, to, floors[to])
			}
		}
	}
}

func TestForeignModulesStayWhereTheyBelong(t *testing.T) {
	for _, p := range packages(t) {
		for _, path := range p.Imports {
			for module, users := range confined {
				if within(path, module) && !slices.Contains(users, p.name()) {
					t.Errorf("%q imports %s, which is only for %q and tests", p.name(), path, users)
				}
			}
		}
		if floors[p.name()] < serviceFloor {
			for _, path := range p.Deps {
				if within(path, "github.com/cometbft") {
					t.Errorf("%q on floor %d depends on %s", p.name(), floors[p.name()], path)
				}
			}
		}
	}
}

func TestNoNetworkAndNoLogBelowTheServices(t *testing.T) {
	for _, p := range packages(t) {
		if floors[p.name()] >= serviceFloor {
			continue
		}
		for _, path := range p.Imports {
			if path == "log" || path == "log/slog" {
				t.Errorf("%q on floor %d imports %s", p.name(), floors[p.name()], path)
			}
		}
		if !slices.Contains(network, p.name()) && slices.Contains(p.Deps, "net/http") {
			t.Errorf("%q on floor %d depends on net/http", p.name(), floors[p.name()])
		}
	}
}

// clocks are the functions of package time that read one, or wait on one.
var clocks = []string{
	"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep",
}

func TestNoClockBelowTheServices(t *testing.T) {
	for _, p := range packages(t) {
		if floors[p.name()] >= serviceFloor {
			continue
		}
		for _, name := range p.GoFiles {
			for _, use := range usesOf(t, filepath.Join(p.Dir, name), "time", clocks) {
				t.Errorf("floor %d: %s", floors[p.name()], use)
			}
		}
	}
}

// usesOf returns where a file names one of the given members of a standard
// package.
func usesOf(t *testing.T, file, pkg string, members []string) []string {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	local := ""
	for _, spec := range parsed.Imports {
		if spec.Path.Value != `"`+pkg+`"` {
			continue
		}
		local = pkg
		if spec.Name != nil {
			local = spec.Name.Name
		}
	}
	var uses []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := selector.X.(*ast.Ident)
		if ok && x.Name == local && slices.Contains(members, selector.Sel.Name) {
			uses = append(uses, set.Position(n.Pos()).String()+": "+pkg+"."+selector.Sel.Name)
		}
		return true
	})
	return uses
}

// within reports whether an import path lies in a module or below a prefix.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func TestSourceFilesStaySmallAndSayTheirLicence(t *testing.T) {
	const maxLines = 500
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(source), "\n"); n > maxLines {
				t.Errorf("%s has %d lines, over %d: is it two things?", file, n, maxLines)
			}
			if !strings.HasPrefix(string(source), "// SPDX-License-Identifier: Apache-2.0\n\n") {
				t.Errorf("%s does not begin with its licence and an empty line", file)
			}
		}
	}
}
