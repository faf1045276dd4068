// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/attesteer/attesteer/metrics"
)

// rules is a rules file of Prometheus, as far as it is used here.
type rules struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alerts(t *testing.T) []rule {
	t.Helper()
	f, err := os.Open("../packaging/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	dec := yaml.NewDecoder(f)
	dec.KnownFields(true)
	var file rules
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) < 10 {
		t.Fatalf("%d groups", len(file.Groups))
	}
	return file.Groups[0].Rules
}

func TestEveryAlertAsksForWhatThereIs(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range alerts(t) {
		if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Attesteer") {
			t.Errorf("alert %q", r.Alert)
		}
		seen[r.Alert] = true
		if !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		if _, err := time.ParseDuration(r.For); r.For != "" && err != nil {
			t.Errorf("%s: %v", r.Alert, err)
		}
		if r.Annotations["summary"] == "" {
			t.Errorf("%s says nothing", r.Alert)
		}
		if open, closed := strings.Count(r.Expr, "("), strings.Count(r.Expr, ")"); open != closed {
			t.Errorf("%s: %d brackets are opened, %d closed", r.Alert, open, closed)
		}
		checkSelectors(t, r)
	}
}

// checkSelectors holds the metrics, labels and values that an expression names
// against the table.
func checkSelectors(t *testing.T, r rule) {
	t.Helper()
	found := false
	for _, m := range regexp.MustCompile(`\b(attesteer_\w+|up)\b(?:\{([^}]*)\})?`).FindAllStringSubmatch(r.Expr, -1) {
		found = true
		if m[1] == "up" {
			continue
		}
		i := slices.IndexFunc(metrics.Table(), func(d metrics.Description) bool {
			return m[1] == d.Name || d.Type == metrics.Histogram && slices.Contains([]string{d.Name + "_bucket", d.Name + "_count", d.Name + "_sum"}, m[1])
		})
		if i < 0 {
			t.Errorf("%s asks for %s, which there is not", r.Alert, m[1])
			continue
		}
		for _, l := range regexp.MustCompile(`(\w+)\s*(?:!=|=|=~|!~)\s*"([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(metrics.Table()[i].Labels, l[1]) {
				t.Errorf("%s: %s has no label %s", r.Alert, m[1], l[1])
			}
			words := map[string][]string{"code": metrics.Conditions(), "outcome": append(metrics.Fetches(), metrics.Submissions()...)}[l[1]]
			if words != nil && !slices.Contains(words, l[2]) {
				t.Errorf("%s: %s is never %q", r.Alert, l[1], l[2])
			}
		}
	}
	if !found {
		t.Errorf("%s asks for nothing", r.Alert)
	}
}

// TestEveryAlertIsInTheRunbook, and the runbook knows no others.
func TestEveryAlertIsInTheRunbook(t *testing.T) {
	b, err := os.ReadFile("../docs/operations/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, h := range regexp.MustCompile(`(?m)^### (Attesteer\w+)$`).FindAllStringSubmatch(string(b), -1) {
		explained = append(explained, h[1])
	}
	for _, r := range alerts(t) {
		i := slices.Index(explained, r.Alert)
		if i < 0 {
			t.Errorf("the runbook does not say what to do about %s", r.Alert)
			continue
		}
		explained = slices.Delete(explained, i, i+1)
		if want := "runbook.md#" + strings.ToLower(r.Alert); r.Annotations["runbook"] != want {
			t.Errorf("%s points at %q, want %q", r.Alert, r.Annotations["runbook"], want)
		}
	}
	if len(explained) > 0 {
		t.Errorf("the runbook explains %v, which nothing alerts", explained)
	}
}
