// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/pccs/store"
)

// Words for the states of platforms.
const (
	queueNew          = "new"
	queueNotAvailable = "not-available"
	queueCached       = "cached"
)

func queueWords() []string { return []string{queueNew, queueNotAvailable, queueCached} }

func (a *app) pccsPlatforms() *cobra.Command {
	var home pccsHome
	var states, acks []string
	cmd := &cobra.Command{
		Use:   "platforms",
		Short: "List the platforms that wait in a cache, and those whose certificates are there",
		Long: `platforms lists the queue of platforms that wait for certificates, and the platforms
whose certificates are there. Reading takes nothing off the queue: --ack does, by
the numbers that the list shows, or all. To take one that came again meanwhile
takes its new number.`,
		Example: `  attesteer pccs platforms
  attesteer pccs platforms --ack 17,18
  attesteer pccs platforms --state new --ack all`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range states {
				if !slices.Contains(queueWords(), s) {
					return usagef("--state: %q is neither new, not-available nor cached", s)
				}
			}
			return a.platformsPCCS(cmd.Context(), home, states, acks)
		},
	}
	fl := cmd.Flags()
	home.register(a, fl)
	fl.StringSliceVar(&states, "state", queueWords(), "which to list: new, not-available, cached (repeatable)")
	fl.StringSliceVar(&acks, "ack", nil, "numbers to take off the queue, or all that are listed (repeatable)")
	_ = cmd.RegisterFlagCompletionFunc("state", offer(queueWords())) // fails for a flag that is not there
	return cmd
}

// platformRow is a platform as the command prints it.
type platformRow struct {
	// ID is the number in the queue, zero for one whose certificates are there.
	ID    int64  `json:"id,omitempty"`
	State string `json:"state"`
	clienttool.Platform
	FMSPC        string     `json:"fmspc,omitempty"`
	CA           string     `json:"ca,omitempty"`
	Seen         *time.Time `json:"seen"`
	Acknowledged bool       `json:"acknowledged,omitempty"`
}

func (a *app) platformsPCCS(ctx context.Context, home pccsHome, states, acks []string) (err error) {
	service, kept, err := a.offlineService(ctx, &home)
	if err != nil {
		return err
	}
	defer func() {
		service.Close()
		if closing := kept.Close(); err == nil {
			err = closing
		}
	}()
	rows := []platformRow{}
	for _, state := range queueWords() {
		if !slices.Contains(states, state) {
			continue
		}
		more, err := platformRows(ctx, service, state)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	if err := acknowledge(ctx, service, rows, acks); err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(map[string]any{"schema": "attesteer/pccs-platforms/v1", "platforms": rows})
	}
	a.printPlatforms(rows)
	return nil
}

// queueState returns what a word stands for; cached is no state of the queue.
func queueState(word string) store.QueueState {
	if word == queueNotAvailable {
		return store.NotAvailable
	}
	return store.New
}

func platformRows(ctx context.Context, service *pccs.Service, state string) ([]platformRow, error) {
	seen := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	var rows []platformRow
	if state == queueCached {
		cached, err := service.Cached(ctx, nil)
		for _, p := range cached {
			rows = append(rows, platformRow{State: state, Platform: p.ToolPlatform(), FMSPC: p.FMSPC, CA: p.CA, Seen: seen(p.Seen)})
		}
		return rows, err
	}
	queued, err := service.Queue(ctx, queueState(state))
	for _, q := range queued {
		rows = append(rows, platformRow{ID: q.ID, State: state, Platform: pccs.ToolPlatform(q), Seen: seen(q.Seen)})
	}
	return rows, err
}

// acknowledge takes rows off the queue that were listed.
func acknowledge(ctx context.Context, service *pccs.Service, rows []platformRow, acks []string) error {
	if len(acks) == 0 {
		return nil
	}
	var ids []int64
	if slices.Equal(acks, []string{"all"}) {
		for _, r := range rows {
			if r.ID != 0 {
				ids = append(ids, r.ID)
			}
		}
	} else {
		for _, text := range acks {
			id, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return usagef("--ack: %q is neither a number nor all", text)
			}
			if !slices.ContainsFunc(rows, func(r platformRow) bool { return r.ID == id && id != 0 }) {
				return usagef("--ack: %d is not in the queue, or not any more", id)
			}
			ids = append(ids, id)
		}
	}
	if err := service.Acknowledge(ctx, ids); err != nil {
		return err
	}
	for i := range rows {
		rows[i].Acknowledged = slices.Contains(ids, rows[i].ID)
	}
	return nil
}

func (a *app) printPlatforms(rows []platformRow) {
	waiting := 0
	for _, r := range rows {
		id, done := "", ""
		if r.ID != 0 {
			id = strconv.FormatInt(r.ID, 10)
			waiting++
		}
		if r.Acknowledged {
			done = "  acknowledged"
			waiting--
		}
		raw := r.CPUSVN + " " + r.PCESVN
		switch {
		case r.CPUSVN == "" && r.Manifest != "":
			raw = "by its manifest"
		case r.CPUSVN == "":
			raw = "no raw TCB"
		}
		a.printf("%6s %-13s %-32s %s  %s %s%s\n", id, r.State, r.QEID, r.PCEID, raw, r.FMSPC, done)
	}
	a.sayf("%d waiting, %d in all", waiting, len(rows))
}

// listedPlatforms returns the platforms of a state as lists have them.
func listedPlatforms(ctx context.Context, service *pccs.Service, state string, fmspcs []string) ([]clienttool.Platform, error) {
	var out []clienttool.Platform
	switch state {
	case queueNew, queueNotAvailable:
		queued, err := service.Queue(ctx, queueState(state))
		for _, q := range queued {
			out = append(out, pccs.ToolPlatform(q))
		}
		return out, err
	case queueCached:
		cached, err := service.Cached(ctx, fmspcs)
		for _, p := range cached {
			out = append(out, p.ToolPlatform())
		}
		return out, err
	default:
		return nil, usagef("--state: %q is neither new, not-available nor cached", state)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
