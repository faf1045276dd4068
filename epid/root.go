// SPDX-License-Identifier: Apache-2.0

package epid

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"

	"github.com/attesteer/attesteer/rats"
)

// Intel's root of report signing keys, and the one certificate that it issued,
// which most reports travel without.
const (
	intelRootName = "MH4xCzAJBgNVBAYTAlVTMQswCQYDVQQIDAJDQTEUMBIGA1UEBwwLU2FudGEgQ2xhcmExGjAYBgNVBAoMEUlu" +
		"dGVsIENvcnBvcmF0aW9uMTAwLgYDVQQDDCdJbnRlbCBTR1ggQXR0ZXN0YXRpb24gUmVwb3J0IFNpZ25pbmcgQ0E="
	intelRootKey = "MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAnzxkfrV3PLtRLScywNdBXrtVoPqe3i5kkZnmgh25ENUxdzcJd0Zqal5HhszS3evUFJ1qL2Ml" +
		"Up3RDMmHN7B3nBoH4pxHoa4ASUhHbEifRaWhXXrI7MasxkWttD2HZ531nAk7xaLpaWxUeFQbl551S1c5FL5V0y/0wJ3fJyGZNM2ZBSez+S7Xj78pJGq+" +
		"y3EkDvOcLXEHtEdUWn/7EOsGCmiphYAhnjaRCVJoOJLWpeKoCAMZPkB1MUBONrMVYjeZqoJQdECXVKLf6PWv1f5jHh/CrzgIkG8op5DZ3Z/gYJObEleQ" +
		"xYBdA331aplTG5bead4z7SJswSB9EEK1yat/QE/HEcD+R2n7lXix3A7EaeoaJeD/mRSIbvJpmyNbtIR91v9AtgbmFweTwvuYsxRYf5z9JXNi3+qxCzvS" +
		"2XZzoaS9RMRTqvR/wfLT0POE90oG+JwInw2mzbf87ujJghqOVPJcBBbRjEaDml+AEvvdPcdNJWJ5rcLA1Vr/bwYiQl0bAgMBAAE="
	intelSigning = "MIIEoTCCAwmgAwIBAgIJANEHdl0yo7CWMA0GCSqGSIb3DQEBCwUAMH4xCzAJBgNVBAYTAlVTMQswCQYDVQQIDAJDQTEUMBIGA1UEBwwLU2FudGEgQ2xh" +
		"cmExGjAYBgNVBAoMEUludGVsIENvcnBvcmF0aW9uMTAwLgYDVQQDDCdJbnRlbCBTR1ggQXR0ZXN0YXRpb24gUmVwb3J0IFNpZ25pbmcgQ0EwHhcNMTYx" +
		"MTIyMDkzNjU4WhcNMjYxMTIwMDkzNjU4WjB7MQswCQYDVQQGEwJVUzELMAkGA1UECAwCQ0ExFDASBgNVBAcMC1NhbnRhIENsYXJhMRowGAYDVQQKDBFJ" +
		"bnRlbCBDb3Jwb3JhdGlvbjEtMCsGA1UEAwwkSW50ZWwgU0dYIEF0dGVzdGF0aW9uIFJlcG9ydCBTaWduaW5nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" +
		"MIIBCgKCAQEAqXot4OZuphR8nudFrAFiaGxxkgma/Es/BA+tbeCTUR106AL1ENcWA4FX3K+E9BBL0/7X5rj5nIgX/R/1ubhkKWw9gfqPG3KeAtIdcv/u" +
		"TO1yXv50vqaPvE1CRChvzdS/ZEBqQ5oVvLTPZ3VEicQjlytKgN9cLnxbwtuvLUK7eyRPfJW/ksddOzP8VBBniolYnRCD2jrMRZ8nBM2ZWYwnXnwYeOAH" +
		"V+W9tOhAImwRwKF/95yAsVwd21ryHMJBcGH70qLagZ7Ttyt++qO/6+KAXJuKwZqjRlEtSEz8gZQeFfVYgcwSfo96oSMAzVr7V0L6HSDLRnpb6xxmbPdq" +
		"Nol4tQIDAQABo4GkMIGhMB8GA1UdIwQYMBaAFHhDe3amfrzQr35CN+s1fDuHAVE8MA4GA1UdDwEB/wQEAwIGwDAMBgNVHRMBAf8EAjAAMGAGA1UdHwRZ" +
		"MFcwVaBToFGGT2h0dHA6Ly90cnVzdGVkc2VydmljZXMuaW50ZWwuY29tL2NvbnRlbnQvQ1JML1NHWC9BdHRlc3RhdGlvblJlcG9ydFNpZ25pbmdDQS5j" +
		"cmwwDQYJKoZIhvcNAQELBQADggGBAGcIthtcK9IVRz4rRq+ZKE+7k50/OxUsmW8aavOzKb0iCx07YQ9rzi5nU73tME2yGRLzhSViFs/LpFa9lpQL6JL1" +
		"aQwmDR74TxYGBAIi5f4I5TJoCCEqRHz91kpG6Uvyn2tLmnIdJbPE4vYvWLrtXXfFBSSPD4Afn7+3/XUggAlc7oCTizOfbbtOFlYA4g5KcYgS1J2ZAeMQ" +
		"qbUdZseZCcaZZZn65tdqee8UXZlDvx0+NdO0LR+5pFy+juM0wWbu59MvzcmTXbjsi7HY6zd53Yq5K244fwFHRQ8eOB0IWB+4PfM7FeAApZvlfqlKOlLc" +
		"ZL2uyVmzRkyR5yW72uo9mehX44CiPJ2fse9Y6eQtcfEhMPkmHXI01sN+KwPbpA39+xOsStjhP9N1Y1a2tQAVo+yVgLgV2Hws73Fc0o3wC78qPEA+v2aR" +
		"s/Be3ZFDgDyghc/1fgU+7C+P6kbqd4poyb6IW8KCJbxfMJvkordNOgOUUxndPHEi/tb/U7uLjLOgPA=="
)

// Intel returns the pinned root of Intel's report signing keys, "Intel SGX
// Attestation Report Signing CA", an RSA key of 3,072 bits. Its SHA-256
// (SubjectPublicKeyInfo) is
// a9beeb83bb1222c108b436bdd82334e5cf380d61039dae11db95272343850394.
//
// It bears the name of the vendor as the root of SGX and TDX does. They are two
// roots all the same: names and keys differ, and neither vouches for what the
// other signs.
func Intel() rats.TrustRoot {
	return rats.TrustRoot{Name: rats.IntelRoot, Subject: mustDecode(intelRootName), PublicKey: mustDecode(intelRootKey)}
}

// SigningCertificate returns the certificate (DER) of the key that signed
// Intel's reports, for those that come without one. It held from 2016-11-22 to
// 2026-11-20.
func SigningCertificate() []byte { return mustDecode(intelSigning) }

func mustDecode(text string) []byte {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err) // the constants above
	}
	return b
}

// root is a trust root whose key is ready for use.
type root struct {
	rats.TrustRoot
	key any
}

// rootNamed returns the root that bears a name (raw DER) and may vouch for
// reports, or nil. nil roots stand for the vendor's pinned one.
//
// Where the vendor is Intel that is the root of report signing keys alone, which
// has an RSA key; another vendor's vouches for reports as for all else.
func rootNamed(roots []rats.TrustRoot, name []byte) *root {
	if roots == nil {
		roots = []rats.TrustRoot{Intel()}
	}
	for _, r := range roots {
		if !bytes.Equal(r.Subject, name) {
			continue
		}
		parsed, err := x509.ParsePKIXPublicKey(r.PublicKey)
		if err != nil {
			return nil
		}
		switch key := parsed.(type) {
		case *rsa.PublicKey:
			return &root{r, key}
		case *ecdsa.PublicKey:
			if key.Curve == elliptic.P256() && r.Name != rats.IntelRoot {
				return &root{r, key}
			}
		}
		return nil
	}
	return nil
}

// issued checks that the root signed a certificate, over SHA-256.
func (r *root) issued(c *x509.Certificate) error {
	return signedBy(r.key, c)
}

// signedBy checks that an RSA or P-256 key signed a certificate over SHA-256, the
// only way that certificates of report signing keys are signed in.
func signedBy(key any, c *x509.Certificate) error {
	digest := sha256.Sum256(c.RawTBSCertificate)
	good := false
	switch key := key.(type) {
	case *rsa.PublicKey:
		if c.SignatureAlgorithm != x509.SHA256WithRSA {
			return otherAlgorithm(c)
		}
		good = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], c.Signature) == nil
	case *ecdsa.PublicKey:
		if c.SignatureAlgorithm != x509.ECDSAWithSHA256 || key.Curve != elliptic.P256() {
			return otherAlgorithm(c)
		}
		good = ecdsa.VerifyASN1(key, digest[:], c.Signature)
	default:
		return otherAlgorithm(c)
	}
	if !good {
		return rats.Errorf(rats.BadSignature, "certificate %q: its signature does not verify", c.Subject.CommonName)
	}
	return nil
}

func otherAlgorithm(c *x509.Certificate) error {
	return rats.Errorf(rats.Unsupported, "certificate %q is signed with %v, which is not checked here", c.Subject.CommonName, c.SignatureAlgorithm)
}
