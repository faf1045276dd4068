// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/checkpoint"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
)

// noteFlags say which checkpoint is read, and what it is held against.
type noteFlags struct {
	node, trust string
	logKeys     []string
	consistency string
	output      string
}

func (f *noteFlags) register(fl *pflag.FlagSet) {
	nodeFlag(fl, &f.node)
	fl.StringVar(&f.trust, "trust", "", "genesis file, or validator set hash in hex: the validators have to have signed the log (asks the node)")
	fl.StringArrayVar(&f.logKeys, "log-key", nil, "key of a node that signs checkpoints, as NAME+HASH+KEY (repeatable: one of them); default: the one that the node names")
	fl.StringVar(&f.consistency, "consistency", "", "file of the proof that the log grew from the earlier checkpoint: read where a FILE is given, else written")
	fl.StringVarP(&f.output, "output", "o", "", "file for the signed checkpoint")
}

type checkpointFlags struct {
	noteFlags

	witnesses []string
	quorum    int
	since     string
}

func (a *app) ledgerCheckpointCommand() *cobra.Command {
	var f checkpointFlags
	cmd := &cobra.Command{
		Use: "checkpoint [FILE]", Short: "Fetch and check a checkpoint of the ledger's log, or check one offline",
		Long: `checkpoint reads the size and the hash of a ledger's log of events, as a node signs
them, in the form of C2SP tlog-checkpoint. Fetched from a node, it is held against
what the validators signed: --trust is the ledger's genesis file or its validator
set hash. A FILE is checked offline, by the key of the node that signed it, and by
the cosignatures of the witnesses that are named.

With --since FILE, an earlier checkpoint, it shows that the log grew out of that one:
nothing that was in it was changed or taken out since.

It ends with code 10 where the checkpoint is not what validators, nodes or witnesses
signed, or where the log did not grow out of the earlier one.`,
		Example: `  attesteer ledger checkpoint --trust genesis.json -o now.note
  attesteer ledger checkpoint --trust genesis.json --since now.note -o later.note --consistency grown.json
  attesteer ledger checkpoint later.note --log-key NAME+HASH+KEY --witness NAME+HASH+KEY --since now.note --consistency grown.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.ledgerCheckpoint(cmd.Context(), f, args) },
	}
	f.register(cmd.Flags())
	cmd.Flags().StringArrayVar(&f.witnesses, "witness", nil, "key of a witness, as NAME+HASH+KEY, who has to have cosigned (repeatable)")
	cmd.Flags().IntVar(&f.quorum, "quorum", 0, "how many of the witnesses suffice (default: all)")
	cmd.Flags().StringVar(&f.since, "since", "", "an earlier checkpoint, out of which the log has to have grown")
	return cmd
}

// readNote is a checkpoint whose signatures were verified.
type readNote struct {
	checkpoint.Checkpoint
	note []byte
	// by is the node's key that signed it.
	by        checkpoint.Key
	witnesses []checkpoint.Witnessed
	// proven is what the validators signed, if they were asked about.
	proven *proof.Verdict
	// from is the size of the log that it was shown to have grown out of.
	from *uint64
}

func (a *app) ledgerCheckpoint(ctx context.Context, f checkpointFlags, args []string) error {
	witnesses, err := parseKeys("--witness", f.witnesses)
	if err != nil {
		return err
	}
	if f.quorum < 0 || f.quorum > len(witnesses) {
		return usagef("--quorum %d: %d witnesses are named", f.quorum, len(witnesses))
	}
	if f.quorum == 0 {
		f.quorum = len(witnesses)
	}
	n, keys, err := a.readNote(ctx, &f.noteFlags, args, witnesses)
	if err != nil {
		return err
	}
	if len(n.witnesses) < f.quorum {
		return rats.Errorf(rats.UntrustedRoot, "checkpoint: %d of the witnesses cosigned it, and %d have to", len(n.witnesses), f.quorum)
	}
	if f.since != "" {
		earlier, err := a.openNote(f.since, keys)
		if err != nil {
			return err
		}
		if err := a.grown(ctx, &f.noteFlags, args, n, earlier.Checkpoint); err != nil {
			return err
		}
	} else if f.consistency != "" {
		return usagef("--consistency: it is about an earlier checkpoint, which --since names")
	}
	return a.printNote(f.output, n, n.note)
}

// readNote reads a checkpoint from a file or a node and verifies who signed it.
// The keys are those that nodes of the ledger may have.
func (a *app) readNote(ctx context.Context, f *noteFlags, args []string, witnesses []checkpoint.Key) (*readNote, []checkpoint.Key, error) {
	keys, err := parseKeys("--log-key", f.logKeys)
	if err != nil {
		return nil, nil, err
	}
	if len(args) > 0 {
		switch {
		case f.trust != "":
			return nil, nil, hinted{usagef("--trust asks a node about its own checkpoint"), "a FILE is checked by --log-key, and --witness"}
		case len(keys) == 0:
			return nil, nil, hinted{usagef("--log-key is missing"), "checkpoint_key of GET /v1/ledger is the node's"}
		}
		n, err := a.openNote(args[0], keys, witnesses...)
		return n, keys, err
	}
	if f.trust == "" {
		return nil, nil, hinted{usagef("--trust is missing"), "name the ledger's genesis file (HOME/config/genesis.json) or its validator set hash"}
	}
	trust, err := readTrust(f.trust)
	if err != nil {
		return nil, nil, err
	}
	api := a.dial(f.node)
	if len(keys) == 0 {
		own, err := nodeKey(ctx, api)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, own)
	}
	raw, err := api.Checkpoint(ctx)
	if err != nil {
		return nil, nil, err
	}
	n, err := openNote(raw, keys, witnesses)
	if err != nil {
		return nil, nil, err
	}
	n.proven, err = signedLog(ctx, api, trust, n.Checkpoint)
	return n, keys, err
}

func parseKeys(flag string, texts []string) ([]checkpoint.Key, error) {
	var out []checkpoint.Key
	for _, text := range texts {
		k, err := checkpoint.ParseKey(text)
		if err != nil {
			return nil, usagef("%s: %w", flag, err)
		}
		if k.Witness != (flag == "--witness") {
			return nil, usagef("%s: %s is a key of another kind", flag, k.Name)
		}
		out = append(out, k)
	}
	return out, nil
}

// nodeKey is the key by which a node says that it signs checkpoints.
func nodeKey(ctx context.Context, api *client.Client) (checkpoint.Key, error) {
	l, err := api.Ledger(ctx)
	if err != nil {
		return checkpoint.Key{}, err
	}
	k, err := checkpoint.ParseKey(l.CheckpointKey)
	if err != nil {
		return k, rats.Errorf(rats.Unsupported, "the node names no key for its checkpoints: %w", err)
	}
	return k, nil
}

// openNote verifies a signed checkpoint by one of several keys.
func openNote(raw []byte, keys, witnesses []checkpoint.Key) (*readNote, error) {
	err := rats.Errorf(rats.UntrustedRoot, "checkpoint: no key is known that could have signed it")
	for _, k := range keys {
		c, seen, openErr := checkpoint.Open(raw, k, witnesses...)
		if openErr == nil {
			return &readNote{Checkpoint: c, note: raw, by: k, witnesses: seen}, nil
		}
		err = rats.AsError(openErr)
		if err.Kind != rats.UntrustedRoot {
			break // it is wrong whoever signed it
		}
	}
	return nil, err
}

func (a *app) openNote(file string, keys []checkpoint.Key, witnesses ...checkpoint.Key) (*readNote, error) {
	raw, err := a.readInput(file)
	if err != nil {
		return nil, err
	}
	return openNote(raw, keys, witnesses)
}

// nobody is the id of no record: the proof of its absence carries the log.
const nobody = "0000000000000000000000000000000000000000000000000000000000000000"

// signing bounds the wait until the validators have signed a log.
const signing = 45 * time.Second

// signedLog has the node show that the validators signed a log which grew out of a
// checkpoint's.
func signedLog(ctx context.Context, api *client.Client, trust proof.Trust, c checkpoint.Checkpoint) (*proof.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, signing)
	defer cancel()
	for {
		raw, err := api.Proof(ctx, nobody)
		if err != nil {
			return nil, err
		}
		bundle, err := proof.Decode(raw)
		if err != nil {
			return nil, err
		}
		v, err := proof.Verify(bundle, trust)
		if err != nil {
			return nil, err
		}
		if checkpoint.Origin(v.ChainID) != c.Origin {
			return nil, rats.Errorf(rats.BindingMismatch, "checkpoint: it is of %q, and the validators are of %q", c.Origin, checkpoint.Origin(v.ChainID))
		}
		if v.Log.Size >= c.Size {
			_, err := consistent(ctx, api, c, v.Log)
			return v, err
		}
		select { // the block that carries it is still to come
		case <-ctx.Done():
			return nil, rats.Errorf(rats.NotFound, "checkpoint: the validators signed %d events, and it has %d", v.Log.Size, c.Size)
		case <-time.After(time.Second):
		}
	}
}

// consistent has a node prove that a log grew out of a checkpoint's.
func consistent(ctx context.Context, api *client.Client, earlier checkpoint.Checkpoint, log proof.Log) (*client.Consistency, error) {
	p := &client.Consistency{From: earlier.Size, To: log.Size, Path: []string{}}
	if earlier.Size > log.Size {
		return nil, rats.Errorf(rats.BindingMismatch, "checkpoint: the log has %d events, and had %d before", log.Size, earlier.Size)
	}
	if earlier.Size > 0 && earlier.Size < log.Size { // else there is nothing to show
		var err error
		if p, err = api.Consistency(ctx, earlier.Size, log.Size); err != nil {
			return nil, err
		}
	}
	return p, checkGrown(earlier, log, p)
}

// checkGrown checks a proof that a log grew out of a checkpoint's.
func checkGrown(earlier checkpoint.Checkpoint, log proof.Log, p *client.Consistency) error {
	if p.From != earlier.Size || p.To != log.Size {
		return rats.Errorf(rats.BindingMismatch, "checkpoint: the proof is of a log that grew from %d to %d events, not from %d to %d", p.From, p.To, earlier.Size, log.Size)
	}
	path := make([]proof.Hex, len(p.Path))
	for i, text := range p.Path {
		if err := path[i].UnmarshalText([]byte(text)); err != nil {
			return rats.Errorf(rats.Malformed, "consistency: %w", err)
		}
	}
	return log.Consistent(proof.Log{Size: earlier.Size, Root: earlier.Root}, path)
}

// grown checks that a checkpoint's log grew out of an earlier one's, by a file or
// by what the node shows.
func (a *app) grown(ctx context.Context, f *noteFlags, args []string, n *readNote, earlier checkpoint.Checkpoint) error {
	if earlier.Origin != n.Origin {
		return rats.Errorf(rats.BindingMismatch, "checkpoint: it is of %q, and the earlier one of %q", n.Origin, earlier.Origin)
	}
	now := proof.Log{Size: n.Size, Root: n.Root}
	n.from = &earlier.Size
	if len(args) > 0 {
		if f.consistency == "" && earlier.Size != n.Size {
			return hinted{usagef("--consistency is missing"), "GET /v1/ledger/consistency gives the proof"}
		}
		p := &client.Consistency{From: earlier.Size, To: n.Size}
		if f.consistency != "" {
			b, err := a.readInput(f.consistency)
			if err != nil {
				return err
			}
			if err := json.Unmarshal(b, p); err != nil {
				return fileError("read", f.consistency, errors.New("not a proof of consistency"))
			}
		}
		return checkGrown(earlier, now, p)
	}
	p, err := consistent(ctx, a.dial(f.node), earlier, now)
	if err != nil || f.consistency == "" {
		return err
	}
	b, err := json.Marshal(p)
	if err != nil {
		return rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return writePublic(f.consistency, append(b, '\n'))
}

// writePublic writes a file that anybody may read.
func writePublic(name string, b []byte) error {
	if err := os.WriteFile(name, b, 0o644); err != nil { //nolint:gosec // it is there to be shown
		return fileError("write", name, err)
	}
	return nil
}
