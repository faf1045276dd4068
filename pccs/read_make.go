// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"context"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// Each endpoint's header for the issuer chain.
func tcbHeader(version int) string {
	if version == 3 {
		return headerTCBInfoChainV3
	}
	return headerTCBInfoChain
}

func identityHeader(int) string { return headerIdentityChain }

func numbersHeader(int) string { return headerNumbersChain }

func noHeader(int) string { return "" }

// signedJSON makes the answer of an endpoint that serves a document of a kind as
// it was signed. Its arguments are update and scope.
func signedJSON(kind store.Kind, chainHeader func(version int) string) func(context.Context, *call, [4]string) (*answer, error) {
	contentType := typeJSON
	if kind == store.EvaluationNumbers || kind == store.FMSPCs || kind == store.QAEIdentity {
		contentType = typePCS // Intel's cache does not have these: its service's word counts
	}
	return func(ctx context.Context, c *call, args [4]string) (*answer, error) {
		a, err := c.service.Artefact(ctx, store.Key{
			Kind: kind, TEE: c.route.tee, Scope: args[1], Update: args[0], Version: c.route.version,
		})
		if err != nil {
			return nil, err
		}
		return c.ofArtefact(a, contentType, a.Body, chainHeader(c.route.version)), nil
	}
}

// pckCRLAnswer serves a list in DER where that is asked for, and else in hex.
func pckCRLAnswer(ctx context.Context, c *call, args [4]string) (*answer, error) {
	a, err := c.service.Artefact(ctx, store.Key{Kind: store.PCKCRL, Scope: args[0], Version: c.route.version})
	if err != nil {
		return nil, err
	}
	if args[1] == "der" {
		return c.ofArtefact(a, typeCRL, a.Body, headerPCKCRLChain), nil
	}
	return c.ofArtefact(a, typePEM, inHex(a.Body), headerPCKCRLChain), nil
}

// rootCRLAnswer serves the root's list in hex, and no chain.
func rootCRLAnswer(ctx context.Context, c *call, _ [4]string) (*answer, error) {
	a, err := c.service.Artefact(ctx, store.Key{Kind: store.RootCRL, Version: c.route.version})
	if err != nil {
		return nil, err
	}
	return c.ofArtefact(a, typeCRLText, inHex(a.Body), ""), nil
}

// anyCRLAnswer serves the list at an address in DER, and no chain.
func anyCRLAnswer(ctx context.Context, c *call, args [4]string) (*answer, error) {
	a, err := c.service.CRL(ctx, args[0])
	if err != nil {
		return nil, err
	}
	return c.ofArtefact(a, typeCRL, a.Body, ""), nil
}

func inHex(b []byte) []byte { return hex.AppendEncode(make([]byte, 0, 2*len(b)), b) }

func pckAnswer(ctx context.Context, c *call, args [4]string) (*answer, error) {
	request := PCKRequest{QEID: args[0], CPUSVN: args[1], PCESVN: args[2], PCEID: args[3], Version: c.route.version}
	if text := c.query.get(encryptedPPID); text != "" {
		var err error
		if request.EncryptedPPID, err = hex.DecodeString(text); err != nil {
			return nil, bad("encrypted_ppid", "768 hex digits are needed")
		}
	}
	p, err := c.service.PCKCert(ctx, request)
	if err != nil {
		return nil, err
	}
	return newAnswer(typePEM, ended(p.Cert),
		headerTCBm, strings.ToUpper(p.TCBm), headerFMSPC, strings.ToUpper(p.FMSPC),
		headerCAType, strings.ToUpper(p.CA), headerPCKChain, c.chains.escaped(p.Chain)), nil
}

// ended returns PEM that ends its last line: QCNL puts leaf and chain together as
// they are.
func ended(text []byte) []byte { return append(bytes.TrimRight(bytes.Clone(text), "\r\n"), '\n') }

// policyAnswer serves the policies that count by default for a family of
// platforms.
func policyAnswer(ctx context.Context, c *call, args [4]string) (*answer, error) {
	all, err := c.service.Policies(ctx, args[0])
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for i := range all {
		out = append(out, all[i].JWT)
	}
	if len(out) == 0 {
		return nil, refuse(http.StatusNotFound, rats.NotFound, "no appraisal policy for this FMSPC")
	}
	return newAnswer(typeSentence, bytes.Join(out, []byte(","))), nil
}
