// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// Endorsements is what of a ledger's node is asked: [client.Client] has it.
type Endorsements interface {
	ListEndorsements(ctx context.Context, filters url.Values) (*client.EndorsementList, error)
	PushEndorsements(ctx context.Context, items []rats.Endorsement) (*client.Pushed, error)
}

// LedgerConfig says which ledger is read. Fields that may be empty say so.
type LedgerConfig struct {
	// Node is asked for what is on the ledger.
	Node Endorsements
	// RootCertificates are those of roots in DER, to complete chains; nil stands
	// for Intel's.
	RootCertificates [][]byte
	// Timeout is for one call; zero stands for 20 seconds.
	Timeout time.Duration
}

// ledger is an Upstream.
type ledger struct {
	LedgerConfig
	// of is the service that asks it, whose roots count; nil before there is one.
	of *Service
}

// bound is an upstream that wants to know for which service it works.
type bound interface{ bind(of *Service) }

func (l *ledger) bind(of *Service) { l.of = of }

// NewLedger returns what is on a ledger as an upstream: endorsements that others
// pushed there, so that attestation goes on when the vendor's service is down.
// What a node says is verified like all else. It has no PCK certificates, no
// list of FMSPCs and no lists by URL.
//
// A ledger does not know which TCB evaluation the vendor serves as the standard
// one. It is taken to be the one that this service knew last; without that, the
// highest that TCB info and identities share, as for every source that does not
// say. What is current goes before what is stale.
func NewLedger(cfg LedgerConfig) Upstream {
	if cfg.Timeout == 0 {
		cfg.Timeout = answerTimeout
	}
	if cfg.RootCertificates == nil {
		cfg.RootCertificates = [][]byte{IntelRootCertificate()}
	}
	return &ledger{LedgerConfig: cfg}
}

// ledgerSource is the source of what came from a ledger.
const ledgerSource = "ledger"

// Name implements [Upstream].
func (l *ledger) Name() string { return ledgerSource }

// PCKCerts implements [Upstream]: a ledger keeps no certificates of single
// platforms.
func (l *ledger) PCKCerts(context.Context, PCKQuery) (*PCKAnswer, error) {
	return nil, l.absent("has no PCK certificates")
}

func (l *ledger) absent(what string) *Fault {
	return &Fault{Class: FaultAbsent, Err: rats.Errorf(rats.EndorsementUnavailable, "the ledger %s", what)}
}

// Artefact implements [Upstream].
func (l *ledger) Artefact(ctx context.Context, key store.Key) (*Answer, error) {
	filters, ok := ledgerFilters(key)
	if !ok {
		return nil, l.absent("has no such document")
	}
	filters.Set("body", "true")
	list, err := l.list(ctx, filters)
	if err != nil {
		return nil, err
	}
	candidates, err := l.ranked(ctx, key, list)
	if err != nil {
		return nil, err
	}
	fault := l.absent("has none")
	for _, c := range candidates {
		e := rats.Endorsement{Kind: c.Kind, Body: c.Body, Issuers: c.Issuers}
		// A ledger may hold what other roots signed, which is no fault of it.
		if err := l.check(e); err != nil {
			continue
		}
		if key.Kind == store.PCKCRL && caName(e.Issuers[0]) != key.Scope {
			continue
		}
		chain, err := ServedChain(e.Issuers, l.RootCertificates...)
		if err != nil {
			fault = &Fault{Class: FaultDown, Err: err}
			continue
		}
		return &Answer{Body: e.Body, Chain: chain, Source: ledgerSource}, nil
	}
	return nil, fault
}

// check verifies what a node said, by the roots of the service.
func (l *ledger) check(e rats.Endorsement) error {
	if l.of == nil {
		_, err := attesteer.CheckEndorsement(e, nil)
		return err
	}
	_, err := l.of.verifier.CheckEndorsement(e, l.of.roots)
	return err
}

// list asks the node, for a time.
func (l *ledger) list(ctx context.Context, filters url.Values) ([]client.Endorsement, error) {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	list, err := l.Node.ListEndorsements(ctx, filters)
	if err != nil {
		return nil, ledgerFault(err)
	}
	return list.Endorsements, nil
}

func ledgerFault(err error) *Fault {
	f := &Fault{Class: FaultDown, Err: rats.Errorf(rats.EndorsementUnavailable, "the ledger's node: %w", err)}
	var refusal *client.Refusal
	if errors.As(err, &refusal) {
		switch refusal.Status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			f.Class = FaultBusy
		case http.StatusUnauthorized, http.StatusForbidden:
			f.Class = FaultDenied
		case http.StatusNotFound:
			f.Class = FaultAbsent
		}
	}
	return f
}

// ledgerFilters returns by which filters a node lists what may stand under a
// key.
func ledgerFilters(k store.Key) (url.Values, bool) {
	out := url.Values{}
	switch k.Kind {
	case store.TCBInfo:
		out.Set("kind", string(rats.TCBInfo))
		out.Set("fmspc", k.Scope)
	case store.QEIdentity, store.QVEIdentity:
		out.Set("kind", string(rats.QEIdentity))
	case store.EvaluationNumbers:
		out.Set("kind", string(rats.EvaluationNumbers))
	case store.PCKCRL:
		out.Set("kind", string(rats.PCKCRL))
	case store.RootCRL:
		out.Set("kind", string(rats.RootCACRL))
	default:
		return nil, false
	}
	if k.TEE != "" {
		out.Set("tee", string(k.TEE))
	}
	if numbered(k) {
		out.Set("evaluation_data_number", k.Update)
	}
	return out, true
}

// ranked returns what fits a key, best first.
func (l *ledger) ranked(ctx context.Context, k store.Key, all []client.Endorsement) ([]client.Endorsement, error) {
	fitting := slices.DeleteFunc(all, func(e client.Endorsement) bool {
		switch k.Kind {
		case store.TCBInfo:
			return e.Version != uint32(k.Version)-1 //nolint:gosec // 3 or 4
		case store.QEIdentity, store.QVEIdentity:
			return e.Scope != enclaveOf(k)
		default:
			return false
		}
	})
	var prefer func(number uint32) bool
	if evaluated(k.Kind) && !numbered(k) && len(fitting) > 1 {
		var err error
		if prefer, err = l.preference(ctx, k); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(fitting, func(a, b client.Endorsement) int {
		preferred := 0
		if prefer != nil {
			preferred = first(prefer(a.EvaluationDataNumber), prefer(b.EvaluationDataNumber))
		}
		return cmp.Or(
			first(!a.Stale, !b.Stale), preferred,
			cmp.Compare(b.EvaluationDataNumber, a.EvaluationDataNumber), b.Issued.Compare(a.Issued))
	})
	return fitting, nil
}

// first orders what is true before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// preference says which evaluation numbers to take before higher ones: the
// standard one as it was known here last, else those that there are of TCB info
// as well as of identities.
func (l *ledger) preference(ctx context.Context, k store.Key) (func(uint32) bool, error) {
	if k.Update == store.Standard && l.of != nil {
		known := store.Key{Kind: store.QEIdentity, TEE: k.TEE, Update: store.Standard, Version: 4}
		if a, err := l.of.store.Artefact(ctx, known); err == nil {
			if n, ok := evaluationOf(a.Body); ok {
				return func(number uint32) bool { return number == n }, nil
			}
		}
	}
	other := rats.QEIdentity
	if k.Kind != store.TCBInfo {
		other = rats.TCBInfo
	}
	list, err := l.list(ctx, url.Values{"kind": {string(other)}, "tee": {string(k.TEE)}})
	if err != nil {
		return nil, err
	}
	shared := make(map[uint32]bool)
	for _, e := range list {
		if other == rats.TCBInfo || e.Scope != "QVE" {
			shared[e.EvaluationDataNumber] = true
		}
	}
	return func(number uint32) bool { return shared[number] }, nil
}
