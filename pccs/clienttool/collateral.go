// SPDX-License-Identifier: Apache-2.0

package clienttool

// Collateral is a file of collateral. What is empty is not in the file.
type Collateral struct {
	// Version is that of the API that the file was made for, 3 or 4.
	Version int
	// Platforms are those that the file was fetched for.
	Platforms []Platform
	PCKCerts  []PlatformCerts
	TCBInfos  []TCBInfos
	// Identities are those of enclaves, each as signed.
	Identities []Identity
	// ProcessorCRL, PlatformCRL and RootCRL are in DER.
	ProcessorCRL, PlatformCRL, RootCRL []byte
	// RootCRLURL is where the root's list comes from.
	RootCRLURL string
	// Chains are in PEM, signer first, root last.
	Chains Chains
	// Ignored says which members of the file were passed over, and where.
	Ignored []string
}

// Chains are the certificates that vouch for what a file holds, in PEM, signer
// first and root last.
type Chains struct {
	// Processor and Platform are those of PCK certificates and their CRLs.
	Processor, Platform []byte
	TCBInfo, Identity   []byte
}

// PlatformCerts are the PCK certificates of one platform.
type PlatformCerts struct {
	// QEID, PCEID, EncryptedPPID and Manifest are as in [Platform].
	QEID, PCEID, EncryptedPPID, Manifest string
	Certs                                []Cert
}

// Cert is the PCK certificate for one TCB level.
type Cert struct {
	// TCB is the level's components, the JSON object as Intel's service sent it.
	TCB []byte
	// TCBm is CPUSVN and, low byte first, PCESVN in 36 upper-case hex digits.
	TCBm string
	// PEM is one certificate, nil where the service has none: "Not available".
	PEM []byte
}

// TCBInfos is the TCB info of one FMSPC.
type TCBInfos struct {
	// FMSPC has 12 upper-case hex digits.
	FMSPC string
	// TDX is nil where the FMSPC has none, and in version 3.
	SGX, TDX, SGXEarly, TDXEarly Statement
}

// Enclave names an enclave that Intel describes.
type Enclave string

// The enclaves of files: the quoting enclaves of SGX and of TDX, and the quote
// verification enclave.
const (
	QE   Enclave = "qe"
	TDQE Enclave = "tdqe"
	QVE  Enclave = "qve"
)

// enclaves are all, in the order of files.
func enclaves() []Enclave { return []Enclave{QE, TDQE, QVE} }

// Identity is the identity of an enclave.
type Identity struct {
	Enclave Enclave
	// Early tells the identity of the early update from the standard one.
	Early bool
	Body  Statement
}

// The names under which a file keeps chains.
const (
	pckChain      = "SGX-PCK-Certificate-Issuer-Chain"
	tcbChain      = "TCB-Info-Issuer-Chain"
	tcbChainV3    = "SGX-TCB-Info-Issuer-Chain"
	identityChain = "SGX-Enclave-Identity-Issuer-Chain"
)

// notAvailable stands in place of a certificate that the service does not give.
const notAvailable = "Not available"

// tcbInfoSlot is a member of an entry of tcbinfos.
type tcbInfoSlot struct {
	name string
	of   func(*TCBInfos) *Statement
}

// tcbInfoSlots are the members of an entry for a version.
func tcbInfoSlots(version int) []tcbInfoSlot {
	sgx := func(t *TCBInfos) *Statement { return &t.SGX }
	sgxEarly := func(t *TCBInfos) *Statement { return &t.SGXEarly }
	if version == 3 {
		return []tcbInfoSlot{{"tcbinfo", sgx}, {"tcbinfo_early", sgxEarly}}
	}
	return []tcbInfoSlot{
		{"sgx_tcbinfo", sgx},
		{"tdx_tcbinfo", func(t *TCBInfos) *Statement { return &t.TDX }},
		{"sgx_tcbinfo_early", sgxEarly},
		{"tdx_tcbinfo_early", func(t *TCBInfos) *Statement { return &t.TDXEarly }},
	}
}
