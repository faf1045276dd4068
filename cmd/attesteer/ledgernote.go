// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"
)

// noteView is what checkpoint and witness print.
type noteView struct {
	Schema string `json:"schema"`
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"`
	// SignedBy is the key of the node that signed it.
	SignedBy string `json:"signed_by"`
	// Proven is nil for what was checked offline.
	Proven    *provenLog    `json:"validators"`
	Witnesses []witnessView `json:"witnesses"`
	// GrewFrom is the size of the earlier log, if one was named.
	GrewFrom *uint64 `json:"grew_from"`
	Note     string  `json:"note"`
}

// provenLog is what validators signed: the log at a height, at which it was the
// checkpoint's or had grown out of it.
type provenLog struct {
	Height uint64 `json:"height"`
	Size   uint64 `json:"size"`
	Signed int64  `json:"signed_power"`
	Total  int64  `json:"total_power"`
}

type witnessView struct {
	Name string    `json:"name"`
	Time time.Time `json:"time"`
}

// printNote prints a checkpoint and writes note, which may have got another
// signature since, to a file if there is one.
func (a *app) printNote(output string, n *readNote, note []byte) error {
	if output != "" {
		if err := writePublic(output, note); err != nil {
			return err
		}
	}
	out := noteView{
		Schema: "attesteer/checkpoint/v1", Origin: n.Origin, Size: n.Size, Root: hexOf(n.Root[:]), SignedBy: n.by.String(),
		Witnesses: []witnessView{}, GrewFrom: n.from, Note: string(note),
	}
	for _, w := range n.witnesses {
		out.Witnesses = append(out.Witnesses, witnessView{w.Name, w.Time})
	}
	if v := n.proven; v != nil {
		out.Proven = &provenLog{v.Height, v.Log.Size, v.SignedPower, v.TotalPower}
	}
	if a.asJSON {
		return a.printJSON(out)
	}
	a.printf("checkpoint of %s\n", out.Origin)
	a.row("events", fmt.Sprint(out.Size))
	a.row("root", out.Root)
	a.row("signed by the node", out.SignedBy)
	if p := out.Proven; p != nil {
		a.row("signed by validators", fmt.Sprintf("power %d of %d, at height %d with %d events", p.Signed, p.Total, p.Height, p.Size))
	}
	for _, w := range out.Witnesses {
		a.row("cosigned", fmt.Sprintf("by %s at %s", w.Name, w.Time.Format(time.RFC3339)))
	}
	if out.GrewFrom != nil {
		a.row("grew out of", fmt.Sprintf("the log of %d events", *out.GrewFrom))
	}
	if output != "" {
		a.row("written to", output)
	} else {
		a.printf("\n%s", strings.TrimRight(out.Note, "\n")+"\n")
	}
	return nil
}
