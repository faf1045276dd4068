// SPDX-License-Identifier: Apache-2.0

//go:build unix

package attester

import (
	"os"
	"os/exec"
	"syscall"
)

// together has whatever a command starts end with it, when it is broken off: a
// script that hangs mostly hangs in another program, and whoever asks again and
// again would leave one behind each time. Where there is a terminal the command
// stays in its group, or it could ask nobody for a password.
func together(cmd *exec.Cmd) {
	if terminal, err := os.Open("/dev/tty"); err == nil {
		_ = terminal.Close() // nothing was read
		return
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
