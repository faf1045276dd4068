// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/rats"
)

// documented returns a gateway that serves all that there is.
func documented(t testing.TB) *Gateway {
	t.Helper()
	cfg := described(t).cfg
	cfg.Chain = struct{ Chain }{}
	cfg.Governance = struct{ Governance }{}
	cfg.CheckpointKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestTheDocumentationIsOfWhatIsServed makes it of the table of operations.
func TestTheDocumentationIsOfWhatIsServed(t *testing.T) {
	g := documented(t)
	intro, err := os.ReadFile(filepath.Join("testdata", "api_intro.md"))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{g: g, ops: operationsOf(g)}
	d.Write(intro)
	d.errors(t)
	d.operations(t)
	d.compatible()
	golden := filepath.Join("..", "docs", "api.md")
	if *update {
		if err := os.WriteFile(golden, d.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.Bytes(), want) {
		t.Errorf("the API is not what %s says: go generate ./gateway, and look at the difference", golden)
	}
}

// operationsOf returns the operations as they were registered, by their ids.
func operationsOf(g *Gateway) map[string]*huma.Operation {
	all := make(map[string]*huma.Operation)
	for _, item := range g.api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				all[op.OperationID] = op
			}
		}
	}
	for _, s := range g.rpc.served {
		all[s.op.OperationID] = s.op
	}
	return all
}

// document is the page on its way.
type document struct {
	bytes.Buffer
	g   *Gateway
	ops map[string]*huma.Operation
}

func (d *document) line(format string, args ...any) {
	d.WriteString(fmt.Sprintf(format, args...) + "\n")
}

// errors lists the kinds, with what the comments of their constants say.
func (d *document) errors(t testing.TB) {
	t.Helper()
	meaning := make(map[string]string)
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "rats", "kind.go"), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			name, text, _ := strings.Cut(strings.TrimSpace(v.Doc.Text()), ": ")
			meaning[strings.ToLower(name)] = strings.TrimSuffix(text, ".")
		}
		return true
	})
	d.line("\n| kind | meaning | exit | HTTP | JSON-RPC |\n|---|---|---|---|---|")
	for _, k := range rats.Kinds() {
		text := meaning[strings.ReplaceAll(k.String(), "_", "")]
		if text == "" {
			t.Errorf("kind %s has no meaning", k)
		}
		d.line("| `%s` | %s | %d | %d | %d |", k, text, k.ExitCode(), k.HTTPStatus(), rpcCode(k))
	}
}

// operations describes the table, by tags.
func (d *document) operations(t testing.TB) {
	t.Helper()
	d.line("\n## Operations")
	var tags []string
	byTag := make(map[string][]entry)
	for _, e := range d.g.entries() {
		tag := e.rest.Tags[0]
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
		byTag[tag] = append(byTag[tag], e)
	}
	seen := 0
	for _, tag := range tags {
		if tag == "compatible" {
			seen += len(byTag[tag])
			continue
		}
		d.line("\n### %s", tag)
		for _, e := range byTag[tag] {
			d.operation(t, e)
			seen++
		}
	}
	if seen != len(d.ops) {
		t.Errorf("%d operations are in the table, %d are served", seen, len(d.ops))
	}
}

func (d *document) operation(t testing.TB, e entry) {
	t.Helper()
	op := d.ops[e.rest.OperationID]
	if op == nil || op.Summary == "" {
		t.Fatalf("%s has no summary, or is not served", e.rest.OperationID)
	}
	var ways []string
	if !op.Hidden {
		ways = append(ways, "`"+op.Method+" "+op.Path+"`")
	}
	if e.method != "" {
		ways = append(ways, "`"+e.method+"`")
	}
	d.line("\n#### %s\n\n%s · takes %s", op.Summary, strings.Join(ways, " · "), takes(op))
	if op.Description != "" {
		d.line("\n%s", op.Description)
	}
	d.parameters(t, op)
	if answers := answersOf(op); answers != "" && !op.Hidden {
		d.line("\nAnswers %s.", answers)
	}
}

// takes says what a call takes, of a token.
func takes(op *huma.Operation) string {
	n, asked := needOf(op)
	switch {
	case !asked:
		return "no token"
	case n.anonymous:
		return "no token by default"
	default:
		return "a token of scope `" + string(n.scope) + "`"
	}
}

// parameters lists those of REST; JSON-RPC has the same, in this order, but for
// headers.
func (d *document) parameters(t testing.TB, op *huma.Operation) {
	t.Helper()
	b, ok := op.Metadata[bindingKey].(binding)
	if !ok {
		t.Fatalf("%s is not of the table", op.OperationID)
	}
	var rows []string
	shown := make(map[string]bool)
	for _, p := range parametersOf(op, b.order, d.g.schemas) {
		if p.schema == nil {
			t.Fatalf("%s %s has no schema", op.OperationID, p.name)
		}
		shown[p.in+p.name] = true
		rows = append(rows, row(p, op.Hidden))
	}
	for _, p := range op.Parameters { // headers, and what the body has by the same name
		if !shown[p.In+p.Name] {
			rows = append(rows, row(parameter{name: p.Name, in: p.In + ", REST alone", doc: p.Description, schema: p.Schema}, false))
		}
	}
	if len(rows) > 0 {
		d.line("\n| parameter | in | type | |\n|---|---|---|---|\n%s", strings.Join(rows, "\n"))
	}
}

// row is a parameter's; what REST does not serve is in no part of a request.
func row(p parameter, alone bool) string {
	if alone {
		p.in = ""
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", p.name, p.in, typeOf(p.schema), meaningOf(p.doc, p.schema, p.required))
}

func typeOf(s *huma.Schema) string {
	switch {
	case s.Ref != "":
		return "`" + filepath.Base(s.Ref) + "`"
	case len(s.OneOf) > 0:
		return (&parameter{schema: s}).typeName()
	case s.Type == huma.TypeArray:
		return "list of " + typeOf(s.Items)
	}
	return s.Type
}

func meaningOf(doc string, s *huma.Schema, required bool) string {
	var parts []string
	if required {
		parts = append(parts, "required")
	}
	if doc = cmp.Or(doc, s.Description); doc != "" {
		parts = append(parts, strings.ReplaceAll(doc, "|", `\|`))
	}
	values := s.Enum
	if s.Items != nil {
		values = s.Items.Enum
	}
	if len(values) > 0 {
		var words []string
		for _, v := range values {
			words = append(words, fmt.Sprintf("`%v`", v))
		}
		parts = append(parts, "one of "+strings.Join(words, ", "))
	}
	for _, example := range s.Examples {
		parts = append(parts, fmt.Sprintf("such as `%v`", example))
	}
	return strings.Join(parts, "; ")
}

// answersOf lists the answers of a call that are no problems.
func answersOf(op *huma.Operation) string {
	var all []string
	for status, r := range op.Responses {
		if status == "default" {
			continue
		}
		text := status
		var kinds []string
		for kind, media := range r.Content {
			what := kind
			if kind == jsonType {
				what = "JSON"
			}
			if media.Schema != nil && media.Schema.Ref != "" {
				what = "`" + filepath.Base(media.Schema.Ref) + "`"
				if kind != jsonType {
					what += " as " + kind
				}
			}
			kinds = append(kinds, what)
		}
		slices.Sort(kinds)
		if len(kinds) > 0 {
			text += " with " + strings.Join(kinds, " or ")
		} else if r.Description != "" {
			text += " (" + strings.TrimSuffix(r.Description, ".") + ")"
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// compatible lists what is there for clients of the original.
func (d *document) compatible() {
	d.line("\n## Compatible calls\n\nFor clients of the original; [compatible.md](compatible.md) has their encodings. Over JSON-RPC they take no token on a development network, and parameters by position alone.\n")
	d.line("| call | parameters | | takes |\n|---|---|---|---|")
	for _, e := range d.g.entries() {
		if e.rest.Tags[0] == "compatible" {
			op := d.ops[e.rest.OperationID]
			body := ""
			if op.RequestBody != nil {
				body = "`quote`, `url`?"
			}
			d.line("| `%s %s` | %s | %s | %s |", op.Method, op.Path, body, op.Summary, takes(op))
		}
	}
	names := make([]string, 0, len(d.g.rpc.methods))
	for name := range d.g.rpc.methods {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		m := d.g.rpc.methods[name]
		scope := "no token by default"
		if m.submits {
			scope = "a token of scope `submit`"
		}
		params := ""
		if m.params != "" {
			params = "`[" + m.params + "]`"
		}
		d.line("| `%s` | %s | %s | %s |", name, params, m.about, scope)
	}
}
