// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"net/http"
	"strings"
)

// Names of headers as Intel's service writes them. HTTP/1.1 keeps the case, for
// clients that compare it; HTTP/2 has none.
const (
	headerTCBm           = "SGX-TCBm"
	headerFMSPC          = "SGX-FMSPC"
	headerCAType         = "SGX-PCK-Certificate-CA-Type"
	headerPCKChain       = "SGX-PCK-Certificate-Issuer-Chain"
	headerPCKCRLChain    = "SGX-PCK-CRL-Issuer-Chain"
	headerTCBInfoChain   = "TCB-Info-Issuer-Chain"
	headerTCBInfoChainV3 = "SGX-TCB-Info-Issuer-Chain"
	headerIdentityChain  = "SGX-Enclave-Identity-Issuer-Chain"
	headerNumbersChain   = "TCB-Evaluation-Data-Numbers-Issuer-Chain"
	headerRequestID      = "Request-ID"
	headerCount          = "platform-count"
	headerWarning        = "Warning"
	// headerMessage says why a request was refused, where Intel's own service does.
	headerMessage = "Error-Message"
	// HeaderNextUpdate says until when an answer holds, by what Intel signed in it,
	// as RFC 3339 has it. It is of this project; clients of Intel's pass it over.
	HeaderNextUpdate = "Attesteer-Next-Update"
	// HeaderStale is there, with the same time, when that has passed.
	HeaderStale = "Attesteer-Stale"
)

// Types of content.
const (
	typeSentence = "text/html; charset=utf-8"
	typePEM      = "application/x-pem-file"
	typeCRL      = "application/pkix-crl"
	typeCRLText  = "application/pkix-crl; charset=utf-8"
	typeJSON     = "application/json; charset=utf-8"
	// typePCS is what Intel's own service says of JSON; its tools compare it whole.
	typePCS = "application/json"
)

// endOfV3 goes with every answer under a path of version 3.
const endOfV3 = `299 - "PCS API version 3 is no longer available. What is cached of it is served, not renewed, and comes to its end. Use version 4."`

// sentenceRetired goes with 410 where it is not version 3 of the API that has ended
// but an evaluation (PCS API v4, Get TCB Info).
const sentenceRetired = "The TCB evaluation is retired, and is no longer served."

// sentence returns the body that goes with a status; clients print it, and some
// tell cases apart by it.
func sentence(status int) string {
	switch status {
	case http.StatusOK:
		return "Operation successful."
	case http.StatusBadRequest:
		return "Invalid request parameters."
	case http.StatusUnauthorized:
		return "Authentication failed."
	case http.StatusNotFound:
		return "No cache data for this platform."
	case http.StatusGone:
		return "The Intel PCS API version 3 reached planned EOL. Accordingly, collateral from this API version cannot be retrieved any longer."
	case http.StatusRequestEntityTooLarge:
		return "Content too large."
	case StatusIntegrity:
		return "The integrity of the data can't be verified."
	case StatusUnknownPlatform:
		return "The platform was not found in the cache."
	case StatusNoCertificate:
		return "Certificates are not available for certain TCBs."
	case http.StatusBadGateway:
		return "Unable to retrieve the collateral from the Intel SGX PCS."
	case http.StatusServiceUnavailable:
		return "Server is currently unable to process the request."
	default:
		return "Internal server error occurred."
	}
}

// escapeComponent writes s as JavaScript's encodeURIComponent does, which is how
// issuer chains stand in headers (ECMA-262 section 19.2.6.4): of Go's two ways
// one leaves the plus sign as it is, the other makes one of each blank, and
// clients read either wrongly.
func escapeComponent(s string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	out.Grow(len(s) + len(s)/4)
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			out.WriteByte(c)
		} else {
			out.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return out.String()
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.!~*'()", c) >= 0
}

// isHex reports whether s is n hexadecimal digits, of either case.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
