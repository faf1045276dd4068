// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"strings"
)

// What a service manager is told (sd_notify(3)).
const (
	notifyReady    = "READY=1"
	notifyStopping = "STOPPING=1"
)

// notify tells the service manager that started this process what became of it,
// if one asked to be told. That it cannot be told is no reason to stop.
func (a *app) notify(state string) {
	path := a.getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	// A leading @ stands for the abstract namespace, in which net speaks the
	// same way.
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		a.sayf("warning: NOTIFY_SOCKET %s is no socket that can be told anything", path)
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		_, err = conn.Write([]byte(state))
		_ = conn.Close()
	}
	if err != nil {
		a.sayf("warning: the service manager was not told %s: %s", state, err)
	}
}
