// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// agentUnit reads a file of the agent's service from the sources.
func agentUnit(t *testing.T, name string) []byte {
	t.Helper()
	return readFile(t, filepath.Join("..", "systemd", name))
}

// TestTheAgentIsConfinedAsTheNodeIs, but for what asking a TEE takes.
func TestTheAgentIsConfinedAsTheNodeIs(t *testing.T) {
	node := parseUnit(t, agentUnit(t, "attesteer.service"))["Service"]
	agent := parseUnit(t, agentUnit(t, "attesteer-agent.service"))["Service"]
	other := map[string][]string{
		"CapabilityBoundingSet":    {"CAP_DAC_OVERRIDE"},
		"AmbientCapabilities":      {"CAP_DAC_OVERRIDE"},
		"PrivateUsers":             nil, // a capability of another namespace opens nothing of root's
		"ReadWritePaths":           {"-/sys/kernel/config/tsm"},
		"ExecStart":                {"/usr/local/bin/attesteer agent run"},
		"EnvironmentFile":          {"-/etc/attesteer/agent.env"},
		"RestartPreventExitStatus": {"2 11 13 14"},
		// It keeps nothing, and does little.
		"StateDirectory": nil, "StateDirectoryMode": nil, "WorkingDirectory": nil, "Environment": nil,
		"TimeoutStartSec": nil, "TimeoutStopSec": {"30s"}, "RestartSec": {"30s"},
		"LimitNOFILE": {"4096"}, "TasksMax": {"256"}, "OOMScoreAdjust": nil,
	}
	for key, want := range node {
		if special, is := other[key]; is {
			want = special
		}
		if got := agent[key]; !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if got := agent["ReadWritePaths"]; !slices.Equal(got, other["ReadWritePaths"]) {
		t.Errorf("it may write to %q", got)
	}
}

func TestTheCommandKnowsEveryFlagAndVariableOfTheAgent(t *testing.T) {
	offered := regexp.MustCompile(`(?m)^#?(ATTESTEER_\w+=\S*)$`).FindAllStringSubmatch(string(agentUnit(t, "agent.env")), -1)
	if len(offered) < 8 {
		t.Errorf("the sample offers only %d variables", len(offered))
	}
	var env []string
	for _, m := range offered {
		env = append(env, m[1])
	}
	words := strings.Fields(parseUnit(t, agentUnit(t, "attesteer-agent.service"))["Service"]["ExecStart"][0])
	name := binary(t)
	for _, args := range [][]string{append(words[1:], "--help"), {"version"}} { // which warns of variables that nothing reads
		cmd := exec.Command(name, args...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("warning:")) {
			t.Errorf("%q with %q: %v\n%s", args, env, err, out)
		}
	}
}

func TestSystemdTakesTheServiceOfTheAgent(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	// Some program has to be where the unit says.
	text := bytes.ReplaceAll(agentUnit(t, "attesteer-agent.service"), []byte("/usr/local/bin/attesteer"), []byte("/bin/true"))
	file := filepath.Join(t.TempDir(), "attesteer-agent.service")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if help, err := exec.Command(analyze, "--help").Output(); err != nil || !bytes.Contains(help, []byte("--offline")) {
		t.Logf("this systemd does not rate units offline: %v", err)
		return
	}
	// An exposure below 3 of 10; a unit that asks for nothing has 9.6.
	if out, err := exec.Command(analyze, "security", "--no-pager", "--offline=true", "--threshold=30", file).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}
