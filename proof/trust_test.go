// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	stded25519 "crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/types"
	"pgregory.net/rapid"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
)

// TestAGenesisFileNamesTheValidatorsThatCometBFTReadsInIt takes the file as
// CometBFT writes it, its validators in any order.
func TestAGenesisFileNamesTheValidatorsThatCometBFTReadsInIt(t *testing.T) {
	base := newChain(t, 1)
	rapid.Check(t, func(r *rapid.T) {
		c := drawChain(r, base)
		doc := types.GenesisDoc{ChainID: chainID, GenesisTime: time.Unix(1, 0).UTC(), ConsensusParams: types.DefaultConsensusParams()}
		for _, v := range rapid.Permutation(c.set.Validators).Draw(r, "order") {
			doc.Validators = append(doc.Validators, types.GenesisValidator{PubKey: v.PubKey, Power: v.VotingPower})
		}
		file, err := cmtjson.MarshalIndent(doc, "", "  ")
		if err != nil {
			r.Fatal(err)
		}
		read, err := types.GenesisDocFromJSON(file)
		if err != nil {
			r.Fatal(err)
		}
		c.header.ValidatorsHash = read.ValidatorHash()
		trust, err := proof.ParseGenesis(file)
		if err != nil {
			r.Fatal(err)
		}
		b := c.bundle(t, c.rec.ID, c.commit(t, indexes(len(c.keys))...))
		if _, err := proof.Verify(b, trust); err != nil {
			r.Fatal(err)
		}
		byHash, err := proof.TrustHash(hex.EncodeToString(read.ValidatorHash()))
		if err != nil {
			r.Fatal(err)
		}
		if _, err := proof.Verify(b, byHash); err != nil {
			r.Fatal(err)
		}
	})
}

func TestAGenesisThatNamesNobodySaysSo(t *testing.T) {
	key := func(b byte) string {
		return fmt.Sprintf(`{"type":"tendermint/PubKeyEd25519","value":"%s"}`, strings.Repeat(string(b), 42)+"A=")
	}
	validator := func(key, power string) string { return `{"pub_key":` + key + `,"power":"` + power + `"}` }
	genesis := func(list string) string { return `{"chain_id":"a","validators":[` + list + `]}` }
	one := validator(key('A'), "1")
	if _, err := proof.ParseGenesis([]byte(genesis(one + "," + validator(key('B'), "2")))); err != nil {
		t.Fatal(err)
	}
	for name, g := range map[string]struct {
		text string
		kind rats.Kind
		says string
	}{
		"no validators":         {`{"chain_id":"a"}`, rats.Malformed, "no validators"},
		"an empty list":         {genesis(""), rats.Malformed, "no validators"},
		"null":                  {`{"chain_id":"a","validators":null}`, rats.Malformed, "no validators"},
		"no chain":              {`{"validators":[` + one + `]}`, rats.Malformed, "no chain"},
		"a validator twice":     {genesis(one + "," + one), rats.Malformed, "twice"},
		"no power":              {genesis(validator(key('A'), "0")), rats.Malformed, "power"},
		"a negative power":      {genesis(validator(key('A'), "-5")), rats.Malformed, "power"},
		"a power of words":      {genesis(validator(key('A'), "much")), rats.Malformed, "power"},
		"too much power":        {genesis(validator(key('A'), "1152921504606846976")), rats.Malformed, "power"},
		"a short key":           {genesis(validator(`{"type":"tendermint/PubKeyEd25519","value":"AAAA"}`, "1")), rats.Malformed, "key"},
		"a key of another kind": {genesis(validator(`{"type":"tendermint/PubKeySecp256k1","value":"AAAA"}`, "1")), rats.Unsupported, "PubKeySecp256k1"},
		"two files":             {genesis(one) + genesis(one), rats.Malformed, "genesis"},
	} {
		_, err := proof.ParseGenesis([]byte(g.text))
		if rats.KindOf(err) != g.kind || !strings.Contains(fmt.Sprint(err), g.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAHashIsTrustedInAnySpelling(t *testing.T) {
	c := newChain(t, 1, 2)
	b := c.bundle(t, c.rec.ID, c.commit(t, 0, 1))
	digits := hex.EncodeToString(c.set.Hash())
	for _, text := range []string{digits, strings.ToUpper(digits), "0x" + digits, " 0X" + digits + "\n"} {
		trust, err := proof.TrustHash(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if _, err := proof.Verify(b, trust); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	other, err := proof.TrustHash(hex.EncodeToString(sumOf("others")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Verify(b, other); !errors.Is(err, rats.UntrustedRoot) {
		t.Errorf("trust in others: %v", err)
	}
}

// TestAVoteThatOnlyCometBFTTakesSpoilsNoProof: ZIP-215 multiplies by the
// cofactor, which the standard library's RFC 8032 does not, so a key of small
// order signs for the one and not for the other.
func TestAVoteThatOnlyCometBFTTakesSpoilsNoProof(t *testing.T) {
	small, err := hex.DecodeString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
	if err != nil {
		t.Fatal(err)
	}
	c := newChain(t, 4, 3, 2)
	c.set = types.NewValidatorSet(append(c.set.Validators, types.NewValidator(ed25519.PubKey(small), 1)))
	c.header.ValidatorsHash = c.set.Hash()
	commit := c.commit(t, 0, 1, 2)
	// Of least power it is the last. R is the neutral element and S is zero.
	signature := append([]byte{1}, make([]byte, 63)...)
	at := c.header.Time
	commit.Signatures = append(commit.Signatures, types.CommitSig{
		BlockIDFlag: types.BlockIDFlagCommit, ValidatorAddress: c.set.Validators[3].Address, Timestamp: at, Signature: signature,
	})
	for stded25519.Verify(small, commit.VoteSignBytes(chainID, 3), signature) {
		// One message in eight suits RFC 8032 too.
		at = at.Add(time.Nanosecond)
		commit.Signatures[3].Timestamp = at
	}
	if err := c.set.VerifyCommit(chainID, commit.BlockID, commit.Height, commit); err != nil {
		t.Fatalf("CometBFT does not take the vote either: %v", err)
	}
	trust, err := proof.TrustHash(hex.EncodeToString(c.set.Hash()))
	if err != nil {
		t.Fatal(err)
	}
	b := c.bundle(t, c.rec.ID, commit)
	if v, err := proof.Verify(b, trust); err != nil || v.SignedPower != 9 || v.TotalPower != 10 || v.Validators != 4 {
		t.Errorf("%+v, %v", v, err)
	}
	// Whoever puts it back has a bundle that is refused, as for any false vote.
	b.Commit.Signatures = append(b.Commit.Signatures, proof.Signature{Index: 3, Time: proof.TimeOf(at), Signature: signature})
	if _, err := proof.Verify(b, trust); !errors.Is(err, rats.BadSignature) {
		t.Errorf("put back: %v", err)
	}
}
