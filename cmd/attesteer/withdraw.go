// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

type withdrawFlags struct {
	node      string
	key       string
	signature string
	toSign    bool
}

func (a *app) enclavesWithdraw() *cobra.Command {
	var f withdrawFlags
	cmd := &cobra.Command{
		Use:   "withdraw ID",
		Short: "Withdraw a listing, or with the enclave's key the whole record",
		Long: `withdraw takes back what was said of an enclave. Without more it removes the
listing of your token's own registrar, and nothing else. With the enclave's key
it withdraws the whole record, whoever listed it; then only evidence bound to a
later block revives it.

The key is the one that the report data hold (Ed25519, followed by zeros), or the
one that they are the SHA-256 of, if it was submitted as runtime data. It signs,
for --key in this process, these bytes:

  attesteer/withdrawal/v1   23 bytes of ASCII
  the ledger's chain id     UTF-8
  the record's id           32 bytes
  its last transaction      32 bytes

--to-sign prints them in hex for an enclave that signs itself, whose signature
--signature then carries. Ed25519 signs them as they are (64 bytes); ECDSA P-256
their SHA-256 and P-384 their SHA-384, in ASN.1; RSA their SHA-256, by PSS or
PKCS #1 v1.5.`,
		Example: `  attesteer enclaves withdraw ID
  attesteer enclaves withdraw ID --key enclave.pem
  attesteer enclaves withdraw ID --to-sign | xxd -r -p > message`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.withdraw(cmd.Context(), args[0], f) },
	}
	fl := cmd.Flags()
	nodeFlag(fl, &f.node)
	fl.StringVar(&f.key, "key", "", "PEM file of the enclave's private key, which signs")
	fl.StringVar(&f.signature, "signature", "", "base64 of a signature that the enclave made")
	fl.BoolVar(&f.toSign, "to-sign", false, "withdraw nothing: print in hex what the enclave's key has to sign")
	return cmd
}

func (a *app) withdraw(ctx context.Context, id string, f withdrawFlags) error {
	if f.key != "" && f.signature != "" || f.toSign && f.key+f.signature != "" {
		return usagef("--key, --signature and --to-sign are three ways: choose one")
	}
	c := a.dial(f.node)
	var signature []byte
	var err error
	switch {
	case f.toSign:
		message, err := toSign(ctx, c, id)
		if err != nil {
			return a.nodeError(f.node, err)
		}
		if a.asJSON {
			return a.printJSON(map[string]string{"to_sign": hex.EncodeToString(message)})
		}
		a.printf("%x\n", message)
		return nil
	case f.signature != "":
		if signature, err = base64.StdEncoding.DecodeString(f.signature); err != nil || len(signature) == 0 {
			return usagef("--signature: not base64")
		}
	case f.key != "":
		if signature, err = a.signWithdrawal(ctx, c, id, f); err != nil {
			return err
		}
	}
	v, err := c.Withdraw(ctx, id, signature)
	if err != nil {
		return a.withdrawError(f.node, err)
	}
	if a.asJSON {
		return a.printJSON(v)
	}
	a.printRecord(*v)
	return nil
}

// withdrawError adds a hint where the registrar is the wrong one.
func (a *app) withdrawError(node string, err error) error {
	var refused *client.Refusal
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		return hinted{err, "only the registrar that listed it can remove a listing; the enclave's key withdraws the whole record: --key"}
	}
	return a.nodeError(node, err)
}

func (a *app) signWithdrawal(ctx context.Context, c *client.Client, id string, f withdrawFlags) ([]byte, error) {
	raw, err := a.readSecret(f.key)
	if err != nil {
		return nil, err
	}
	key, err := readSigner(raw)
	if err != nil {
		return nil, hinted{rats.Errorf(rats.Malformed, "%s: %w", f.key, err), "an enclave that signs itself: --to-sign, then --signature"}
	}
	message, err := toSign(ctx, c, id)
	if err != nil {
		return nil, a.nodeError(f.node, err)
	}
	return signAs(key, message)
}

// toSign returns what an enclave's key has to sign to withdraw its record as it
// now stands.
func toSign(ctx context.Context, c *client.Client, id string) ([]byte, error) {
	v, err := c.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	ledger, err := c.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	var name, tx [32]byte
	if err := fillHex(name[:], "the node's record", v.ID, true); err != nil {
		return nil, err
	}
	if err := fillHex(tx[:], "the node's record", v.Tx, true); err != nil {
		return nil, err
	}
	return record.WithdrawalBytes(ledger.ChainID, name, tx), nil
}
