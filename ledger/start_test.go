// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds waits that end at once when nothing is wrong.
const patience = 3 * time.Minute

// run starts a node and stops it when the test ends.
func run(t *testing.T, cfg Config) *Node {
	t.Helper()
	n, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, n) })
	return n
}

func stop(t *testing.T, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// reach waits until the registry has committed a height.
func reach(t *testing.T, n *Node, height uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := n.blocks.wait(ctx, func() (bool, error) { return n.engine.BlockStore().Height() >= int64(height), nil })
	if err != nil {
		t.Fatalf("height %d: %v", height, err)
	}
}

// rest waits until no block is at work: the last one proves the one before, and
// changed nothing.
func rest(t *testing.T, n *Node) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		blocks, hash := n.engine.BlockStore(), n.registry.AppHash()
		height := blocks.Height()
		if height >= gossipHeight && n.engine.Mempool().Size() == 0 && n.registry.Height() == uint64(height) &&
			bytes.Equal(blocks.LoadBlockMeta(height).Header.AppHash, hash[:]) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("blocks do not come to an end: the last one is %d", height)
		}
	}
}

func TestANewHomeHasItsFilesAndSecretsAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "home")
	if _, err := LoadRegistrarKey(dir); err != nil {
		t.Fatal(err)
	}
	stop(t, run(t, Config{Home: dir, Network: "dev"}))
	for name, mode := range map[string]os.FileMode{
		genesisPath: 0o644, nodeKeyPath: 0o600, validatorKeyPath: 0o600,
		validatorStatePath: 0o600, registrarKeyPath: 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, want %v", name, info.Mode().Perm(), mode)
		}
	}
}

func TestTheRegistrarKeyStaysTheSame(t *testing.T) {
	dir := t.TempDir()
	first, err := LoadRegistrarKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := run(t, Config{Home: dir, Network: "dev"})
	again, err := LoadRegistrarKey(dir) // while the node holds the home
	if err != nil {
		t.Fatal(err)
	}
	if !first.Equal(again) {
		t.Error("another key was made")
	}
	stop(t, n)
	if err := os.WriteFile(filepath.Join(dir, registrarKeyPath), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	var he *HomeError
	if _, err := LoadRegistrarKey(dir); !errors.As(err, &he) {
		t.Errorf("a broken key file gives %v, want a HomeError", err)
	}
}

func TestAHomeOfAnotherNetworkOrChainIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	stop(t, run(t, Config{Home: dir, Network: "dev", ChainID: "chain-one"}))
	for _, c := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"network", Config{Home: dir, Network: "main"}, []string{dir, "dev", "main"}},
		{"chain", Config{Home: dir, Network: "dev", ChainID: "chain-two"}, []string{dir, "chain-one", "chain-two"}},
	} {
		_, err := Start(t.Context(), c.cfg)
		var ne *NetworkError
		if !errors.As(err, &ne) {
			t.Errorf("%s: got %v, want a NetworkError", c.name, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not name %q", c.name, err, w)
			}
		}
	}
	run(t, Config{Home: dir, Network: "dev"}) // the refusals let go of the home
}

func TestASecondNodeOnTheSameHomeIsRefused(t *testing.T) {
	dir := t.TempDir()
	n := run(t, Config{Home: dir, Network: "dev"})
	if _, err := Start(t.Context(), Config{Home: dir, Network: "dev"}); !errors.Is(err, ErrHomeInUse) {
		t.Errorf("got %v, want ErrHomeInUse", err)
	}
	stop(t, n)
	run(t, Config{Home: dir, Network: "dev"})
}

func TestAHomeThatCannotBeWrittenIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Home: filepath.Join(file, "home"), Network: "dev"})
	var he *HomeError
	if !errors.As(err, &he) || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want a HomeError that names %s", err, file)
	}
	if os.Geteuid() == 0 {
		return // root may write anywhere
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Config{Home: dir, Network: "dev"}); !errors.As(err, &he) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v, want a HomeError about permission", err)
	}
}

func TestAMissingFileOfAnOldHomeIsNamedAndNotMadeAnew(t *testing.T) {
	for _, name := range []string{genesisPath, nodeKeyPath, validatorKeyPath, validatorStatePath} {
		dir := t.TempDir()
		stop(t, run(t, Config{Home: dir, Network: "dev"}))
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		_, err := Start(t.Context(), Config{Home: dir, Network: "dev"})
		var he *HomeError
		if !errors.As(err, &he) || !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("without %s: got %v, want a HomeError that names it", name, err)
		}
	}
}

func TestAChangedGenesisIsRefused(t *testing.T) {
	dir := t.TempDir()
	n := run(t, Config{Home: dir, Network: "dev", ChainID: "chain-one"})
	stop(t, n)
	path := filepath.Join(dir, genesisPath)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte("chain-one"), []byte("chain-two"), 1)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var he *HomeError
	if _, err := Start(t.Context(), Config{Home: dir, Network: "dev"}); !errors.As(err, &he) {
		t.Errorf("got %v, want a HomeError", err)
	}
}

func TestAHomeWhoseMakingWasInterruptedIsFinished(t *testing.T) {
	dir := t.TempDir()
	h, err := openHome(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.makeKeys(); err != nil { // and no genesis
		t.Fatal(err)
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	reach(t, run(t, Config{Home: dir, Network: "dev"}), 1)
}

// BenchmarkStart measures the time to the first block on a new home.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		n, err := Start(b.Context(), Config{Home: b.TempDir(), Network: "dev"})
		if err != nil {
			b.Fatal(err)
		}
		if err := n.blocks.wait(b.Context(), func() (bool, error) { return n.engine.BlockStore().Height() >= 1, nil }); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := n.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func TestAnIdleNodeMakesNoBlocks(t *testing.T) {
	n := run(t, Config{Home: t.TempDir(), Network: "dev", heartbeat: time.Hour})
	rest(t, n) // first blocks and what proves them
	before := n.engine.BlockStore().Height()
	time.Sleep(3 * time.Second)
	if after := n.engine.BlockStore().Height(); after != before {
		t.Errorf("height went from %d to %d", before, after)
	}
}

func TestTheHeartbeatAdvancesLedgerTimeOfAnIdleNode(t *testing.T) {
	start := time.Now()
	// A clock that runs fifty times as fast: 25 seconds pass in half a second.
	fast := func() time.Time { return start.Add(50 * time.Since(start)) }
	n := run(t, Config{Home: t.TempDir(), Network: "dev", Now: fast, heartbeat: 200 * time.Millisecond})
	reach(t, n, 1)
	before := n.Registry().Time()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := n.blocks.wait(ctx, func() (bool, error) { return n.Registry().Time() > before+25_000, nil })
	if err != nil {
		t.Errorf("ledger time stands still: %v", err)
	}
}

func TestTheLedgersClockStartsWhereItIsToldAndKeepsItsOffset(t *testing.T) {
	dir := t.TempDir()
	clock := time.Date(2025, 6, 20, 10, 55, 0, 0, time.UTC)
	n := run(t, Config{Home: dir, Network: "dev", Clock: clock})
	reach(t, n, 1)
	if off := n.Registry().Time().Time().Sub(clock); off < 0 || off > time.Minute {
		t.Errorf("ledger time is %v from %v", off, clock)
	}
	offset := n.genesis.state.ClockOffset
	stop(t, n)
	n = run(t, Config{Home: dir, Network: "dev", Clock: clock.Add(time.Hour)})
	if n.genesis.state.ClockOffset != offset {
		t.Errorf("offset went from %d to %d", offset, n.genesis.state.ClockOffset)
	}
}

func TestNothingIsWrittenIntoTheHomeAfterStop(t *testing.T) {
	dir := t.TempDir()
	n := run(t, Config{Home: dir, Network: "dev"})
	reach(t, n, 1)
	stop(t, n)
	stop(t, n) // twice does no harm
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the home came back: %v", err)
	}
	if _, err := n.Status(t.Context()); err == nil {
		t.Error("a stopped node has a status")
	}
	if _, err := n.Submit(t.Context(), make([]byte, 100)); err == nil {
		t.Error("a stopped node takes transactions")
	}
}

func TestStatusTellsChainHeightAndValidators(t *testing.T) {
	n := run(t, Config{Home: t.TempDir(), Network: "test", ChainID: "chain-one"})
	reach(t, n, 1)
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.ChainID != "chain-one" || s.Network != "test" || s.Height == 0 || s.AppHash == [32]byte{} || s.Time == 0 || s.CatchingUp {
		t.Errorf("status is %+v", s)
	}
	if len(s.Validators) != 1 || s.Validators[0].Power <= 0 || s.Validators[0].PublicKey == [32]byte{} {
		t.Errorf("validators are %+v", s.Validators)
	}
}

func TestTheEngineIsQuietUnlessAskedFor(t *testing.T) {
	var quiet, loud lockedBuffer
	for level, out := range map[slog.Level]*lockedBuffer{slog.LevelInfo: &quiet, slog.LevelDebug: &loud} {
		log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
		n := run(t, Config{Home: t.TempDir(), Network: "dev", Logger: log})
		reach(t, n, 1)
		stop(t, n)
	}
	if said := quiet.String(); said != "" {
		t.Errorf("at level info a node says:\n%s", said)
	}
	if said := loud.String(); !strings.Contains(said, "part=engine module=consensus") {
		t.Errorf("at level debug the engine's parts are not named:\n%s", said)
	}
}

// lockedBuffer is what is logged: the engine's last words may come after it was
// stopped, from a goroutine that nobody waits for.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
