// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/negotiation"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

type listInput struct {
	Query       string `query:"q" doc:"a part of a url, or how an id, measurement or key begins"`
	TEE         string `query:"tee" doc:"kind of enclave" example:"sgx"`
	Fingerprint string `query:"fingerprint" doc:"measurement of the code: MRENCLAVE, of a TD the SHA-384 of MRTD and RTMRs"`
	MRSigner    string `query:"mr_signer" doc:"vendor of the code"`
	Signer      string `query:"signer" doc:"report data"`
	URL         string `query:"url"`
	Status      string `query:"status" doc:"TCB status" example:"UpToDate"`
	Tier        string `query:"tier" doc:"affirming, warning or contraindicated"`
	State       string `query:"state" doc:"active, expired, undecided, withdrawn or revoked"`
	Registrar   string `query:"registrar"`
	Cursor      string `query:"cursor" doc:"next_cursor of the page before"`
	Limit       int    `query:"limit" doc:"records a page, 1 to 200; without, 50" minimum:"1" maximum:"200"`
}

type listOutput struct {
	Body client.Page
}

type idInput struct {
	ID string `path:"id" doc:"64 hex digits"`
}

// parse reads an id, in hex as everywhere.
func (in *idInput) parse() (record.ID, error) {
	b, err := decodeHex("id", in.ID)
	if err != nil {
		return record.ID{}, err
	}
	if len(b) != len(record.ID{}) {
		return record.ID{}, rats.Errorf(rats.Malformed, "id: %d hex digits, want %d", 2*len(b), 2*len(record.ID{}))
	}
	return record.ID(b), nil
}

type enclaveOutput struct {
	Body record.View
}

type historyOutput struct {
	Body client.History
}

type recordEvidenceOutput struct {
	Body client.Evidence
}

func (g *Gateway) enclaveEntries() []entry {
	const tag = "enclaves"
	read := func(path, id, summary string) huma.Operation {
		return g.operation(http.MethodGet, "/v1/enclaves"+path, id, tag, summary)
	}
	proof := proofOperation(read("/{id}/proof", "get-proof", "Get the proof of a record, or of its absence"))
	return []entry{
		serve("registry.list", g.inTurn(g.validated(read("", "list-enclaves", "List recorded enclaves, newest first"), revalidated)), g.getList),
		serve("registry.get", g.inTurn(g.validated(read("/{id}", "get-enclave", "Get a record"), revalidated)), g.getRecord),
		serve("registry.history", g.inTurn(g.validated(read("/{id}/history", "get-history", "Get what happened to a record, newest last"), revalidated)), g.getHistory),
		serve("registry.evidence", g.inTurn(g.validated(read("/{id}/evidence", "get-evidence", "Get the raw evidence of a record and the endorsements used"), revalidated)), g.getEvidence),
		serve("registry.proof", g.validated(proof, revalidated, "Accept"), g.getProof),
	}
}

func (g *Gateway) getList(ctx context.Context, in *listInput) (*listOutput, error) {
	page, err := g.list(ctx, in)
	if err != nil {
		return nil, err
	}
	return &listOutput{Body: *page}, nil
}

func (g *Gateway) getRecord(_ context.Context, in *idInput) (*enclaveOutput, error) {
	r, err := g.record(in)
	if err != nil {
		return nil, err
	}
	return &enclaveOutput{Body: r.View(g.cfg.Registry.Time())}, nil
}

func (g *Gateway) getHistory(_ context.Context, in *idInput) (*historyOutput, error) {
	h, err := g.history(in)
	if err != nil {
		return nil, err
	}
	return &historyOutput{Body: *h}, nil
}

func (g *Gateway) getEvidence(_ context.Context, in *idInput) (*recordEvidenceOutput, error) {
	ev, err := g.evidenceOf(in)
	if err != nil {
		return nil, err
	}
	return &recordEvidenceOutput{Body: *ev}, nil
}

func (g *Gateway) record(in *idInput) (*record.Record, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	r, err := g.cfg.Registry.Record(id)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

func (g *Gateway) history(in *idInput) (*client.History, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	events, err := g.cfg.Registry.History(id)
	if err != nil {
		return nil, err
	}
	out := &client.History{Events: make([]client.Event, 0, len(events))}
	for i := range events {
		e := &events[i]
		out.Events = append(out.Events, client.Event{
			Sequence: e.Sequence, Event: e.Kind, Time: e.Time, Height: e.Height,
			Tx: e.Tx.Hex(), Record: e.Record.View(e.Time),
		})
	}
	return out, nil
}

func (g *Gateway) evidenceOf(in *idInput) (*client.Evidence, error) {
	r, err := g.record(in)
	if err != nil {
		return nil, err
	}
	raw, err := g.cfg.Registry.Evidence(r.EvidenceSHA256)
	if err != nil {
		return nil, err
	}
	out := &client.Evidence{
		Evidence: raw, SHA256: hex.EncodeToString(r.EvidenceSHA256[:]),
		Endorsements: make([]client.SignedEndorsement, 0, len(r.AppraisedWith)),
	}
	for _, digest := range r.AppraisedWith {
		e, err := g.cfg.Registry.Endorsement(digest)
		if err != nil {
			return nil, err
		}
		out.Endorsements = append(out.Endorsements, client.SignedEndorsement{
			Kind: e.Kind, SHA256: hex.EncodeToString(digest[:]), Body: e.Body, Issuers: issuersOf(e),
		})
	}
	return out, nil
}

// issuersOf returns an endorsement's certificates; JSON shows none as [].
func issuersOf(e rats.Endorsement) [][]byte {
	return append([][]byte{}, e.Issuers...)
}

const (
	cborType = "application/cbor"
	// proofTimeout is how long a caller waits for the header that carries the state.
	proofTimeout = 30 * time.Second
)

type proofInput struct {
	ID     string `path:"id" doc:"64 hex digits"`
	Height uint64 `query:"height" doc:"of the state that is proven, one of the last hundred; without, the newest"`
	Events int    `query:"events" minimum:"0" maximum:"256" doc:"how many of the record's newest events to prove with it"`
	Since  uint64 `query:"since" doc:"leaves out the changes of validators before a height, for who trusts the validators of that height or later ones; without, they begin with the genesis"`
	Accept string `header:"Accept" doc:"application/cbor for the smaller spelling of the same bundle"`
}

type proofOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// proofOperation adds to op what a proof is.
func proofOperation(op huma.Operation) huma.Operation {
	op.Description = "Answers 200 for both; what is proven shows when the bundle is verified. Waits for the header that carries the state."
	op.Responses = map[string]*huma.Response{"200": {
		Description: "OK",
		Content: map[string]*huma.MediaType{
			jsonType: {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
			cborType: {Schema: &huma.Schema{Type: huma.TypeString, ContentEncoding: "base64"}},
		},
	}}
	return op
}

func (g *Gateway) getProof(ctx context.Context, in *proofInput) (*proofOutput, error) {
	id, err := (&idInput{ID: in.ID}).parse()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	bundle, err := g.cfg.Ledger.Prove(ctx, ProofRequest{ID: id, Height: in.Height, Events: min(in.Events, maxProofEvents), Since: in.Since})
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	if negotiation.SelectQValueFast(strings.ToLower(in.Accept), []string{jsonType, cborType}) == cborType {
		b, err := bundle.CBOR()
		return &proofOutput{ContentType: cborType, Body: b}, err
	}
	b, err := bundle.JSON()
	return &proofOutput{ContentType: jsonType, Body: b}, err
}

// fault logs err if it is ours, and returns it.
func (g *Gateway) fault(ctx context.Context, err error) error {
	if rats.KindOf(err) == rats.Internal && ctx.Err() == nil {
		g.log.LogAttrs(ctx, slog.LevelError, "a call failed", attrError(err))
	}
	return err
}
