// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"net/http"
	"reflect"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// rememberedSignatures is how many the appraisals of a gateway remember.
const rememberedSignatures = 4096

type appraisalInput struct {
	Accept  string `header:"Accept" doc:"application/eat+jwt for the result as a signed token, of the profile in its parameter eat_profile"`
	Profile string `query:"profile" doc:"the profile of a signed token, by its tag or as ietf-2026 or veraison-2023"`
	Body    struct {
		Evidence    string     `json:"evidence" doc:"standard base64 of the evidence"`
		Format      *string    `json:"format,omitempty" nullable:"true" doc:"what the evidence has to be recognised as"`
		RuntimeData *string    `json:"runtime_data,omitempty" nullable:"true" doc:"standard base64 of what hashes to the report data"`
		Policy      policyBody `json:"policy,omitempty" doc:"without, the strictest"`
		Profile     *string    `json:"profile,omitempty" nullable:"true" doc:"as the query's"`
		Nonce       *string    `json:"nonce,omitempty" nullable:"true" doc:"for a signed token to hold: 8 to 64 bytes in hex or base64url"`
		URL         *string    `json:"url,omitempty" nullable:"true" doc:"taken and passed over, so that the body of a submission can be sent here"`
		ValidFor    *string    `json:"valid_for,omitempty" nullable:"true" doc:"as the url"`
	} `nameHint:"AppraisalBody"`
}

type appraisalOutput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	Vary        string `header:"Vary" hidden:"true"`
	// Body is an attesteer.Result, or the bytes of a signed token.
	Body any
}

// appraiser appraises by what the ledger holds, and records nothing.
type appraiser struct {
	registry Registry
	verifier *attesteer.Verifier

	mu sync.Mutex // guards what follows
	// entries are the ledger's endorsements that parsed was made of.
	entries []record.EndorsementEntry
	parsed  *attesteer.Endorsements
}

func newAppraiser(r Registry) *appraiser {
	return &appraiser{
		registry: r, verifier: attesteer.NewVerifier(rememberedSignatures),
	}
}

func (g *Gateway) appraisalEntries() []entry {
	op := g.operation(http.MethodPost, "/v1/appraisals", "appraise", "evidence", "Have evidence appraised without recording it")
	op.Description = "Appraises now, by the endorsements on the ledger and the policy that is given; what the ledger lacks the node fetches, and does not publish. Answers 200 whenever there is a result, accepted or not. A signed token is an EAT Attestation Result, which the keys at /.well-known/jwks.json verify."
	op.Responses = map[string]*huma.Response{"200": {
		Description: "OK",
		Content: map[string]*huma.MediaType{
			jsonType:      {Schema: g.schemas.Schema(reflect.TypeFor[attesteer.Result](), true, "")},
			ear.TokenType: {Schema: &huma.Schema{Type: huma.TypeString}},
		},
	}}
	return []entry{serve("verifier.appraise", op, g.postAppraisal)}
}

func (g *Gateway) postAppraisal(ctx context.Context, in *appraisalInput) (*appraisalOutput, error) {
	wish, err := wishOf(in)
	if err != nil {
		return nil, err
	}
	body := evidenceBody{Evidence: in.Body.Evidence, RuntimeData: in.Body.RuntimeData, ValidFor: in.Body.ValidFor}
	s, err := body.submission()
	if err != nil {
		return nil, err
	}
	if err := checkEvidence(s.Evidence, rats.Format(value(in.Body.Format))); err != nil {
		return nil, err
	}
	p, err := g.policy(in.Body.Policy, s.RuntimeData)
	if err != nil {
		return nil, err
	}
	result, err := g.appraise(ctx, s.Evidence, p)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	out := &appraisalOutput{Vary: "Accept", Body: *result}
	if wish != nil {
		token, err := g.signed(result, in.Body.Policy, wish)
		if err != nil {
			return nil, g.fault(ctx, err)
		}
		out.ContentType, out.Body = wish.profile.MediaType(), []byte(token)
	}
	return out, nil
}

// policy is a caller's, under the roots of the network: a result of this node
// says on whose word it rests, by a name that no caller may give to a key.
func (g *Gateway) policy(body policyBody, runtimeData []byte) (attesteer.Policy, error) {
	var p attesteer.Policy
	if body != nil {
		var err error
		if p, err = attesteer.ParsePolicy(body); err != nil {
			return p, err
		}
	}
	if p.Roots != nil {
		return p, rats.Errorf(rats.Unsupported, "policy: roots: on this network its own roots count and no others")
	}
	p.Roots = g.roots()
	switch {
	case runtimeData == nil:
	case p.RuntimeData != nil && !bytes.Equal(p.RuntimeData, runtimeData):
		return p, rats.Errorf(rats.Malformed, "runtime_data: given twice, and the policy's are others")
	default:
		p.RuntimeData = runtimeData
	}
	return p, nil
}

// appraise returns a result wherever there is one: that it is a rejection is no
// error of the call.
func (g *Gateway) appraise(ctx context.Context, raw []byte, p attesteer.Policy) (*attesteer.Result, error) {
	result, err := g.verdict(ctx, raw, p, g.appraiser.endorsements)
	if undecided(err) && result != nil && (g.cfg.Source != nil || g.cfg.Vendor != nil) {
		result, err = g.verdictFetched(ctx, raw, p, result, err)
	}
	g.meterVerdict("appraise", result, rats.KindOf(err))
	if result == nil {
		return nil, err
	}
	return result, nil
}

// verdictFetched appraises evidence that was undecided once more, with what the
// node's sources have. Result and err are what came of it before.
func (g *Gateway) verdictFetched(
	ctx context.Context, raw []byte, p attesteer.Policy, result *attesteer.Result, err error,
) (*attesteer.Result, error) {
	q, failed := g.fetchFor(ctx, raw)
	if failed != nil {
		return nil, failed
	}
	if len(q.items) > 0 {
		result, err = g.verdict(ctx, raw, p, func() (*attesteer.Endorsements, error) { return q.beside(g.appraiser) })
	}
	if undecided(err) && result != nil && q.short != nil {
		result = withLack(result, q.short)
	}
	return result, err
}

// verdict is one appraisal, in its turn.
func (g *Gateway) verdict(
	ctx context.Context, raw []byte, p attesteer.Policy, endorsements func() (*attesteer.Endorsements, error),
) (*attesteer.Result, error) {
	done, err := g.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	en, err := endorsements()
	if err != nil {
		return nil, err
	}
	began := g.cfg.Now()
	result, err := g.appraiser.verifier.Verify(attesteer.Evidence{Raw: raw}, en, p, g.now())
	g.meter().Appraised(g.cfg.Now().Sub(began))
	return result, err
}

// endorsements returns what the ledger holds, parsed once for as long as it
// stays the same.
func (a *appraiser) endorsements() (*attesteer.Endorsements, error) {
	entries := a.registry.Endorsements()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.parsed != nil && slices.Equal(entries, a.entries) {
		return a.parsed, nil
	}
	items, err := a.items(entries)
	if err != nil {
		return nil, err
	}
	parsed, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "endorsements in state: %w", err)
	}
	a.entries, a.parsed = entries, parsed
	return parsed, nil
}

// items returns the endorsements that entries stand for.
func (a *appraiser) items(entries []record.EndorsementEntry) ([]rats.Endorsement, error) {
	items := make([]rats.Endorsement, 0, len(entries))
	for i := range entries {
		e, err := a.registry.Endorsement(entries[i].SHA256)
		if err != nil {
			return nil, rats.Errorf(rats.Internal, "an endorsement in state: %w", err)
		}
		items = append(items, e)
	}
	return items, nil
}
