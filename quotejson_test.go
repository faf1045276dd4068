// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

func TestTheRealDocumentVerifiesAndShowsItsKey(t *testing.T) {
	held := seed(t, "enclave_held_data.bin")
	r, err := verify(t, seed(t, "quote_generation.json"), everything(t), lenient(), midsummer)
	if err != nil {
		t.Fatal(err)
	}
	if r.Format != rats.QuoteJSON || marshal(t, r.Envelope) != `["quote-json","oe-report","sgx-quote-v3"]` {
		t.Errorf("%s", marshal(t, r.Envelope))
	}
	if r.RuntimeData == nil || !bytes.Equal(*r.RuntimeData, held) || r.RuntimeKey == nil || r.RuntimeKey.Type != "rsa" ||
		r.RuntimeKey.Bits != 2048 || len(r.RuntimeKey.SHA256) != 32 {
		t.Errorf("runtime data %v, key %+v", r.RuntimeData, r.RuntimeKey)
	}
	plain, _ := verify(t, seed(t, "quote.bin"), everything(t), lenient(), midsummer)
	if r.ReplayKey != plain.ReplayKey || !bytes.Equal(r.Subject, plain.Subject) {
		t.Error("it is another piece of evidence than the quote in it")
	}
}

// TestWhatADocumentCopiesIsComparedAndNeverBelieved.
func TestWhatADocumentCopiesIsComparedAndNeverBelieved(t *testing.T) {
	file := seed(t, "quote_generation.json")
	bare := strings.ToUpper(hex.EncodeToString(seed(t, "quote.bin")))
	zeros := strings.Repeat("00", 32)
	for _, tt := range []struct {
		name   string
		change map[string]any
		kind   rats.Kind
		says   string
	}{
		{"as it is", nil, rats.None, ""},
		{"no copies", map[string]any{"Type": nil, "MrEnclaveHex": nil, "MrSignerHex": nil, "ProductIdHex": nil, "SecurityVersion": nil, "Attributes": nil}, rats.None, ""},
		{"lower case", map[string]any{"MrEnclaveHex": seedFingerprint}, rats.None, ""},
		{"hex as other hex is written", map[string]any{"MrEnclaveHex": " 0x" + seedFingerprint, "QuoteHex": "0x" + bare[:64] + "\n" + bare[64:], "Attributes": 7}, rats.None, ""},
		{"another enclave", map[string]any{"MrEnclaveHex": zeros}, rats.BindingMismatch, "not as the quote says: MrEnclaveHex"},
		{"another signer", map[string]any{"MrSignerHex": zeros}, rats.BindingMismatch, "MrSignerHex"},
		{"another product", map[string]any{"ProductIdHex": zeros[:32]}, rats.BindingMismatch, "ProductIdHex"},
		{"a product of two bytes", map[string]any{"ProductIdHex": "0100"}, rats.BindingMismatch, "ProductIdHex"},
		{"another version", map[string]any{"SecurityVersion": 2}, rats.BindingMismatch, "SecurityVersion"},
		{"a release build", map[string]any{"Attributes": 2}, rats.BindingMismatch, "Attributes"},
		{"flags around a report", map[string]any{"Attributes": 7}, rats.BindingMismatch, "Attributes"},
		{"flags around a quote", map[string]any{"Attributes": 7, "QuoteHex": bare}, rats.None, ""},
		{"Open Enclave's bits around a quote", map[string]any{"QuoteHex": bare}, rats.BindingMismatch, "Attributes"},
		{"Occlum's type", map[string]any{"Type": 3}, rats.None, ""},
		{"a type of no enclave", map[string]any{"Type": 1}, rats.BindingMismatch, "Type"},
		{"a copy for which there was no room", map[string]any{"MrEnclaveHex": "DEADBEEF"}, rats.None, ""},
		{"a character too many", map[string]any{"MrEnclaveHex": strings.ToUpper(seedFingerprint) + "?"}, rats.None, ""},
		{"a copy that is not hex", map[string]any{"MrEnclaveHex": "enclave!"}, rats.BindingMismatch, "MrEnclaveHex"},
		{"no held data", map[string]any{"EnclaveHeldDataHex": nil}, rats.None, ""},
		{"other held data", map[string]any{"EnclaveHeldDataHex": "00"}, rats.BindingMismatch, "do not begin with the SHA-256"},
		{"held data for which there was no room", map[string]any{"EnclaveHeldDataHex": "DEADBEEF"}, rats.BindingMismatch, "cut off by the generator"},
		{"no quote", map[string]any{"QuoteHex": nil, "Note": `"QuoteHex"`}, rats.Malformed, "JSON"},
		{"no room for the quote", map[string]any{"QuoteHex": "DEADBEEF"}, rats.Malformed, "holds no quote"},
		{"a quote that is not hex", map[string]any{"QuoteHex": "z!"}, rats.Malformed, "QuoteHex: neither hex nor base64url"},
		{"a quote that is neither", map[string]any{"QuoteHex": "AwAC"}, rats.Malformed, "so short an input"},
		{"an empty quote", map[string]any{"QuoteHex": ""}, rats.Malformed, "holds no quote"},
		{"null for a copy", map[string]any{"MrSignerHex": json.RawMessage("null")}, rats.None, ""},
		{"null for the quote", map[string]any{"QuoteHex": json.RawMessage("null")}, rats.Malformed, "holds no quote"},
		{"another member", map[string]any{"Comment": "x"}, rats.None, ""},
		{"a name in another case", map[string]any{"mrEnclaveHex": zeros}, rats.Malformed, "malformed: quote JSON: mrEnclaveHex: there is no such member: is it MrEnclaveHex?"},
		{"a letter less", map[string]any{"MrSignrHex": zeros}, rats.Malformed, "is it MrSignerHex?"},
		{"a letter more", map[string]any{"Attributess": 7}, rats.Malformed, "is it Attributes?"},
		{"another letter", map[string]any{"Typo": 1}, rats.Malformed, "is it Type?"},
		{"a number as text", map[string]any{"SecurityVersion": "1"}, rats.Malformed, "SecurityVersion"},
		{"a negative number", map[string]any{"Attributes": -1}, rats.Malformed, "Attributes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := verify(t, document(t, file, tt.change), everything(t), lenient(), midsummer)
			if rats.KindOf(err) != tt.kind || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q and %q", err, tt.kind, tt.says)
			}
			if err != nil && r != nil && (r.RuntimeData != nil || r.Fingerprint.String() != seedFingerprint || r.Tier != rats.Contraindicated) {
				t.Errorf("a copy was believed: %+v", r)
			}
		})
	}
	if _, err := verify(t, bytes.ReplaceAll(file, []byte(`",`), []byte("\x00\",")), everything(t), lenient(), midsummer); err != nil {
		t.Errorf("zero bytes at the ends of strings: %v", err)
	}
	raw, err := attesteer.Decode(append([]byte("\ufeff"), file...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, raw, everything(t), lenient(), midsummer); err != nil {
		t.Errorf("a byte order mark: %v", err)
	}
	r, err := verify(t, document(t, file, map[string]any{"Comment": "x", "Date": 1}), everything(t), lenient(), midsummer)
	if err != nil || checkNamed(t, r, "stated_fields").Detail != `passed over: "Comment", "Date"` || r.RuntimeKey == nil {
		t.Errorf("other members: %v, %+v", err, checkNamed(t, r, "stated_fields"))
	}
	// As Gramine writes it for Azure: the same names, and base64url.
	url := base64.RawURLEncoding.EncodeToString
	gramine := `{ "Type": 2,` + "\n" + `"EnclaveHeldDataHex": "` + url(seed(t, "enclave_held_data.bin")) + `",` + "\n" + `"QuoteHex": "` + url(seed(t, "quote.bin")) + "\"\n}"
	if r, err := verify(t, []byte(gramine), everything(t), lenient(), midsummer); err != nil || r.RuntimeKey == nil || len(r.Envelope) != 2 {
		t.Errorf("as Gramine writes it: %v", err)
	}
	twice := bytes.Replace(file, []byte(`"Type": 2,`), []byte(`"Type": 2, "Type": 2,`), 1)
	if _, err := verify(t, twice, everything(t), lenient(), midsummer); rats.KindOf(err) != rats.Malformed || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a member twice: %v", err)
	}
}

// TestDocumentsAreWrittenAsTheirGeneratorsWroteThem, byte for byte, in both
// conventions for Attributes.
func TestDocumentsAreWrittenAsTheirGeneratorsWroteThem(t *testing.T) {
	file, held := seed(t, "quote_generation.json"), seed(t, "enclave_held_data.bin")
	if got, err := attesteer.QuoteJSON(attesteer.Evidence{Raw: file}, nil); err != nil || !bytes.Equal(got, file) {
		t.Errorf("from itself: %v\n%s", err, got)
	}
	got, err := attesteer.QuoteJSON(attesteer.Evidence{Raw: seed(t, "oe_report.bin")}, held)
	if err != nil || !bytes.Equal(document(t, got, nil), document(t, file, nil)) {
		t.Errorf("from the report: %v\n%s", err, got)
	}
	if _, err := attesteer.QuoteJSON(attesteer.Evidence{Raw: seed(t, "quote.bin")}, []byte("other")); rats.KindOf(err) != rats.BindingMismatch {
		t.Errorf("data that the enclave does not hold: %v", err)
	}
	buffer := serialised(t, twoClaims()...)
	s := claiming(t, buffer)
	s.raw = wrapped("SGX_ECDSA", s.raw, buffer)
	text, err := attesteer.QuoteJSON(attesteer.Evidence{Raw: s.raw}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := (sim{text, s.items}).verify(t, trusting(), simTime); err != nil || !bytes.Equal(*r.RuntimeData, buffer) {
		t.Errorf("claims as held data: %v", err)
	}
	for _, path := range glob(t, filepath.Dir(vectors(t)), "oe", "maa", "*.enclave.info.*.json") {
		file := read(t, path)
		var in struct{ QuoteHex, EnclaveHeldDataHex string }
		if err := json.Unmarshal(file, &in); err != nil {
			t.Fatal(err)
		}
		quote, _ := hex.DecodeString(in.QuoteHex)
		held, _ := hex.DecodeString(in.EnclaveHeldDataHex)
		if got, err := attesteer.QuoteJSON(attesteer.Evidence{Raw: quote}, held); err != nil || string(got) != string(file) {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
}
