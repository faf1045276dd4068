// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// Lister lists endorsements on a ledger with their bodies, by the filters of the
// API of nodes: kind, tee and fmspc (GET /v1/endorsements). The kind of each
// need not be set: it is that of the filter.
type Lister func(ctx context.Context, filters url.Values) ([]rats.Endorsement, error)

// Ledger is the endorsements that a ledger holds, as one of its nodes lists
// them. It is a [Source] and a [Renewer], and safe for concurrent use. Each
// statement is checked up to a trusted root: the node's word counts for nothing.
// It has no PCK certificates, which ledgers do not keep.
type Ledger struct {
	name    string
	list    Lister
	roots   []rats.TrustRoot
	now     func() time.Time
	report  func(Event)
	breaker *breaker
}

// NewLedger returns the ledger that list lists, under the name of its node. nil
// roots stand for the vendors' pinned ones; report is told of each call, and may
// be nil.
func NewLedger(name string, list Lister, roots []rats.TrustRoot, now func() time.Time, report func(Event)) *Ledger {
	if report == nil {
		report = func(Event) {}
	}
	return &Ledger{name: name, list: list, roots: slices.Clone(roots), now: now, report: report, breaker: &breaker{now: now}}
}

// Name is the node's.
func (l *Ledger) Name() string { return l.name }

// Ups notes by the node's name whether it counts as up.
func (l *Ledger) Ups(up map[string]bool) { noteUp(up, l.name, l.breaker.up()) }

// Endorsements implements [Source], within ten seconds. What there is is
// returned along with an error that names the kinds that could not be listed, or
// of which there was nothing that verifies.
func (l *Ledger) Endorsements(
	ctx context.Context, needs []attesteer.Need, _ time.Time,
) ([]rats.Endorsement, error) {
	var wants []Document
	for _, need := range needs {
		for _, d := range []Document{
			{Kind: rats.TCBInfo, TEE: need.TEE, FMSPC: need.FMSPC}, {Kind: rats.QEIdentity, TEE: need.TEE},
			{Kind: rats.PCKCRL}, {Kind: rats.RootCACRL}, {Kind: rats.EvaluationNumbers, TEE: need.TEE},
		} {
			if !slices.Contains(wants, d) {
				wants = append(wants, d)
			}
		}
	}
	return l.all(ctx, wants)
}

// Renew implements [Renewer]: what others of the ledger's nodes, or another
// ledger, hold under keys.
func (l *Ledger) Renew(ctx context.Context, keys []rats.EndorsementKey) ([]rats.Endorsement, error) {
	var wants []Document
	for _, key := range keys {
		d := Document{Kind: key.Kind, TEE: key.TEE}
		if b, err := hex.DecodeString(key.Scope); key.Kind == rats.TCBInfo && err == nil && len(b) == 6 {
			d.FMSPC = [6]byte(b)
		}
		if !slices.Contains(wants, d) {
			wants = append(wants, d)
		}
	}
	return l.all(ctx, wants)
}

// Fetch returns what the ledger holds of a document: the one issued last, of the
// evaluation where one is asked for by number. Errors are EndorsementUnavailable,
// or of the kind of what is wrong with what is there.
func (l *Ledger) Fetch(ctx context.Context, d Document) (*Fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	items, err := l.ask(ctx, d)
	var best *Fetched
	for _, e := range items {
		info, checking := attesteer.CheckEndorsement(e, l.roots)
		if checking == nil {
			checking = fitsDocument(d, info)
		}
		if checking == nil && d.Kind == rats.PCKCRL && d.CA != authorityOf(e) {
			checking = rats.Errorf(rats.EndorsementUnavailable, "it is of another PCK CA")
		}
		if checking != nil {
			err = checking
			continue
		}
		if best == nil || info.Issued.After(best.Info.Issued) {
			best = &Fetched{Document: d, Endorsement: e, Info: info, At: l.now()}
		}
	}
	if best != nil {
		return best, nil
	}
	if err == nil {
		err = rats.Errorf(rats.EndorsementUnavailable, "does not have it")
	}
	return nil, err
}

// authorityOf says which CA a revocation list is of, as a PCS names it.
func authorityOf(e rats.Endorsement) string {
	if len(e.Issuers) == 1 {
		cert, err := x509.ParseCertificate(e.Issuers[0])
		if err == nil && strings.Contains(cert.Subject.CommonName, "Processor") {
			return ProcessorCA
		}
	}
	return PlatformCA
}

// all lists documents one after the other, which is one connection to one node.
func (l *Ledger) all(ctx context.Context, wants []Document) ([]rats.Endorsement, error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	var out []rats.Endorsement
	var said []string
	for _, d := range wants {
		items, err := l.ask(ctx, d)
		out = append(out, items...)
		if err == nil && len(items) == 0 && d.Kind != rats.EvaluationNumbers {
			err = rats.Errorf(rats.EndorsementUnavailable, "does not have it")
		}
		if err != nil {
			said = append(said, l.nameOf(d)+": "+l.name+" "+words(err))
		}
	}
	if len(said) == 0 {
		return out, nil
	}
	return out, rats.Errorf(rats.EndorsementUnavailable, "%s", strings.Join(said, "; "))
}

func (l *Ledger) nameOf(d Document) string {
	switch d.Kind {
	case rats.PCKCRL:
		return "revocation list of a PCK CA"
	case rats.TCBInfo, rats.QEIdentity:
		d.Evaluation = standard // whichever there are
	default:
	}
	return d.String()
}

// ask lists what there is of a document, in every evaluation, and drops what
// does not verify.
func (l *Ledger) ask(ctx context.Context, d Document) ([]rats.Endorsement, error) {
	trial, err := l.breaker.admit(ctx)
	if err != nil {
		return nil, err
	}
	filters := url.Values{"kind": {string(d.Kind)}, "body": {"true"}}
	if d.TEE != "" {
		filters.Set("tee", string(d.TEE))
	}
	if d.Kind == rats.TCBInfo {
		filters.Set("fmspc", hex.EncodeToString(d.FMSPC[:]))
	}
	began := l.now()
	items, err := l.list(ctx, filters)
	e := Event{Source: l.name, Document: d, Took: l.now().Sub(began)}
	if err != nil {
		f := faultOfNode(err)
		if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
			l.breaker.abandon(trial)
		} else {
			l.breaker.done(trial, f)
		}
		e.Outcome, e.Err = map[faultClass]Outcome{down: Down, absent: Absent}[f.class], f.err
		l.report(e)
		return nil, f.err
	}
	l.breaker.done(trial, nil)
	var out []rats.Endorsement
	for _, item := range items {
		item.Kind = d.Kind
		info, err := attesteer.CheckEndorsement(item, l.roots)
		if err != nil {
			e.Outcome, e.Err, e.Info, e.Stale = Refused, err, nil, false
			l.report(e)
			continue
		}
		out = append(out, item)
		e.Outcome, e.Err, e.Info = Got, nil, info
		e.Stale = l.now().After(info.NextUpdate)
		l.report(e)
	}
	if len(out) == 0 && e.Err != nil {
		return nil, useless(e.Err).err
	}
	return out, nil
}

// faultOfNode reads why a node gave no list: it refused, or is not there.
func faultOfNode(err error) *fault {
	var own *rats.Error
	if errors.As(err, &own) && own.Kind != rats.Internal {
		return &fault{class: absent, err: rats.Errorf(rats.EndorsementUnavailable, "answered: %s", own.Error())}
	}
	return &fault{class: down, err: plainly(err)}
}
