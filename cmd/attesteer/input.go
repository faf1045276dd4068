// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// maxInput bounds a file of evidence; the largest known envelope is far smaller.
const maxInput = 1 << 20

// readInput reads FILE, or standard input for "-".
func (a *app) readInput(name string) ([]byte, error) {
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fileError("read", name, err)
		}
		defer f.Close() //nolint:errcheck // opened for reading
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return nil, usagef("%s is a folder, not a file of evidence", name)
		}
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, fileError("read", name, err)
	}
	if len(b) > maxInput {
		return nil, rats.Errorf(rats.TooLarge, "%s is over %d bytes", name, maxInput)
	}
	return b, nil
}

// readEvidence reads FILE as raw bytes, hex or base64.
func (a *app) readEvidence(name string) (attesteer.Evidence, error) {
	b, err := a.readInput(name)
	if err != nil {
		return attesteer.Evidence{}, err
	}
	raw, err := attesteer.Decode(b)
	if err != nil {
		return attesteer.Evidence{}, err
	}
	return attesteer.Evidence{Raw: raw}, nil
}

// fileError says which file could not be used and why, without Go's own words.
func fileError(verb, name string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fileFault{verb, name, err}
}

// fileFault is a fault of the machine: exit code 1.
type fileFault struct {
	verb, name string
	err        error
}

func (e fileFault) Error() string { return e.verb + " " + e.name + ": " + e.err.Error() }
func (e fileFault) Unwrap() error { return e.err }

// trustedRoots returns the roots whose word a command takes: nil stands for
// the vendors' pinned ones.
func trustedRoots(simulated bool) []rats.TrustRoot {
	if !simulated {
		return nil
	}
	return append(attesteer.Roots(), simtee.Root())
}

// openSources reads the folders named by --endorsements, and asks the services
// among them for what evidence needs. What a service lacks is a warning: the
// verdict says what follows from it.
func (a *app) openSources(
	ctx context.Context, ev attesteer.Evidence, f verifyFlags, policy attesteer.Policy, at time.Time,
) (*attesteer.Endorsements, error) {
	var items []rats.Endorsement
	var services endorse.Services
	defer func() { services.Close() }()
	for _, name := range f.endorsements {
		if isAsked(name) {
			one, err := a.openAsked(name, f.service, endorse.PCSConfig{Roots: policy.Roots, Evaluation: policy.EvaluationNumber})
			if err != nil {
				return nil, err
			}
			services = append(services, one)
			continue
		}
		folder, err := a.openFolder(ctx, name, policy.Roots)
		if err != nil {
			return nil, err
		}
		if len(folder.All()) == 0 {
			a.sayf("warning: %s: %s", name, rats.AsError(nothingTaken(folder)).Detail)
		}
		items = append(items, folder.All()...)
	}
	asked := services
	needs, err := attesteer.Needs(ev)
	if err != nil {
		asked = nil // verification says what is wrong with the evidence
	}
	for _, one := range asked {
		done := a.waiting("asking " + one.Name())
		got, err := one.Endorsements(ctx, needs, at)
		done()
		if err != nil {
			a.sayf("warning: %s", rats.AsError(err).Detail)
		}
		items = append(items, got...)
	}
	out, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		return nil, err
	}
	for _, need := range needs {
		if number, ok := services.Standard(need.TEE); ok {
			out = out.WithStandard(need.TEE, number)
		}
	}
	return out, ctx.Err()
}
