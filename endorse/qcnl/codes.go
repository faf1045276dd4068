// SPDX-License-Identifier: Apache-2.0

package qcnl

import (
	"slices"
	"strconv"
	"strings"
)

// Code is one of the numbers by which Intel's quote libraries say what went
// wrong. Those of the family 0xe000 are quote3_error_t of sgx_ql_lib_common.h,
// those of 0xb000 are QCNL's own.
type Code struct {
	Number uint32 `json:"-"`
	// Name is the constant's.
	Name string `json:"name"`
	// Means says what happened, and Try what to do about it, for people. Try is
	// empty where the program that saw the code has to be looked at.
	Means string `json:"means"`
	Try   string `json:"try,omitempty"`
}

// Explain returns the code that a text names: 0xe019, e019, 57369 or a constant.
func Explain(text string) (Code, bool) {
	text = strings.TrimSpace(text)
	hex := strings.TrimPrefix(lower(text), "0x")
	number, err := strconv.ParseUint(hex, 16, 32)
	if decimal, other := strconv.ParseUint(text, 10, 32); other == nil && decimal > 0xb000 && decimal < 0xe100 {
		number, err = decimal, nil
	}
	all := Codes()
	i := slices.IndexFunc(all, func(c Code) bool {
		return err == nil && c.Number == uint32(number) || strings.EqualFold(c.Name, text) //nolint:gosec // parsed as 32 bits
	})
	if i < 0 {
		return Code{}, false
	}
	return all[i], true
}

// Codes returns those that have to do with collateral, certificates and the
// service they come from, and the most common others, by number.
func Codes() []Code {
	return slices.Concat(clientCodes(), quotingCodes(), serviceCodes(), collateralCodes(), verdictCodes())
}

// clientCodes are those of QCNL itself that a program gets to see.
func clientCodes() []Code {
	return []Code{
		{0xb030, "SGX_QCNL_INVALID_CONFIG", "an option of the configuration file has a value that cannot be, or pccs_api_version is neither 3.0 nor 3.1", "attesteer pccs check-conf says where"},
		{0xb035, "SGX_QCNL_CONFIG_NOT_JSON", "the configuration file is not JSON that is taken; sgx_qpl_global_init alone says so, and goes on without the file", "attesteer pccs check-conf says where"},
	}
}

func quotingCodes() []Code {
	return []Code{
		{0xe001, "SGX_QL_ERROR_UNEXPECTED", "something failed that has no code of its own", "turn on the library's log: sgx_ql_set_logging_callback"},
		{0xe002, "SGX_QL_ERROR_INVALID_PARAMETER", "the program passed a parameter that cannot be", ""},
		{0xe003, "SGX_QL_ERROR_OUT_OF_MEMORY", "no memory was left", ""},
		{0xe00d, "SGX_QL_INTERFACE_UNAVAILABLE", "the quoting enclave could not be loaded, or the service that runs it does not answer", "look whether aesmd runs and the devices of SGX are open to the program"},
		{0xe00e, "SGX_QL_PLATFORM_LIB_UNAVAILABLE", "the library that fetches certificates was not found", "install libsgx-dcap-default-qpl, or a cloud's own, and make libdcap_quoteprov.so.1 findable"},
		{0xe00f, "SGX_QL_ATT_KEY_NOT_INITIALIZED", "there is no attestation key, or none that is certified", "have sgx_qe_get_target_info called first"},
		{0xe010, "SGX_QL_ATT_KEY_CERT_DATA_INVALID", "the certificates that came for the attestation key do not fit", "look at what the PCCS answers to pckcert"},
		{0xe011, "SGX_QL_NO_PLATFORM_CERT_DATA", "there is no PCK certificate for this platform", "register the platform with PCKIDRetrievalTool, and look whether the PCCS could fetch its certificates"},
		{0xe014, "SGX_QL_ENCLAVE_LOST", "the enclave was lost in a power transition", "load it again"},
		{0xe016, "SGX_QL_ENCLAVE_LOAD_ERROR", "an enclave could not be loaded", "look at the installation and the free EPC"},
		{0xe018, "SGX_QL_KEY_CERTIFCATION_ERROR", "the certificate is of a higher TCB than the platform has", "the PCCS chose a certificate of another platform or TCB: have it refreshed"},
	}
}

func serviceCodes() []Code {
	return []Code{
		{0xe019, "SGX_QL_NETWORK_ERROR", "the service could not be reached, or answered 403", "one code for many causes: wrong host or port, a PCCS that is down, a proxy, or a configuration file that was not understood, so that localhost:8081 was asked; see attesteer pccs check-conf"},
		{0xe01a, "SGX_QL_MESSAGE_ERROR", "the service's answer lacks something, such as its issuer chain", "look whether a proxy drops headers or answers itself"},
		{0xe01b, "SGX_QL_NO_QUOTE_COLLATERAL_DATA", "the service does not have what was asked for (404)", "look at which name was asked; for an appraisal policy: none was put there for this FMSPC"},
		{0xe01c, "SGX_QL_QUOTE_CERTIFICATION_DATA_UNSUPPORTED", "the quote carries certification data of a type that is not taken", "a quote must carry its PCK certificate chain (type 5)"},
		{0xe034, "SGX_QL_UNABLE_TO_GET_COLLATERAL", "the collateral to verify with could not be had", "the code of the library below says why: turn on its log"},
		{0xe035, "SGX_QL_ERROR_INVALID_PRIVILEGE", "the program may not do this", "look at its user and groups"},
		{0xe037, "SGX_QL_NO_QVE_IDENTITY_DATA", "the identity of the quote verification enclave could not be had", "have the PCCS refreshed"},
		{0xe040, "SGX_QL_SERVICE_UNAVAILABLE", "the service, or aesmd, is not available", "look whether it runs"},
		{0xe041, "SGX_QL_NETWORK_FAILURE", "the network failed on the way to a service", "look at proxies and name resolution"},
		{0xe042, "SGX_QL_SERVICE_TIMEOUT", "a service did not answer in time", ""},
		{0xe043, "SGX_QL_ERROR_BUSY", "a service is busy", "try again later"},
		{0xe044, "SGX_QL_UNKNOWN_MESSAGE_RESPONSE", "the service answered with a status that the library does not know", "redirections are not followed and 429 is not waited for; 400, 401, 410 and 500 come as this too: look at the PCCS's log"},
		{0xe045, "SGX_QL_PERSISTENT_STORAGE_ERROR", "what should be kept could not be written", ""},
		{0xe046, "SGX_QL_ERROR_MESSAGE_PARSING_ERROR", "an answer could not be parsed", "look whether a proxy answered in place of the service"},
		{0xe047, "SGX_QL_PLATFORM_UNKNOWN", "the PCCS does not know this platform (461)", "register it with PCKIDRetrievalTool, or let the PCCS ask by itself (mode lazy)"},
		{0xe048, "SGX_QL_UNKNOWN_API_VERSION", "the service speaks another version", "look at the version in pccs_url"},
		{0xe049, "SGX_QL_CERTS_UNAVAILABLE", "Intel has no certificates for some TCB of this platform (462)", "update the platform's microcode, or register it again"},
	}
}

func collateralCodes() []Code {
	return []Code{
		{0xe01d, "SGX_QL_QUOTE_FORMAT_UNSUPPORTED", "the quote is of a version or form that is not taken, or is damaged", "see attesteer inspect"},
		{0xe01f, "SGX_QL_QE_REPORT_INVALID_SIGNATURE", "the signature over the quoting enclave's report does not verify", "the quote was changed, or its PCK certificate is another's"},
		{0xe021, "SGX_QL_PCK_CERT_UNSUPPORTED_FORMAT", "the PCK certificate is not of the form expected", ""},
		{0xe022, "SGX_QL_PCK_CERT_CHAIN_ERROR", "the PCK certificate's chain does not lead to Intel's root", ""},
		{0xe023, "SGX_QL_TCBINFO_UNSUPPORTED_FORMAT", "the TCB info is not of the form expected", "for TDX version 3 of it is needed: a path with /v4/"},
		{0xe024, "SGX_QL_TCBINFO_MISMATCH", "the TCB info is of another platform", ""},
		{0xe025, "SGX_QL_QEIDENTITY_UNSUPPORTED_FORMAT", "the QE identity is not of the form expected", ""},
		{0xe026, "SGX_QL_QEIDENTITY_MISMATCH", "the quoting enclave is not the one of the identity", ""},
		{0xe02c, "SGX_QL_SGX_TCB_INFO_EXPIRED", "the TCB info is past its next update", "have the PCCS refreshed, then drop the library's own cache, which may keep it for 90 days"},
		{0xe02d, "SGX_QL_SGX_PCK_CERT_CHAIN_EXPIRED", "a certificate of the PCK chain has ended", "the platform needs new certificates"},
		{0xe02e, "SGX_QL_SGX_CRL_EXPIRED", "a revocation list is past its next update", "have the PCCS refreshed"},
		{0xe02f, "SGX_QL_SGX_SIGNING_CERT_CHAIN_EXPIRED", "the certificate that signed TCB info or identity has ended", "have the PCCS refreshed"},
		{0xe030, "SGX_QL_SGX_ENCLAVE_IDENTITY_EXPIRED", "an enclave identity is past its next update", "have the PCCS refreshed"},
		{0xe038, "SGX_QL_CRL_UNSUPPORTED_FORMAT", "a revocation list is not of the form expected", "pccs_api_version says whether hex (3.0) or DER (3.1) is asked for: a service that answers otherwise ends here"},
		{0xe039, "SGX_QL_QEIDENTITY_CHAIN_ERROR", "the chain of the QE identity is wrong", "look whether a proxy changes the header with the issuer chain"},
		{0xe03a, "SGX_QL_TCBINFO_CHAIN_ERROR", "the chain of the TCB info is wrong", "look whether a proxy changes the header with the issuer chain"},
		{0xe053, "SGX_QL_COLLATERAL_VERSION_NOT_SUPPORTED", "the collateral is of a version that is not taken", "look at pccs_api_version"},
		{0xe061, "SGX_QL_QEIDENTITY_NOT_FOUND", "the service has no QE identity (404 on qe/identity)", "have the PCCS refreshed; look whether pccs_url ends in a slash, and for TDX has /sgx/ in it"},
		{0xe062, "SGX_QL_TCBINFO_NOT_FOUND", "the service has no TCB info for this FMSPC (404 on tcb)", "register the platform with the PCCS; look whether pccs_url ends in a slash, and for TDX has /sgx/ in it"},
		{0xe063, "SGX_QL_INTERNAL_SERVER_ERROR", "the service failed", "look at the PCCS's log"},
		{0xe065, "SGX_QL_ROOT_CA_UNTRUSTED", "the service's TLS certificate is not trusted", "have its certificate, or its issuer's, trusted by the system; use_secure_cert false gives the check up for every service"},
	}
}

func verdictCodes() []Code {
	return []Code{
		{0xe027, "SGX_QL_TCB_OUT_OF_DATE", "the platform's TCB is out of date", "update its firmware and microcode"},
		{0xe028, "SGX_QL_TCB_OUT_OF_DATE_AND_CONFIGURATION_NEEDED", "the platform's TCB is out of date, and its configuration needs a change", "update it, then follow the advisories"},
		{0xe031, "SGX_QL_PCK_REVOKED", "the platform's PCK certificate is revoked", ""},
		{0xe032, "SGX_QL_TCB_REVOKED", "the platform's TCB is revoked", ""},
		{0xe033, "SGX_QL_TCB_CONFIGURATION_NEEDED", "the platform's configuration needs a change", "follow the advisories"},
		{0xe03c, "SGX_QL_TCB_SW_HARDENING_NEEDED", "the enclave has to be hardened in software", "follow the advisories"},
		{0xe03d, "SGX_QL_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED", "both configuration and the enclave need a change", "follow the advisories"},
		{0xe066, "SGX_QL_TCB_NOT_SUPPORTED", "no TCB level fits the platform", ""},
	}
}
