// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary stand in for the command, in scripts and as a
// process that tests can kill.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"websocat":  websocat,
		"attesteer": main,
	})
}

// vectors returns the folder of real evidence and endorsements, or "".
func vectors() string {
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(dir, "INDEX.tsv")); err != nil {
		return ""
	}
	return dir
}

// seed returns the folder of the example quote that comes with the project.
func seed(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "testdata", "seed"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
