// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// ownKey is that of an enclave, and its quote has it as report data.
func ownKey(t testing.TB, n byte) (ed25519.PrivateKey, []byte) {
	t.Helper()
	k := ed25519.NewKeyFromSeed(append([]byte{n}, make([]byte, ed25519.SeedSize-1)...))
	e := simtee.Enclave{MREnclave: [32]byte{n}}
	copy(e.ReportData[:], k[ed25519.SeedSize:])
	q, err := e.Quote()
	if err != nil {
		t.Fatal(err)
	}
	return k, q
}

// toSign is what an enclave's key has to sign to withdraw a record.
func toSign(t testing.TB, chain string, v *record.View) []byte {
	t.Helper()
	id, err := hex.DecodeString(v.ID)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := hex.DecodeString(v.Tx)
	if err != nil {
		t.Fatal(err)
	}
	return record.WithdrawalBytes(chain, record.ID(id), record.TxHash(tx))
}

func TestAnEnclaveIsWithdrawnByItsRegistrarAndByItsOwnKey(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("any")
	k, q := ownKey(t, 1)
	got, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: q, URL: "gone.example"})
	if err != nil {
		t.Fatal(err)
	}
	id := got.Record.ID

	t.Run("by its registrar", func(t *testing.T) {
		v, err := c.Withdraw(t.Context(), id, nil)
		if err != nil || v.State != record.Expired || len(v.Listings) != 0 || v.Registrar != nil {
			t.Fatalf("%+v, %v", v, err)
		}
		// Nothing is left to withdraw: that is for who lists it, and the token is good.
		r := h.call(t, http.MethodDelete, "/v1/enclaves/"+id, "any", nil)
		if p := as[client.Problem](t, r.body); r.status != http.StatusForbidden || p.Kind != rats.Unauthorized || p.Detail == "" {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	t.Run("by its own key", func(t *testing.T) {
		v, err := c.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		signature := ed25519.Sign(k, toSign(t, h.node.Registry().ChainID(), v))
		wrong := append([]byte{signature[0] ^ 1}, signature[1:]...)
		if _, err := c.Withdraw(t.Context(), id, wrong); !errors.Is(err, rats.BadSignature) {
			t.Errorf("a wrong signature: %v", err)
		}
		v, err = c.Withdraw(t.Context(), id, signature)
		if err != nil || v.State != record.Withdrawn || v.StatusReason != record.ReasonWithdrawn || v.Withdrawn == nil {
			t.Fatalf("%+v, %v", v, err)
		}
		if _, err := c.Withdraw(t.Context(), id, signature); !errors.Is(err, rats.Replayed) {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("and its history and listings say so", func(t *testing.T) {
		past, err := c.History(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, e := range past.Events {
			if e.Event != record.RanOut { // that nobody lists it any more may be noticed before the next call
				kinds = append(kinds, string(e.Event))
			}
		}
		if got := strings.Join(kinds, " "); got != "recorded delisted withdrawn" {
			t.Error(got)
		}
		page, err := c.List(t.Context(), url.Values{"state": {"withdrawn"}})
		if err != nil || len(page.Enclaves) != 1 || page.Enclaves[0].ID != id {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

func TestWhatCannotBeWithdrawnIsRefusedByItsKind(t *testing.T) {
	h := open(t, "dev", nil)
	c := h.client("any")
	plain, err := c.SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 7, simtee.Enclave{ReportData: [64]byte{63: 1}})})
	if err != nil {
		t.Fatal(err)
	}
	id, none := plain.Record.ID, strings.Repeat("0", 64)
	signed := `{"signature":"` + base64.StdEncoding.EncodeToString(make([]byte, 64)) + `"}`
	for _, tt := range []struct {
		name, id, token, body string
		status                int
		kind                  rats.Kind
	}{
		{"a record that is not there", none, "any", "", 404, rats.NotFound},
		{"with a signature", none, "any", signed, 404, rats.NotFound},
		{"an id that is none", "12", "any", "", 400, rats.Malformed},
		{"a record bound to no key", id, "any", signed, 422, rats.BindingMismatch},
		{"an empty signature", id, "any", `{"signature":""}`, 400, rats.Malformed},
		{"a signature that is no base64", id, "any", `{"signature":"%"}`, 400, rats.Malformed},
		{"a body without a signature", id, "any", `{}`, 400, rats.Malformed},
		{"a field too many", id, "any", `{"signature":"AA==","listing":true}`, 400, rats.Malformed},
		{"a signature of null", id, "any", `{"signature":null}`, 400, rats.Malformed},
		{"a field that nobody knows", id, "any", `{"sign":""}`, 400, rats.Malformed},
		{"a signature that is too long", id, "any", `{"signature":"` + base64.StdEncoding.EncodeToString(make([]byte, 2000)) + `"}`, 413, rats.TooLarge},
		{"without a token", id, "", "", 401, rats.Unauthorized},
	} {
		r := h.call(t, http.MethodDelete, "/v1/enclaves/"+tt.id, tt.token, strings.NewReader(tt.body))
		var p client.Problem
		if err := json.Unmarshal(r.body, &p); err != nil || r.status != tt.status || p.Kind != tt.kind {
			t.Errorf("%s: %d %s", tt.name, r.status, r.body)
		}
	}
	if v, err := c.Get(t.Context(), id); err != nil || v.State != record.Active {
		t.Errorf("%+v, %v", v, err)
	}
}
