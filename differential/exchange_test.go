// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// exchanges returns every row with each statement exchanged in turn for every
// other of its kind among the rows that holds at the row's time: of another
// platform, for the other TEE, under another evaluation data number, by the
// other PCK CA.
func exchanges(t testing.TB, cases []realCase) []change {
	t.Helper()
	var out []change
	for kind, slot := range map[rats.EndorsementKind]func(*sample) (body, issuer *[]byte){
		rats.TCBInfo:    func(s *sample) (body, issuer *[]byte) { return &s.tcbInfo, &s.tcbSigner },
		rats.QEIdentity: func(s *sample) (body, issuer *[]byte) { return &s.qeIdentity, &s.qeSigner },
		rats.PCKCRL:     func(s *sample) (body, issuer *[]byte) { return &s.pckCRL, &s.pckCA },
	} {
		seen := map[[32]byte]bool{}
		for i := range cases {
			body, issuer := slot(&cases[i].sample)
			digest := sha256.Sum256(*body)
			if seen[digest] {
				continue
			}
			seen[digest] = true
			e := rats.Endorsement{Kind: kind, Body: *body, Issuers: [][]byte{*issuer}}
			info, err := attesteer.CheckEndorsement(e, nil)
			if err != nil {
				t.Fatal(err)
			}
			for j := range cases {
				s := cases[j].sample
				toBody, toIssuer := slot(&s)
				if s.at.Before(info.ValidFrom) || s.at.After(info.ValidUntil) || bytes.Equal(*toBody, *body) {
					continue
				}
				*toBody, *toIssuer = *body, *issuer
				out = append(out, change{sample: s, part: string(kind) + " of " + cases[i].name})
			}
		}
	}
	return out
}
