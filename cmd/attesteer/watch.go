// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer/gateway"
)

// Bounds of what is free where a home is.
const (
	// fullDisk is too little to go on with: the databases need room to tidy up.
	fullDisk = 128 << 20
	// lowDisk is a reason to look, and so is a twentieth of the whole.
	lowDisk     = 1 << 30
	lowFraction = 20
)

// certificateNotice is how long before its end a certificate is worth a word.
const certificateNotice = 7 * 24 * time.Hour

// watch says what is the matter with a node that its gateway cannot see.
func (h *house) watch(context.Context) []gateway.Condition {
	var out []gateway.Condition
	if h.node.Err() != nil {
		out = append(out, gateway.Condition{Code: "ledger_failed", Detail: "the ledger cannot go on; the log says why", Blocking: true})
	}
	if free, total, err := diskSpace(h.home); err == nil {
		out = append(out, diskCondition(free, total))
	}
	if _, err := h.tokens.List(time.Now()); err != nil {
		out = append(out, gateway.Condition{
			Code: "tokens_unreadable", Detail: "the list of tokens cannot be read, so none is good", Blocking: h.network != "dev",
		})
	}
	var down []string
	for name, up := range h.services.Up() {
		if !up {
			down = append(down, name)
		}
	}
	slices.Sort(down)
	if len(down) > 0 {
		out = append(out, gateway.Condition{Code: "service_down", Detail: "no endorsements come from " + strings.Join(down, ", ")})
	}
	if end, ok := h.certificateEnd(); ok {
		if left := time.Until(end); left < certificateNotice {
			out = append(out, gateway.Condition{
				Code: "certificate_ending", Detail: "the TLS certificate ends at " + end.UTC().Format(time.RFC3339),
			})
		}
	}
	return out
}

// diskCondition judges free space; its code is empty where there is enough.
func diskCondition(free, total uint64) gateway.Condition {
	switch {
	case free < fullDisk:
		return gateway.Condition{Code: "disk_full", Detail: sizeWords(free) + " are free where the home is", Blocking: true}
	case free < lowDisk || free < total/lowFraction:
		return gateway.Condition{Code: "disk_low", Detail: sizeWords(free) + " are free where the home is"}
	}
	return gateway.Condition{}
}

// sizeWords writes a size for people.
func sizeWords(n uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
