// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"
	"time"
)

func TestTheServiceManagerHearsThatALongStartGoesOn(t *testing.T) {
	path, told := manager(t)
	var said bytes.Buffer
	a := &app{system: system{stderr: &said, getenv: func(name string) string {
		return map[string]string{"NOTIFY_SOCKET": path}[name]
	}}}
	done := a.starting(time.Millisecond)
	for range 2 {
		if got := told(); got != notifyExtension {
			t.Errorf("told %q, want %q", got, notifyExtension)
		}
	}
	done()
	if said.Len() > 0 {
		t.Errorf("said %s", &said)
	}
}
