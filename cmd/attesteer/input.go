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

// openSources reads the folders named by --endorsements, and asks the others
// among the sources, in their order, for what evidence needs and those before
// them do not have. What a source lacks is a warning: the verdict says what
// follows from it.
func (a *app) openSources(
	ctx context.Context, ev attesteer.Evidence, f verifyFlags, policy attesteer.Policy, at time.Time,
) (*attesteer.Endorsements, error) {
	folders := make(map[string]endorse.Source)
	for _, name := range f.endorsements {
		if isAsked(name) {
			continue
		}
		folder, err := a.openFolder(ctx, name, policy.Roots)
		if err != nil {
			return nil, err
		}
		if len(folder.All()) == 0 {
			a.sayf("warning: %s: %s", name, rats.AsError(nothingTaken(folder)).Detail)
		}
		folders[name] = folder
	}
	order, err := a.openOrder(f.endorsements, f.service, endorse.PCSConfig{Roots: policy.Roots, Evaluation: policy.EvaluationNumber}, folders)
	if err != nil {
		return nil, err
	}
	defer order.Close()
	done := a.waiting("asking for endorsements")
	defer done()
	certificates, needs := a.needsOf(ctx, ev, order, at)
	answer := order.Ask(ctx, needs, at)
	done()
	a.sayAnswer(answer, order.Len())
	out, err := attesteer.ParseEndorsements(append(certificates, answer.Items...)...)
	if err != nil {
		return nil, err
	}
	for tee, number := range answer.Standard {
		out = out.WithStandard(tee, number)
	}
	return out, ctx.Err()
}

// needsOf returns what the appraisal of evidence needs, and first the PCK
// certificates of a platform that it names without carrying its own. What is
// wrong with evidence is for the verification to say.
func (a *app) needsOf(
	ctx context.Context, ev attesteer.Evidence, order *endorse.Order, at time.Time,
) (certificates []rats.Endorsement, needs []attesteer.Need) {
	name, named, err := attesteer.NamedPlatform(ev)
	if err == nil && named && order.Len() > 0 {
		if certificates, err = order.PCKCertificates(ctx, name, at); err != nil {
			a.sayf("warning: %s", rats.AsError(err).Detail)
		}
	}
	needs, err = attesteer.Needs(ev, certificates...)
	if err != nil {
		return certificates, nil
	}
	return certificates, needs
}

// sayAnswer says what was wrong with sources, and what another than the first
// of several gave.
func (a *app) sayAnswer(answer *endorse.Answer, sources int) {
	for _, c := range answer.Complaints {
		a.sayf("warning: %s", rats.AsError(c.Err).Detail)
	}
	if sources < 2 {
		return
	}
	for _, g := range answer.From {
		if !g.First {
			a.sayf("note: %s, issued %s, is from %s", endorse.About(g.Info.Key), g.Info.Issued.UTC().Format(time.DateOnly), g.Source)
		}
	}
}
