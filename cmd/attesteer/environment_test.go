// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestEveryFlagOfServeHasAVariable(t *testing.T) {
	_, root := tree(t)
	serve, _, err := root.Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	known := environment(root)
	n := 0
	serve.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		n++
		v, ok := known[environmentName(f.Name)]
		if !ok || v.flag != f.Name {
			t.Errorf("--%s has no variable", f.Name)
		}
		if !regexp.MustCompile(`^ATTESTEER_[A-Z0-9_]+$`).MatchString(v.name) {
			t.Errorf("--%s: %q is no name that every shell takes", f.Name, v.name)
		}
	})
	if n < 10 {
		t.Errorf("only %d flags were looked at", n)
	}
	if _, ok := known["ATTESTEER_TOKEN"]; !ok {
		t.Error("the token's variable is unknown")
	}
	if _, ok := known["ATTESTEER_HELP"]; ok {
		t.Error("help can be asked for by a variable")
	}
}

// given runs the binding of a command's flags to variables.
func given(t *testing.T, args []string, env map[string]string) (*pflag.FlagSet, string, error) {
	t.Helper()
	var said bytes.Buffer
	a := &app{system: system{stderr: &said, getenv: func(name string) string { return env[name] }, environ: func() []string {
		var all []string
		for name, value := range env {
			all = append(all, name+"="+value)
		}
		return all
	}}}
	root := a.root()
	cmd, rest, err := root.Find(args)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatal(err)
	}
	err = a.fromEnvironment(cmd)
	return cmd.Flags(), said.String(), err
}

func TestAFlagRemembersWhatItsValueCameFrom(t *testing.T) {
	flags, said, err := given(t, []string{"serve", "--network", "test"}, map[string]string{
		"ATTESTEER_NETWORK": "main", "ATTESTEER_LISTEN": ":1", "ATTESTEER_ENDORSEMENTS": "a,b", "ATTESTEER_TLS_CERT": "",
	})
	if err != nil || said != "" {
		t.Fatalf("%v, %s", err, said)
	}
	for name, want := range map[string]struct {
		value, origin string
		changed       bool
	}{
		"network":      {"test", "", true},
		"listen":       {":1", "ATTESTEER_LISTEN", true},
		"endorsements": {"[a,b]", "ATTESTEER_ENDORSEMENTS", true},
		"tls-cert":     {"", "", false},
		"demo":         {"false", "", false},
	} {
		f := flags.Lookup(name)
		if f.Value.String() != want.value || originOf(f) != want.origin || f.Changed != want.changed {
			t.Errorf("--%s is %q from %q, given %t; want %+v", name, f.Value, originOf(f), f.Changed, want)
		}
	}
}

func TestTypingErrorsAreToldFromWhatOrchestratorsSet(t *testing.T) {
	for variable, want := range map[string]string{
		"ATTESTEER_HOEM=/x":                           "is ATTESTEER_HOME meant?",
		"ATTESTEER_ENDORSMENTS=/x":                    "is ATTESTEER_ENDORSEMENTS meant?",
		"ATTESTEER_TLSCERT=/x":                        "is ATTESTEER_TLS_CERT meant?",
		"ATTESTEER_tls_cert=/x":                       "warning: ATTESTEER_tls_cert is set",
		"ATTESTEER_PORT=2000":                         "warning: ATTESTEER_PORT is set",
		"ATTESTEER_TELEPORTATION=1":                   "warning: ATTESTEER_TELEPORTATION is set",
		"ATTESTEER_PORT=tcp://10.0.0.1:2000":          "",
		"ATTESTEER_PORT_2000_TCP=tcp://10.0.0.1:2000": "",
		"ATTESTEER_PORT_2000_TCP_PROTO=tcp":           "",
		"ATTESTEER_SERVICE_HOST=10.0.0.1":             "",
		"ATTESTEER_SERVICE_PORT_HTTP=2000":            "",
		"ATTESTEER_API_SERVICE_HOST=10.0.0.1":         "",
		"ATTESTEER_API_PORT=udp://10.0.0.1:2000":      "",
		"ATTESTEERS_HOME=/x":                          "",
	} {
		name, value, _ := strings.Cut(variable, "=")
		_, said, err := given(t, []string{"version"}, map[string]string{name: value})
		if err != nil {
			t.Errorf("%s: %v", variable, err)
		}
		if want == "" && said != "" || !strings.Contains(said, want) {
			t.Errorf("%s: said %q, want %q", variable, said, want)
		}
	}
}

func TestDistanceCountsSingleChanges(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"home", "home", 0}, {"hoem", "home", 1},
		{"hme", "home", 1}, {"hopme", "home", 1}, {"hame", "home", 1}, {"kitten", "sitting", 3},
	} {
		if got := distance(c.from, c.to); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.from, c.to, got, c.want)
		}
	}
}
