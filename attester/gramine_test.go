// SPDX-License-Identifier: Apache-2.0

package attester_test

import (
	"testing"

	"github.com/attesteer/attesteer/attester"
	"github.com/attesteer/attesteer/attester/teetest"
	"github.com/attesteer/attesteer/rats"
)

func TestAnEnclaveWithoutQuotesIsToldFromTheStart(t *testing.T) {
	for _, c := range []struct {
		gramine *teetest.Gramine
		kind    rats.Kind
		says    string
		advice  string
	}{
		{&teetest.Gramine{Type: "none"}, rats.Unsupported, "says none", `sgx.remote_attestation = "dcap"`},
		{&teetest.Gramine{Type: "epid", Quote: sgx}, rats.Unsupported, "EPID", `sgx.remote_attestation = "dcap"`},
		{&teetest.Gramine{Direct: true}, rats.Unsupported, "/dev/attestation/user_report_data is missing", "gramine-sgx"},
		{&teetest.Gramine{Type: "dcap", Denied: true}, rats.Unauthorized, "/dev/attestation/attestation_type: permission denied", "run this as root"},
	} {
		_, err := attester.Open(attester.Gramine, attester.Options{Files: &teetest.Machine{Gramine: c.gramine}})
		wantKind(t, err, c.kind, c.says, c.advice)
	}
}

func TestWhatGoesWrongInAnEnclaveIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*teetest.Gramine)
		kind   rats.Kind
		says   string
		advice string
	}{
		"the quoting enclave is away": {func(g *teetest.Gramine) { g.Quote = nil }, rats.Internal, "gave no quote", "aesmd"},
		"quotes are gone":             {func(g *teetest.Gramine) { g.Type = "none" }, rats.Unsupported, "/dev/attestation/quote", "dcap"},
		"the files are closed":        {func(g *teetest.Gramine) { g.Denied = true }, rats.Unauthorized, "write /dev/attestation/user_report_data", "root"},
		"another thread asks": {func(g *teetest.Gramine) {
			g.Meanwhile = func(g *teetest.Gramine) { g.Write([]byte("mine")) }
		}, rats.BindingMismatch, "6d696e65000000", "another thread"},
		"the quote is empty": {func(g *teetest.Gramine) {
			g.Quote = func([64]byte) ([]byte, error) { return nil, nil }
		}, rats.Malformed, "nothing", "quoting service"},
		"it is no quote": {func(g *teetest.Gramine) {
			g.Quote = func([64]byte) ([]byte, error) { return []byte("<html>"), nil }
		}, rats.Malformed, "gramine answered with 6 bytes: HTML", ""},
		"it does not end": {func(g *teetest.Gramine) {
			g.Quote = func([64]byte) ([]byte, error) { return make([]byte, attester.MaxEvidence+1), nil }
		}, rats.TooLarge, "/dev/attestation/quote", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := &teetest.Gramine{Quote: sgx, Type: "dcap"}
			a := on(t, attester.Gramine, &teetest.Machine{Gramine: g})
			c.spoil(g)
			raw, err := a.Evidence(t.Context(), asked())
			if raw != nil {
				t.Error("there is evidence all the same")
			}
			wantKind(t, err, c.kind, c.says, c.advice)
		})
	}
}

func TestAGramineThatDoesNotSayHowItAttestsIsAsked(t *testing.T) {
	a := on(t, attester.Gramine, &teetest.Machine{Gramine: &teetest.Gramine{Quote: sgx}})
	if _, err := a.Evidence(t.Context(), asked()); err != nil {
		t.Error(err)
	}
}
