// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/maa"
	"github.com/attesteer/attesteer/rats"
)

// What follows are the paths, bodies and tokens of Microsoft Azure Attestation
// (REST API, data plane, 2025-06-01), so that a client that was written for it can
// be pointed to a node. Issuer and keys are the node's own.

const (
	azurePrefix            = "/attest/"
	azureKeysPath          = "/certs"
	azureConfigurationPath = "/.well-known/openid-configuration"
)

type azureSGXInput struct {
	origin
	Version string `query:"api-version" doc:"taken and passed over"`
	Body    struct {
		Quote string `json:"quote" doc:"base64url of a quote"`
		AzureRequest
	} `nameHint:"AttestSgxEnclaveRequest"`
}

type azureOEInput struct {
	origin
	Version string `query:"api-version" doc:"taken and passed over"`
	Body    struct {
		Report string `json:"report" doc:"base64url of an Open Enclave report"`
		AzureRequest
	} `nameHint:"AttestOpenEnclaveRequest"`
}

// origin is the URL by which a caller reached the node.
type origin struct{ url string }

// Resolve implements [huma.Resolver].
func (o *origin) Resolve(ctx huma.Context) []error {
	o.url = "http://" + ctx.Host()
	if ctx.TLS() != nil {
		o.url = "https://" + ctx.Host()
	}
	return nil
}

// AzureRequest is what the bodies of /attest/SgxEnclave and /attest/OpenEnclave have
// in common.
type AzureRequest struct {
	RuntimeData  *azureData `json:"runtimeData,omitempty" doc:"what hashes to the first 32 bytes of the report data, by SHA-256"`
	InitTimeData *azureData `json:"initTimeData,omitempty" doc:"refused unless empty: SGX binds none"`
	DraftPolicy  *string    `json:"draftPolicyForAttestation,omitempty" nullable:"true" doc:"refused unless empty: ask /v1/appraisals with a policy"`
	Nonce        *string    `json:"nonce,omitempty" nullable:"true" maxLength:"512" doc:"comes back in the token"`
}

type azureData azureMembers

// Schema implements [huma.SchemaProvider]: null stands for none.
func (azureData) Schema(r huma.Registry) *huma.Schema {
	s := huma.SchemaFromType(r, reflect.TypeFor[azureMembers]())
	s.Nullable = true
	return s
}

type azureMembers struct {
	Data     *string `json:"data,omitempty" nullable:"true" doc:"base64url"`
	DataType *string `json:"dataType,omitempty" nullable:"true" enum:"Binary,JSON" doc:"JSON comes back as x-ms-runtime, anything else as x-ms-sgx-ehd"`
}

// azureRead is a read of that service, whose clients name a version everywhere.
type azureRead struct {
	origin
	Version string `query:"api-version" doc:"taken and passed over"`
}

// isAzure reports whether a name of JSON is one of theirs that has capitals, which
// none of ours has.
func isAzure(name string) bool {
	switch name {
	case azureRuntimeData, azureInitTimeData, "draftPolicyForAttestation", azureDataType:
		return true
	}
	return false
}

type azureOutput struct {
	Body struct {
		Token string `json:"token" doc:"a JSON Web Token, RS256"`
	} `nameHint:"AttestationResponse"`
}

type azureKeysOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Keys []maa.SigningKey `json:"keys" nullable:"false"`
	} `nameHint:"SigningKeys"`
}

type azureConfigurationOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Issuer     string   `json:"issuer"`
		Keys       string   `json:"jwks_uri"`
		Responses  []string `json:"response_types_supported" nullable:"false"`
		Algorithms []string `json:"id_token_signing_alg_values_supported" nullable:"false"`
		Claims     []string `json:"claims_supported" nullable:"false"`
	} `nameHint:"OpenIDConfiguration"`
}

func (g *Gateway) azureEntries() []entry {
	const tag = "azure"
	call := func(path, id, summary, name string) huma.Operation {
		op := readingAzure(g.forAnyone(g.operation(http.MethodPost, path, id, tag, summary)), name)
		op.Description = "As Microsoft Azure Attestation answers it: a signed token for whatever is genuine, debug builds and platforms that are behind among it, which its claims say. Nothing is recorded. A problem has that service's error beside its own members. Names are taken in any case, and the body of the preview of 2018, Quote and EnclaveHeldData, as well."
		return op
	}
	read := func(path, id, summary string) huma.Operation {
		return forProbes(g.operation(http.MethodGet, path, id, tag, summary))
	}
	return []entry{
		azure(call(azurePrefix+"SgxEnclave", "attest-sgx-enclave", "Have a quote attested as Azure does it", "quote"), g.attestSGX),
		azure(call(azurePrefix+"OpenEnclave", "attest-open-enclave", "Have an Open Enclave report attested as Azure does it", "report"), g.attestOE),
		serve("", read(azureKeysPath, "get-signing-certificates", "Get the keys of tokens in Azure's shape"), g.azureKeys),
		serve("", read(azureConfigurationPath, "get-openid-configuration", "Get where the keys of tokens in Azure's shape are"), g.azureConfiguration),
	}
}

// azure is serve for calls whose problems have the other service's error too.
func azure[I, O any](op huma.Operation, handle func(context.Context, *I) (*O, error)) entry {
	return serve("", op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, azureProblem(err)
		}
		return out, nil
	})
}

// azureProblem gives a problem the member that clients of the other service read,
// and the one status that it has for evidence that it refuses.
func azureProblem(err error) error {
	p := problemOf(err)
	p.speakAzure()
	return p
}

func (p *problem) speakAzure() {
	var code string
	switch p.Kind {
	case rats.Malformed, rats.Unsupported:
		code = "InvalidParameter"
	case rats.Unauthorized:
		code = "Unauthorized"
	case rats.QuotaExceeded:
		code = "TooManyRequests"
	case rats.Internal, rats.EndorsementUnavailable, rats.EndorsementExpired:
		code = "ServiceUnavailable"
	default:
		code = "AttestationFailed"
	}
	if p.Status == http.StatusUnprocessableEntity {
		p.Status = http.StatusBadRequest
	}
	p.Azure = &azureFault{Code: code, Message: strings.TrimSpace(p.Kind.String() + ": " + p.Detail)}
}

// azureFault is the error of the other service.
type azureFault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (g *Gateway) attestSGX(ctx context.Context, in *azureSGXInput) (*azureOutput, error) {
	return g.attest(ctx, "quote", in.Body.Quote, &in.Body.AzureRequest, in.url, func(f rats.Format) bool { return f.IsQuote() })
}

func (g *Gateway) attestOE(ctx context.Context, in *azureOEInput) (*azureOutput, error) {
	return g.attest(ctx, "report", in.Body.Report, &in.Body.AzureRequest, in.url, func(f rats.Format) bool {
		return f == rats.OEReport || f == rats.OEEvidence
	})
}

// attest makes a token of evidence that takes the forms of one path.
func (g *Gateway) attest(
	ctx context.Context, name, text string, in *AzureRequest, reached string, takes func(rats.Format) bool,
) (*azureOutput, error) {
	if g.cfg.MAA == nil {
		return nil, rats.Errorf(rats.Unsupported, "this node signs no tokens of this shape")
	}
	raw, err := maa.Base64URL(name, text)
	if err != nil {
		return nil, err
	}
	st, err := in.statement()
	if err != nil {
		return nil, err
	}
	switch format, err := attesteer.Recognise(raw); {
	case err != nil:
		return nil, err
	case !takes(format):
		return nil, rats.Errorf(rats.Malformed, "%s: holds %s", name, format)
	}
	r, err := g.appraise(ctx, raw, g.genuine())
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	if err := refusal(r); err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(st.RuntimeData); st.RuntimeData != nil && !bytes.HasPrefix(r.ReportData, sum[:]) {
		return nil, rats.Errorf(rats.BindingMismatch, "runtimeData: its SHA-256 is not the first half of the report data")
	}
	st.Result, st.Evidence, st.Issuer, st.At = r, raw, g.issuer(reached), g.cfg.Now()
	st.Chains = g.issuersOf(r)
	token, err := g.cfg.MAA.Sign(*st)
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	out := &azureOutput{}
	out.Body.Token = token
	return out, nil
}

// genuine is the policy of these tokens: it refuses what is revoked or unknown
// to the vendor, and leaves the rest to those who read the claims.
func (g *Gateway) genuine() attesteer.Policy {
	p := attesteer.Policy{AllowDebug: true, Roots: g.roots()}
	for _, s := range rats.TCBStatuses() {
		if s != rats.TCBRevoked && s != rats.NotSupported {
			p.AcceptTCB = append(p.AcceptTCB, s)
		}
	}
	return p
}

// refusal is the error of a result that was not accepted.
func refusal(r *attesteer.Result) error {
	if r.Accepted {
		return nil
	}
	err := &rats.Error{Kind: r.Kind}
	for _, c := range r.Checks {
		if c.Outcome == rats.Fail {
			err.Check, err.Detail = c.Name, c.Detail
			break
		}
	}
	return err
}

// statement reads what comes beside the evidence.
func (in *AzureRequest) statement() (*maa.Statement, error) {
	switch {
	case in.InitTimeData != nil && value(in.InitTimeData.Data) != "":
		return nil, rats.Errorf(rats.Unsupported, "initTimeData: nothing of an SGX enclave binds it")
	case value(in.DraftPolicy) != "":
		return nil, rats.Errorf(rats.Unsupported, "draftPolicyForAttestation: policies of that language are not evaluated; the claims say what they would judge")
	}
	st := &maa.Statement{Nonce: value(in.Nonce)}
	if in.RuntimeData == nil || value(in.RuntimeData.Data) == "" {
		return st, nil // which says nothing of what the enclave holds
	}
	var err error
	if st.RuntimeData, err = maa.Base64URL("runtimeData.data", *in.RuntimeData.Data); err != nil {
		return nil, err
	}
	if st.RuntimeIsJSON = value(in.RuntimeData.DataType) == "JSON"; st.RuntimeIsJSON && !json.Valid(st.RuntimeData) {
		return nil, rats.Errorf(rats.Malformed, "runtimeData.data: not the JSON that its dataType says it is")
	}
	return st, nil
}

// issuersOf returns the digests of the certificates that vouch for what a result
// rests on, in PEM from the signer's up to, and without, the root, as far as the
// ledger holds them.
func (g *Gateway) issuersOf(r *attesteer.Result) map[rats.EndorsementKind]string {
	out := map[rats.EndorsementKind]string{}
	for _, used := range r.Endorsements {
		e, err := g.cfg.Registry.Endorsement([32]byte(used.SHA256))
		if err != nil {
			continue // fetched for this appraisal alone
		}
		var chain []byte
		for _, der := range e.Issuers {
			chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		sum := sha256.Sum256(chain)
		out[used.Kind] = hex.EncodeToString(sum[:])
	}
	return out
}

// issuer is the URL of this node: the one that its operator gave it, or else the
// one by which the caller reached it.
func (g *Gateway) issuer(reached string) string {
	if u := g.cfg.PublicURL; u != "" {
		u = strings.TrimSuffix(u, "/")
		if rest, ok := strings.CutPrefix(u, "ws"); ok {
			return "http" + rest
		}
		return u
	}
	return reached
}

func (g *Gateway) azureKeys(ctx context.Context, _ *azureRead) (*azureKeysOutput, error) {
	out := &azureKeysOutput{CacheControl: keysMaxAge}
	out.Body.Keys = []maa.SigningKey{}
	if g.cfg.MAA == nil {
		return out, nil
	}
	key, err := g.cfg.MAA.SigningKey()
	if err != nil {
		return nil, g.fault(ctx, err)
	}
	out.Body.Keys = append(out.Body.Keys, key)
	return out, nil
}

func (g *Gateway) azureConfiguration(_ context.Context, in *azureRead) (*azureConfigurationOutput, error) {
	out := &azureConfigurationOutput{CacheControl: keysMaxAge}
	out.Body.Issuer = g.issuer(in.url)
	out.Body.Keys = out.Body.Issuer + azureKeysPath
	out.Body.Responses, out.Body.Algorithms, out.Body.Claims = []string{"token", "none"}, []string{"RS256"}, maa.Claims()
	return out, nil
}
