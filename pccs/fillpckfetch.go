// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"log/slog"
	"net/http"
	"slices"

	"github.com/attesteer/attesteer/pccs/pck"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// fillPCK fetches the certificates of a platform, once for all who want them
// now, with the TCB info by which they are selected. Whoever asks with another
// proof of being the platform is another who asks.
func (s *Service) fillPCK(ctx context.Context, q PCKQuery, queue bool) error {
	return s.flights.do(ctx, q.flight(), func(ctx context.Context) error {
		_, err := s.fetchPCK(ctx, q, queue)
		return err
	})
}

// fillUnknown is fillPCK for who looked and did not find the platform. A flight may
// have landed between that look and this call: what it brought serves as well.
func (s *Service) fillUnknown(ctx context.Context, q PCKQuery) error {
	return s.flights.do(ctx, q.flight(), func(ctx context.Context) error {
		if p, err := s.platform(ctx, q.PlatformID); err != nil || p != nil {
			return err
		}
		_, err := s.fetchPCK(ctx, q, false)
		return err
	})
}

// flight names the flight that answers a query.
func (q PCKQuery) flight() string {
	return "pck " + q.QEID + " " + q.PCEID + " " + q.CPUSVN + " " + q.PCESVN + " " +
		digestName(q.EncryptedPPID) + " " + digestName(q.Manifest)
}

// fetchPCK asks the upstreams in turn until one gives certificates that verify,
// and keeps them. Errors are Refusals. With queue, TCBs that the vendor has no
// certificate for are put into the queue as such.
func (s *Service) fetchPCK(ctx context.Context, q PCKQuery, queue bool) (Outcome, error) {
	if len(q.Manifest) == 0 {
		if err := namesPlatform(q.EncryptedPPID); err != nil {
			return Absent, err
		}
	}
	var verdict verdict
	for _, u := range s.upstreams {
		began := s.now()
		event := Event{Upstream: u.Name(), What: "pck " + legible(q.QEID), Outcome: Got}
		answer, err := u.PCKCerts(ctx, q)
		if err == nil {
			event.Outcome = Refused
			if err = s.takePCK(ctx, q, u, answer, queue); err == nil {
				event.Outcome = Got
			}
		} else {
			event.Outcome = faultOutcome(err)
		}
		event.Err, event.Took = err, s.now().Sub(began)
		s.report(event)
		if err == nil {
			s.log.InfoContext(ctx, "PCK certificates fetched", slog.String("qe_id", legible(q.QEID)), slog.String("upstream", u.Name()))
			return Got, nil
		}
		s.log.WarnContext(ctx, "PCK certificates not had", slog.String("qe_id", legible(q.QEID)), slog.String("upstream", u.Name()),
			slog.String("outcome", string(event.Outcome)), slog.String("error", err.Error()))
		verdict.hear(err)
	}
	return verdict.outcome(), verdict.refusal("PCK certificates of platform " + legible(q.QEID))
}

// takePCK verifies what an upstream gave for a platform and keeps it.
func (s *Service) takePCK(ctx context.Context, q PCKQuery, u Upstream, answer *PCKAnswer, queue bool) error {
	set, err := s.checkPCK(ctx, q.PlatformID, answer)
	if err != nil {
		return s.blame(err, u)
	}
	known, err := s.store.PCKCerts(ctx, q.PlatformID)
	if err != nil {
		return storeFault(err)
	}
	if err := samePlatform(set, known); err != nil {
		return s.blame(err, u)
	}
	if len(set.available()) == 0 {
		if queue {
			s.enqueueMissing(ctx, q, set)
		}
		return &Fault{Class: FaultAbsent, Err: rats.Errorf(rats.EndorsementUnavailable,
			"%s has no PCK certificate for any TCB of the platform: it may not be registered", u.Name())}
	}
	if err := s.fillLevels(ctx, set.fmspc, answer.Partial); err != nil {
		return err
	}
	b, err := s.batchOf(ctx, q, set, answer)
	if err != nil {
		return err
	}
	if err := s.store.Write(ctx, b); err != nil {
		return storeFault(err)
	}
	if queue {
		s.enqueueMissing(ctx, q, set)
	}
	return nil
}

// blame says that it was the upstream's answer that is at fault, unless it was
// not.
func (s *Service) blame(err error, u Upstream) error {
	if r := refusalIn(err); r != nil {
		return r
	}
	return &invalid{err: rats.AsError(err), from: u.Name()}
}

// fillLevels gets the TCB info of an FMSPC, which certificates are selected by
// and verifiers ask for next: SGX's standard one must be had; others may not
// exist. It was there before where it is there.
func (s *Service) fillLevels(ctx context.Context, fmspc string, partial bool) error {
	for _, tee := range []rats.TEE{rats.SGX, rats.TDX} {
		for _, update := range []string{UpdateEarly, UpdateStandard} {
			k := tcbInfoKey(tee, fmspc, update, 4)
			a, err := s.kept(ctx, k)
			if err != nil {
				return err
			}
			if a != nil && !s.Stale(a) {
				continue
			}
			err = s.fill(ctx, k)
			must := tee == rats.SGX && update == UpdateStandard && !partial
			if err != nil && a == nil && must {
				return err
			}
		}
	}
	return nil
}

// batchOf returns what is written of a platform whose certificates were fetched.
func (s *Service) batchOf(ctx context.Context, q PCKQuery, set *pckSet, answer *PCKAnswer) (store.Batch, error) {
	p := store.Platform{
		PlatformID: q.PlatformID, EncryptedPPID: q.EncryptedPPID, Manifest: q.Manifest,
		FMSPC: set.fmspc, CA: set.ca, Seen: s.now().UTC(),
	}
	before, err := s.platform(ctx, q.PlatformID)
	if err != nil {
		return store.Batch{}, err
	}
	if before != nil { // what the platform is known by is not forgotten
		if len(p.EncryptedPPID) == 0 {
			p.EncryptedPPID = before.EncryptedPPID
		}
		if len(p.Manifest) == 0 {
			p.Manifest = before.Manifest
		}
	}
	b := store.Batch{
		Platforms: []store.Platform{p}, PCKCerts: set.certs, Chains: map[string][]byte{set.ca: answer.Chain},
	}
	if answer.Partial {
		b.RawTCBs = []store.RawTCB{{PlatformID: q.PlatformID, CPUSVN: q.CPUSVN, PCESVN: q.PCESVN, TCBm: set.certs[0].TCBm}}
		return b, nil
	}
	b.ReplacePCK = []store.PlatformID{q.PlatformID}
	b.RawTCBs, err = s.reselect(ctx, q.PlatformID, set, []store.RawTCB{{CPUSVN: q.CPUSVN, PCESVN: q.PCESVN}})
	return b, err
}

// reselect selects anew for each raw TCB that a platform was asked for with, and
// for those of more. Levels are those that are about to be kept, or are.
func (s *Service) reselect(
	ctx context.Context, id store.PlatformID, set *pckSet, more []store.RawTCB, coming ...store.Artefact,
) ([]store.RawTCB, error) {
	raws, err := s.store.RawTCBs(ctx, id)
	if err != nil {
		return nil, storeFault(err)
	}
	for _, raw := range more {
		known := slices.ContainsFunc(raws, func(r store.RawTCB) bool { return r.CPUSVN == raw.CPUSVN && r.PCESVN == raw.PCESVN })
		if !known && raw.CPUSVN != "" && raw.PCESVN != "" && len(raws) < maxRawTCBs {
			raws = append(raws, store.RawTCB{PlatformID: id, CPUSVN: raw.CPUSVN, PCESVN: raw.PCESVN})
		}
	}
	if len(raws) == 0 {
		return nil, nil
	}
	levels, err := s.levels(ctx, set.fmspc, coming...)
	if err != nil {
		return nil, err
	}
	var out []store.RawTCB
	for _, raw := range raws {
		i, err := choose(set.certs, levels, PCKRequest{PCEID: id.PCEID, CPUSVN: raw.CPUSVN, PCESVN: raw.PCESVN})
		if err != nil {
			// Its mapping goes stale: the certificate that it names is gone, or
			// the next request selects again and says why it cannot.
			s.log.WarnContext(ctx, "no PCK certificate for a raw TCB", slog.String("qe_id", legible(id.QEID)),
				slog.String("cpu_svn", raw.CPUSVN), slog.String("error", err.Error()))
			continue
		}
		raw.TCBm = set.certs[i].TCBm
		out = append(out, raw)
	}
	return out, nil
}

// enqueueMissing puts the TCBs that the vendor has no certificate for into the
// queue, as they are reported by GET platforms?source=reg_na.
func (s *Service) enqueueMissing(ctx context.Context, q PCKQuery, set *pckSet) {
	var b store.Batch
	for i := range set.certs {
		c := &set.certs[i]
		if !c.NotAvailable {
			continue
		}
		b.Enqueue = append(b.Enqueue, store.Queued{
			PlatformID: q.PlatformID, CPUSVN: c.TCBm[:32], PCESVN: c.TCBm[32:],
			EncryptedPPID: q.EncryptedPPID, Manifest: q.Manifest, State: store.NotAvailable, Seen: s.now().UTC(),
		})
	}
	if len(b.Enqueue) == 0 {
		return
	}
	if err := s.store.Write(ctx, b); err != nil {
		s.log.ErrorContext(ctx, "TCBs without certificates not queued", slog.String("error", err.Error()))
	}
}

// samePlatform checks that certificates are of the platform whose certificates
// are known: nobody can put another's in their place by naming it.
func samePlatform(set *pckSet, known []store.PCKCert) error {
	for i := range known {
		if known[i].NotAvailable {
			continue
		}
		c, err := pck.ParsePEM(known[i].Cert)
		if err != nil {
			return &Refusal{Status: http.StatusInternalServerError, Err: rats.AsError(err)}
		}
		for _, one := range set.parsed {
			if one.PPID != c.PPID {
				return rats.Errorf(rats.BindingMismatch, "the certificates are of another platform than those that are known of it")
			}
		}
		return nil
	}
	return nil
}
