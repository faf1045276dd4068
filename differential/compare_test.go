// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
)

// peer is another verifier.
type peer interface {
	name() string
	// policy is ours that accepts what the peer accepts.
	policy(*sample) attesteer.Policy
	judge(*sample) verdict
}

// peers are the verifiers that ours is compared with.
func peers() []peer { return []peer{tdxGuest{}, oasis{}} }

// judgeCalmly turns a panic into a verdict that agrees with no other.
func judgeCalmly(p peer, s *sample) (v verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = verdict{status: panicked, err: fmt.Errorf("panic: %v", r)}
		}
	}()
	return p.judge(s)
}

// panicked stands for a status where there was no answer.
const panicked = "panicked"

// The families of samples.
const (
	atCaseTime = "cases.tsv"
	atEdges    = "edges of validity"
	exchanged  = "exchanged"
	published  = "peers' own samples"
	tampered   = "tampered"
)

func families() []string { return []string{atCaseTime, atEdges, exchanged, published, tampered} }

// disagreement is one sample that a peer and ours judge differently.
type disagreement struct {
	peer, family string
	sample       *sample
	// part is what was changed in the sample.
	part   string
	at     time.Time
	ours   opinion
	theirs verdict
}

func (d disagreement) String() string {
	return fmt.Sprintf("%s, %s, at %s\n\tours   %v\n\t%s %v",
		d.sample.name, d.part, d.at.Format(time.RFC3339), d.ours, d.peer, d.theirs)
}

// comparison is what came out of comparing everything with every peer.
type comparison struct {
	// compared counts samples by family and peer.
	compared map[[2]string]int
	// explained counts disagreements by explanation and family.
	explained map[string]map[string]int
	// open are the disagreements that no explanation fits.
	open []disagreement
}

// compare judges a sample by ours and by a peer, and looks for the explanation
// where they disagree. bothRefuse says that nobody ought to accept it; then
// why each of them refuses is not compared.
func (c *comparison) compare(o ourselves, p peer, family string, s *sample, part string, bothRefuse bool) {
	d := disagreement{
		peer: p.name(), family: family, sample: s, part: part, at: s.at,
		ours: o.judge(s, p.policy(s)), theirs: judgeCalmly(p, s),
	}
	c.compared[[2]string{family, d.peer}]++
	agreed := agree(d.ours.verdict, d.theirs)
	if bothRefuse {
		agreed = !d.ours.accepted && !d.theirs.accepted && d.theirs.status != panicked
	}
	if agreed {
		return
	}
	for _, e := range explanations() {
		if e.explains(d) {
			if c.explained[e.class] == nil {
				c.explained[e.class] = map[string]int{}
			}
			c.explained[e.class][family]++
			return
		}
	}
	c.open = append(c.open, d)
}

// agree: the same answer, and the same status where the peer reports one. A
// peer that refuses without a status what ours refuses for its status did not
// get as far, which is a disagreement.
func agree(ours, theirs verdict) bool {
	if ours.accepted != theirs.accepted {
		return false
	}
	return ours.status == theirs.status || theirs.accepted && theirs.status == ""
}

// everythingOnce holds what everything returns.
var everythingOnce struct {
	sync.Once
	found *comparison
}

// everything compares all samples with all peers, once for all tests; without
// the vectors, only the samples that the peers are published with.
func everything(t *testing.T) *comparison {
	t.Helper()
	everythingOnce.Do(func() {
		c := &comparison{compared: map[[2]string]int{}, explained: map[string]map[string]int{}}
		o := ourselves{verifier: attesteer.NewVerifier(1 << 12)}
		for _, s := range peerSamples(t) {
			for _, p := range peers() {
				c.compare(o, p, published, &s, "unchanged", false)
			}
		}
		if _, ok := vectorsFolder(); ok {
			c.compareReal(t, o)
		}
		everythingOnce.found = c
	})
	if everythingOnce.found == nil {
		t.Fatal("the comparison did not come to its end")
	}
	return everythingOnce.found
}

// compareReal compares the rows of cases.tsv, and what is made of them.
func (c *comparison) compareReal(t *testing.T, o ourselves) {
	t.Helper()
	cases := realCases(t)
	for i := range cases {
		c.compareCase(o, &cases[i])
	}
	for _, change := range exchanges(t, cases) {
		for _, p := range peers() {
			c.compare(o, p, exchanged, &change.sample, change.part, false)
		}
	}
	for _, base := range tamperBases(t, o, cases) {
		for _, change := range changes(t, &base.sample) {
			for _, p := range base.peers {
				c.compare(o, p, tampered, &change.sample, change.part, true)
			}
		}
	}
}

// compareCase compares a row at its time; at both ends of the window in which
// all of its data hold, with a second to either side; and long after.
func (c *comparison) compareCase(o ourselves, row *realCase) {
	for _, p := range peers() {
		c.compare(o, p, atCaseTime, &row.sample, "unchanged", false)
		for _, at := range []time.Time{
			row.from.Add(-time.Second), row.from, row.to, row.to.Add(time.Second), row.to.AddDate(2, 0, 0),
		} {
			s := row.sample
			s.at = at
			c.compare(o, p, atEdges, &s, "unchanged", false)
		}
	}
}

func TestEveryDisagreementIsExplained(t *testing.T) {
	c := everything(t)
	for i, d := range c.open {
		if i == 20 {
			t.Errorf("and %d more", len(c.open)-i)
			break
		}
		t.Errorf("%v", d)
	}
	for _, family := range families() {
		for _, p := range peers() {
			t.Logf("%-20s %-14s %6d compared", family, p.name(), c.compared[[2]string{family, p.name()}])
		}
	}
}

func TestEveryExplanationIsNeeded(t *testing.T) {
	vectors(t)
	c := everything(t)
	for _, e := range explanations() {
		if c.explained[e.class] == nil {
			t.Errorf("%s: no sample shows %q any more", e.peer, e.class)
		}
	}
}
