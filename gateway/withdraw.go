// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// withdrawBody is the enclave's own word that its record is over.
type withdrawBody struct {
	Signature string `json:"signature" doc:"standard base64 of the signature of the enclave's key"`
}

type withdrawInput struct {
	ID   string        `path:"id" doc:"64 hex digits"`
	Body *withdrawBody `doc:"without, the caller's registrar withdraws its own listing"`
}

func (g *Gateway) withdrawalEntries() []entry {
	op := withToken(g.operation(http.MethodDelete, "/v1/enclaves/{id}", "withdraw-enclave", "enclaves", "Withdraw a listing, or a record"))
	op.Description = "Without a body the registrar of the caller's token withdraws its own listing, and nothing else. " +
		"With a signature of the enclave's own key the whole record is withdrawn, whoever carries it: the signature covers " +
		"the bytes attesteer/withdrawal/v1, the chain id, the record's id (32 bytes) and its last transaction (tx, 32 bytes). " +
		"The key is the one that the report data hold (Ed25519, followed by zeros) or the one that they are the hash of, " +
		"if it came as runtime_data (SubjectPublicKeyInfo, DER or PEM): Ed25519, ECDSA P-256 with SHA-256 or P-384 with SHA-384 (ASN.1), " +
		"RSA PSS or PKCS #1 v1.5 with SHA-256. Answers once the block is committed."
	return []entry{serve("registry.withdraw", g.once(op), g.deleteRecord)}
}

func (g *Gateway) deleteRecord(ctx context.Context, in *withdrawInput) (*enclaveOutput, error) {
	r, err := g.withdraw(ctx, in)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	return &enclaveOutput{Body: r.View(g.cfg.Registry.Time())}, nil
}

// withdraw has the ledger take back a listing or a record, and returns the
// record as it then stands.
func (g *Gateway) withdraw(ctx context.Context, in *withdrawInput) (*record.Record, error) {
	id, err := (&idInput{ID: in.ID}).parse()
	if err != nil {
		return nil, err
	}
	w := &record.Withdrawal{ID: id}
	if in.Body != nil {
		if w.Signature, err = decodeBase64("signature", in.Body.Signature); err != nil {
			return nil, err
		}
		if len(w.Signature) == 0 {
			// Else a client that lost its signature would withdraw another thing than it meant.
			return nil, rats.Errorf(rats.Malformed, "signature: empty")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	out, err := g.decide(ctx, record.Transaction{Withdrawal: w})
	if err != nil {
		return nil, notYours(err)
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "a withdrawal was recorded",
		slog.String("record", hex.EncodeToString(id[:])), slog.String("tx", hex.EncodeToString(out.result.Tx[:])))
	r, err := g.cfg.Registry.Record(id)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "a record that was just written: %w", err)
	}
	return &r, nil
}

// notYours turns the ledger's word that a registrar may not do this into a
// status other than that of a token which is no good (RFC 9110 15.5.4).
func notYours(err error) error {
	var refused *refusedTx
	if errors.As(err, &refused) && refused.result.Err.Kind == rats.Unauthorized {
		return statusProblem(rats.Unauthorized, http.StatusForbidden, refused.result.Err.Detail)
	}
	return err
}
