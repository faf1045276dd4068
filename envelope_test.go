// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// The formats of Open Enclave's evidence by their names.
var uuids = map[string]string{
	"SGX_ECDSA": "a3a21e871b4d4014b70aa125d2fbcd8c", "SGX_LOCAL_ATTESTATION": "09268c336e0b45e58a2715644d0ef89a",
	"LEGACY_REPORT_REMOTE": "c8303454d9234c2ca691df7def460a76", "RAW_SGX_QUOTE_ECDSA": "1923d91e12d24c72b22025cd8dace871",
	"SGX_EPID_LINKABLE": "f228aa3fde4d49d3884cb2aa87a50da6", "SGX_EPID_UNLINKABLE": "5c35d290a2c24c559e135ad732746c88",
	"TDX_QUOTE_ECDSA": "8ba70286c1cf11edafa10242ac120002", "SGX_EEID_ECDSA_P256": "170494a6ab2347988c38351cb0b6af0a",
	"UNKNOWN": "00000000000000000000000000000000",
}

// wrapped puts the header of a format before its data. The padding in it is what
// the memory happened to hold.
func wrapped(format string, data ...[]byte) []byte {
	uuid, _ := hex.DecodeString(uuids[format])
	all := bytes.Join(data, nil)
	b := binary.LittleEndian.AppendUint32(nil, 3)
	b = append(append(b, uuid...), 0xde, 0xad, 0xbe, 0xef)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(all)))
	return append(b, all...)
}

// reported puts a report's header before a quote.
func reported(quote []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, 2<<32|1)
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(quote))), quote...)
}

// hashing returns report data of which the first half is the hash of data.
func hashing(data []byte) (out [64]byte) {
	sum := sha256.Sum256(data)
	copy(out[:], sum[:])
	return out
}

// serialised returns claims as an enclave hands them to Open Enclave.
func serialised(t testing.TB, claims ...openenclave.Claim) []byte {
	t.Helper()
	b, err := openenclave.AppendClaims(nil, claims...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// claiming returns a simulated quote whose report data are the hash of a claims
// buffer.
func claiming(t testing.TB, buffer []byte) sim {
	t.Helper()
	return simulated(t, simtee.Faults{}, simtee.Enclave{MREnclave: [32]byte{0xe1}, ReportData: hashing(buffer)})
}

func twoClaims() []openenclave.Claim {
	return []openenclave.Claim{
		{Name: "Event", Value: []byte("Attestation KMS example\x00")},
		{Name: "Public key hash", Value: bytes.Repeat([]byte{0x8f}, 32)},
	}
}

func TestEvidenceOfEveryOpenEnclaveFormat(t *testing.T) {
	buffer := serialised(t, twoClaims()...)
	s, bare := claiming(t, buffer), claiming(t, []byte("anything"))
	domain := named(t, simulatedSamples(t), "simulated version 4, TDX 1.0")
	td := sim{domain.raw, domain.items}
	padded := claiming(t, nil)
	for _, tt := range []struct {
		name     string
		raw      []byte
		from     sim
		envelope string
		claims   int
		kind     rats.Kind
		says     string
	}{
		{"claims behind a header", wrapped("SGX_ECDSA", s.raw, buffer), s, "oe-evidence sgx-quote-v3", 2, rats.None, ""},
		{"claims behind the quote", slices.Concat(s.raw, buffer), s, "oe-evidence sgx-quote-v3", 2, rats.None, ""},
		{"no claims behind a header", wrapped("SGX_ECDSA", padded.raw), padded, "oe-evidence sgx-quote-v3", 0, rats.None, ""},
		{"no claims, told by the report data", padded.raw, padded, "oe-evidence sgx-quote-v3", 0, rats.None, ""},
		{"claims that are missing", wrapped("SGX_ECDSA", s.raw), s, "oe-evidence sgx-quote-v3", 0, rats.BindingMismatch, "not the SHA-256 of the custom claims"},
		{"claims of another enclave", wrapped("SGX_ECDSA", bare.raw, buffer), bare, "oe-evidence sgx-quote-v3", 0, rats.BindingMismatch, "custom claims"},
		{"claims of another enclave behind the quote", slices.Concat(bare.raw, buffer), bare, "oe-evidence sgx-quote-v3", 0, rats.BindingMismatch, "custom claims"},
		{"a report behind a header", wrapped("LEGACY_REPORT_REMOTE", reported(bare.raw)), bare, "oe-evidence oe-report sgx-quote-v3", 0, rats.None, ""},
		{"a quote behind a header", wrapped("RAW_SGX_QUOTE_ECDSA", bare.raw), bare, "oe-evidence sgx-quote-v3", 0, rats.None, ""},
		{"a trust domain behind a header", wrapped("TDX_QUOTE_ECDSA", td.raw), td, "oe-evidence tdx-quote-v4", 0, rats.None, ""},
		{"a trust domain that is called an enclave", wrapped("RAW_SGX_QUOTE_ECDSA", td.raw), td, "", 0, rats.Malformed, "does not hold tdx-quote-v4"},
		{"an enclave that is called a trust domain", wrapped("TDX_QUOTE_ECDSA", bare.raw), bare, "", 0, rats.Malformed, "does not hold sgx-quote-v3"},
		{"a trust domain in a report, which are of enclaves", reported(td.raw), td, "", 0, rats.Malformed, "does not hold tdx-quote-v4"},
		{"a quote where a report should be", wrapped("LEGACY_REPORT_REMOTE", bare.raw), bare, "", 0, rats.Malformed, "does not hold sgx-quote-v3"},
		{"a header around a header", wrapped("RAW_SGX_QUOTE_ECDSA", wrapped("RAW_SGX_QUOTE_ECDSA", bare.raw)), bare, "", 0, rats.Malformed, "no evidence of a kind known"},
		{"local evidence", wrapped("SGX_LOCAL_ATTESTATION", make([]byte, 432)), bare, "", 0, rats.Unsupported, "own processor alone"},
		{"EPID, linkable", wrapped("SGX_EPID_LINKABLE", make([]byte, 1116)), bare, "", 0, rats.Unsupported, "EPID"},
		{"EPID, unlinkable", wrapped("SGX_EPID_UNLINKABLE", make([]byte, 1116)), bare, "", 0, rats.Unsupported, "EPID"},
		{"EEID", wrapped("SGX_EEID_ECDSA_P256", s.raw), bare, "", 0, rats.Unsupported, "extended enclave initialisation data"},
		{"an unknown format", wrapped("UNKNOWN", s.raw), bare, "", 0, rats.Unsupported, "00000000-0000-0000-0000-000000000000"},
		{"a byte too many", append(wrapped("RAW_SGX_QUOTE_ECDSA", bare.raw), 0), bare, "", 0, rats.Malformed, "follow the header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from := sim{tt.raw, tt.from.items}
			r, err := from.verify(t, trusting(), simTime)
			checkAnswer(t, r, err)
			if rats.KindOf(err) != tt.kind || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("%v, want %q and %q", err, tt.kind, tt.says)
			}
			if r == nil {
				return
			}
			var layers []string
			for _, f := range r.Envelope {
				layers = append(layers, string(f))
			}
			if got := strings.Join(layers, " "); got != tt.envelope || string(r.Format) != layers[0] || len(r.CustomClaims) != tt.claims {
				t.Errorf("%s as %s, %d claims", got, r.Format, len(r.CustomClaims))
			}
		})
	}
}

func TestClaimsAreShownByNameAndAsTextWhereTheyAreText(t *testing.T) {
	buffer := serialised(t, twoClaims()...)
	s := claiming(t, buffer)
	s.raw = wrapped("SGX_ECDSA", s.raw, buffer)
	r, err := s.verify(t, trusting(), simTime)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"name":"Event","value":"4174746573746174696f6e204b4d53206578616d706c6500","text":"Attestation KMS example"},` +
		`{"name":"Public key hash","value":"8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f8f","text":null}]`
	if got := marshal(t, r.CustomClaims); got != want {
		t.Errorf("%s", got)
	}
	if c := checkNamed(t, r, "custom_claims"); c.Outcome != rats.Pass || c.Detail != "2 claims" || r.Block != nil || r.RuntimeData != nil {
		t.Errorf("%+v, block %x, runtime data %v", c, r.Block, r.RuntimeData)
	}
}

// TestTheSecondHalfOfClaimedReportDataIsZero, which Open Enclave never looks at.
func TestTheSecondHalfOfClaimedReportDataIsZero(t *testing.T) {
	buffer := serialised(t, twoClaims()...)
	data := hashing(buffer)
	data[63] = 1
	s := simulated(t, simtee.Faults{}, simtee.Enclave{ReportData: data})
	for _, raw := range [][]byte{wrapped("SGX_ECDSA", s.raw, buffer), slices.Concat(s.raw, buffer)} {
		r, err := sim{raw, s.items}.verify(t, trusting(), simTime)
		if rats.KindOf(err) != rats.BindingMismatch || len(r.CustomClaims) != 0 || r.Tier != rats.Contraindicated {
			t.Errorf("%v: %+v", err, r)
		}
	}
}

// TestABufferThatIsNoListOfClaimsIsRuntimeData: Open Enclave's attested TLS puts
// its key there.
func TestABufferThatIsNoListOfClaimsIsRuntimeData(t *testing.T) {
	held := seed(t, "enclave_held_data.bin")
	key := append(bytes.TrimRight(held, "\x00"), 0)
	s := claiming(t, key)
	for _, raw := range [][]byte{wrapped("SGX_ECDSA", s.raw, key), slices.Concat(s.raw, key)} {
		r, err := sim{raw, s.items}.verify(t, trusting(), simTime)
		if err != nil || r.Format != rats.OEEvidence || r.RuntimeData == nil || !bytes.Equal(*r.RuntimeData, key) ||
			r.RuntimeKey == nil || r.RuntimeKey.Type != "rsa" || r.RuntimeKey.Bits != 2048 {
			t.Errorf("%v: %+v", err, r)
		}
	}
}

// TestPaddingIsNoClaim: what follows a quote and neither hashes to the report data
// nor is made of claims is believed by nobody, and refused by nobody.
func TestPaddingIsNoClaim(t *testing.T) {
	s := claiming(t, []byte("held elsewhere"))
	for _, tail := range [][]byte{make([]byte, 100), []byte("some bytes"), {1}} {
		r, err := sim{slices.Concat(s.raw, tail), s.items}.verify(t, trusting(), simTime)
		if err != nil || r.Format != rats.SGXQuoteV3 || len(r.CustomClaims) != 0 || r.RuntimeData != nil {
			t.Errorf("%x: %v, %+v", tail, err, r)
		}
	}
}

func TestAClaimThatNamesABlockIsNotPartOfWhoTheEnclaveIs(t *testing.T) {
	block := bytes.Repeat([]byte{0xb1}, 32)
	first := serialised(t, append(twoClaims(), openenclave.Claim{Name: attesteer.BlockClaim, Value: block})...)
	without := hashing(serialised(t, twoClaims()...))
	s := claiming(t, first)
	r, err := sim{slices.Concat(s.raw, first), s.items}.verify(t, trusting(), simTime)
	if err != nil || !bytes.Equal(r.Block, block) || !bytes.Equal(r.SubjectWithoutBlock, without[:]) {
		t.Errorf("%v, block %x, subject %x, want %x", err, r.Block, r.SubjectWithoutBlock, without)
	}
	alone := serialised(t, openenclave.Claim{Name: attesteer.BlockClaim, Value: block})
	s = claiming(t, alone)
	none := hashing(nil)
	if r, err = (sim{slices.Concat(s.raw, alone), s.items}).verify(t, trusting(), simTime); err != nil || !bytes.Equal(r.SubjectWithoutBlock, none[:]) {
		t.Errorf("%v, %x", err, r.SubjectWithoutBlock)
	}
}

// TestEnvelopesAreLimitedInDepthAndSize: what nests for ever costs little.
func TestEnvelopesAreLimitedInDepthAndSize(t *testing.T) {
	s := claiming(t, []byte("x"))
	nested := func(inner []byte, times int) []byte {
		for range times {
			inner = []byte(`{"QuoteHex":"` + hex.EncodeToString(inner) + `"}`)
		}
		return inner
	}
	for times, kind := range map[int]rats.Kind{1: rats.None, 2: rats.Malformed, 5: rats.Malformed, 8: rats.Malformed} {
		_, err := sim{nested(s.raw, times), s.items}.verify(t, trusting(), simTime)
		if rats.KindOf(err) != kind {
			t.Errorf("%d documents: %v", times, err)
		}
	}
	if _, err := attesteer.Inspect(attesteer.Evidence{Raw: nested(make([]byte, 3<<20), 1)}); rats.KindOf(err) != rats.Malformed {
		t.Errorf("a document of 6 MiB: %v", err)
	}
}

// TestABitOfWrappedEvidenceChangesNothingOrIsFound: flipped bits in the envelope
// and in what it says leave the result as it is, where they are in white space or
// in the case of a digit, or else are refused as forged, unsupported or malformed.
func TestABitOfWrappedEvidenceChangesNothingOrIsFound(t *testing.T) {
	buffer := serialised(t, twoClaims()...)
	s := claiming(t, buffer)
	document := seed(t, "quote_generation.json")
	for _, tt := range []struct {
		name   string
		from   sim
		policy attesteer.Policy
		step   int
	}{
		{"behind a header", sim{wrapped("SGX_ECDSA", s.raw, buffer), s.items}, trusting(), 1},
		{"behind the quote", sim{slices.Concat(s.raw, buffer), s.items}, trusting(), 1},
		{"JSON", sim{document, nil}, lenient(), 13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			en, at := everything(t), midsummer
			if tt.from.items != nil {
				var err error
				if en, err = attesteer.ParseEndorsements(tt.from.items...); err != nil {
					t.Fatal(err)
				}
				at = simTime
			}
			v := attesteer.NewVerifier(1 << 12)
			whole, err := v.Verify(attesteer.Evidence{Raw: tt.from.raw}, en, tt.policy, at)
			if err != nil {
				t.Fatal(err)
			}
			want := marshal(t, whole)
			for bit := 0; bit < 8*len(tt.from.raw); bit += tt.step {
				if at := bit / 8; tt.step == 1 && at > 64 && at < len(s.raw)-32 && at%16 > 0 {
					continue // every bit of a quote is the quote's own tests' affair
				}
				changed := bytes.Clone(tt.from.raw)
				changed[bit/8] ^= 1 << (bit % 8)
				r, err := v.Verify(attesteer.Evidence{Raw: changed}, en, tt.policy, at)
				checkAnswer(t, r, err)
				if code := rats.KindOf(err).ExitCode(); err != nil && code != 10 && code != 13 && code != 14 {
					t.Errorf("bit %d of byte %d: %v", bit%8, bit/8, err)
				}
				// Claims that are claims no more are padding: their loss hides nothing,
				// since anybody can leave them out.
				if err == nil && marshal(t, r) != want && (r.Format != rats.SGXQuoteV3 || len(r.CustomClaims) > 0) {
					t.Errorf("bit %d of byte %d is accepted: %s", bit%8, bit/8, marshal(t, r))
				}
			}
		})
	}
}

func TestWrappedEvidenceThatIsCutShortIsRefused(t *testing.T) {
	buffer := serialised(t, twoClaims()...)
	s := claiming(t, buffer)
	en, err := attesteer.ParseEndorsements(s.items...)
	if err != nil {
		t.Fatal(err)
	}
	document := seed(t, "quote_generation.json")
	for name, raw := range map[string][]byte{"header": wrapped("SGX_ECDSA", s.raw, buffer), "tail": slices.Concat(s.raw, buffer), "JSON": document} {
		end := len(raw)
		if name == "JSON" {
			end-- // of the last line
		}
		for n := range end {
			r, err := attesteer.Verify(attesteer.Evidence{Raw: raw[:n]}, en, trusting(), simTime)
			few := name == "tail" && n >= len(s.raw) && n < len(s.raw)+8 // too few to be claims
			if kind := rats.KindOf(err); kind != rats.Malformed && (!few || err != nil || r.Format != rats.SGXQuoteV3) {
				t.Fatalf("%s, %d of %d bytes: %v", name, n, len(raw), err)
			}
		}
	}
}

// document returns the seed's JSON as members in which one can be changed.
func document(t testing.TB, file []byte, change map[string]any) []byte {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(file, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range change {
		if value == nil {
			delete(members, name)
		} else {
			members[name] = value
		}
	}
	return []byte(marshal(t, members))
}
