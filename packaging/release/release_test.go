// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// epoch is the time that tests build at, in seconds and as tar has it.
const epoch = 1700000000

// testTarget is what tests build for: what they can run.
var testTarget = target{"linux", runtime.GOARCH}

// workshop is a folder that outlives single tests: what one built, all read.
var workshop string

func TestMain(m *testing.M) { os.Exit(within(m)) }

func within(m *testing.M) int {
	dir, err := os.MkdirTemp("", "attesteer-packaging-")
	if err != nil {
		panic(err)
	}
	workshop = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	return code
}

// copySources copies what a release is built from; a repository is not.
func copySources(from, to string) error {
	return filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			// Other tests of the module may make and remove files meanwhile.
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if e.IsDir() {
			if rel != "." && (strings.HasPrefix(e.Name(), ".") || slices.Contains([]string{"bin", "dist", "testdata", "differential"}, e.Name())) {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if !e.Type().IsRegular() || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // as above
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o644)
	})
}

// releaseIn builds a release from a copy of the sources, as its makers do.
func releaseIn(dir, out, umask string, env ...string) error {
	cmd := exec.Command("sh", "-c", "umask "+umask+` && exec go run ./packaging/release -o "$0" -version v1.2.3 -target "$1"`, out, testTarget.String())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch), "GOFLAGS=")
	cmd.Env = append(cmd.Env, env...)
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, b)
	}
	return nil
}

// once builds the first release; sources is the copy that it was built from.
var once = sync.OnceValues(func() (sources string, err error) {
	sources = filepath.Join(workshop, "first", "attesteer")
	if err := copySources(filepath.Join("..", ".."), sources); err != nil {
		return "", err
	}
	return sources, releaseIn(sources, filepath.Join(workshop, "dist"), "022", "TZ=UTC")
})

// released returns the first release's archive, and the sources it is made of.
func released(t *testing.T) (archive []byte, sources string) {
	t.Helper()
	if testing.Short() {
		t.Skip("a release is built, which takes a while")
	}
	sources, err := once()
	if err != nil {
		t.Fatal(err)
	}
	return readFile(t, filepath.Join(workshop, "dist", archiveName())), sources
}

func archiveName() string { return plan{version: "v1.2.3"}.name(testTarget) + ".tar.gz" }

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// entry is one entry of an archive, as it was read.
type entry struct {
	tar.Header
	data []byte
}

// unpack reads an archive.
func unpack(t *testing.T, archive []byte) []entry {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	if h := plain.Header; h.Name != "" || h.Comment != "" || len(h.Extra) > 0 || !h.ModTime.IsZero() {
		t.Errorf("gzip's header tells of its making: %+v", h)
	}
	var out []entry
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entry{*h, data})
	}
}

// part returns the data of one file of the first release.
func part(t *testing.T, name string) []byte {
	t.Helper()
	archive, _ := released(t)
	for _, e := range unpack(t, archive) {
		if e.Name == strings.TrimSuffix(archiveName(), ".tar.gz")+"/"+name {
			return e.data
		}
	}
	t.Fatalf("the archive has no %s", name)
	return nil
}

// binary returns the path of the first release's binary.
func binary(t *testing.T) string {
	t.Helper()
	data := part(t, "attesteer")
	name := filepath.Join(t.TempDir(), "attesteer")
	if err := os.WriteFile(name, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAReleaseBuiltInAnotherFolderAtAnotherTimeHasTheSameBytes(t *testing.T) {
	first, sources := released(t)
	second := filepath.Join(t.TempDir(), "a longer path", "to the same sources")
	if err := copySources(sources, second); err != nil {
		t.Fatal(err)
	}
	// Another mask, zone, language, home and folder for temporary files, and
	// settings of the go command that would change what it makes.
	temp := filepath.Join(t.TempDir(), "temporary")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	// The caches are shared; where they are by default follows from HOME.
	cache := strings.Fields(goEnv(t, "GOCACHE", "GOMODCACHE", "GOPATH"))
	out := filepath.Join(t.TempDir(), "dist")
	err := releaseIn(second, out, "077", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "HOME="+home, "TMPDIR="+temp,
		"GOCACHE="+cache[0], "GOMODCACHE="+cache[1], "GOPATH="+cache[2], "GOFLAGS=-ldflags=-X=main.release=another")
	if err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, filepath.Join(out, archiveName())); !bytes.Equal(got, first) {
		for i, e := range unpack(t, got) {
			if other := unpack(t, first); i < len(other) && !bytes.Equal(e.data, other[i].data) {
				t.Errorf("%s differs from %s", e.Name, other[i].Name)
			}
		}
		t.Error("two builds of the same sources differ")
	}
	want := fmt.Sprintf("%x  %s\n", sha256.Sum256(first), archiveName())
	for _, dir := range []string{filepath.Join(workshop, "dist"), out} {
		if got := string(readFile(t, filepath.Join(dir, "SHA256SUMS"))); got != want {
			t.Errorf("SHA256SUMS is %q, want %q", got, want)
		}
	}
}

func goEnv(t *testing.T, names ...string) string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestAnArchiveIsSortedAndTellsNothingOfItsMaker(t *testing.T) {
	archive, sources := released(t)
	folder := strings.TrimSuffix(archiveName(), ".tar.gz")
	var names []string
	for _, e := range unpack(t, archive) {
		mode := int64(0o644)
		if e.Typeflag == tar.TypeDir || e.Name == folder+"/attesteer" {
			mode = 0o755
		}
		if e.Mode != mode || e.Uid != 0 || e.Gid != 0 || e.Uname+e.Gname != "" || e.ModTime.Unix() != epoch {
			t.Errorf("%s: mode %o, owner %d:%d %q %q, time %s", e.Name, e.Mode, e.Uid, e.Gid, e.Uname, e.Gname, e.ModTime)
		}
		if !strings.HasPrefix(e.Name, folder+"/") {
			t.Errorf("%s lies beside the archive's folder", e.Name)
		}
		names = append(names, strings.TrimPrefix(e.Name, folder+"/"))
		for _, secret := range []string{sources, workshop, strings.Fields(goEnv(t, "GOMODCACHE"))[0]} {
			if bytes.Contains(e.data, []byte(secret)) {
				t.Errorf("%s holds the path %s", e.Name, secret)
			}
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("not sorted: %q", names)
	}
	for _, want := range []string{
		"attesteer", "INSTALL.md", "LICENSE", "MODULES", "README.md", "THIRD-PARTY-LICENSES",
		"completions/_attesteer", "completions/attesteer.bash", "completions/attesteer.fish", "completions/attesteer.ps1",
		"monitoring/alerts.yml", "man/man1/attesteer.1", "man/man1/attesteer-serve.1",
		"systemd/attesteer.env", "systemd/attesteer.service", "systemd/sysusers.conf",
		"systemd/agent.env", "systemd/attesteer-agent.service",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestTheBinaryIsStaticAndKnowsItsVersion(t *testing.T) {
	name := binary(t)
	demandStatic(t, name)
	out, err := exec.Command(name, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "attesteer v1.2.3 (go1.") {
		t.Errorf("%q, %v", out, err)
	}
	if page := part(t, "man/man1/attesteer.1"); !bytes.Contains(page, []byte("attesteer v1.2.3")) {
		t.Error("the manual does not tell its version")
	}
}

// demandStatic demands a binary that needs no other file to run.
func demandStatic(t *testing.T, name string) {
	t.Helper()
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s is linked dynamically: it has a segment %s", name, p.Type)
		}
	}
}

func TestEveryModuleInTheBinaryIsListedWithItsLicence(t *testing.T) {
	list, notices := string(part(t, "MODULES")), string(part(t, "THIRD-PARTY-LICENSES"))
	if !strings.Contains(notices, "Go, go1.") {
		t.Error("Go's own licence is missing")
	}
	n := 0
	for _, line := range strings.Split(list, "\n") {
		f := strings.Split(line, "\t")
		if f[0] != "dep" {
			continue
		}
		n++
		if len(f) < 4 || !strings.HasPrefix(f[3], "h1:") {
			t.Errorf("no hash: %q", line)
		}
		if !strings.Contains(notices, "\n"+f[1]+" "+f[2]+": ") {
			t.Errorf("no licence of %s %s", f[1], f[2])
		}
	}
	if n < 10 {
		t.Errorf("only %d modules are listed", n)
	}
}

func TestAModuleWithoutALicenceIsNotPassedOn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"README", "license.go"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := licences("example.com/m v1", dir); err == nil {
		t.Error("taken")
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE.md"), []byte("do as you please"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := licences("example.com/m v1", dir); err != nil || !strings.Contains(text, "example.com/m v1: LICENSE.md\n\ndo as you please\n") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestABuildSeesNoSettingThatWouldShow(t *testing.T) {
	for name, value := range map[string]string{
		"GOAMD64": "v3", "GOFLAGS": "-tags=x", "GOEXPERIMENT": "none", "CGO_ENABLED": "1", "SOME": "thing",
	} {
		t.Setenv(name, value)
	}
	env, err := environment(t.Context(), target{"linux", "arm64"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		switch name {
		case "GOAMD64", "GOFLAGS", "GOEXPERIMENT", "SOME":
			t.Errorf("%s comes through", e)
		case "CGO_ENABLED", "GOOS", "GOARCH", "GOWORK", "GOENV":
			if want := map[string]string{"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": "arm64", "GOWORK": "off", "GOENV": "off"}[name]; value != want {
				t.Errorf("%s, want %s", e, want)
			}
		}
	}
}

func TestACommandLineThatCannotBeMeantIsRefused(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	t.Setenv("SOURCE_DATE_EPOCH", "1")
	for _, args := range [][]string{
		{}, {"-o", "x", "-image", "y"}, {"-o", "x", "more"}, {"-o", "x", "-target", "linux"}, {"-image", "x"},
		{"-o", "x", "-version", "v1 -X main.other=2"}, {"-o", "x", "-version", "../v1"},
	} {
		if _, err := read(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	for _, bad := range []string{"yesterday", "-1"} {
		t.Setenv("SOURCE_DATE_EPOCH", bad)
		if _, err := read(t.Context(), []string{"-o", "x", "-version", "v1"}, io.Discard); err == nil {
			t.Errorf("SOURCE_DATE_EPOCH=%s is taken", bad)
		}
	}
}
