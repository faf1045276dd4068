// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"

	"github.com/attesteer/attesteer/rats"
)

// Profile is a way in which an SDK puts evidence into a certificate of attested
// TLS, and binds the certificate's key to it.
type Profile string

// The profiles.
const (
	// OEReport is Open Enclave's oe_generate_attestation_certificate.
	OEReport Profile = "oe-report"
	// OEEvidence is Open Enclave's oe_get_attestation_certificate_with_evidence.
	OEEvidence Profile = "oe-evidence"
	// EGo is that of enclave.CreateAttestationServerTLSConfig.
	EGo Profile = "ego"
	// Gramine is its RA-TLS from version 1.8 on: the common format, and before it
	// its own.
	Gramine Profile = "gramine"
	// GramineOld is Gramine's RA-TLS before that.
	GramineOld Profile = "gramine-old"
	// IntelSDK is Intel's tee_get_certificate_with_evidence: the common format, and
	// behind it the quote alone.
	IntelSDK Profile = "intel-sdk"
	// IntelSDKOld is the same function before version 2.22: the quote alone.
	IntelSDKOld Profile = "intel-sdk-old"
	// Tagged is the common format alone, as rats-tls has it.
	Tagged Profile = "tagged"
	// Azure is the signing certificate of Microsoft's service.
	Azure Profile = "azure"
	// Dstack is that of dstack, for trust domains.
	Dstack Profile = "dstack"
)

// Profiles returns every profile.
func Profiles() []Profile {
	return []Profile{OEReport, OEEvidence, EGo, Gramine, GramineOld, IntelSDK, IntelSDKOld, Tagged, Azure, Dstack}
}

// Object identifiers of the extensions. Gramine's own is written with tag and
// length of its encoding inside it, as Gramine does.
func oidOEReport() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 105, 1} }
func oidOEEvidence() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 105, 2}
}
func oidOldOEReport() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113556, 10, 1, 1}
}
func oidOldOEVersion() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113556, 10, 1, 2}
}
func oidGramine() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{0, 6, 9, 42, 840, 113741, 1337, 6}
}
func oidTagged() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 23, 133, 5, 4, 9} }
func oidSDKQuote() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}
}
func oidDstack() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 62397, 1, 1} }

// AttestedTLS is what a certificate of attested TLS is to hold.
type AttestedTLS struct {
	Profile Profile
	// Enclave is that of the quote. Its report data are the profile's to set.
	Enclave Enclave
	// Key is the certificate's, nil for one that the profile names. The certificate
	// is deterministic where the key's signatures are, as those of RSA (PKCS #1
	// v1.5) and of P-256 without a source of randomness.
	Key crypto.Signer
	// Nonce becomes a claim of tagged evidence, nil for none.
	Nonce []byte

	// Claims edits the claims of tagged evidence before they are hashed.
	Claims func(claims []byte) []byte
	// ReportData edits what the enclave is given to report.
	ReportData func(*[64]byte)
	// Template edits the certificate before it is signed: its extensions are in
	// ExtraExtensions.
	Template func(*x509.Certificate)
}

// AttestedKey returns the key that a simulated enclave of a profile holds unless
// it is given another.
func AttestedKey(p Profile) crypto.Signer { return deriveKey("attested tls " + string(p)) }

// AttestedTLS returns a certificate, in DER, signed by its own key, that carries
// a quote of this machine. It is Unsupported for a profile that does not exist.
func (m *Platform) AttestedTLS(a AttestedTLS) ([]byte, error) {
	if a.Key == nil {
		a.Key = AttestedKey(a.Profile)
	}
	key, err := x509.MarshalPKIXPublicKey(a.Key.Public())
	if err != nil {
		return nil, internal("public key", err)
	}
	extensions, err := m.attestedExtensions(a, key)
	if err != nil {
		return nil, err
	}
	t := template("Simulated Attested TLS", x509.KeyUsageDigitalSignature)
	t.Subject = pkix.Name{CommonName: "localhost", Organization: []string{"Attesteer Simulation"}}
	t.CRLDistributionPoints, t.SignatureAlgorithm = nil, x509.UnknownSignatureAlgorithm
	t.ExtraExtensions = extensions
	if a.Template != nil {
		a.Template(t)
	}
	der, err := x509.CreateCertificate(nil, t, t, a.Key.Public(), a.Key)
	if err != nil {
		return nil, internal("certificate", err)
	}
	return der, nil
}

// attestedExtensions returns the extensions of a profile, for a key in DER.
func (m *Platform) attestedExtensions(a AttestedTLS, key []byte) ([]pkix.Extension, error) {
	der := sha256.Sum256(key)
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key}), 0)
	textHash := sha256.Sum256(text)
	claims := a.claims(der)
	claimsHash := sha256.Sum256(claims)
	var hash []byte
	switch a.Profile {
	case OEReport, OEEvidence, IntelSDKOld, Azure:
		hash = textHash[:]
	case EGo, GramineOld:
		hash = der[:]
	case Gramine, IntelSDK, Tagged:
		hash = claimsHash[:]
	case Dstack:
		sum := sha512.Sum512(append([]byte("ratls-cert:"), key...))
		hash = sum[:]
	default:
		return nil, rats.Errorf(rats.Unsupported, "simulated platform: no profile %q of attested TLS", a.Profile)
	}
	quote, err := m.attestedQuote(a, hash)
	if err != nil {
		return nil, err
	}
	tagged := pkix.Extension{Id: oidTagged(), Value: taggedEvidence(quote, claims)}
	switch a.Profile {
	case OEReport, EGo:
		return []pkix.Extension{{Id: oidOEReport(), Value: oeReport(quote)}}, nil
	case OEEvidence:
		return []pkix.Extension{{Id: oidOEEvidence(), Value: oeEvidence(quote, text)}}, nil
	case Azure:
		return []pkix.Extension{{Id: oidOldOEReport(), Value: octets(quote)}, {Id: oidOldOEVersion(), Value: []byte{asn1.TagInteger, 1, 1}}}, nil
	case GramineOld:
		return []pkix.Extension{{Id: oidGramine(), Value: quote}}, nil
	case Gramine:
		// The older one carries a quote of its own, for the key.
		old, err := m.attestedQuote(a, der[:])
		return []pkix.Extension{{Id: oidGramine(), Value: old}, tagged}, err
	case IntelSDK:
		return []pkix.Extension{tagged, {Id: oidSDKQuote(), Value: quote}}, nil
	case IntelSDKOld:
		return []pkix.Extension{{Id: oidSDKQuote(), Value: quote}}, nil
	case Dstack:
		return []pkix.Extension{{Id: oidDstack(), Value: octets(quote)}}, nil
	default:
		return []pkix.Extension{tagged}, nil
	}
}

// attestedQuote returns a quote whose report data begin with a hash.
func (m *Platform) attestedQuote(a AttestedTLS, hash []byte) ([]byte, error) {
	e := a.Enclave
	e.ReportData = [64]byte{}
	copy(e.ReportData[:], hash)
	if a.ReportData != nil {
		a.ReportData(&e.ReportData)
	}
	if a.Profile == Dstack {
		return m.QuoteTD(TD{MRTD: [48]byte(append(e.MREnclave[:], make([]byte, 16)...)), ReportData: e.ReportData})
	}
	return m.Quote(e)
}

// claims returns those of tagged evidence: a map in CBOR with the hash of the key,
// by algorithm 1, which is SHA-256, and perhaps a nonce.
func (a AttestedTLS) claims(key [32]byte) []byte {
	hash := append([]byte{0x82, 0x01, 0x58, 0x20}, key[:]...)
	out := []byte{0xa1}
	if a.Nonce != nil {
		out[0]++
	}
	out = append(append(out, 0x6b), "pubkey-hash"...)
	out = append(out, byteString(hash)...)
	if a.Nonce != nil {
		out = append(append(append(out, 0x65), "nonce"...), byteString(a.Nonce)...)
	}
	if a.Claims != nil {
		out = a.Claims(out)
	}
	return out
}

// taggedEvidence returns 60000([quote, claims]) in CBOR.
func taggedEvidence(quote, claims []byte) []byte {
	out := []byte{0xd9, 0xea, 0x60, 0x82}
	return append(append(out, byteString(quote)...), byteString(claims)...)
}

// byteString returns bytes in CBOR (RFC 8949 section 3.1), at most 65,535 of them.
func byteString(b []byte) []byte {
	head := []byte{0x40 | byte(len(b))} //nolint:gosec // overwritten where it does not fit
	switch {
	case len(b) > 255:
		head = binary.BigEndian.AppendUint16([]byte{0x59}, uint16(len(b))) //nolint:gosec // no quote is longer
	case len(b) > 23:
		head = []byte{0x58, byte(len(b))} //nolint:gosec // at most 255
	}
	return append(head, b...)
}

// octets returns bytes in an OCTET STRING of DER.
func octets(b []byte) []byte {
	out, err := asn1.Marshal(b)
	if err != nil {
		return nil // cannot happen: bytes are always marshalled
	}
	return out
}

// oeReport puts Open Enclave's header of a report before a quote
// (internal/report.h): version 1, type 2, size.
func oeReport(quote []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, 2<<32|1)
	return append(binary.LittleEndian.AppendUint64(out, uint64(len(quote))), quote...)
}

// oeEvidence puts Open Enclave's header of evidence (common/attest_plugin.c)
// before a quote and the claims behind it: version 3, format SGX_ECDSA, padding,
// size.
func oeEvidence(quote, claims []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, 3)
	out = append(out, 0xa3, 0xa2, 0x1e, 0x87, 0x1b, 0x4d, 0x40, 0x14, 0xb7, 0x0a, 0xa1, 0x25, 0xd2, 0xfb, 0xcd, 0x8c, 0, 0, 0, 0)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(quote)+len(claims)))
	return append(append(out, quote...), claims...)
}
