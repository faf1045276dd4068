// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// IntelPCS is the base URL of Intel's own service.
const IntelPCS = "https://api.trustedservices.intel.com/sgx/certification/v4/"

// intelHost is the host of Intel's own service.
const intelHost = "api.trustedservices.intel.com"

// intelRootCRL is where Intel has the root's revocation list: the distribution
// point in the root certificate. Its PCS has no path of its own for it.
const intelRootCRL = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

// budget bounds what one call of [PCS.Endorsements] takes.
const budget = 10 * time.Second

// renewAfter is when an answer is asked for anew even if it holds for longer: a
// TCB recovery, or a revocation, comes without notice.
const renewAfter = 24 * time.Hour

// PCSConfig says which service is asked, and how. Fields that may be empty say so.
type PCSConfig struct {
	// Base is the URL before the names of documents: that of Intel's PCS, or of
	// a PCCS such as https://localhost:8081/sgx/certification/v4/. A bare host
	// gets this path, and a path that ends in /v3/ is asked in version 3's way.
	Base string
	// RootCRL is the URL of the root's revocation list. Empty stands for
	// Intel's where Base is Intel's, and for Base's rootcacrl, as a PCCS has it,
	// otherwise.
	RootCRL string
	// Roots are those under which answers count; nil stands for the vendors'
	// pinned ones.
	Roots []rats.TrustRoot
	// Evaluation is asked for: standard, early or a number; empty is standard.
	// A service has no name for the highest: early is its newest.
	Evaluation dcap.EvaluationNumber
	// PlainLists asks for revocation lists without a word on their encoding, as
	// clients of PCCS API 3.0 do; they are asked for in DER otherwise. Whatever
	// comes is taken: DER, PEM or hex.
	PlainLists bool
	// Custom goes along with every request, Certificates besides with those for
	// PCK certificates. Neither reaches another host, such as that of RootCRL.
	Custom, Certificates Custom
	// Retry says how often a service that fails is asked once more; nil is once
	// where it says that it is busy or broken for the moment.
	Retry *Retry
	// Keep bounds for how long an answer counts before it is asked for anew: nil
	// is a day, and 0 has each one asked for when it is needed. It never counts
	// for longer than two thirds of its life.
	Keep *time.Duration
	// Cache keeps answers from one run of a program to the next, for Keep; nil
	// is none.
	Cache *AnswerCache
	// APIKey is sent along unless it is empty. Intel needs none for documents.
	APIKey string
	// RootCAs vouch for the service's TLS certificate; nil stands for the
	// system's, and for none where the service is on this machine.
	RootCAs *x509.CertPool
	// UnsafeSkipTLS takes any TLS certificate, and plain http beyond this machine.
	// Answers are signed: what it gives away is who asks for what, and
	// whether an answer is the latest.
	UnsafeSkipTLS bool
	// Proxy is as in [http.Transport]; nil is none. Services on this machine are
	// asked directly.
	Proxy func(*http.Request) (*url.URL, error)

	// Now is the clock.
	Now func() time.Time
	// Random returns numbers of [0, 1) that spread the times at which many
	// nodes ask again; nil spreads nothing.
	Random func() float64
	// Report is told of each call that was made; it may be nil. It is called
	// from several goroutines.
	Report func(Event)
}

// PCS is a service that speaks the API of Intel's Provisioning Certification
// Service, version 4 or 3: Intel's own, or a PCCS. It is a [Source].
//
// Every answer is checked up to a trusted root before it is used or kept. One
// that does not verify is dropped and reported. Answers are kept for two thirds
// of their life, and at most a day, before they are asked for again; whoever
// asks meanwhile gets the answer at hand. All who ask for the same document at
// the same time wait for one call. After three failures in a row the service
// counts as down, and is left alone for five seconds at first, a minute at last.
//
// It is safe for concurrent use. [PCS.Close] ends what is under way.
type PCS struct {
	name               string
	place              place
	client, rootClient *http.Client
	apiKey             string
	roots              []rats.TrustRoot
	evaluation         dcap.EvaluationNumber
	now                func() time.Time
	random             func() float64
	report             func(Event)
	wait               func(context.Context, time.Duration) error
	// timeout is for one request, patience for all that is done to get one
	// document, budget for one call of Endorsements.
	timeout, patience, budget time.Duration
	custom, certificates      []Pair
	retry                     *Retry
	hold                      *time.Duration
	cache                     *AnswerCache
	verifier                  *attesteer.Verifier
	breaker                   *breaker
	memory                    *memory
	// life ends with Close; calls are made in it, since many may wait for one.
	life context.Context //nolint:containedctx // see above
	end  context.CancelFunc
}

// NewPCS returns the service that cfg names, and asks it for nothing yet.
// Errors are Malformed.
func NewPCS(cfg PCSConfig) (*PCS, error) {
	where, base, err := placeOf(cfg.Base, cfg.RootCRL)
	if err != nil {
		return nil, err
	}
	where.plainLists = cfg.PlainLists
	if where.all, err = cfg.Custom.query(); err == nil {
		where.certificates, err = cfg.Certificates.query()
	}
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		return nil, rats.Errorf(rats.Malformed, "a PCS needs a clock")
	}
	s := &PCS{
		name: base.Host, place: where, apiKey: cfg.APIKey, roots: slices.Clone(cfg.Roots),
		now: cfg.Now, random: cfg.Random, report: cfg.Report, wait: waitFor, timeout: documentTimeout,
		custom: slices.Clone(cfg.Custom.Headers), certificates: slices.Clone(cfg.Certificates.Headers),
		retry: cfg.Retry, hold: cfg.Keep, cache: cfg.Cache,
		verifier: attesteer.NewVerifier(maxRemembered), breaker: &breaker{now: cfg.Now}, memory: newMemory(),
	}
	if s.evaluation, err = evaluationOf(cfg.Evaluation); err != nil {
		return nil, err
	}
	if s.client, err = newClient(base, cfg); err != nil {
		return nil, err
	}
	rootCRL, err := url.Parse(where.rootCRL)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "%q is not a URL", where.rootCRL)
	}
	if s.rootClient = s.client; rootCRL.Host != base.Host || rootCRL.Scheme != base.Scheme {
		if s.rootClient, err = newClient(rootCRL, cfg); err != nil {
			return nil, err
		}
	}
	s.patience, s.budget = s.retry.patience(s.timeout), budget
	if s.retry != nil {
		s.budget = max(budget, s.patience+time.Second)
	}
	if s.random == nil {
		s.random = func() float64 { return 0 }
	}
	if s.report == nil {
		s.report = func(Event) {}
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Name is the service's host, by which errors and events call it.
func (s *PCS) Name() string { return s.name }

// Standard returns the number of the evaluation that the service serves as the
// standard one for a TEE, once it has answered with TCB info for it.
func (s *PCS) Standard(tee rats.TEE) (number uint32, known bool) { return s.memory.standardOf(tee) }

// Kept returns the answers at hand, in no particular order.
func (s *PCS) Kept() []Fetched { return s.memory.all() }

// Close ends the calls under way and waits for them. A closed service has
// nothing but what it kept.
func (s *PCS) Close() {
	s.end()
	s.memory.close()
	s.client.CloseIdleConnections()
	s.rootClient.CloseIdleConnections()
}

// Endorsements implements [Source], within ten seconds unless [PCSConfig.Retry]
// takes longer. What the service gave
// is returned along with an error that names what it did not, of kind
// EndorsementUnavailable. Answers that are stale at the time are returned too.
func (s *PCS) Endorsements(
	ctx context.Context, needs []attesteer.Need, at time.Time,
) ([]rats.Endorsement, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	wants := s.wants(needs)
	got, errs := s.fetchAll(ctx, wants, func(ctx context.Context, d Document) (*Fetched, error) {
		return s.obtain(ctx, d, at)
	})
	return given(got), s.shortage(wants, got, errs)
}

// Fetch returns one document, from what is kept if that is new enough. A stale
// answer may come with the error of the call that was to replace it. Errors are
// EndorsementUnavailable, or of the kind of what is wrong with a forged answer.
func (s *PCS) Fetch(ctx context.Context, d Document) (*Fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	var err error
	if d.Kind == rats.TCBInfo || d.Kind == rats.QEIdentity {
		if d.Evaluation, err = evaluationOf(d.Evaluation); err != nil {
			return nil, err
		}
	}
	return s.obtain(ctx, d, s.now())
}

// Renew asks anew for what may stand under keys, and returns what was had, with
// an error that names what was not. An answer of the last minute counts as new.
func (s *PCS) Renew(ctx context.Context, keys []rats.EndorsementKey) ([]rats.Endorsement, error) {
	var wants []want
	for _, key := range keys {
		w := want{documents: s.documentsFor(key)}
		if key.Kind == rats.PCKCRL {
			w.scope = key.Scope
		}
		if len(w.documents) > 0 {
			wants = append(wants, w)
		}
	}
	got, errs := s.fetchAll(ctx, wants, s.anew)
	return given(got), s.shortage(wants, got, errs)
}

// fetchAll gets each document of wants once, side by side.
func (s *PCS) fetchAll(
	ctx context.Context, wants []want, get func(context.Context, Document) (*Fetched, error),
) (got []*Fetched, errs map[Document]error) {
	var documents []Document
	for _, w := range wants {
		for _, d := range w.documents {
			if !slices.Contains(documents, d) {
				documents = append(documents, d)
			}
		}
	}
	results := make([]*Fetched, len(documents))
	failures := make([]error, len(documents))
	room := make(chan struct{}, connections)
	var all sync.WaitGroup
	for i, d := range documents {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			results[i], failures[i] = get(ctx, d)
		})
	}
	all.Wait()
	errs = make(map[Document]error)
	for i, d := range documents {
		if results[i] != nil {
			got = append(got, results[i])
		}
		if failures[i] != nil {
			errs[d] = failures[i]
		}
	}
	return got, errs
}

// given returns the endorsements of what was got.
func given(got []*Fetched) []rats.Endorsement {
	var out []rats.Endorsement
	for _, f := range got {
		out = append(out, f.Endorsement)
	}
	return out
}

// shortage names what is wanted and was not got, or got stale and not renewed,
// and why; what has one reason stands together.
func (s *PCS) shortage(wants []want, got []*Fetched, errs map[Document]error) error {
	var reasons []string
	missing := make(map[string][]string)
	for _, w := range wants {
		why, ok := w.lack(got, errs)
		if ok {
			continue
		}
		if missing[why] == nil {
			reasons = append(reasons, why)
		}
		missing[why] = append(missing[why], w.name())
	}
	if len(reasons) == 0 {
		return nil
	}
	parts := make([]string, 0, len(reasons))
	for _, why := range reasons {
		parts = append(parts, strings.Join(missing[why], ", ")+": "+s.name+" "+why)
	}
	return rats.Errorf(rats.EndorsementUnavailable, "%s", strings.Join(parts, "; "))
}

// waitFor waits without a clock of its own: a context has one.
func waitFor(ctx context.Context, d time.Duration) error {
	pause, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-pause.Done()
	return ctx.Err()
}
