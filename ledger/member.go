// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// memberTag begins the line of a member.
const memberTag = "attesteer-validator"

// maxPower bounds one validator's power, so that no sum comes near what
// CometBFT can count.
const maxPower = record.MaxPower

// Member is one validator of a network to be founded, and what its operator
// publishes of it: none of it is secret.
type Member struct {
	// PublicKey is the Ed25519 key that signs votes.
	PublicKey [32]byte
	// Governance is the key by which the validator proposes and votes about the
	// ledger.
	Governance record.PublicKey
	// Power is how much its vote counts.
	Power int64
	// Registrar is admitted by the genesis: the key by which the node's API
	// signs what it submits.
	Registrar record.Registrar
	// Peer is NODE-ID@HOST:PORT, where the others reach it.
	Peer string
}

// String returns the member in one line without spaces, which ParseMember reads.
func (m Member) String() string {
	return fmt.Sprintf("%s/%x/%d/%x/%s/%s", memberTag, m.PublicKey, m.Power, m.Registrar, m.Governance, m.Peer)
}

// ParseMember reads what [Member.String] wrote. Errors are Malformed.
func ParseMember(line string) (Member, error) {
	bad := func(what string) (Member, error) {
		return Member{}, rats.Errorf(rats.Malformed, "validator %q: %s", line, what)
	}
	parts := strings.Split(strings.TrimSpace(line), "/")
	if len(parts) != 6 || parts[0] != memberTag {
		return bad("is not " + memberTag + "/KEY/POWER/REGISTRAR/GOVERNANCE/NODE-ID@HOST:PORT")
	}
	var m Member
	var err error
	if m.PublicKey, err = hash32(parts[1]); err != nil {
		return bad("the key is not 32 bytes in hex")
	}
	if m.Power, err = strconv.ParseInt(parts[2], 10, 64); err != nil || m.Power <= 0 || m.Power > maxPower {
		return bad(fmt.Sprintf("the power is not between 1 and %d", int64(maxPower)))
	}
	registrar, err := hash32(parts[3])
	if err != nil {
		return bad("the registrar's key is not 32 bytes in hex")
	}
	governance, err := hash32(parts[4])
	if err != nil {
		return bad("the governance key is not 32 bytes in hex")
	}
	m.Registrar, m.Governance, m.Peer = registrar, governance, parts[5]
	if err := validatePeer(m.Peer); err != nil {
		return bad("the address is not NODE-ID@HOST:PORT")
	}
	return m, nil
}

// hash32 decodes 32 bytes in hex.
func hash32(s string) ([32]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 {
		return [32]byte{}, rats.Errorf(rats.Malformed, "%q is not 32 bytes in hex", s)
	}
	return [32]byte(b), nil
}
