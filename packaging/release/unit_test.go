// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unit is a file of systemd's: sections, keys and their values in order.
type unit map[string]map[string][]string

func parseUnit(t *testing.T, text []byte) unit {
	t.Helper()
	u, section := unit{}, ""
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[' && line[len(line)-1] == ']':
			section = line[1 : len(line)-1]
			u[section] = map[string][]string{}
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || section == "" {
				t.Fatalf("neither section nor assignment: %q", line)
			}
			u[section][key] = append(u[section][key], value)
		}
	}
	return u
}

func TestTheServiceIsConfined(t *testing.T) {
	u := parseUnit(t, readFile(t, filepath.Join("..", "systemd", "attesteer.service")))
	for _, section := range []string{"Unit", "Service", "Install"} {
		if u[section] == nil {
			t.Errorf("no section %s", section)
		}
	}
	for key, want := range map[string][]string{
		"NoNewPrivileges":          {"yes"},
		"ProtectSystem":            {"strict"},
		"ProtectHome":              {"yes"},
		"ProtectClock":             {"yes"},
		"ProtectControlGroups":     {"yes"},
		"ProtectHostname":          {"yes"},
		"ProtectKernelLogs":        {"yes"},
		"ProtectKernelModules":     {"yes"},
		"ProtectKernelTunables":    {"yes"},
		"ProtectProc":              {"invisible"},
		"PrivateTmp":               {"yes"},
		"PrivateDevices":           {"yes"},
		"PrivateUsers":             {"yes"},
		"LockPersonality":          {"yes"},
		"MemoryDenyWriteExecute":   {"yes"},
		"RestrictNamespaces":       {"yes"},
		"RestrictRealtime":         {"yes"},
		"RestrictSUIDSGID":         {"yes"},
		"RestrictAddressFamilies":  {"AF_INET AF_INET6 AF_UNIX"},
		"CapabilityBoundingSet":    {""},
		"AmbientCapabilities":      {""},
		"SystemCallArchitectures":  {"native"},
		"SystemCallFilter":         {"@system-service", "~@privileged @resources"},
		"StateDirectory":           {"attesteer"},
		"StateDirectoryMode":       {"0700"},
		"UMask":                    {"0077"},
		"Type":                     {"notify"},
		"Restart":                  {"on-failure"},
		"RestartPreventExitStatus": {"2"},
		"LimitNOFILE":              {"65536"},
	} {
		if got := u["Service"][key]; !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	// It runs as the user that sysusers makes.
	user := u["Service"]["User"]
	if len(user) != 1 || user[0] == "root" ||
		!regexp.MustCompile(`(?m)^u `+user[0]+` `).Match(readFile(t, filepath.Join("..", "systemd", "sysusers.conf"))) {
		t.Errorf("User is %q, which sysusers.conf does not make", user)
	}
}

func TestTheCommandKnowsEveryFlagAndVariableOfTheService(t *testing.T) {
	u := parseUnit(t, part(t, "systemd/attesteer.service"))
	words := strings.Fields(u["Service"]["ExecStart"][0])
	if words[0] != "/usr/local/bin/attesteer" || words[1] != "serve" {
		t.Fatalf("ExecStart is %q", words)
	}
	var env []string
	for _, line := range u["Service"]["Environment"] {
		env = append(env, strings.Fields(strings.ReplaceAll(line, "%S", "/var/lib"))...)
	}
	// What the sample sets, and what it offers behind a #.
	offered := regexp.MustCompile(`(?m)^#?(ATTESTEER_\w+=\S*)$`).FindAllStringSubmatch(string(part(t, "systemd/attesteer.env")), -1)
	if len(offered) < 5 {
		t.Errorf("the sample offers only %d variables", len(offered))
	}
	for _, m := range offered {
		env = append(env, m[1])
	}
	name := binary(t)
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("warning:")) {
			t.Errorf("%q with %q: %v\n%s", args, env, err, out)
		}
	}
	run(append(words[1:], "--help")...)
	run("version") // which warns of variables that nothing reads
}

func TestSystemdTakesTheService(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	// The binary has to be where the unit says.
	text := bytes.ReplaceAll(part(t, "systemd/attesteer.service"), []byte("/usr/local/bin/attesteer"), []byte(binary(t)))
	file := filepath.Join(t.TempDir(), "attesteer.service")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	help, err := exec.Command(analyze, "--help").Output()
	if err != nil || !bytes.Contains(help, []byte("--offline")) {
		t.Logf("this systemd does not rate units offline: %v", err)
		return
	}
	// An exposure below 2 of 10; a unit that asks for nothing has 9.6.
	if out, err := exec.Command(analyze, "security", "--no-pager", "--offline=true", "--threshold=20", file).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}
