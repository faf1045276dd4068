// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"

	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/registry"
)

// snapshotsSoon has every node take snapshots as fast as its clock allows.
func snapshotsSoon(c *Config) { c.Snapshots = Snapshots{Every: 100 * time.Millisecond, Keep: 3} }

// trusted returns the newest block of a node, as its operator tells others.
func trusted(t *testing.T, n *Node) *TrustPoint {
	t.Helper()
	s, err := n.Status(t.Context())
	if err != nil || s.BlockHeight == 0 {
		t.Fatalf("status: %v, %+v", err, s)
	}
	return &TrustPoint{Height: s.BlockHeight, Hash: hex.EncodeToString(s.Block[:])}
}

// snapshotOf waits until a node can hand out a snapshot.
func snapshotOf(t *testing.T, n *Node, r *registrar, number *uint64) {
	t.Helper()
	for range 100 {
		if len(n.snapshots.list(n.engine.BlockStore().Height()-provable)) > 0 {
			return
		}
		*number++
		r.attest(t, n, *number)
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("no snapshot was taken")
}

func TestANodeJoinsBlockByBlockOrFromASnapshotAndKnowsTheSame(t *testing.T) {
	t.Parallel() // it mostly waits
	net := found(t, 2)
	net.adjust = snapshotsSoon
	nodes := []*Node{net.start(t, net.homes[0]), net.start(t, net.homes[1])}
	r := newRegistrar(t, nodes[0].genesis.doc.ChainID)
	mustSubmit(t, nodes[0], r.endorsements(t, time.Now()))
	same(t, 0, nodes...)
	var all []attested
	number := uint64(0)
	for range 5 {
		number++
		all = append(all, r.attest(t, nodes[number%2], number))
	}
	trust := trusted(t, nodes[0])
	for _, n := range nodes {
		snapshotOf(t, n, r, &number)
	}

	vouched(t, nodes, trust)
	replaying := filepath.Join(t.TempDir(), "replaying")
	net.join(t, replaying, nil)
	copying := filepath.Join(t.TempDir(), "copying")
	net.join(t, copying, trust)
	byBlock := net.start(t, replaying)
	fromSnapshot := net.start(t, copying)
	if base := fromSnapshot.engine.BlockStore().Base(); fromSnapshot.Registry().Height() < 2 || base == 1 {
		t.Errorf("after joining from a snapshot the height is %d and the first block %d", fromSnapshot.Registry().Height(), base)
	}
	nodes = append(nodes, byBlock, fromSnapshot)
	number++
	all = append(all, r.attest(t, fromSnapshot, number))
	number++
	all = append(all, r.attest(t, byBlock, number))
	height := same(t, 2, nodes...)
	for _, n := range nodes[2:] {
		for _, a := range all {
			knows(t, n, net.genesis, a)
		}
	}
	// What was trusted counts no more once there is a state.
	net.stop(t, fromSnapshot)
	number++
	all = append(all, r.attest(t, nodes[0], number))
	nodes[3] = net.start(t, copying)
	same(t, height, nodes...)
	knows(t, nodes[3], net.genesis, all[len(all)-1])
}

// vouched demands that headers of peers are believed from a block of the chain
// on, and from no other.
func vouched(t *testing.T, nodes []*Node, trust *TrustPoint) {
	t.Helper()
	height := uint64(nodes[0].engine.BlockStore().Height()) - provable
	state := func(trust TrustPoint) *lightState {
		return &lightState{
			peers: nodes[1].engine.light, trust: trust, genesis: nodes[1].genesis.doc, now: time.Now,
			log: engineLog{to: slog.New(slog.DiscardHandler), quiet: &atomic.Bool{}},
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	hash, err := state(*trust).AppHash(ctx, height)
	want := nodes[0].engine.BlockStore().LoadBlockMeta(int64(height) + 1).Header.AppHash
	if err != nil || !bytes.Equal(hash, want) {
		t.Errorf("hash of the state: %x, %v, want %x", hash, err, want)
	}
	s, err := state(*trust).State(ctx, height)
	if err != nil || s.LastBlockHeight != int64(height) || !bytes.Equal(s.AppHash, want) || s.Validators.Size() != len(nodes) {
		t.Errorf("state: %+v, %v", s, err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	other := TrustPoint{Height: trust.Height, Hash: hex.EncodeToString(want)}
	if _, err := state(other).AppHash(short, height); err == nil {
		t.Error("headers were believed that do not go back to the trusted block")
	}
}

func TestAPeerGetsAnswersAtABoundedRate(t *testing.T) {
	p := &lightPeer{}
	now := time.Now()
	for i := range 2 * lightQuota {
		if got := p.mayAsk(now.Add(time.Duration(i) * time.Millisecond)); got != (i < lightQuota) {
			t.Fatalf("question %d is answered: %v", i, got)
		}
	}
	if !p.mayAsk(now.Add(time.Second)) {
		t.Error("a second later nothing is answered")
	}
}

// candidate is a node that joins, as CometBFT talks to it.
func candidate(t *testing.T, chainID string, genesis proof.Trust) *application {
	t.Helper()
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	reg, err := registry.Open(s)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	known, err := openChanges(s)
	if err != nil {
		t.Fatal(err)
	}
	return &application{
		registry: reg, log: log, joining: newJoining(reg, chainID, genesis, known, log),
		fail: func(err error) { t.Errorf("the node failed: %v", err) },
	}
}

func TestACorruptChunkIsRefusedAndItsSenderNotAskedAgain(t *testing.T) {
	cfg := dev(t.TempDir())
	snapshotsSoon(&cfg)
	n := run(t, cfg)
	n.snapshots.size = 4_000
	r := newRegistrar(t, n.genesis.doc.ChainID)
	mustSubmit(t, n, r.endorsements(t, time.Now()))
	number := uint64(0)
	from := snapshot{}
	for len(from.chunks) < 3 {
		number++
		r.attest(t, n, number)
		snapshotOf(t, n, r, &number)
		all := n.snapshots.list(n.engine.BlockStore().Height() - 1)
		from = all[len(all)-1]
	}
	header := n.engine.BlockStore().LoadBlockMeta(int64(from.height) + 1).Header
	hash := from.hash()
	offer := abci.RequestOfferSnapshot{AppHash: header.AppHash, Snapshot: &abci.Snapshot{
		Height: from.height, Format: snapshotFormat, Chunks: uint32(len(from.chunks)), Hash: hash[:], Metadata: from.metadata(),
	}}
	a := candidate(t, n.genesis.doc.ChainID, n.genesis.trust)
	apply := func(index int, chunk []byte) *abci.ResponseApplySnapshotChunk {
		t.Helper()
		out, err := a.ApplySnapshotChunk(t.Context(), &abci.RequestApplySnapshotChunk{Index: uint32(index), Chunk: chunk, Sender: "mallory"})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	begin := func(o abci.RequestOfferSnapshot, want abci.ResponseOfferSnapshot_Result) {
		t.Helper()
		if out, err := a.OfferSnapshot(t.Context(), &o); err != nil || out.Result != want {
			t.Fatalf("got %v, %v, want %v", out, err, want)
		}
	}

	lying := offer
	lying.Snapshot = &abci.Snapshot{Height: from.height, Format: snapshotFormat, Chunks: uint32(len(from.chunks)), Hash: hash[:], Metadata: from.metadata()[32:]}
	begin(lying, abci.ResponseOfferSnapshot_REJECT_SENDER)
	lying.Snapshot = &abci.Snapshot{Height: from.height, Format: snapshotFormat + 1}
	begin(lying, abci.ResponseOfferSnapshot_REJECT_FORMAT)

	begin(offer, abci.ResponseOfferSnapshot_ACCEPT)
	for i := range from.chunks {
		good := n.snapshots.chunk(from.height, uint32(i))
		bad := slices.Clone(good)
		bad[len(bad)/2] ^= 1
		for _, corrupt := range [][]byte{bad, good[:len(good)-1], nil} {
			out := apply(i, corrupt)
			if out.Result != abci.ResponseApplySnapshotChunk_RETRY || !slices.Equal(out.RejectSenders, []string{"mallory"}) ||
				!slices.Equal(out.RefetchChunks, []uint32{uint32(i)}) {
				t.Fatalf("a corrupt chunk gets %v", out)
			}
		}
		if out := apply(i, good); out.Result != abci.ResponseApplySnapshotChunk_ACCEPT {
			t.Fatalf("chunk %d gets %v", i, out)
		}
	}
	if want := header.AppHash; a.registry.Height() != from.height || !bytes.Equal(sliceOf(a.registry.AppHash()), want) {
		t.Errorf("height %d, state %x", a.registry.Height(), a.registry.AppHash())
	}
	select {
	case <-a.joining.done:
	default:
		t.Error("the node does not know that it has joined")
	}

	// The same chunks under another hash of the state are not the chain's.
	a = candidate(t, n.genesis.doc.ChainID, n.genesis.trust)
	other := offer
	other.AppHash = bytes.Repeat([]byte{1}, 32)
	begin(other, abci.ResponseOfferSnapshot_ACCEPT)
	for i := range from.chunks {
		out := apply(i, n.snapshots.chunk(from.height, uint32(i)))
		if last := i == len(from.chunks)-1; last != (out.Result == abci.ResponseApplySnapshotChunk_REJECT_SNAPSHOT) {
			t.Fatalf("chunk %d of another state gets %v", i, out)
		}
	}
	if a.registry.Height() != 0 {
		t.Error("another state was taken")
	}
	if n.snapshots.chunk(from.height, uint32(len(from.chunks))) != nil || n.snapshots.chunk(1<<40, 0) != nil {
		t.Error("a chunk came from nowhere")
	}
}

// changed returns a block of a height by which one lone validator hands on to
// another.
func changed(t *testing.T, chainID string, height int64, from, to ed25519.PrivKey) proof.Block {
	t.Helper()
	set := types.NewValidatorSet([]*types.Validator{types.NewValidator(from.PubKey(), 1)})
	next := types.NewValidatorSet([]*types.Validator{types.NewValidator(to.PubKey(), 1)})
	hash := bytes.Repeat([]byte{1}, 32)
	header := types.Header{
		ChainID: chainID, Height: height, Time: time.Now(), ValidatorsHash: set.Hash(), NextValidatorsHash: next.Hash(),
		ConsensusHash: hash, AppHash: hash, LastResultsHash: hash, DataHash: hash, EvidenceHash: hash, LastCommitHash: hash,
		LastBlockID:     types.BlockID{Hash: hash, PartSetHeader: types.PartSetHeader{Total: 1, Hash: hash}},
		ProposerAddress: from.PubKey().Address(),
	}
	id := types.BlockID{Hash: header.Hash(), PartSetHeader: types.PartSetHeader{Total: 1, Hash: hash}}
	vote := types.Vote{Type: cmtproto.PrecommitType, Height: height, BlockID: id, Timestamp: time.Now(), ValidatorAddress: from.PubKey().Address()}
	signature, err := from.Sign(types.VoteSignBytes(chainID, vote.ToProto()))
	if err != nil {
		t.Fatal(err)
	}
	vote.Signature = signature
	commit := types.Commit{Height: height, BlockID: id, Signatures: []types.CommitSig{vote.CommitSig()}}
	return proof.NewBlock(headerOf(&header), commitOf(&commit), validatorsOf(set))
}

func TestANodeThatJoinsLearnsWhoTheValidatorsWere(t *testing.T) {
	const chainID = "chain-one"
	keys := []ed25519.PrivKey{ed25519.GenPrivKey(), ed25519.GenPrivKey(), ed25519.GenPrivKey()}
	good := []proof.Block{changed(t, chainID, 2, keys[0], keys[1]), changed(t, chainID, 5, keys[1], keys[2])}
	last := types.NewValidatorSet([]*types.Validator{types.NewValidator(keys[2].PubKey(), 1)}).Hash()
	genesis, err := proof.TrustHash(good[0].Header.Validators.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		changes []proof.Block
		ok      bool
	}{
		{"in order", good, true},
		{"one missing at the end", good[:1], false},
		{"one missing at the start", good[1:], false},
		{"none", nil, false},
		{"one twice", []proof.Block{good[0], good[0], good[1]}, false},
		{"one from after the snapshot", append(slices.Clone(good), changed(t, chainID, 10, keys[2], keys[2])), false},
		{"one that the validators did not decide", []proof.Block{changed(t, chainID, 2, keys[1], keys[2])}, false},
	} {
		j := candidate(t, chainID, genesis).joining
		j.validators = func(height uint64) ([]byte, error) {
			if height != 10 {
				t.Errorf("asked for the validators of block %d", height)
			}
			return last, nil
		}
		if err := j.offered(snapshot{height: 9, chunks: [][32]byte{{}}}, [32]byte{1}); err != nil {
			t.Fatal(err)
		}
		err := changeParts(c.changes, j.part)
		if err == nil {
			err = j.finish()
		}
		// There is no state with them, so that in the end none is taken; but what
		// was wrong with the changes is said first.
		refused := err != nil && !strings.Contains(err.Error(), "genesis")
		if rats.KindOf(asMalformed(err)) != rats.Malformed || refused == c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, err := j.known.before(10, 10); err != nil || c.ok && len(got) != len(c.changes) {
			t.Errorf("%s: %d changes are kept, %v", c.name, len(got), err)
		}
	}
}

func sliceOf(b [32]byte) []byte { return b[:] }

// A snapshot consists of what others wrote: no bytes may do more than fail.
func FuzzEachPart(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendPart(appendPart(nil, registry.Part{Kind: registry.PartEntry, Key: []byte("key"), Value: []byte("value")}),
		registry.Part{Kind: registry.PartEvent}))
	f.Add([]byte{'m', 0, 0, 0, 1, 2, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, chunk []byte) {
		var again []byte
		err := eachPart(chunk, func(p registry.Part) error {
			again = appendPart(again, p)
			return nil
		})
		switch {
		case err == nil && !bytes.Equal(again, chunk):
			t.Errorf("%x was read as %x", chunk, again)
		case err != nil && rats.KindOf(err) != rats.Malformed:
			t.Errorf("got %v, want Malformed", err)
		}
	})
}
