// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/attesteer/attesteer/rats"
)

// report begins a report with how the record stands.
func (k *Keeper) report(reason Reason) Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := Report{Schema: ReportSchema, Time: time.Now().UTC(), Enclave: k.cfg.Name, Reason: reason, Failures: k.failures}
	if v := k.view; v != nil {
		out.Record, out.State, out.Tier, out.Status = v.ID, k.stateNow(), v.Tier, v.Status
		out.Expires, out.ValidUntil = v.Expires, v.ValidUntil
	}
	return out
}

// fail puts into a report why there is nothing better to tell.
func (r *Report) fail(err error) {
	r.Detail = words(err)
	var e *rats.Error
	if errors.As(err, &e) {
		r.Kind = e.Kind
	}
}

// words returns what an error says beside its kind.
func words(err error) string {
	var e *rats.Error
	if errors.As(err, &e) && e.Detail != "" {
		return e.Detail
	}
	return err.Error()
}

// end tells that the enclave is kept no longer, and returns err.
func (k *Keeper) end(ctx context.Context, report Report, err error) error {
	k.count(Ended)
	report.Outcome, report.Next = Ended, 0
	if err != nil {
		report.fail(err)
	}
	k.tell(ctx, &report)
	return err
}

// tell tells the owner and the log of a round.
func (k *Keeper) tell(ctx context.Context, r *Report) {
	attrs := []slog.Attr{slog.String("reason", string(r.Reason))}
	if r.Record != "" {
		attrs = append(attrs, slog.String("record", r.Record), slog.String("state", string(r.State)), slog.Time("expires", r.Expires.Time()))
	}
	if r.Node != "" {
		attrs = append(attrs, slog.String("node", r.Node))
	}
	if r.Detail != "" {
		attrs = append(attrs, slog.String("error", r.Detail), slog.Int("failures", r.Failures))
	}
	if r.Kind != rats.None {
		attrs = append(attrs, slog.String("kind", r.Kind.String()))
	}
	if r.Next > 0 {
		attrs = append(attrs, slog.Duration("next", time.Duration(r.Next*float64(time.Second)).Round(time.Second/10)))
	}
	switch r.Outcome {
	case Recorded, Known:
		k.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "the enclave was attested", attrs...)
	case Renewed:
		k.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "newer endorsements were published", attrs...)
	case Failed:
		k.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "the enclave was not attested", attrs...)
	case Ended:
		level := slog.LevelInfo
		if r.Detail != "" {
			level = slog.LevelError
		}
		k.cfg.Log.LogAttrs(ctx, level, "the enclave is kept no longer", attrs...)
	}
	if k.cfg.Report != nil {
		k.cfg.Report(*r)
	}
}
