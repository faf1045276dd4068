// SPDX-License-Identifier: Apache-2.0

//go:build !js || !wasm

package main

import (
	"fmt"
	"os"
)

// main says that this is the wrong platform: without it, building all packages
// would fail.
func main() {
	_, _ = fmt.Fprintln(os.Stderr, "error: this program runs in JavaScript only")
	_, _ = fmt.Fprintln(os.Stderr, "hint: build it with GOOS=js GOARCH=wasm")
	os.Exit(2)
}
