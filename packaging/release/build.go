// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// builder builds each binary once.
type builder struct {
	plan
	// scratch is a folder for what is built on the way.
	scratch string
}

// kept are the variables that a build sees: where things are on this machine,
// and what any program needs. None of them may show in what is built.
func kept() []string {
	return []string{"PATH", "HOME", "TMPDIR", "TMP", "TEMP", "SYSTEMROOT", "USERPROFILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "NETRC"}
}

// located are the settings of the go command that say where modules come from
// and where results are kept; all others are the defaults.
func located() []string {
	return []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOTOOLCHAIN", "GOROOT", "GOPATH"}
}

// environment returns the variables that a build for t runs with.
func environment(ctx context.Context, t target) ([]string, error) {
	env := []string{
		"GOENV=off", "GOWORK=off", "CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch,
		"LC_ALL=C", "TZ=UTC",
	}
	for _, name := range kept() {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	values, err := output(ctx, nil, "go", append([]string{"env"}, located()...)...)
	if err != nil {
		return nil, err
	}
	for i, value := range strings.Split(values, "\n") {
		if value != "" && i < len(located()) {
			env = append(env, located()[i]+"="+value)
		}
	}
	return env, nil
}

// binary returns the path of the static binary for t, which it builds if it has
// not yet.
func (b *builder) binary(ctx context.Context, t target) (string, error) {
	path := filepath.Join(b.scratch, t.os+"-"+t.arch, "attesteer")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	env, err := environment(ctx, t)
	if err != nil {
		return "", err
	}
	// No path of this machine (-trimpath), nothing of its repository
	// (-buildvcs), no id of the tool chain's own (-buildid).
	_, err = output(ctx, env, "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X main.release="+b.version, "-o", path, "./cmd/attesteer")
	if err != nil {
		return "", err
	}
	_, _ = fmt.Fprintf(b.log, "built %s\n", t)
	return path, nil
}

// modules returns the list of modules in a binary, with their hashes, as go
// version -m prints it.
func modules(binary string) (string, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "", err
	}
	return info.String(), nil
}

// notices returns the licences of Go and of every module in a binary: what they
// demand of those who pass a binary on.
func notices(ctx context.Context, binary string) (string, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "", err
	}
	root, err := output(ctx, nil, "go", "env", "GOROOT")
	if err != nil {
		return "", err
	}
	text, err := licences("Go, "+info.GoVersion, root)
	if err != nil {
		return "", err
	}
	out := strings.Builder{}
	out.WriteString("The binary holds code of others. These are their licences.\n" + text)
	args := []string{"list", "-m", "-f", "{{.Path}} {{.Version}}\t{{.Dir}}"}
	for _, dep := range info.Deps {
		args = append(args, dep.Path)
	}
	list, err := output(ctx, nil, "go", args...)
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(list, "\n") {
		title, dir, _ := strings.Cut(line, "\t")
		if text, err = licences(title, dir); err != nil {
			return "", err
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

// licences returns the licence files in a folder, under a title.
func licences(title, dir string) (string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return "", err
	}
	out := strings.Builder{}
	for _, e := range entries {
		upper := strings.ToUpper(e.Name())
		begins := func(word string) bool { return strings.HasPrefix(upper, word) }
		if e.IsDir() || strings.HasSuffix(upper, ".GO") || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"}, begins) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(&out, "\n%s\n%s: %s\n\n%s\n", strings.Repeat("=", 72), title, e.Name(), strings.TrimSpace(string(b)))
	}
	if out.Len() == 0 {
		return "", fmt.Errorf("%s has no licence in %s: it cannot be passed on", title, dir)
	}
	return out.String(), nil
}

// output runs a command and returns what it prints, without the last newline. A
// nil env is this process's.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the go command, git, and what was just built
	cmd.Env = env
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return "", fmt.Errorf("%s %s: %w\n%s", name, args[0], err, exit.Stderr)
		}
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
