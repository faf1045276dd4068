// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/checkpoint"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/secretfile"
)

type witnessFlags struct {
	noteFlags

	name, key, state string
	fresh            bool
}

func (a *app) ledgerWitnessCommand() *cobra.Command {
	var f witnessFlags
	cmd := &cobra.Command{
		Use: "witness [FILE]", Short: "Cosign a checkpoint of the ledger's log, once it grew out of the one before",
		Long: `witness adds a cosignature (C2SP tlog-cosignature) to a checkpoint that it fetches
from a node, or that it is given as FILE. It cosigns nothing but what grew out of
the last checkpoint that it cosigned, which --state FILE remembers: a node that showed
two readers two pasts would have to show both to the witness.

--new makes a key: an Ed25519 seed in hex, in the file of --key, and prints the public
key, by which others check cosignatures.

It ends with code 10 where the log did not grow out of what was cosigned before. The
state is written before the cosignature is given away.`,
		Example: `  attesteer ledger witness --new --key witness.key --name witness.example/a
  attesteer ledger witness --key witness.key --name witness.example/a --state witnessed.json --trust genesis.json -o cosigned.note
  attesteer ledger witness now.note --key witness.key --name witness.example/a --state witnessed.json --log-key NAME+HASH+KEY --consistency grown.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.fresh {
				return a.newWitness(f, args)
			}
			return a.witness(cmd.Context(), f, args)
		},
	}
	fl := cmd.Flags()
	f.register(fl)
	fl.StringVar(&f.name, "name", "", "the witness's name, without spaces and +")
	fl.StringVar(&f.key, "key", "", "file of the witness's key, an Ed25519 seed in hex")
	fl.StringVar(&f.state, "state", "", "file that remembers what was cosigned last")
	fl.BoolVar(&f.fresh, "new", false, "make the key and print its public half")
	return cmd
}

// newWitness makes a key where there is none.
func (a *app) newWitness(f witnessFlags, args []string) error {
	if f.key == "" || f.name == "" || len(args) > 0 {
		return usagef("--new takes --key FILE and --name, and no more")
	}
	if _, err := os.Lstat(f.key); !errors.Is(err, fs.ErrNotExist) {
		return fileError("make", f.key, fs.ErrExist)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return rats.Errorf(rats.Internal, "random: %w", err)
	}
	k := checkpoint.Key{Name: f.name, Public: public, Witness: true}
	if _, err := checkpoint.ParseKey(k.String()); err != nil {
		return usagef("--name: %w", err)
	}
	if err := secretfile.Write(f.key, []byte(hex.EncodeToString(private.Seed())+"\n")); err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(map[string]string{"key": k.String()})
	}
	a.printf("%s\n", k)
	return nil
}

// witnessed is the file of --state.
type witnessed struct {
	Schema string    `json:"schema"`
	Origin string    `json:"origin"`
	Size   uint64    `json:"size"`
	Root   proof.Hex `json:"root"`
}

const witnessedSchema = "attesteer/witnessed/v1"

func (a *app) witness(ctx context.Context, f witnessFlags, args []string) error {
	if f.key == "" || f.name == "" || f.state == "" {
		return hinted{usagef("--key, --name or --state is missing"), "--new makes a key; the state is made with the first cosignature"}
	}
	key, err := a.readSeed(f.key)
	if err != nil {
		return err
	}
	// One at a time: two could cosign two pasts.
	next := f.state + ".new"
	lock, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // no secret
	if err != nil {
		return hinted{fileError("make", next, err), "another witness may be at work; if none is, remove the file"}
	}
	n, cosigned, err := a.cosign(ctx, f, args, key)
	if err == nil {
		err = remember(lock, n.Checkpoint)
	}
	if err = errors.Join(err, lock.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, f.state); err != nil {
		return fileError("write", f.state, err)
	}
	return a.printNote(f.output, n, cosigned)
}

// cosign cosigns a checkpoint that grew out of what was cosigned last.
func (a *app) cosign(ctx context.Context, f witnessFlags, args []string, key ed25519.PrivateKey) (*readNote, []byte, error) {
	n, _, err := a.readNote(ctx, &f.noteFlags, args, nil)
	if err != nil {
		return nil, nil, err
	}
	earlier, known, err := readWitnessed(f.state)
	if err != nil {
		return nil, nil, err
	}
	if known {
		if err := a.grown(ctx, &f.noteFlags, args, n, earlier); err != nil {
			return nil, nil, err
		}
	}
	at := time.Now()
	cosigned, err := checkpoint.Cosign(n.note, f.name, key, at)
	n.witnesses = append(n.witnesses, checkpoint.Witnessed{Name: f.name, Time: at.UTC().Truncate(time.Second)})
	return n, cosigned, err
}

// readWitnessed reads what was cosigned last; known is false before there is any.
func readWitnessed(name string) (c checkpoint.Checkpoint, known bool, err error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fileError("read", name, err)
	}
	var w witnessed
	if err := json.Unmarshal(b, &w); err != nil || w.Schema != witnessedSchema || len(w.Root) != 32 {
		return c, false, fileError("read", name, errors.New("not what witness remembers"))
	}
	return checkpoint.Checkpoint{Origin: w.Origin, Size: w.Size, Root: [32]byte(w.Root)}, true, nil
}

// remember writes what is to be the state.
func remember(next *os.File, c checkpoint.Checkpoint) error {
	b, err := json.Marshal(witnessed{Schema: witnessedSchema, Origin: c.Origin, Size: c.Size, Root: c.Root[:]})
	if err != nil {
		return rats.Errorf(rats.Internal, "encode: %w", err)
	}
	if _, err := next.Write(append(b, '\n')); err != nil {
		return fileError("write", next.Name(), err)
	}
	if err := next.Sync(); err != nil {
		return fileError("write", next.Name(), err)
	}
	return nil
}
