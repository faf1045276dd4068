// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"runtime"
	"slices"

	abci "github.com/cometbft/cometbft/abci/types"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
)

// lone returns the validators of a chain that has this home's alone.
func (k keys) lone(governance record.PublicKey) []record.Validator {
	return []record.Validator{{
		Key: record.PublicKey(k.validator.Key.PubKey.Bytes()), Governance: governance, Power: validatorPower,
	}}
}

func validatorsOfMembers(members []Member) []record.Validator {
	out := make([]record.Validator, len(members))
	for i, m := range members {
		out[i] = record.Validator{Key: m.PublicKey, Governance: m.Governance, Power: m.Power}
	}
	return out
}

// genesisValidators returns validators as CometBFT's genesis lists them.
func genesisValidators(set []record.Validator) []types.GenesisValidator {
	out := make([]types.GenesisValidator, len(set))
	for i, v := range set {
		key := cmted25519.PubKey(slices.Clone(v.Key[:]))
		out[i] = types.GenesisValidator{Address: key.Address(), PubKey: key, Power: v.Power}
	}
	return out
}

// updatesOf returns changed validators as CometBFT takes them. They count two
// heights later.
func updatesOf(changed []record.Validator) []abci.ValidatorUpdate {
	out := make([]abci.ValidatorUpdate, len(changed))
	for i, v := range changed {
		out[i] = abci.Ed25519ValidatorUpdate(slices.Clone(v.Key[:]), v.Power)
	}
	return out
}

// sameValidators demands that both parts of a genesis name the same validators:
// those who make blocks are those who decide.
func sameValidators(engine []abci.ValidatorUpdate, set []record.Validator) error {
	if len(engine) != len(set) {
		return fmt.Errorf("genesis: %d validators, and %d in app_state", len(engine), len(set))
	}
	for _, v := range set {
		if !slices.ContainsFunc(engine, func(u abci.ValidatorUpdate) bool {
			return slices.Equal(u.PubKey.GetEd25519(), v.Key[:]) && u.Power == v.Power
		}) {
			return fmt.Errorf("genesis: validator %s of app_state is not among the chain's", v.Key)
		}
	}
	return nil
}

// version returns that of the state machine, for the header of the next block.
func (a *application) version() uint64 {
	if v := a.registry.Governance().Version; v != 0 {
		return v
	}
	return a.firstVersion
}

// paramsOf returns what a block changes of the parameters of consensus: the
// version that headers carry.
func (a *application) paramsOf(out registry.Outcome) *cmtproto.ConsensusParams {
	if out.Version == a.version() {
		return nil
	}
	return &cmtproto.ConsensusParams{Version: &cmtproto.VersionParams{App: out.Version}}
}

// mayApply reports whether this program can apply the block of a height. One that
// cannot ends here, before anything is written: nothing of the home is changed by
// it, and a program that can goes on from the same place.
func (a *application) mayApply(height int64) bool {
	err := a.registry.CanApply(uint64(height)) //nolint:gosec // heights are positive
	if err != nil {
		a.fail(err)
	}
	return err == nil
}

// stopCopying ends the calling goroutine when it copies blocks from peers: to an
// error CometBFT knows no answer there but a panic, which ends the process
// without a word on why.
func (a *application) stopCopying() {
	if a.copying != nil && a.copying() {
		runtime.Goexit()
	}
}

// announce says what of the validators' decisions an operator should know after
// a block.
func (a *application) announce(ctx context.Context, before, after record.Governance) {
	if next := after.Next; next != nil && (before.Next == nil || *before.Next != *next) {
		a.sayPlanned(ctx)
	}
	if !slices.Equal(before.Validators, after.Validators) {
		a.log.InfoContext(ctx, "the validators changed",
			slog.Int("validators", len(after.Validators)), slog.Int64("power", record.TotalPower(after.Validators)))
	}
	if after.Version != before.Version {
		a.log.InfoContext(ctx, "a version of the state machine began", slog.Uint64("version", after.Version))
	}
}

// sayPlanned names a planned version, and warns when this program does not know it.
func (a *application) sayPlanned(ctx context.Context) {
	next, known := a.registry.Planned()
	if next == nil {
		return
	}
	version, height := slog.Uint64("version", next.Version), slog.Uint64("height", next.Height)
	if known {
		a.log.InfoContext(ctx, "a version of the state machine is planned", version, height)
		return
	}
	a.log.WarnContext(ctx, "a version of the state machine is planned that this program does not know: it stops before that block", version, height)
}

// ReadMember returns what others must know of the node of a home to make it a
// validator of the given power. Errors are *[HomeError], or Malformed where nobody
// could reach the node.
func ReadMember(dir string, power int64) (Member, error) {
	if power <= 0 || power > maxPower {
		return Member{}, rats.Errorf(rats.Malformed, "a validator's power is between 1 and %d", int64(maxPower))
	}
	p, err := ReadPeering(dir)
	if err != nil {
		return Member{}, err
	}
	address, err := p.advertised()
	if err != nil {
		return Member{}, err
	}
	h := &home{dir: dir}
	k, err := h.readKeys()
	if err != nil {
		return Member{}, err
	}
	registrar, err := h.readSeed(registrarKeyPath)
	if err != nil {
		return Member{}, err
	}
	return h.member(k, registrar, address, power)
}

// member describes the node of a home that has its keys.
func (h *home) member(k keys, registrar ed25519.PrivateKey, address string, power int64) (Member, error) {
	governance, err := h.readSeed(governanceKeyPath)
	if err != nil {
		return Member{}, err
	}
	return Member{
		PublicKey: [32]byte(k.validator.Key.PubKey.Bytes()), Power: power,
		Governance: record.PublicKey(governance[ed25519.SeedSize:]), Registrar: record.Registrar(registrar[ed25519.SeedSize:]),
		Peer: string(k.node.ID()) + "@" + address,
	}, nil
}
