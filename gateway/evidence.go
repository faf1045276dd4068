// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// evidenceBody is evidence as callers post it; null is as good as nothing.
type evidenceBody struct {
	Evidence    string  `json:"evidence" doc:"standard base64 of the evidence, such as a DCAP quote or an Open Enclave report"`
	Format      *string `json:"format,omitempty" nullable:"true" doc:"what the evidence has to be recognised as" example:"sgx-quote-v3"`
	URL         *string `json:"url,omitempty" nullable:"true" doc:"where the enclave serves, at most 256 bytes" example:"https://my.enclave.example"`
	ValidFor    *string `json:"valid_for,omitempty" nullable:"true" doc:"how long the registrar vouches for it; without, the network's default" example:"48h"`
	RuntimeData *string `json:"runtime_data,omitempty" nullable:"true" doc:"standard base64 of what hashes to the report data"`
}

type evidenceInput struct {
	Prefer string `header:"Prefer" doc:"respond-async for a receipt instead of the verdict; wait=SECONDS for a receipt if the verdict takes longer, which it may for 45 at most"`
	Body   evidenceBody
}

type evidenceOutput struct {
	Status            int
	Location          string `header:"Location" hidden:"true"`
	RetryAfter        string `header:"Retry-After" hidden:"true"`
	PreferenceApplied string `header:"Preference-Applied" hidden:"true"`
	Vary              string `header:"Vary" hidden:"true"`
	// Body is a client.Recorded or a client.Receipt.
	Body any
}

func recordedOutput(r *client.Recorded) *evidenceOutput {
	return &evidenceOutput{Status: http.StatusCreated, Location: "/v1/enclaves/" + r.Record.ID, Vary: preferHeader, Body: *r}
}

func (g *Gateway) evidenceEntries() []entry {
	op := withToken(g.operation(http.MethodPost, "/v1/evidence", "submit-evidence", "evidence", "Have evidence verified and recorded"))
	op.DefaultStatus = http.StatusCreated
	op.Description = "Answers once the block is committed. Evidence that was recorded before is a 409 of kind replayed, which names the record. " +
		"A caller who prefers respond-async gets a receipt once the evidence passed what is checked before a block; what the rules refuse then is refused at once."
	raw := g.operation(http.MethodGet, "/v1/evidence/{sha256}", "get-evidence-by-hash", "evidence", "Get the bytes of recorded evidence")
	raw.Description = "By the evidence_sha256 of a record, as it is or was. What a hash names never changes: it may be kept for good."
	raw.Responses = map[string]*huma.Response{"200": {
		Description: "OK",
		Content:     map[string]*huma.MediaType{bytesType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
	return []entry{
		serve("registry.submit", g.once(g.withReceipts(op)), g.postEvidence),
		serve("", g.inTurn(g.validated(raw, immutable)), g.getEvidenceBytes),
	}
}

// bytesType is the media type of what has none of its own.
const bytesType = "application/octet-stream"

type evidenceBytesInput struct {
	SHA256 string `path:"sha256" doc:"of the evidence, 64 hex digits"`
}

type evidenceBytesOutput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	Body        []byte
}

func (g *Gateway) getEvidenceBytes(ctx context.Context, in *evidenceBytesInput) (*evidenceBytesOutput, error) {
	sha, err := parseHash("sha256", in.SHA256)
	if err != nil {
		return nil, err
	}
	b, err := g.cfg.Registry.Evidence(sha)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	return &evidenceBytesOutput{ContentType: bytesType, Body: b}, nil
}

// parseHash reads a SHA-256 in hex, as everywhere.
func parseHash(name, text string) (sha [32]byte, err error) {
	b, err := decodeHex(name, text)
	if err != nil {
		return sha, err
	}
	if len(b) != len(sha) {
		return sha, rats.Errorf(rats.Malformed, "%s: %d hex digits, want %d", name, 2*len(b), 2*len(sha))
	}
	return [32]byte(b), nil
}

func (g *Gateway) postEvidence(ctx context.Context, in *evidenceInput) (*evidenceOutput, error) {
	s, err := in.Body.submission()
	if err != nil {
		return nil, err
	}
	wish := parsePrefer(in.Prefer)
	submit := g.submitEvidence
	if wish.receipt() && g.cfg.Pool != nil {
		submit = g.enterEvidence
	}
	out, err := submit(ctx, s, rats.Format(value(in.Body.Format)))
	if err == nil && out.receipt != nil {
		g.log.LogAttrs(ctx, slog.LevelInfo, "evidence waits for a block", slog.String("tx", hex.EncodeToString(out.receipt.tx[:])))
		return g.accepted(ctx, out.receipt, wish)
	}
	g.logSubmission(ctx, out, err)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	answer, err := g.recorded(out)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	return recordedOutput(answer), nil
}

// submission decodes a body.
func (b *evidenceBody) submission() (record.Submission, error) {
	var s record.Submission
	var err error
	if s.Evidence, err = decodeEvidence(b.Evidence); err != nil {
		return s, err
	}
	if len(s.Evidence) == 0 {
		return s, rats.Errorf(rats.Malformed, "evidence: empty")
	}
	if b.RuntimeData != nil {
		if s.RuntimeData, err = decodeBase64("runtime_data", *b.RuntimeData); err != nil {
			return s, err
		}
	}
	s.URL = value(b.URL)
	s.ValidFor, err = parseValidFor(value(b.ValidFor))
	return s, err
}

// logSubmission says what became of evidence, by names alone.
func (g *Gateway) logSubmission(ctx context.Context, s *submitted, err error) {
	switch {
	case err == nil:
		g.log.LogAttrs(ctx, slog.LevelInfo, "evidence was recorded",
			slog.String("record", hex.EncodeToString(s.result.RecordID[:])),
			slog.String("tx", hex.EncodeToString(s.result.Tx[:])), slog.Uint64("height", s.result.Height))
	case rats.KindOf(err) == rats.Internal: // logged as every fault
	default:
		g.log.LogAttrs(ctx, slog.LevelInfo, "evidence was not recorded", slog.String("kind", rats.KindOf(err).String()))
	}
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// decodeEvidence reads the bytes of evidence: whatever was in the caller's file,
// which may be text itself.
func decodeEvidence(text string) ([]byte, error) {
	b, err := decodeBase64("evidence", text)
	if err != nil {
		return nil, err
	}
	return attesteer.Decode(b)
}

// decodeBase64 reads standard base64 (RFC 4648 section 4), with white space in it
// where its writer broke or set off lines.
func decodeBase64(name, text string) ([]byte, error) {
	if strings.ContainsAny(text, " \t") { // ends of lines the decoder passes over
		text = strings.NewReplacer(" ", "", "\t", "").Replace(text)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "%s: not standard base64", name)
	}
	return b, nil
}

// decodeHex reads hex with or without 0x, of any case, white space ignored, as
// the original does.
func decodeHex(name, text string) ([]byte, error) {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
	if len(text) > 1 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') {
		text = text[2:]
	}
	b, err := hex.DecodeString(text)
	switch {
	case errors.Is(err, hex.ErrLength):
		return nil, rats.Errorf(rats.Malformed, "%s: an odd number of hex digits", name)
	case err != nil:
		return nil, rats.Errorf(rats.Malformed, "%s: not hex", name)
	case len(b) == 0:
		return nil, rats.Errorf(rats.Malformed, "%s: empty", name)
	}
	return b, nil
}
