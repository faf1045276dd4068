// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// instruction is one of a container file's: its word and the rest.
type instruction struct{ word, rest string }

// stage is what lies between two FROM lines, the first of which it begins with.
type stage []instruction

func (s stage) all(word string) (rest []string) {
	for _, i := range s {
		if i.word == word {
			rest = append(rest, i.rest)
		}
	}
	return rest
}

// last returns the rest of an instruction that counts once.
func (s stage) last(t *testing.T, word string) string {
	t.Helper()
	all := s.all(word)
	if len(all) == 0 {
		t.Fatalf("the final stage has no %s", word)
	}
	return all[len(all)-1]
}

func parseContainerfile(t *testing.T) (stages []stage) {
	t.Helper()
	text := string(readFile(t, filepath.Join("..", "Containerfile")))
	text = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")
	for _, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "":
			continue
		case word == "FROM":
			stages = append(stages, nil)
		case len(stages) == 0:
			t.Fatalf("%s before FROM", word)
		}
		stages[len(stages)-1] = append(stages[len(stages)-1], instruction{word, rest})
	}
	if len(stages) != 2 {
		t.Fatalf("%d stages, want 2", len(stages))
	}
	return stages
}

// list reads an instruction's list of words in JSON, which no shell touches.
func list(t *testing.T, rest string) (words []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(rest), &words); err != nil {
		t.Fatalf("%q needs a shell: %v", rest, err)
	}
	return words
}

func TestTheImageIsSmallAndRunsAsNobodyInParticular(t *testing.T) {
	final := parseContainerfile(t)[1]
	if from := final.last(t, "FROM"); from != "scratch" {
		t.Errorf("FROM %s", from)
	}
	if user := final.last(t, "USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("USER %s: an orchestrator sees only by a number that it is not root", user)
	}
	entry := list(t, final.last(t, "ENTRYPOINT"))
	if got := list(t, final.last(t, "CMD")); !slices.Equal(got, []string{"serve"}) {
		t.Errorf("CMD %q", got)
	}
	_, check, ok := strings.Cut(final.last(t, "HEALTHCHECK"), "CMD ")
	if words := list(t, check); !ok || !slices.Equal(words, append(slices.Clone(entry), "healthcheck")) {
		t.Errorf("HEALTHCHECK %q does not ask the binary", words)
	}
	env := settings(final)
	volumes := list(t, final.last(t, "VOLUME"))
	if !slices.Contains(volumes, env["ATTESTEER_HOME"]) {
		t.Errorf("the home %q is on no volume of %q", env["ATTESTEER_HOME"], volumes)
	}
	if _, port, err := net.SplitHostPort(env["ATTESTEER_LISTEN"]); err != nil || !slices.Contains(final.all("EXPOSE"), port) {
		t.Errorf("it listens on %s and exposes %q", env["ATTESTEER_LISTEN"], final.all("EXPOSE"))
	}
	if len(final.all("RUN")) > 0 {
		t.Error("scratch has nothing to RUN with")
	}
}

func TestTheImageIsBuiltByTheGoThatTheModuleAsksForOrALaterOne(t *testing.T) {
	from := parseContainerfile(t)[0].last(t, "FROM")
	image := regexp.MustCompile(`/golang:(1\.\d+)\.\d+-\w+ AS build$`).FindStringSubmatch(from)
	module := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(string(readFile(t, filepath.Join("..", "..", "go.mod"))))
	if image == nil || module == nil || image[1] != module[1] {
		t.Errorf("FROM %s, while go.mod says %q", from, module)
	}
}

// settings returns a stage's ENV.
func settings(s stage) map[string]string {
	env := map[string]string{}
	for _, rest := range s.all("ENV") {
		for _, pair := range strings.Fields(rest) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
	}
	return env
}

// made guards the folder image of the workshop.
var made sync.Once

// makeImage runs the build stage's own line that makes /image.
func makeImage(t *testing.T, build stage, sources string) {
	t.Helper()
	runs := build.all("RUN")
	script := strings.ReplaceAll(runs[len(runs)-1], " /image ", " "+filepath.Join(workshop, "image")+" ")
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir, cmd.Env = sources, append(os.Environ(), "TARGETOS="+testTarget.os, "TARGETARCH="+testTarget.arch, "GOFLAGS=")
	for _, arg := range build.all("ARG") {
		if !strings.HasPrefix(arg, "TARGET") {
			cmd.Env = append(cmd.Env, arg)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// assemble makes the final stage's files in a folder, as an engine would.
func assemble(t *testing.T) (root string) {
	t.Helper()
	_, sources := released(t)
	stages := parseContainerfile(t)
	made.Do(func() { makeImage(t, stages[0], sources) })
	root = filepath.Join(t.TempDir(), "root")
	for _, rest := range stages[1].all("COPY") {
		words := slices.DeleteFunc(strings.Fields(rest), func(w string) bool { return strings.HasPrefix(w, "--") })
		if len(words) != 2 || !strings.Contains(rest, "--from=build ") {
			t.Fatalf("COPY %s", rest)
		}
		from := words[0]
		if inside, ok := strings.CutPrefix(from, "/image/"); ok {
			from = filepath.Join(workshop, "image", inside)
		} else if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
			// The build stage's system has it; this one's name for it differs.
			t.Logf("this machine has no %s", from)
			continue
		}
		to := filepath.Join(root, words[1])
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		args := []string{"-a", filepath.Clean(from), to}
		if strings.HasSuffix(words[0], "/") {
			args = []string{"-a", "-T", from, to}
		}
		if out, err := exec.Command("cp", args...).CombinedOutput(); err != nil {
			t.Fatalf("cp %q: %v\n%s", args, err, out)
		}
		if owner := regexp.MustCompile(`--chown=(\S+)`).FindStringSubmatch(rest); owner != nil && os.Geteuid() == 0 {
			if out, err := exec.Command("chown", "-R", owner[1], to).CombinedOutput(); err != nil {
				t.Fatalf("chown: %v\n%s", err, out)
			}
		}
	}
	return root
}

// container runs the binary in the image's files as an engine would: with the
// image's variables and nothing else; where this process may, below the files as
// root folder and as the image's user.
type container struct {
	root, binary string
	env          []string
	attr         *syscall.SysProcAttr
}

func newContainer(t *testing.T, root string) container {
	t.Helper()
	final := parseContainerfile(t)[1]
	entry := list(t, final.last(t, "ENTRYPOINT"))[0]
	env := settings(final)
	env["ATTESTEER_LISTEN"] = freePort(t) // this machine has other things on :2000
	c := container{root: root, binary: entry}
	if os.Geteuid() == 0 {
		c.attr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	} else {
		c.binary = filepath.Join(root, entry)
		for _, name := range []string{"HOME", "ATTESTEER_HOME"} {
			env[name] = filepath.Join(root, env[name])
		}
	}
	for name, value := range env {
		c.env = append(c.env, name+"="+value)
	}
	return c
}

func (c container) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.binary, args...)
	cmd.Env, cmd.Dir, cmd.SysProcAttr = c.env, "/", c.attr
	return cmd
}

// freePort returns an address that nobody listens on, below those that systems
// give to whoever asks for any, or an outgoing connection may have it first.
func freePort(t *testing.T) string {
	t.Helper()
	const first, many = 30_000, 2_000
	for n := range many {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+(os.Getpid()*97+n)%many))
		if l, err := net.Listen("tcp", address); err == nil && l.Close() == nil {
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

func TestTheImageBecomesHealthyByItsOwnCheckAndStopsWhenTold(t *testing.T) {
	root := assemble(t)
	final := parseContainerfile(t)[1]
	demandStatic(t, filepath.Join(root, list(t, final.last(t, "ENTRYPOINT"))[0]))
	c := newContainer(t, root)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	node := c.command(ctx, list(t, final.last(t, "CMD"))...)
	var log bytes.Buffer
	node.Stdout, node.Stderr = &log, &log
	if err := c.command(ctx, "healthcheck").Run(); err == nil {
		t.Error("healthy before it runs")
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- node.Wait() }()
	_, check, _ := strings.Cut(final.last(t, "HEALTHCHECK"), "CMD ")
	for healthy := false; !healthy; {
		select {
		case err := <-exited:
			t.Fatalf("it ended: %v\n%s", err, log.String())
		default:
			healthy = c.command(ctx, list(t, check)[1:]...).Run() == nil
		}
		if ctx.Err() != nil {
			t.Fatal("it does not become healthy")
		}
	}
	if err := node.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-exited; err != nil {
		t.Errorf("it does not stop in peace: %v\n%s", err, log.String())
	}
	if strings.Contains(log.String(), "warning:") {
		t.Errorf("a fresh image warns:\n%s", log.String())
	}
	home := filepath.Join(root, settings(final)["ATTESTEER_HOME"])
	if mode := modeOf(t, home); mode != 0o700 {
		t.Errorf("the home's mode is %s", mode)
	}
	if _, err := os.Stat(filepath.Join(home, "config", "genesis.json")); err != nil {
		t.Error(err)
	}
}

func TestTheImageHoldsWhatItNeedsAndNoMore(t *testing.T) {
	root := assemble(t)
	var got []string
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		if !e.IsDir() || rel == "tmp" || rel == "var/lib/attesteer" {
			got = append(got, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got = slices.DeleteFunc(got, func(name string) bool { return name == "etc/ssl/certs/ca-certificates.crt" })
	want := []string{
		"etc/group", "etc/passwd", "tmp", "usr/bin/attesteer", "usr/share/doc/attesteer/LICENSE",
		"usr/share/doc/attesteer/MODULES", "usr/share/doc/attesteer/THIRD-PARTY-LICENSES", "var/lib/attesteer",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the image holds %q, want %q", got, want)
	}
	if copied := strings.Join(parseContainerfile(t)[1].all("COPY"), "\n"); !strings.Contains(copied, " /etc/ssl/certs/ca-certificates.crt") {
		t.Error("no certificates of authorities are copied: https to Intel's service would fail")
	}
	if mode := modeOf(t, filepath.Join(root, "tmp")); mode != 0o777|fs.ModeSticky {
		t.Errorf("the mode of /tmp is %s", mode)
	}
}

func modeOf(t *testing.T, name string) fs.FileMode {
	t.Helper()
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return st.Mode() & (fs.ModePerm | fs.ModeSticky)
}
