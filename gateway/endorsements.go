// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

type endorsementsInput struct {
	Kind   string      `query:"kind" enum:"tcb_info,qe_identity,root_ca_crl,pck_crl,tcb_evaluation_numbers,pck_certificate"`
	TEE    string      `query:"tee" example:"sgx"`
	FMSPC  string      `query:"fmspc" doc:"12 hex digits"`
	Number numberParam `query:"evaluation_data_number" doc:"0 for what has none"`
	SHA256 string      `query:"sha256" doc:"of the body; the answer then holds the body"`
	Whole  bool        `query:"body" doc:"with the bodies and their issuers"`
}

// numberParam is a number of which 0 is something else than none given.
type numberParam struct {
	Value uint32
	given bool
}

var (
	_ huma.SchemaProvider = numberParam{}
	_ huma.ParamWrapper   = (*numberParam)(nil)
	_ huma.ParamReactor   = (*numberParam)(nil)
)

// Schema implements [huma.SchemaProvider].
func (numberParam) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[uint32]())
}

// Receiver implements [huma.ParamWrapper].
func (n *numberParam) Receiver() reflect.Value { return reflect.ValueOf(&n.Value).Elem() }

// OnParamSet implements [huma.ParamReactor].
func (n *numberParam) OnParamSet(given bool, _ any) { n.given = given }

type endorsementsOutput struct {
	Body client.EndorsementList
}

type pushInput struct {
	Body struct {
		Endorsements []pushedItem `json:"endorsements" nullable:"false" minItems:"1" maxItems:"256"`
	}
}

type pushedItem struct {
	Kind    *string  `json:"kind,omitempty" nullable:"true" enum:"tcb_info,qe_identity,root_ca_crl,pck_crl,tcb_evaluation_numbers,pck_certificate" doc:"without, recognised by the body"`
	Body    string   `json:"body" doc:"standard base64 of the statement as its signature covers it: JSON byte for byte as the vendor sent it, or a CRL or certificate in DER"`
	Issuers []string `json:"issuers,omitempty" nullable:"true" maxItems:"4" doc:"standard base64 of DER certificates from the signer's up to, and without, the root; none where the root itself signs"`
}

type pushOutput struct {
	Body client.Pushed
}

func (g *Gateway) endorsementEntries() []entry {
	const tag, path = "endorsements", "/v1/endorsements"
	push := g.forAnyone(g.operation(http.MethodPost, path, "push-endorsements", tag, "Publish vendors' signed statements on the ledger"))
	push.Description = "Anyone may: what counts is the vendor's signature. What verifies is taken, also when it is stale; certificates of single platforms are not kept. When nothing was taken and nothing was known, the answer is a problem of the first refusal's kind."
	return []entry{
		serve("registry.endorsements", g.inTurn(g.validated(g.operation(http.MethodGet, path, "list-endorsements", tag, "List the endorsements on the ledger"), revalidated)), g.getEndorsements),
		serve("registry.publish", g.once(push), g.postEndorsements),
	}
}

func (g *Gateway) getEndorsements(_ context.Context, in *endorsementsInput) (*endorsementsOutput, error) {
	list, err := g.endorsements(in)
	if err != nil {
		return nil, err
	}
	return &endorsementsOutput{Body: *list}, nil
}

func (g *Gateway) postEndorsements(ctx context.Context, in *pushInput) (*pushOutput, error) {
	out, err := g.push(ctx, in.Body.Endorsements)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	return &pushOutput{Body: *out}, nil
}

// endorsements lists what is in state, in the order of its keys.
func (g *Gateway) endorsements(in *endorsementsInput) (*client.EndorsementList, error) {
	fits, err := in.filter()
	if err != nil {
		return nil, err
	}
	now := g.now()
	out := &client.EndorsementList{Endorsements: []client.Endorsement{}}
	for _, entry := range g.cfg.Registry.Endorsements() {
		if !fits(&entry) {
			continue
		}
		row := rowOf(&entry, now)
		if in.Whole || in.SHA256 != "" {
			e, err := g.cfg.Registry.Endorsement(entry.SHA256)
			if err != nil {
				return nil, err
			}
			row.Body, row.Issuers = e.Body, e.Issuers
		}
		out.Endorsements = append(out.Endorsements, row)
	}
	return out, nil
}

// filter returns what reports whether an entry is all that is asked for.
func (in *endorsementsInput) filter() (func(*record.EndorsementEntry) bool, error) {
	var demands []func(*record.EndorsementEntry) bool
	demand := func(d func(*record.EndorsementEntry) bool) { demands = append(demands, d) }
	if in.Kind != "" {
		demand(func(e *record.EndorsementEntry) bool { return e.Key.Kind == rats.EndorsementKind(in.Kind) })
	}
	if strings.TrimSpace(in.TEE) != "" {
		tee, err := filterWord("tee", in.TEE, teeWords())
		if err != nil {
			return nil, err
		}
		demand(func(e *record.EndorsementEntry) bool { return e.Key.TEE == tee })
	}
	if in.FMSPC != "" {
		b, err := decodeHex("fmspc", in.FMSPC)
		if err != nil {
			return nil, err
		}
		demand(func(e *record.EndorsementEntry) bool { // the one kind that has an FMSPC
			return e.Key.Kind == rats.TCBInfo && e.Key.Scope == hex.EncodeToString(b)
		})
	}
	if in.Number.given {
		demand(func(e *record.EndorsementEntry) bool { return e.Key.EvaluationDataNumber == in.Number.Value })
	}
	if in.SHA256 != "" {
		b, err := decodeHex("sha256", in.SHA256)
		if err != nil {
			return nil, err
		}
		if len(b) != sha256.Size {
			return nil, rats.Errorf(rats.Malformed, "sha256: %d hex digits, want %d", 2*len(b), 2*sha256.Size)
		}
		demand(func(e *record.EndorsementEntry) bool { return e.SHA256 == [sha256.Size]byte(b) })
	}
	return func(e *record.EndorsementEntry) bool {
		return !slices.ContainsFunc(demands, func(d func(*record.EndorsementEntry) bool) bool { return !d(e) })
	}, nil
}

func rowOf(e *record.EndorsementEntry, now time.Time) client.Endorsement {
	row := client.Endorsement{
		Kind: e.Key.Kind, TEE: e.Key.TEE, Scope: e.Key.Scope,
		EvaluationDataNumber: e.Key.EvaluationDataNumber, Version: e.Key.Version,
		SHA256: hex.EncodeToString(e.SHA256[:]), Issued: e.Issued.Time(), NextUpdate: e.NextUpdate.Time(),
		ValidFrom: e.ValidFrom.Time(), ValidUntil: e.ValidUntil.Time(),
	}
	row.Stale = now.After(row.NextUpdate) || now.After(row.ValidUntil) || now.Before(row.ValidFrom)
	if e.Key.Kind == rats.TCBInfo {
		row.FMSPC = e.Key.Scope
	}
	return row
}

// push has the ledger take endorsements, in as many transactions as they need.
func (g *Gateway) push(ctx context.Context, posted []pushedItem) (*client.Pushed, error) {
	items, err := decodeItems(posted)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	out := &client.Pushed{Taken: []client.PushedEndorsement{}, Known: []client.PushedEndorsement{}, Refused: []client.RefusedEndorsement{}}
	var fresh []rats.Endorsement
	var first error
	for _, e := range items {
		if e.Kind == "" {
			if e.Kind, err = recognise(e); err != nil {
				if first == nil {
					first = err
				}
				out.Refused = append(out.Refused, refusedOf(e.Digest(), err))
				continue
			}
		}
		if g.known(e) {
			out.Known = append(out.Known, nameOf(e)) // no block is made for it
			continue
		}
		fresh = append(fresh, e)
	}
	for _, batch := range pack(fresh) {
		if err := g.pushBatch(ctx, batch, out); err != nil && first == nil {
			first = err
		}
	}
	if len(out.Taken)+len(out.Known) == 0 {
		return nil, first
	}
	return out, nil
}

// known reports whether exactly this endorsement is in state.
func (g *Gateway) known(e rats.Endorsement) bool {
	digest := e.Digest()
	for _, entry := range g.cfg.Registry.Endorsements() {
		if entry.SHA256 != digest {
			continue
		}
		have, err := g.cfg.Registry.Endorsement(digest)
		return err == nil && have.Kind == e.Kind && sameIssuers(have.Issuers, e.Issuers)
	}
	return false
}

func sameIssuers(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// pushBatch submits one transaction and adds what became of it to out. It
// returns why nothing of the batch was taken.
func (g *Gateway) pushBatch(ctx context.Context, batch []rats.Endorsement, out *client.Pushed) error {
	got, err := g.submit(ctx, batch, nil)
	var refused *refusedTx
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	result := refusedResult(refused, got)
	said := make(map[[32]byte]bool)
	for _, r := range result.Refused {
		said[r.SHA256] = true
		out.Refused = append(out.Refused, client.RefusedEndorsement{
			SHA256: hex.EncodeToString(r.SHA256[:]), Kind: r.Kind, Detail: r.Detail,
		})
	}
	for _, e := range batch {
		digest := e.Digest()
		switch {
		case said[digest]:
		case err != nil: // the transaction as a whole was refused, such as for its size
			said[digest] = true
			out.Refused = append(out.Refused, refusedOf(digest, err))
		default:
			said[digest] = true
			out.Taken = append(out.Taken, nameOf(e))
		}
	}
	if err == nil {
		tx := hex.EncodeToString(result.Tx[:])
		out.Tx, out.Height = &tx, &result.Height
	}
	return err
}

func refusedOf(digest [32]byte, err error) client.RefusedEndorsement {
	return client.RefusedEndorsement{SHA256: hex.EncodeToString(digest[:]), Kind: rats.KindOf(err), Detail: rats.AsError(err).Detail}
}

func nameOf(e rats.Endorsement) client.PushedEndorsement {
	digest := e.Digest()
	return client.PushedEndorsement{Kind: e.Kind, SHA256: hex.EncodeToString(digest[:])}
}
