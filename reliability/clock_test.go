// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestAProgramCanBeBuiltWhoseClockIsOff shows that the whole of a program lives by
// the other clock, and that what measures intervals does not.
func TestAProgramCanBeBuiltWhoseClockIsOff(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program with a package time of its own")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(`package main

import "time"

func main() {
	start := time.Now()
	time.Sleep(20 * time.Millisecond)
	println(start.Unix(), time.Since(start).Milliseconds())
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "program")
	if err := buildWrongOf(t.Context(), dir, bin, source); err != nil {
		t.Fatal(err)
	}
	for _, off := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute} {
		words := clockOff(off)
		before := time.Now().Truncate(time.Second)
		out, err := exec.Command(words[0], append(words[1:], bin)...).CombinedOutput() // println writes to standard error
		after := time.Now()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		said := strings.Fields(string(out))
		unix, err := strconv.ParseInt(said[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(unix, 0).Add(-off)
		if at.Before(before) || at.After(after) {
			t.Errorf("off by %v it says %v", off, time.Unix(unix, 0))
		}
		if took, err := strconv.Atoi(said[1]); err != nil || took < 20 {
			t.Errorf("off by %v: 20 ms took %s", off, said[1])
		}
	}
}

// TestAClockCanStepWhileItsProgramRuns shows that it does so at once, and that
// intervals are measured across it.
func TestAClockCanStepWhileItsProgramRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program with a package time of its own")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(`package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

func main() {
	start := time.Now()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(time.Now().Unix()-start.Unix(), int(time.Since(start).Seconds()))
	}
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "program")
	if err := buildWrongOf(t.Context(), dir, bin, source); err != nil {
		t.Fatal(err)
	}
	file, err := newClockFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	words := file.words()
	cmd := exec.Command(words[0], append(words[1:], bin)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(out)
	for _, off := range []int{0, 600, 0, -600, 0} {
		if err := file.set(time.Duration(off) * time.Second); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write([]byte("\n")); err != nil || !answers.Scan() {
			t.Fatal("no answer", err)
		}
		var stepped, passed int
		if _, err := fmt.Sscan(answers.Text(), &stepped, &passed); err != nil {
			t.Fatal(err)
		}
		if passed < 0 || passed > 60 || stepped-passed < off-1 || stepped-passed > off+1 {
			t.Errorf("off by %d s: its clock went %d s, and it measured %d", off, stepped, passed)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsSeenOfATimeNamesHowFarItIsOff(t *testing.T) {
	if s := (times{looks: 3, ahead: time.Second, behind: 20 * time.Millisecond}).String(); s != "3 looks: ahead by 1s at most, behind by 20ms at most" {
		t.Error(s)
	}
	if s := paceOf(figures{Tries: 10, Failed: 2, P50: 5, P99: 9, Max: 11}); s != "8, p50 5 ms, p99 9 ms, longest 11 ms, 2 failed" {
		t.Error(s)
	}
	if s := (peerFigures{Messages: 4, Bytes: 3_000_000, Connected: 2, Refused: 1}).said(2 * time.Second); s != "4 messages, 1.5 MB a second, 2 connections, 1 refused" {
		t.Error(s)
	}
}
