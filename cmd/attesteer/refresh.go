// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/gateway"
	"github.com/attesteer/attesteer/rats"
)

// ledgerShelf is the ledger as the place where endorsements are kept.
type ledgerShelf struct {
	registry gateway.Registry
	gateway  *gateway.Gateway
}

var _ endorse.Shelf = ledgerShelf{}

// Held implements [endorse.Shelf]. Of a TEE whose TCB info the ledger holds, a
// list of evaluation numbers that it lacks is shown as one that is due: without
// it an evaluation that Intel gives out early would bind at once.
func (s ledgerShelf) Held() []attesteer.EndorsementInfo {
	entries := s.registry.Endorsements()
	out := make([]attesteer.EndorsementInfo, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		out = append(out, attesteer.EndorsementInfo{
			Key: e.Key, SHA256: e.SHA256, Issued: e.Issued.Time(), NextUpdate: e.NextUpdate.Time(),
			ValidFrom: e.ValidFrom.Time(), ValidUntil: e.ValidUntil.Time(),
		})
	}
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		if info, lacks := lackedNumbers(tee, out); lacks {
			out = append(out, info)
		}
	}
	return out
}

// lackedNumbers returns what stands for the list of evaluation numbers that a
// shelf lacks: due since the newest TCB info of the TEE was issued, and no longer
// of use when that ends.
func lackedNumbers(tee rats.TEE, held []attesteer.EndorsementInfo) (info attesteer.EndorsementInfo, lacks bool) {
	for i := range held {
		h := &held[i]
		switch {
		case h.Key.TEE != tee:
		case h.Key.Kind == rats.EvaluationNumbers:
			return info, false
		case h.Key.Kind == rats.TCBInfo && (!lacks || h.Issued.After(info.ValidFrom)):
			// Two thirds of its life end when the TCB info begins.
			life := h.NextUpdate.Sub(h.Issued)
			info = attesteer.EndorsementInfo{
				Key:    rats.EndorsementKey{Kind: rats.EvaluationNumbers, TEE: tee, Version: 1},
				Issued: h.Issued.Add(-2 * life), NextUpdate: h.NextUpdate, ValidFrom: h.Issued, ValidUntil: h.NextUpdate,
			}
			lacks = true
		}
	}
	return info, lacks
}

// Publish implements [endorse.Shelf].
func (s ledgerShelf) Publish(ctx context.Context, items []rats.Endorsement) error {
	return s.gateway.Publish(ctx, items)
}

// refreshing renews the ledger's endorsements until the function that it
// returns is called, which waits for the end of it.
func refreshing(services endorse.Renewer, shelf ledgerShelf, logger *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	offset := time.Duration(shelf.registry.Genesis().ClockOffset) * time.Millisecond
	r := endorse.Refresher{
		Source: services, Shelf: shelf, Random: rand.Float64,
		Now: func() time.Time { return time.Now().Add(offset) },
		Report: func(published []rats.Endorsement, err error) {
			if len(published) > 0 {
				logger.LogAttrs(ctx, slog.LevelInfo, "endorsements were renewed on the ledger", slog.Int("count", len(published)))
			}
			if err != nil && ctx.Err() == nil {
				logger.LogAttrs(ctx, slog.LevelWarn, "endorsements could not be renewed", slog.Any("error", err))
			}
		},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// logFetches logs the calls of vendors' services.
func logFetches(logger *slog.Logger) func(endorse.Event) {
	return func(e endorse.Event) {
		attrs := []slog.Attr{
			slog.String("source", e.Source), slog.String("document", e.Document.String()), slog.Duration("took", e.Took),
		}
		level, words := slog.LevelWarn, "endorsement could not be fetched"
		switch e.Outcome {
		case endorse.Got, endorse.Same:
			level, words = slog.LevelInfo, "endorsement fetched"
			if e.Outcome == endorse.Same {
				level = slog.LevelDebug
			}
			attrs = append(attrs, slog.Time("next_update", e.Info.NextUpdate), slog.Bool("stale", e.Stale))
		case endorse.Refused:
			words = "endorsement was fetched and is of no use"
		default:
		}
		if e.Err != nil {
			attrs = append(attrs, slog.Any("error", e.Err))
		}
		logger.LogAttrs(context.Background(), level, words, attrs...) //nolint:sloglint // the call is not one caller's
	}
}
