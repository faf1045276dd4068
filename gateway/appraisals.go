// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// rememberedSignatures is how many the appraisals of a gateway remember.
const rememberedSignatures = 4096

type appraisalInput struct {
	Body struct {
		Evidence    string      `json:"evidence" doc:"standard base64 of the evidence"`
		Format      *string     `json:"format,omitempty" nullable:"true" doc:"what the evidence has to be recognised as"`
		RuntimeData *string     `json:"runtime_data,omitempty" nullable:"true" doc:"standard base64 of what hashes to the report data"`
		Policy      *policyBody `json:"policy,omitempty" doc:"without, the strictest"`
	} `nameHint:"AppraisalBody"`
}

// policyBody is what a caller demands. Its zero value is the strictest.
type policyBody struct {
	AllowDebug       bool     `json:"allow_debug,omitempty" doc:"accept debug builds"`
	AcceptTCB        []string `json:"accept_tcb,omitempty" nullable:"false" maxItems:"16" enum:"UpToDate,SWHardeningNeeded,ConfigurationNeeded,ConfigurationAndSWHardeningNeeded,OutOfDate,OutOfDateConfigurationNeeded,TDRelaunchAdvised,TDRelaunchAdvisedConfigurationNeeded,Revoked,NotSupported" doc:"TCB statuses accepted beside UpToDate"`
	EvaluationNumber string   `json:"evaluation_number,omitempty" pattern:"^(highest|standard|early|[0-9]{1,9})?$" doc:"which TCB evaluation decides; without, the highest that TCB info and QE identity share"`
}

type appraisalOutput struct {
	Body attesteer.Result
}

// appraiser appraises by what the ledger holds, and records nothing.
type appraiser struct {
	registry Registry
	verifier *attesteer.Verifier
	// room holds as many appraisals as run at once.
	room chan struct{}

	mu sync.Mutex // guards what follows
	// entries are the ledger's endorsements that parsed was made of.
	entries []record.EndorsementEntry
	parsed  *attesteer.Endorsements
}

func newAppraiser(r Registry) *appraiser {
	return &appraiser{
		registry: r, verifier: attesteer.NewVerifier(rememberedSignatures),
		room: make(chan struct{}, runtime.NumCPU()),
	}
}

func (g *Gateway) registerAppraisals(api huma.API) {
	op := g.operation(http.MethodPost, "/v1/appraisals", "appraise", "evidence", "Have evidence appraised without recording it")
	op.Description = "Appraises now, by the endorsements on the ledger and the policy that is given. Answers 200 whenever there is a result, accepted or not."
	register(api, op, func(ctx context.Context, in *appraisalInput) (*appraisalOutput, error) {
		body := evidenceBody{Evidence: in.Body.Evidence, RuntimeData: in.Body.RuntimeData}
		s, err := body.submission()
		if err != nil {
			return nil, err
		}
		if err := checkEvidence(s.Evidence, rats.Format(value(in.Body.Format))); err != nil {
			return nil, err
		}
		p := g.policy(in.Body.Policy)
		p.RuntimeData = s.RuntimeData
		result, err := g.appraise(ctx, s.Evidence, p)
		if err != nil {
			return nil, g.fault(ctx, err)
		}
		return &appraisalOutput{Body: *result}, nil
	})
}

// policy is a caller's, under the roots of the network.
func (g *Gateway) policy(body *policyBody) attesteer.Policy {
	p := attesteer.Policy{Roots: attesteer.Roots()}
	if root := g.cfg.Registry.Genesis().SimulatedRoot; root != nil {
		p.Roots = append(p.Roots, *root)
	}
	if body != nil {
		p.AllowDebug, p.EvaluationNumber = body.AllowDebug, dcap.EvaluationNumber(body.EvaluationNumber)
		for _, status := range body.AcceptTCB {
			p.AcceptTCB = append(p.AcceptTCB, rats.TCBStatus(status))
		}
	}
	return p
}

// appraise returns a result wherever there is one: that it is a rejection is no
// error of the call.
func (g *Gateway) appraise(ctx context.Context, raw []byte, p attesteer.Policy) (*attesteer.Result, error) {
	a := g.appraiser
	select {
	case a.room <- struct{}{}:
		defer func() { <-a.room }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	en, err := a.endorsements()
	if err != nil {
		return nil, err
	}
	result, err := a.verifier.Verify(attesteer.Evidence{Raw: raw}, en, p, g.now())
	if result == nil {
		return nil, err
	}
	return result, nil
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
	items := make([]rats.Endorsement, 0, len(entries))
	for i := range entries {
		e, err := a.registry.Endorsement(entries[i].SHA256)
		if err != nil {
			return nil, rats.Errorf(rats.Internal, "an endorsement in state: %w", err)
		}
		items = append(items, e)
	}
	parsed, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "endorsements in state: %w", err)
	}
	a.entries, a.parsed = entries, parsed
	return parsed, nil
}
