// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"slices"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// devNetwork is what a ledger calls itself on which simulated roots count.
const devNetwork = "dev"

// idleBlocks is more than the time between blocks of a ledger on which nothing
// happens.
const idleBlocks = time.Minute

// policy returns the network's profile, as docs/policy.md has it for ledgers: what
// it demands of all evidence, and what it takes.
func (k *Keeper) policy(network string, g *client.Governance) attesteer.Policy {
	p := attesteer.Policy{
		AllowDebug: g.Policy.AllowDebug, Roots: append(attesteer.Roots(), g.Policy.Manufacturers...),
		MaxReportAge: time.Duration(cmp.Or(g.Parameters.MaxReportAge, record.UsualReportAge)) * time.Millisecond,
	}
	if k.cfg.Simulated != nil && network == devNetwork {
		p.Roots = append(p.Roots, *k.cfg.Simulated)
	}
	for _, s := range rats.TCBStatuses() {
		if s != rats.TCBRevoked && s != rats.NotSupported {
			p.AcceptTCB = append(p.AcceptTCB, s)
		}
	}
	return p
}

// endorsed is what the owner's sources gave for evidence.
type endorsed struct {
	// items are what a ledger takes; certificates of single platforms it does not.
	items, certificates []rats.Endorsement
	standard            map[rats.TEE]uint32
}

// ask gets what evidence needs from the owner's sources. What cannot be had is
// said, and for the verdict to judge.
func (k *Keeper) ask(ctx context.Context, raw []byte, at time.Time) endorsed {
	var out endorsed
	if k.cfg.Endorsements == nil {
		return out
	}
	ev := attesteer.Evidence{Raw: raw}
	if name, named, err := attesteer.NamedPlatform(ev); err == nil && named {
		if out.certificates, err = k.cfg.Endorsements.PCKCertificates(ctx, name, at); err != nil {
			k.warn(ctx, "the platform's certificate could not be had", err)
		}
	}
	needs, err := attesteer.Needs(ev, out.certificates...)
	if err != nil {
		return out // the verdict says why
	}
	answer := k.cfg.Endorsements.Ask(ctx, needs, at)
	for _, c := range answer.Complaints {
		k.warn(ctx, "something is wrong with a source of endorsements", c.Err, slog.String("source", c.Source))
	}
	out.items, out.standard = answer.Items, answer.Standard
	return out
}

// appraise verifies evidence as the ledger will, so that what it would refuse is
// known before it is asked. What is undecided here is not an error: the ledger
// may hold what the owner's sources lack. The result is nil where the evidence
// does not parse.
func (r *round) appraise(by endorsed, policy attesteer.Policy, at time.Time) (*attesteer.Result, error) {
	endorsements, err := attesteer.ParseEndorsements(append(slices.Clone(by.certificates), by.items...)...)
	if err != nil {
		return nil, err
	}
	for tee, number := range by.standard {
		endorsements = endorsements.WithStandard(tee, number)
	}
	switch data := r.keeper.cfg.RuntimeData; {
	case len(data) == 0:
	case r.challenge == nil:
		policy.RuntimeData = data
	default:
		// The second half is the block's, and runtime data are held against the first.
		sum := sha256.Sum256(data)
		policy.ReportData = append(sum[:], r.reportData[len(sum):]...)
	}
	result, err := attesteer.Verify(attesteer.Evidence{Raw: r.evidence}, endorsements, policy, at)
	if rats.KindOf(err) == rats.Expired {
		// Ledger time is that of the last block, and evidence that carries a time of
		// its own, as an IAS report does, was made since.
		result, err = attesteer.Verify(attesteer.Evidence{Raw: r.evidence}, endorsements, policy, at.Add(idleBlocks))
	}
	switch rats.KindOf(err) {
	case rats.EndorsementUnavailable, rats.EndorsementExpired:
		return result, nil
	default:
		return result, err
	}
}

// recordOf returns the id of the record that evidence makes or carries: its
// subject is the report data without the block that they name (docs/records.md).
func (r *round) recordOf(result *attesteer.Result) string {
	subject := slices.Clone(result.Subject)
	const half = 32
	switch {
	case r.challenge == nil:
	case result.Block != nil && bytes.Equal(result.Block, r.reportData[half:]):
		subject = result.SubjectWithoutBlock
	case len(subject) == 2*half && bytes.Equal(subject[half:], r.reportData[half:]):
		subject = append(subject[:half], make([]byte, half)...)
	}
	id := record.NewID(result.TEE, result.Fingerprint, subject)
	return hex.EncodeToString(id[:])
}
