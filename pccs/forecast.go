// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/pccs/pck"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// Forecast says of every platform whose certificates are there how it stands by
// the standard TCB evaluation, by each that is published, and by the early one:
// what the next TCB recovery will do to it. It goes by the PCK certificate that
// serves the platform's raw TCB, and looks at the store alone. For its quoting
// enclave and TDX module see [dcap.Statement.PlatformTCB]: they are not judged.
//
// delay is how long after a TCB recovery its evaluation is expected to bind;
// [StandardDelay] is Intel's habit. Errors are Refusals.
func (s *Service) Forecast(ctx context.Context, delay time.Duration) (*Forecast, error) {
	platforms, err := s.Cached(ctx, nil)
	if err != nil {
		return nil, err
	}
	artefacts, err := s.store.ArtefactsWithBodies(ctx)
	if err != nil {
		return nil, storeFault(err)
	}
	shelf := newShelf(artefacts, s.now())
	out := &Forecast{At: s.now().UTC(), Platforms: []PlatformForecast{}}
	for _, p := range platforms {
		certs, err := s.store.PCKCerts(ctx, p.PlatformID)
		if err != nil {
			return nil, storeFault(err)
		}
		ext, tcbm, fault := s.serving(ctx, p, certs)
		one := PlatformForecast{
			QEID: p.QEID, PCEID: p.PCEID, FMSPC: p.FMSPC, CA: p.CA, CPUSVN: p.CPUSVN, PCESVN: p.PCESVN, TCBm: tcbm,
			TEEs: []TEEForecast{},
		}
		if fault != nil {
			one.Fault = rats.AsError(fault).Detail
		} else {
			one.TEEs = shelf.outlook(ext, delay)
		}
		out.Platforms = append(out.Platforms, one)
	}
	return out, nil
}

// serving returns what is certified of a platform at its raw TCB, and the TCB
// level that the certificate is for. A platform that was never asked for with a
// raw TCB is judged by its best certificate.
func (s *Service) serving(ctx context.Context, p CachedPlatform, certs []store.PCKCert) (*dcap.PCKExtension, string, error) {
	tcbm := ""
	if p.CPUSVN != "" {
		raw, err := s.store.RawTCB(ctx, p.PlatformID, p.CPUSVN, p.PCESVN)
		if err != nil && !errors.Is(err, rats.NotFound) {
			return nil, "", rats.AsError(storeFault(err).Err)
		}
		if raw != nil {
			tcbm = raw.TCBm
		}
	}
	var best *pck.Certificate
	for _, c := range certs {
		if c.NotAvailable || tcbm != "" && !strings.EqualFold(c.TCBm, tcbm) {
			continue
		}
		parsed, err := pck.ParsePEM(c.Cert)
		if err != nil {
			return nil, tcbm, err
		}
		if best == nil || parsed.TCB().Reaches(best.TCB()) {
			best = parsed
		}
	}
	if best == nil {
		return nil, tcbm, rats.Errorf(rats.NotFound, "no PCK certificate of the platform is there")
	}
	return &best.PCKExtension, best.TCBm(), nil
}

// FetchForecast fetches what a forecast goes by and is not there: the lists of
// evaluation numbers, and TCB info of the standard evaluation, the early one and
// each published after the standard one, for every FMSPC of a platform whose
// certificates are there. What upstreams do not have is left out. The error, a
// Refusal, is that of the first thing that could not be asked for.
func (s *Service) FetchForecast(ctx context.Context) error {
	if s.mode == Offline {
		return refuse(http.StatusServiceUnavailable, rats.EndorsementUnavailable, "mode %s fetches nothing", Offline)
	}
	platforms, err := s.store.Platforms(ctx)
	if err != nil {
		return storeFault(err)
	}
	var first error
	get := func(k store.Key) *store.Artefact {
		a, err := s.kept(ctx, k)
		if err == nil && (a == nil || s.Stale(a)) {
			if err = s.fill(ctx, k); err == nil {
				a, err = s.kept(ctx, k)
			}
		}
		if err != nil && !absent(err) && first == nil {
			first = err
		}
		return a
	}
	numbers := make(map[rats.TEE]*dcap.NumberList)
	for _, tee := range forecastTEEs() {
		if a := get(store.Key{Kind: store.EvaluationNumbers, TEE: tee, Version: 4}); a != nil && len(platforms) > 0 {
			numbers[tee] = numberListOf(a)
		}
	}
	done := make(map[string]bool)
	for _, p := range platforms {
		if fmspc := strings.ToLower(p.FMSPC); fmspc != "" && !done[fmspc] {
			done[fmspc] = true
			for _, tee := range forecastTEEs() {
				fetchEvaluations(store.Key{Kind: store.TCBInfo, TEE: tee, Scope: fmspc, Version: 4}, numbers[tee], get)
			}
		}
	}
	return first
}

// fetchEvaluations gets TCB info of one FMSPC for a TEE.
func fetchEvaluations(k store.Key, list *dcap.NumberList, get func(store.Key) *store.Artefact) {
	k.Update = store.Standard
	standard := get(k)
	if standard == nil {
		return // no such platform has this TEE
	}
	n, _ := evaluationOf(standard.Body)
	k.Update = store.Early
	early := get(k)
	var e uint32
	if early != nil {
		e, _ = evaluationOf(early.Body)
	}
	if list == nil {
		return
	}
	for _, published := range list.Numbers {
		if published.Number > n && published.Number != e {
			k.Update = strconv.FormatUint(uint64(published.Number), 10)
			get(k)
		}
	}
}

// forecastTEEs are the TEEs that a platform may run.
func forecastTEEs() []rats.TEE { return []rats.TEE{rats.SGX, rats.TDX} }
