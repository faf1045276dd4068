// SPDX-License-Identifier: Apache-2.0

package simtee

import "encoding/asn1"

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

// sgxExtension returns the SGX extension's value in the form of a Platform CA,
// with seven elements: PPID, TCB, PCE id, FMSPC, SGX type, platform instance id
// and configuration.
func sgxExtension(ppid, instance [16]byte, level tcbLevel) ([]byte, error) {
	tcb := make([]element, 0, 18)
	for i, svn := range level.components {
		tcb = append(tcb, element{sgxOID(2, i+1), int(svn)})
	}
	// CPUSVN is opaque on hardware; here it is the components themselves.
	tcb = append(tcb,
		element{sgxOID(2, 17), int(level.pceSVN)},
		element{sgxOID(2, 18), level.components[:]},
	)
	family, pce := fmspc(), pceID()
	value, err := asn1.Marshal([]element{
		{sgxOID(1), ppid[:]},
		{sgxOID(2), tcb},
		{sgxOID(3), pce[:]},
		{sgxOID(4), family[:]},
		{sgxOID(5), asn1.Enumerated(1)}, // scalable, as platforms with more than one package are
		{sgxOID(6), instance[:]},
		{sgxOID(7), []element{
			{sgxOID(7, 1), true},  // dynamic platform
			{sgxOID(7, 2), false}, // cached keys
			{sgxOID(7, 3), true},  // SMT enabled
		}},
	})
	if err != nil {
		return nil, internal("SGX extension", err)
	}
	return value, nil
}
