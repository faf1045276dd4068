// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package attester

import "os/exec"

// together is for systems that have groups of processes.
func together(*exec.Cmd) {}
