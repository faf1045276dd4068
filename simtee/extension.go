// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"encoding/asn1"

	"github.com/attesteer/attesteer/dcap"
)

// pceID is that of Intel's only provisioning certification enclave.
func pceID() [2]byte { return [2]byte{} }

// sgxOID returns an object identifier below Intel's arc for the SGX extension
// of PCK certificates (Intel SGX PCK Certificate and CRL Profile, 1.3.5).
func sgxOID(sub ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}, sub...)
}

// element is one entry of the extension and of the sequences in it.
type element struct {
	ID    asn1.ObjectIdentifier
	Value any
}

// SGXExtension returns the value of the SGX extension of PCK certificates that
// says e: PPID, TCB, PCE id, FMSPC, SGX type and, where e.Platform is set as the
// Platform CA sets it, platform instance id and configuration.
func SGXExtension(e *dcap.PCKExtension) ([]byte, error) {
	tcb := make([]element, 0, 18)
	for i, svn := range e.Components {
		tcb = append(tcb, element{sgxOID(2, i+1), int(svn)})
	}
	tcb = append(tcb,
		element{sgxOID(2, 17), int(e.PCESVN)},
		element{sgxOID(2, 18), e.CPUSVN[:]},
	)
	elements := []element{
		{sgxOID(1), e.PPID[:]},
		{sgxOID(2), tcb},
		{sgxOID(3), e.PCEID[:]},
		{sgxOID(4), e.FMSPC[:]},
		{sgxOID(5), asn1.Enumerated(e.SGXType)},
	}
	if f := e.Platform; f != nil {
		elements = append(elements,
			element{sgxOID(6), f.InstanceID[:]},
			element{sgxOID(7), []element{
				{sgxOID(7, 1), f.DynamicPlatform},
				{sgxOID(7, 2), f.CachedKeys},
				{sgxOID(7, 3), f.SMTEnabled},
			}},
		)
	}
	value, err := asn1.Marshal(elements)
	if err != nil {
		return nil, internal("SGX extension", err)
	}
	return value, nil
}

// certified returns what the vendor certifies of the machine that seed names at
// a level. CPUSVN is opaque on hardware; here it is the components themselves.
func (p *PKI) certified(seed uint32, level tcbLevel) *dcap.PCKExtension {
	ppid, instance := derive("ppid", seed), derive("platform instance id", seed)
	e := &dcap.PCKExtension{
		PPID: [16]byte(ppid[:16]), Components: level.components, PCESVN: level.pceSVN, CPUSVN: level.components,
		PCEID: pceID(), FMSPC: fmspc(),
	}
	if !p.faults.ProcessorCA {
		// Scalable, as platforms with more than one package are.
		e.SGXType = 1
		e.Platform = &dcap.PlatformExtension{InstanceID: [16]byte(instance[:16]), DynamicPlatform: true, SMTEnabled: true}
	}
	if p.faults.Extension != nil {
		p.faults.Extension(e)
	}
	return e
}
