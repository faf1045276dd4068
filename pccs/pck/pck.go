// SPDX-License-Identifier: Apache-2.0

// Package pck chooses, among the PCK certificates of one platform, the one that
// serves a raw TCB: what a caching service does when a platform comes with a
// TCB that it was not asked about before.
//
// A platform gets a certificate for every TCB level of its FMSPC that it can
// reach. The one that serves is the best that the raw TCB reaches, by the order
// of the levels in TCB info. TCBs are partially ordered: of two, neither may be
// as good as the other.
//
// Everything here is a pure function. It checks no signature: what it is given
// was checked before.
package pck

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// clause is cited by the checks of this package.
const clause = "Intel SGX PCK Certificate and CRL Profile 1.4, 1.3.5"

// components is how many parts a TCB has: 16 component SVNs and the PCE's.
const components = 17

// TCB is 16 SVNs and, last, the SVN of the PCE. TCBs are compared part by part.
type TCB [components]uint16

// MakeTCB returns the TCB of a CPUSVN, or of component SVNs, and a PCESVN.
func MakeTCB(cpusvn [16]byte, pcesvn uint16) TCB {
	var t TCB
	for i, svn := range cpusvn {
		t[i] = uint16(svn)
	}
	t[components-1] = pcesvn
	return t
}

// ParseRaw reads a raw TCB as it is on the wire: the CPUSVN in 32 hex digits,
// the PCESVN in 4, low byte first (PCS API v4, Get PCK Certificate). The error
// is Malformed.
func ParseRaw(cpusvn, pcesvn string) (TCB, error) {
	cpu, err := hex.DecodeString(cpusvn)
	if err != nil || len(cpu) != 16 {
		return TCB{}, rats.Errorf(rats.Malformed, "a CPUSVN is 32 hex digits")
	}
	pce, err := hex.DecodeString(pcesvn)
	if err != nil || len(pce) != 2 {
		return TCB{}, rats.Errorf(rats.Malformed, "a PCESVN is 4 hex digits")
	}
	return MakeTCB([16]byte(cpu), uint16(pce[0])|uint16(pce[1])<<8), nil
}

// Reaches reports whether t is as good as other in every part. Where neither of
// two TCBs reaches the other they cannot be compared.
func (t TCB) Reaches(other TCB) bool {
	for i := range t {
		if t[i] < other[i] {
			return false
		}
	}
	return true
}

// above reports whether t reaches other and is not the same.
func (t TCB) above(other TCB) bool { return t != other && t.Reaches(other) }

// Certificate is what of a PCK certificate the choice goes by.
type Certificate struct {
	// X509 is the certificate itself.
	X509 *x509.Certificate
	dcap.PCKExtension
}

// ParsePEM reads one PCK certificate in PEM, with nothing but white space around
// it. The error is Malformed.
func ParsePEM(text []byte) (*Certificate, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 ||
		!bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN CERTIFICATE-----")) {
		return nil, rats.Errorf(rats.Malformed, "a PCK certificate is one certificate in PEM")
	}
	return Parse(block.Bytes)
}

// Parse reads one PCK certificate in DER. The error is Malformed.
func Parse(der []byte) (*Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "PCK certificate: %w", err)
	}
	if cert.Version != 3 {
		return nil, malformed("PCK certificate of X.509 version %d", cert.Version)
	}
	extension, err := dcap.ReadPCKExtension(cert)
	if err != nil {
		return nil, err
	}
	return &Certificate{X509: cert, PCKExtension: *extension}, nil
}

// TCB returns the TCB that the certificate is for: the CPUSVN and PCESVN of its
// SGX extension.
func (c *Certificate) TCB() TCB { return MakeTCB(c.CPUSVN, c.PCESVN) }

// TCBm returns the name that services have for that TCB.
func (c *Certificate) TCBm() string { return c.TCB().Name() }

// Name returns what services call a TCB: the CPUSVN and, low byte first, the
// PCESVN in 36 upper-case hex digits (PCS API v4, SGX-TCBm).
func (t TCB) Name() string {
	var b [18]byte
	for i, svn := range t[:16] {
		b[i] = byte(svn) //nolint:gosec // MakeTCB has it from a byte
	}
	b[16], b[17] = byte(t[16]), byte(t[16]>>8) //nolint:gosec // low byte first
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

func malformed(format string, args ...any) error {
	e := rats.Errorf(rats.Malformed, format, args...)
	e.Spec = clause
	return e
}
