// SPDX-License-Identifier: Apache-2.0

package attesteer_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// short is the length up to which each bit of a statement is flipped in any
// sample; of longer ones every 13th, which meets each member of JSON and each
// bit of a byte.
const (
	short         = 512
	everySomeBits = 13
)

// TestNoBitOfTheEndorsementsIsIgnored flips bits of TCB info, identity and both
// revocation lists of simulated and real samples, SGX and TDX, all bits of one of
// them: a statement that was changed is broken, and what rests on it alone is
// never accepted.
func TestNoBitOfTheEndorsementsIsIgnored(t *testing.T) {
	const every = "simulated version 3, SGX"
	simulated := simulatedSamples(t)
	samples := []sample{named(t, simulated, every), named(t, simulated, "simulated version 5, TDX 1.5")}
	if all := realSamples(t); all != nil {
		samples = append(samples,
			named(t, all, "quotes/sgx/sgx_v3_00606A000000_plat_prod_187b50a4.bin"),
			named(t, all, "quotes/tdx/td15_v5_90C06F000000_plat_prod_cf77a6e9.bin"))
	}
	for _, s := range samples {
		if _, err := attesteer.Verify(attesteer.Evidence{Raw: s.raw}, s.endorsements(t), s.policy, s.at); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for _, kind := range []rats.EndorsementKind{rats.TCBInfo, rats.QEIdentity, rats.RootCACRL, rats.PCKCRL} {
			t.Run(s.name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				s.spoil(t, kind, s.name == every)
			})
		}
	}
}

// spoil flips bits of the sample's only statement of a kind for its TEE, and of
// the certificate that vouches for it.
func (s sample) spoil(t *testing.T, kind rats.EndorsementKind, all bool) {
	t.Helper()
	v := attesteer.NewVerifier(1 << 14)
	used, err := v.Verify(attesteer.Evidence{Raw: s.raw}, s.endorsements(t), s.policy, s.at)
	if err != nil {
		t.Fatal(err)
	}
	name := ""
	for _, e := range used.Endorsements {
		if e.Kind == kind {
			name = e.SHA256.String()
		}
	}
	is := func(e rats.Endorsement) bool { return digest(e.Body) == name }
	at := slices.IndexFunc(s.items, is)
	rest, err := attesteer.ParseEndorsements(slices.DeleteFunc(slices.Clone(s.items), func(e rats.Endorsement) bool { return e.Kind == kind })...)
	if err != nil {
		t.Fatal(err)
	}
	e := s.items[at]
	changed := rats.Endorsement{Kind: kind, Body: bytes.Clone(e.Body)}
	for _, der := range e.Issuers {
		changed.Issuers = append(changed.Issuers, bytes.Clone(der))
	}
	flipEach(changed.Body, all, func(n int) { s.refuses(t, v, rest, changed, insignificant(e, n), n) })
	for _, der := range changed.Issuers {
		flipEach(der, all, func(n int) { s.refuses(t, v, rest, changed, false, n) })
	}
}

// flipEach calls f with each bit of b flipped in turn, or with some of them.
func flipEach(b []byte, all bool, f func(bit int)) {
	step := everySomeBits
	if all || len(b) <= short {
		step = 1
	}
	for n := 0; n < len(b)*8; n += step {
		b[n/8] ^= 1 << (n % 8)
		f(n)
		b[n/8] ^= 1 << (n % 8)
	}
}

// refuses checks that a statement with a flipped bit, in itself or in its
// certificate, is broken or no statement at all, and that nothing is accepted on
// it.
func (s sample) refuses(t *testing.T, v *attesteer.Verifier, rest *attesteer.Endorsements, e rats.Endorsement, harmless bool, bit int) {
	t.Helper()
	_, err := v.CheckEndorsement(e, s.policy.Roots)
	if code := rats.KindOf(err).ExitCode(); code != 10 && code != 13 && code != 14 && !harmless {
		t.Errorf("bit %d of byte %d: %v", bit%8, bit/8, err)
	}
	changed, err := attesteer.ParseEndorsements(e)
	if err != nil {
		return
	}
	r, err := v.Verify(attesteer.Evidence{Raw: s.raw}, attesteer.JoinEndorsements(rest, changed), s.policy, s.at)
	if code := rats.KindOf(err).ExitCode(); (code == 0 || code == 11 || r.Accepted) && !harmless {
		t.Errorf("bit %d of byte %d: judged by it: %v", bit%8, bit/8, err)
	}
}

// insignificant reports whether a bit is one of JSON's that says the same either
// way: the case of a hexadecimal digit of the signature, which covers the inner
// object and not itself.
func insignificant(e rats.Endorsement, bit int) bool {
	if e.Kind != rats.TCBInfo && e.Kind != rats.QEIdentity || bit%8 != 5 {
		return false
	}
	sig := bytes.LastIndex(e.Body, []byte(`"signature":"`))
	letter := e.Body[bit/8] | 0x20
	return bit/8 >= sig+len(`"signature":"`) && letter >= 'a' && letter <= 'f'
}
