// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// sideBySide is how many parts of a refresh are under way at once.
const sideBySide = 4

// Refresh fetches anew what is there, whether it is due or not. What fails stays
// as it was and undoes nothing else. The error is a Refusal: 400 for an FMSPC
// that is none, and then 503 in mode OFFLINE, or where anything failed; the
// report says what.
func (s *Service) Refresh(ctx context.Context, r RefreshRequest) (RefreshReport, error) {
	for i, fmspc := range r.FMSPCs {
		if b, err := hex.DecodeString(fmspc); err != nil || len(b) != 6 {
			return RefreshReport{}, badKey("FMSPC %d is not 12 hex digits", i+1)
		}
	}
	if s.mode == Offline {
		return RefreshReport{}, refuse(http.StatusServiceUnavailable, rats.EndorsementUnavailable, "mode %s fetches nothing", Offline)
	}
	var report RefreshReport
	var err error
	if r.Certs {
		report, err = s.refreshPCK(ctx, r.FMSPCs)
	} else {
		report, err = s.refreshArtefacts(ctx)
	}
	if err != nil {
		return report, err
	}
	if n := report.Failed(); n > 0 {
		return report, refuse(http.StatusServiceUnavailable, rats.EndorsementUnavailable,
			"%d of %d parts could not be refreshed; the first: %s", n, len(report.Items), report.firstFailure())
	}
	return report, nil
}

func (r RefreshReport) firstFailure() string {
	for _, item := range r.Items {
		if item.Err != nil {
			return detail(refusalOf(item.Err).Err)
		}
	}
	return ""
}

// refreshArtefacts fetches everything but PCK certificates that is there, the
// root's revocation list first, by which the rest is judged.
func (s *Service) refreshArtefacts(ctx context.Context) (RefreshReport, error) {
	keys, err := s.refreshKeys(ctx)
	if err != nil {
		return RefreshReport{}, err
	}
	var report RefreshReport
	for _, group := range inOrder(keys) {
		items := make([]RefreshItem, len(group))
		each(group, func(i int, k store.Key) { items[i] = s.refreshKey(ctx, k) })
		report.Items = append(report.Items, items...)
	}
	return report, nil
}

// refreshKeys returns the keys of what is there and can be had, and those of the
// root's list and of the identities, which verifiers ask for first.
func (s *Service) refreshKeys(ctx context.Context) ([]store.Key, error) {
	all, err := s.store.Artefacts(ctx)
	if err != nil {
		return nil, storeFault(err)
	}
	keys := []store.Key{{Kind: store.RootCRL, Version: 4}}
	for _, update := range []string{UpdateStandard, UpdateEarly} {
		keys = append(keys,
			store.Key{Kind: store.QEIdentity, TEE: rats.SGX, Update: update, Version: 4},
			store.Key{Kind: store.QVEIdentity, TEE: rats.SGX, Update: update, Version: 4},
			store.Key{Kind: store.QEIdentity, TEE: rats.TDX, Update: update, Version: 4})
	}
	for i := range all {
		if k := all[i].Key; k.Version == 4 && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// inOrder splits keys into those that others are judged by, and the others.
func inOrder(keys []store.Key) [][]store.Key {
	var root, lists, rest []store.Key
	for _, k := range keys {
		switch k.Kind {
		case store.RootCRL:
			root = append(root, k)
		case store.PCKCRL:
			lists = append(lists, k)
		default:
			rest = append(rest, k)
		}
	}
	return [][]store.Key{root, lists, rest}
}

// refreshKey fetches one artefact anew, in the flight of whoever fetches it now.
func (s *Service) refreshKey(ctx context.Context, k store.Key) RefreshItem {
	item := RefreshItem{Name: k.String(), Outcome: Got}
	before, err := s.kept(ctx, k)
	if err == nil {
		err = s.fill(ctx, k)
	}
	var after *store.Artefact
	if err == nil {
		after, err = s.kept(ctx, k)
	}
	switch {
	case err == nil:
		s.schedule.succeed(k)
		if before != nil && after != nil && before.Digest == after.Digest {
			item.Outcome = Same
		}
	case absent(err) && (before == nil || numbered(k)):
		// It may not exist; and an evaluation that the vendor has retired stays
		// as it was last.
		item.Outcome = Absent
	default:
		item.Outcome, item.Err = Down, err
	}
	return item
}

// numbered reports whether a key names a TCB evaluation by its number.
func numbered(k store.Key) bool {
	return k.Update != "" && k.Update != UpdateStandard && k.Update != UpdateEarly
}

// refreshPCK fetches the PCK certificates of platforms anew.
func (s *Service) refreshPCK(ctx context.Context, fmspcs []string) (RefreshReport, error) {
	var upper []string
	for _, f := range fmspcs {
		upper = append(upper, strings.ToUpper(f))
	}
	platforms, err := s.store.Platforms(ctx, upper...)
	if err != nil {
		return RefreshReport{}, storeFault(err)
	}
	items := make([]RefreshItem, len(platforms))
	each(platforms, func(i int, p store.Platform) { items[i] = s.refreshPlatform(ctx, p) })
	return RefreshReport{Items: items}, nil
}

// refreshPlatform fetches the certificates of one platform anew: by each raw TCB
// that it was asked for with where the upstream gives one at a time.
func (s *Service) refreshPlatform(ctx context.Context, p store.Platform) RefreshItem {
	item := RefreshItem{Name: "PCK certificates of platform " + legible(p.QEID) + ", FMSPC " + p.FMSPC, Outcome: Got}
	raws, err := s.store.RawTCBs(ctx, p.PlatformID)
	if err != nil {
		item.Outcome, item.Err = Down, storeFault(err)
		return item
	}
	certs, err := s.store.PCKCerts(ctx, p.PlatformID)
	if err != nil {
		item.Outcome, item.Err = Down, storeFault(err)
		return item
	}
	q := PCKQuery{PlatformID: p.PlatformID, EncryptedPPID: p.EncryptedPPID, Manifest: p.Manifest}
	queries := []PCKQuery{q}
	if partial(certs) && len(raws) > 0 {
		queries = queries[:0]
		for _, raw := range raws {
			q.CPUSVN, q.PCESVN = raw.CPUSVN, raw.PCESVN
			queries = append(queries, q)
		}
	}
	for _, q := range queries {
		if err := s.fillPCK(ctx, q, s.mode == Req); err != nil {
			item.Outcome, item.Err = Down, err
			s.log.WarnContext(ctx, "PCK certificates not refreshed", slog.String("qe_id", legible(p.QEID)), slog.String("error", err.Error()))
		}
	}
	return item
}

// each calls do for every item, some side by side.
func each[T any](items []T, do func(int, T)) {
	room := make(chan struct{}, sideBySide)
	var all sync.WaitGroup
	for i, item := range items {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			do(i, item)
		})
	}
	all.Wait()
}
