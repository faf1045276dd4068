// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer/checkpoint"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

type blockInput struct {
	Height heightParam `path:"height" doc:"a number, or the word latest"`
}

// heightParam is the number of a block, as a JSON number or a string, or a word.
type heightParam string

// Schema implements [huma.SchemaProvider].
func (heightParam) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		OneOf:    []*huma.Schema{{Type: huma.TypeInteger}, {Type: huma.TypeString}},
		Examples: []any{"latest"},
	}
}

type blockOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type checkpointOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type consistencyInput struct {
	From uint64 `query:"from" required:"true" doc:"size of the earlier log"`
	To   uint64 `query:"to" required:"true" doc:"size of the later log"`
}

type consistencyOutput struct {
	Body client.Consistency
}

// lightEntries are the calls of light clients, who follow the blocks, and of
// witnesses, who watch the log.
func (g *Gateway) lightEntries() []entry {
	const tag, path = "ledger", "/v1/ledger"
	if g.cfg.Chain == nil {
		return nil
	}
	block := g.operation(http.MethodGet, path+"/blocks/{height}", "get-block", tag, "Get a decided block: header, votes and validators")
	block.Description = "What a light client needs to follow the ledger from a genesis or from a validator set. The application hash in the header is that of the state before the block."
	block.Responses = rawResponse(jsonType, &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true})
	entries := []entry{
		serve("registry.block", block, g.block),
		serve("registry.consistency", g.operation(http.MethodGet, path+"/consistency", "get-consistency", tag,
			"Get the proof that the log of events grew from one size to another"), g.consistency),
	}
	if g.cfg.CheckpointKey != nil {
		op := g.operation(http.MethodGet, path+"/checkpoint", "get-checkpoint", tag, "Get the size and root of the log, signed by this node")
		op.Description = "A signed note (C2SP tlog-checkpoint), for witnesses to cosign."
		op.Responses = rawResponse(noteType, &huma.Schema{Type: huma.TypeString})
		entries = append(entries, serve("registry.checkpoint", op, g.checkpoint))
	}
	return entries
}

// noteType is the media type of signed notes.
const noteType = "text/plain; charset=utf-8"

// rawResponse describes an answer whose bytes are made elsewhere.
func rawResponse(kind string, schema *huma.Schema) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{kind: {Schema: schema}}}}
}

func (g *Gateway) block(ctx context.Context, in *blockInput) (*blockOutput, error) {
	height, err := g.heightOf(ctx, string(in.Height))
	if err != nil {
		return nil, err
	}
	b, err := g.cfg.Chain.Block(height)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	text, err := b.JSON()
	return &blockOutput{ContentType: jsonType, Body: text}, err
}

// heightOf reads the number of a block.
func (g *Gateway) heightOf(ctx context.Context, text string) (uint64, error) {
	if text == "latest" {
		s, err := g.cfg.Ledger.Status(ctx)
		return s.Height, err
	}
	height, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, rats.Errorf(rats.Malformed, "height: neither a number nor the word latest")
	}
	return height, nil
}

func (g *Gateway) consistency(ctx context.Context, in *consistencyInput) (*consistencyOutput, error) {
	path, err := g.cfg.Chain.Consistency(in.From, in.To)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	out := client.Consistency{From: in.From, To: in.To, Path: make([]string, 0, len(path))}
	for _, h := range path {
		out.Path = append(out.Path, hex.EncodeToString(h))
	}
	return &consistencyOutput{Body: out}, nil
}

func (g *Gateway) checkpoint(context.Context, *nothing) (*checkpointOutput, error) {
	size, root := g.cfg.Chain.Log()
	note, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: checkpoint.Origin(g.cfg.Registry.ChainID()), Size: size, Root: root}, g.cfg.CheckpointKey)
	return &checkpointOutput{ContentType: noteType, Body: note}, err
}

// checkpointName is the public half of the key of checkpoints, as witnesses read it.
func checkpointName(chainID string, key ed25519.PrivateKey) string {
	if key == nil {
		return ""
	}
	return checkpoint.Key{Name: checkpoint.Origin(chainID), Public: ed25519.PublicKey(key[ed25519.SeedSize:])}.String()
}
